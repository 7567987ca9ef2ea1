//! The process does not run for a while; its clocks go on, so that everything it believed about time is wrong when it wakes.
use super::kind::{Fault, anybody};

pub(super) const FAULT: Fault = Fault {
    name: "pause",
    says: "a process stands still (SIGSTOP) while its clocks go on",
    rate: 400,
    lasts: (50, 25_000),
    most: 0,
    sets: true,
    draw: |random, size| Some((vec![anybody(random, size)], 0)),
    begin: |site, step| step.nodes().for_each(|node| site.world().pause(node)),
    undo: |site, step| step.nodes().for_each(|node| site.world().resume(node)),
};
