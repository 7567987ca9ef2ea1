//! A port of the node's own address can be had once.
use crate::cluster::Node;
use crate::wanted::Wanted;

pub(super) fn refusal(pod: &Wanted, node: &Node) -> Option<String> {
    if pod.ports.is_empty() {
        return None;
    }
    let mut taken = node.pods.values().flat_map(|placed| &placed.ports);
    let clash = taken.any(|taken| pod.ports.iter().any(|port| port.clashes(taken)));
    clash.then(|| "node(s) didn't have free ports for the requested pod ports".into())
}
