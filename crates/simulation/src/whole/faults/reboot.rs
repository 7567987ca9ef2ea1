//! A worker's machine loses power and comes back at the end: nothing of its pods runs any more.
use super::kind::{Fault, an_agent};

pub(super) const FAULT: Fault = Fault {
    name: "reboot",
    says: "a node's machine loses power and comes back at the end, empty of running containers",
    rate: 400,
    lasts: (50, 25_000),
    most: 0,
    sets: false,
    draw: an_agent,
    begin: |site, step| {
        for node in step.nodes() {
            site.down(node, false);
            site.reboot(node);
        }
    },
    undo: |site, step| step.nodes().for_each(|node| site.up(node)),
};
