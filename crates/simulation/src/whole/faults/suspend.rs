//! The machine does not run, and its monotonic clock stands still, as a suspended virtual machine's does: leases read by it lie.
use super::kind::{Fault, anybody};

pub(super) const FAULT: Fault = Fault {
    name: "suspend",
    says: "a machine is suspended: it stands still, and its monotonic clock with it",
    rate: 300,
    lasts: (50, 25_000),
    most: 0,
    sets: true,
    draw: |random, size| Some((vec![anybody(random, size)], 0)),
    begin: |site, step| step.nodes().for_each(|node| site.world().suspend(node)),
    undo: |site, step| step.nodes().for_each(|node| site.world().resume(node)),
};
