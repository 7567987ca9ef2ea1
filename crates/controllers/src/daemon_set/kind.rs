//! What DaemonSets are called, and how their pods and revisions say which template they are of. It decides nothing.
use crate::fields::at;
use crate::revisions::Keeper;
use crate::selectors;
use api::object::Object;
use api::selector::Labels;
use serde_json::Value;

pub(super) const RESOURCE: &str = "daemonsets.apps";
pub(super) const KIND: &str = "DaemonSet";
/// Who tells of it.
pub(super) const COMPONENT: &str = "daemonset-controller";
/// The label of a pod, and of a revision, that says the hash of its template.
pub(super) const HASH: &str = "controller-revision-hash";
/// How its revisions are kept.
pub(super) static KEEPER: Keeper = Keeper { kind: KIND, hash: HASH, counts_used: true };

/// Which pods a set takes for its own.
pub(super) fn selector(set: &Value) -> Option<Labels> {
    selectors::read(at(set, "/spec/selector"))
}

/// The hash of the template that a pod was made of; empty if it says none.
pub(super) fn hash(pod: &Object) -> &str {
    pod.facet.label(HASH).unwrap_or("")
}
