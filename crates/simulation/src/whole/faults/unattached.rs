//! A node can attach no pod to the network of pods.
use super::kind::{Fault, an_agent};

pub(super) const FAULT: Fault = Fault {
    name: "no-pod-network",
    says: "on a node's machine no pod can be attached to the network of pods",
    rate: 200,
    lasts: (500, 25_000),
    most: 0,
    sets: true,
    draw: an_agent,
    begin: |site, step| step.nodes().for_each(|node| site.break_network(node, true)),
    undo: |site, step| step.nodes().for_each(|node| site.break_network(node, false)),
};
