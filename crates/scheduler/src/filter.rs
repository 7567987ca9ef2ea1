//! What forbids a node to a pod: a predicate a file, asked in Kubernetes' order. The first refusal counts; its text is Kubernetes' own.
mod affinity;
mod company;
mod ports;
mod resources;
mod spread;
mod taints;
mod unschedulable;

use crate::cluster::{Has, Node};
use crate::company::Company;
use crate::wanted::Wanted;

/// Whether the node matches the pod's node selector and required node affinity.
pub(crate) use affinity::{matches as matches_node, term_matches};

/// What speaks against the node whoever else stands on it: equal for all pods of one template.
pub(crate) fn by_node(pod: &Wanted, node: &Has) -> Option<String> {
    unschedulable::refusal(pod, node).or_else(|| taints::refusal(pod, node)).or_else(|| affinity::refusal(pod, node))
}

/// What speaks against it because of the pods that stand on it, or near it. Several texts if several resources lack.
pub(crate) fn by_pods(pod: &Wanted, company: &Company, node: &Node, has: &Has) -> Vec<String> {
    if let Some(text) = ports::refusal(pod, node) {
        return vec![text];
    }
    let lacking = resources::refusals(pod, node);
    if !lacking.is_empty() {
        return lacking;
    }
    spread::refusal(company, has).or_else(|| company::refusal(company, has)).into_iter().collect()
}
