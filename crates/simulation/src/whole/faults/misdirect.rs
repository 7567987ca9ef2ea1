//! A write of a member's disk lands at another place, over what is there, and where it belongs are zeros. What was written later shows
//! that something is missing; a last write that went astray looks like one that was never finished, and nobody who reads can tell. So a
//! member whose last write was cut off is replaced whether it knows or not: without that bound no log of this kind survives it.
use super::kind::{Fault, MEMBERS_MIN, a_member};

pub(super) const FAULT: Fault = Fault {
    name: "misdirect",
    says: "a write of a member's disk lands elsewhere; started anew at the end, and replaced once it finds damage or has cut off a promise (one a run)",
    rate: 100,
    lasts: (50, 25_000),
    most: 0,
    sets: false,
    draw: |random, size| if size.members < MEMBERS_MIN { None } else { a_member(random, size) },
    begin: |site, step| {
        let doubtful = step.nodes().filter(|node| site.doubt(*node));
        doubtful.filter_map(|node| site.device(node)).for_each(|device| device.stray(true));
    },
    undo: |site, step| {
        for node in step.nodes().filter(|node| site.doubt(*node)) {
            if let Some(device) = site.device(node) {
                device.stray(false);
            }
            site.down(node, false);
            site.up(node);
        }
    },
};
