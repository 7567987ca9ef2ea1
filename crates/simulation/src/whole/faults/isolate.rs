//! Nothing passes between one process and all the others.
use super::kind::{Fault, anybody};
use crate::network::Network;

pub(super) const FAULT: Fault = Fault {
    name: "isolate",
    says: "nothing passes between a process and all others",
    rate: 400,
    lasts: (50, 25_000),
    most: 0,
    draw: |random, size| Some((vec![anybody(random, size)], 0)),
    begin: |site, step| step.nodes().for_each(|node| site.cuts(node, Network::cut)),
    undo: |site, step| step.nodes().for_each(|node| site.cuts(node, Network::mend)),
};
