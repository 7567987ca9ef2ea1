//! Packets take longer, everywhere: with a long tail, so that what was sent later often arrives earlier on another stream.
use super::kind::Fault;

const TIMES_MAX: u64 = 50;

pub(super) const FAULT: Fault = Fault {
    name: "slow",
    says: "packets take AMOUNT times as long, everywhere",
    rate: 400,
    lasts: (50, 25_000),
    most: TIMES_MAX,
    sets: true,
    draw: |random, _| Some((Vec::new(), random.between(2, TIMES_MAX))),
    begin: |site, step| site.delay(step.amount.max(1)),
    undo: |site, _| site.delay(1),
};
