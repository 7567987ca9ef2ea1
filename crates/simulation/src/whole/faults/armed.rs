//! A member's machine loses power in the middle of the so-many-th write or sync from now: the crash that most often loses something, and
//! that falls on every call to the disk sooner or later.
use super::kind::{Fault, Who, one};

const WRITES_MAX: u64 = 40;

pub(super) const FAULT: Fault = Fault {
    name: "crash-at-write",
    says: "a member's machine loses power in the middle of its AMOUNT-th write or sync from then on",
    rate: 400,
    lasts: (500, 25_000),
    most: WRITES_MAX,
    sets: false,
    draw: |random, size| Some((vec![Who::Member(one(random, size.members))], random.between(1, WRITES_MAX))),
    begin: |site, step| {
        let writes = u32::try_from(step.amount.saturating_sub(1)).unwrap_or(u32::MAX);
        step.nodes().filter_map(|node| site.device(node)).for_each(|device| device.arm(Some(writes)));
    },
    undo: |site, step| {
        for node in step.nodes() {
            if let Some(device) = site.device(node) {
                device.arm(None);
            }
            site.start(node);
        }
    },
};
