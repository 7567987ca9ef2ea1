//! What the pods on a node request together may not exceed what it can give.
use crate::cluster::{Node, requests};
use crate::wanted::Wanted;

pub(super) fn refusals(pod: &Wanted, node: &Node) -> Vec<String> {
    let lacks = requests(&pod.object).filter(|(resource, amount)| i128::from(*amount) > node.free(resource));
    let text = |resource: &str| match resource {
        "pods" => "Too many pods".to_owned(),
        _ => format!("Insufficient {resource}"),
    };
    lacks.map(|(resource, _)| text(resource)).collect()
}
