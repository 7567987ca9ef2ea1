//! A node can make no volumes, and take none away.
use super::kind::{Fault, an_agent};

pub(super) const FAULT: Fault = Fault {
    name: "no-volumes",
    says: "on a node's machine no volume can be made or taken away",
    rate: 200,
    lasts: (500, 25_000),
    most: 0,
    sets: true,
    draw: an_agent,
    begin: |site, step| step.nodes().for_each(|node| site.break_volumes(node, true)),
    undo: |site, step| step.nodes().for_each(|node| site.break_volumes(node, false)),
};
