//! A process dies between two awaits: the crash that falls on every await sooner or later.
use super::kind::{Fault, Who, anybody};

const POLLS_MAX: u64 = 5_000;

pub(super) const FAULT: Fault = Fault {
    name: "crash-at-await",
    says: "a process dies (kill -9) at its AMOUNT-th await from then on",
    rate: 400,
    lasts: (500, 25_000),
    most: POLLS_MAX,
    sets: false,
    draw: |random, size| {
        let who = anybody(random, size);
        // An agent has little to do; and the first awaits are met as often as the later ones.
        let most =
            if matches!(who, Who::Agent(_)) { *random.pick(&[10, 100]) } else { *random.pick(&[20, 200, 2_000]) };
        Some((vec![who], random.between(1, most)))
    },
    begin: |site, step| step.nodes().for_each(|node| site.die_after(node, step.amount.max(1))),
    undo: |site, step| {
        for node in step.nodes() {
            site.world().douse(node);
            site.start(node);
        }
    },
};
