//! Which nodes shall run a daemon, and which of its pods stand on each. What is to be done about that is decided elsewhere.
use super::template::target;
use crate::fields::{at, list, text};
use crate::pods::Pod;
use api::event::{Act, Event};
use api::fit::{Taint, selects, taints, tolerated};
use api::object::Object;
use serde_json::Value;
use std::collections::BTreeMap;
use store::view::View;

pub(super) const RESOURCE: &str = "nodes";

/// Whether a pod shall be made on a node, and whether one that is there may stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Fit {
    pub(super) run: bool,
    pub(super) stay: bool,
}

/// One node's part.
pub(super) struct OnNode {
    /// `None` if there is no such node.
    pub(super) fit: Option<Fit>,
    /// Its pods, the one that counts first: those that are bound, then the oldest.
    pub(super) pods: Vec<Pod>,
}

impl OnNode {
    pub(super) fn runs(&self) -> bool {
        self.fit.is_some_and(|fit| fit.run)
    }
}

/// All nodes by name, and what is bound for nodes that are not there.
pub(super) type Nodes = BTreeMap<String, OnNode>;

/// Puts `pods` where they belong. One that has ended and is being deleted stands nowhere: it only waits for others to let go of it.
pub(super) fn gather(view: &View, template: &Value, pods: &[Pod]) -> Nodes {
    let there = view.list(RESOURCE, None);
    let mut nodes: Nodes = there
        .map(|node| (node.key.name.to_string(), OnNode { fit: Some(fit(template, node)), pods: Vec::new() }))
        .collect();
    for pod in pods.iter().filter(|pod| !(pod.finished() && pod.object.facet.deleting.is_some())) {
        if let Some(name) = target(pod) {
            nodes.entry(name).or_insert(OnNode { fit: None, pods: Vec::new() }).pods.push(pod.clone());
        }
    }
    for node in nodes.values_mut() {
        node.pods.sort_by_cached_key(|pod| (pod.node.is_empty(), pod.object.created, pod.object.key.clone()));
    }
    nodes
}

/// Judges a node by the completed template.
fn fit(template: &Value, node: &Object) -> Fit {
    let spec = at(template, "/spec");
    let named = text(spec, "/nodeName");
    if !(named.is_empty() || named == &*node.key.name) || !selects(spec, &node.key.name, &node.facet.labels) {
        return Fit { run: false, stay: false };
    }
    let taints = taints_of(node);
    let borne = |effect: &str| {
        taints.iter().filter(|taint| taint.effect == effect).all(|taint| tolerated(list(spec, "/tolerations"), taint))
    };
    let stay = borne("NoExecute");
    Fit { run: stay && borne("NoSchedule"), stay }
}

/// A node's taints; it is decoded only if it has any.
fn taints_of(node: &Object) -> Vec<Taint> {
    let mentions = std::str::from_utf8(&node.bytes).is_ok_and(|text| text.contains("\"taints\":"));
    if mentions { taints(&node.value()) } else { Vec::new() }
}

/// Whether daemons may have to come or go after this event of a node.
pub(super) fn concerns(event: &Event) -> bool {
    let (after, Some(before)) = (&event.object, &event.before) else { return true };
    let cordoned = |node: &Object| node.facet.field("spec.unschedulable").map(str::to_owned);
    event.act == Act::Deleted
        || before.facet.labels != after.facet.labels
        || cordoned(before) != cordoned(after)
        || taints_of(before) != taints_of(after)
}
