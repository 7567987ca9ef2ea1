//! `nodeSelector` and required node affinity: the labels (and name) a node must have.
use crate::cluster::Has;
use crate::labels::{get, holds};
use crate::spec::{list, text};
use crate::wanted::Wanted;
use serde_json::Value;

pub(super) fn refusal(pod: &Wanted, node: &Has) -> Option<String> {
    (!matches(pod, node)).then(|| "node(s) didn't match Pod's node affinity/selector".into())
}

pub(crate) fn matches(pod: &Wanted, node: &Has) -> bool {
    let selector = pod.spec()["nodeSelector"].as_object().into_iter().flatten();
    let mut selector = selector.map(|(key, value)| get(node.labels(), key) == value.as_str());
    let required = &pod.spec()["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let mut terms = list(required, "nodeSelectorTerms").iter();
    selector.all(|holds| holds) && (required.is_null() || terms.any(|term| term_matches(term, node)))
}

/// All requirements of a term hold; an empty term matches nothing.
pub(crate) fn term_matches(term: &Value, node: &Has) -> bool {
    let (expressions, fields) = (list(term, "matchExpressions"), list(term, "matchFields"));
    let name = [("metadata.name".into(), node.name().as_ref().into())];
    let known = |field: &Value| text(field, "key") == "metadata.name";
    (!expressions.is_empty() || !fields.is_empty())
        && expressions.iter().all(|requirement| holds(requirement, node.labels()))
        && fields.iter().all(|requirement| known(requirement) && holds(requirement, &name))
}
