//! A node can attach no pod to the network of pods.
use super::kind::{Fault, Who, one};

pub(super) const FAULT: Fault = Fault {
    name: "no-pod-network",
    says: "on a node's machine no pod can be attached to the network of pods",
    rate: 200,
    lasts: (500, 25_000),
    most: 0,
    draw: |random, size| (size.nodes > 0).then(|| (vec![Who::Agent(one(random, size.nodes))], 0)),
    begin: |site, step| step.nodes().for_each(|node| site.break_network(node, true)),
    undo: |site, step| step.nodes().for_each(|node| site.break_network(node, false)),
};
