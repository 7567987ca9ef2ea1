//! Packets are lost: so many of a thousand, everywhere.
use super::kind::Fault;

const LOST_MAX: u64 = 300;

pub(super) const FAULT: Fault = Fault {
    name: "lose",
    says: "AMOUNT of a thousand packets are lost, everywhere",
    rate: 400,
    lasts: (50, 25_000),
    most: LOST_MAX,
    sets: true,
    draw: |random, _| Some((Vec::new(), random.between(5, LOST_MAX))),
    begin: |site, step| site.network().set_loss(step.amount.min(1_000)),
    undo: |site, _| site.network().set_loss(0),
};
