//! A process dies between two awaits: the crash that falls on every await sooner or later.
use super::kind::{Fault, anybody};

const POLLS_MAX: u64 = 5_000;

pub(super) const FAULT: Fault = Fault {
    name: "crash-at-await",
    says: "a process dies (kill -9) at its AMOUNT-th await from then on",
    rate: 400,
    lasts: (500, 25_000),
    most: POLLS_MAX,
    draw: |random, size| Some((vec![anybody(random, size)], random.between(1, POLLS_MAX))),
    begin: |site, step| step.nodes().for_each(|node| site.die_after(node, step.amount.max(1))),
    undo: |site, step| {
        for node in step.nodes() {
            site.world().douse(node);
            site.start(node);
        }
    },
};
