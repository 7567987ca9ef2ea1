//! `nodeSelector` and required node affinity: the labels (and name) a node must have.
use crate::cluster::Has;
use crate::wanted::Wanted;
use serde_json::Value;

pub(super) fn refusal(pod: &Wanted, node: &Has) -> Option<String> {
    (!matches(pod, node)).then(|| "node(s) didn't match Pod's node affinity/selector".into())
}

pub(crate) fn matches(pod: &Wanted, node: &Has) -> bool {
    api::fit::selects(pod.spec(), node.name(), node.labels())
}

/// All requirements of a term hold; an empty term matches nothing.
pub(crate) fn term_matches(term: &Value, node: &Has) -> bool {
    api::fit::term_matches(term, node.name(), node.labels())
}
