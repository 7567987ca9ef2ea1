//! A node's machine is lost, and another of its name takes its place, with nothing on it.
use super::kind::{Fault, an_agent};

pub(super) const FAULT: Fault = Fault {
    name: "reinstall",
    says: "a node's machine is lost with all that is on it; at the end another of its name takes its place",
    rate: 200,
    lasts: (500, 25_000),
    most: 0,
    sets: false,
    draw: an_agent,
    begin: |site, step| {
        for node in step.nodes() {
            site.down(node, true);
            site.reinstall(node);
        }
    },
    undo: |site, step| step.nodes().for_each(|node| site.up(node)),
};
