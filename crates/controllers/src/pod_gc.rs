//! Pods that nobody else will take away: on nodes that are gone, deleted before they had a node, and finished ones beyond a limit. One that
//! is being deleted on a node that does not answer stays, for it may still run there, unless an operator has said that it does not.
use crate::conditions::{disrupt, is_true};
use crate::controller::Controller;
use crate::fields::{list, set, text};
use crate::limits::{FINISHED_PODS_KEPT, GONE_NODE_MILLIS, SWEEP_DRAFTS};
use crate::writes::{batch, begin_deletion, remove, replace};
use api::decision::Decision;
use api::event::{Act, Event};
use api::key::Key;
use api::object::Object;
use api::revision::Millis;
use std::sync::Arc;
use store::view::View;

const RESOURCE: &str = "pods";
/// By this taint an operator says that the machine is off: nothing of what was there runs any more.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// Keys are pods, and one of no name for the limit.
pub(crate) const CONTROLLER: Controller = Controller { name: "pod_gc", keys, all, decide };

fn limit_key() -> Key {
    Key::new(RESOURCE, "", "")
}

fn node(pod: &Object) -> &str {
    pod.facet.field("spec.nodeName").unwrap_or("")
}

fn finished(pod: &Object) -> bool {
    matches!(pod.facet.field("status.phase"), Some("Succeeded" | "Failed"))
}

/// Whether no node will ever end this pod.
fn stranded(view: &View, pod: &Object) -> bool {
    let (node, ending) = (node(pod), pod.facet.deleting.is_some());
    if node.is_empty() {
        return ending;
    }
    view.get("nodes", "", node).is_none_or(|node| ending && out_of_service(node))
}

/// Whether the node does not answer and is said to be off.
fn out_of_service(node: &Object) -> bool {
    let value = node.value();
    list(&value, "/spec/taints").iter().any(|taint| text(taint, "/key") == OUT_OF_SERVICE) && !is_true(&value, "Ready")
}

fn keys(event: &Event, view: &View) -> Vec<Key> {
    let object = &event.object;
    match &*object.key.resource {
        "nodes" if event.act == Act::Deleted || out_of_service(object) => {
            view.list_by_field(RESOURCE, "spec.nodeName", &object.key.name).map(|pod| pod.key.clone()).collect()
        }
        RESOURCE if event.act != Act::Deleted => {
            let mut keys = Vec::new();
            if stranded(view, object) {
                keys.push(object.key.clone());
            }
            if finished(object) && view.count(RESOURCE, None) > FINISHED_PODS_KEPT {
                keys.push(limit_key());
            }
            keys
        }
        _ => Vec::new(),
    }
}

fn all(view: &View) -> Vec<Key> {
    let stranded = view.list(RESOURCE, None).filter(|pod| stranded(view, pod)).map(|pod| pod.key.clone());
    stranded.chain([limit_key()]).collect()
}

fn decide(view: &View, key: &Key, now: Millis) -> Decision {
    if key.name.is_empty() {
        return keep_limit(view, now);
    }
    let Some(pod) = view.get_key(key).filter(|pod| stranded(view, pod)) else { return Decision::idle() };
    // A node may register after its first pods were named for it.
    let due = Millis(pod.created.0.saturating_add(GONE_NODE_MILLIS));
    if !node(pod).is_empty() && pod.facet.deleting.is_none() && due > now {
        return Decision { wake_at: Some(due), ..Decision::default() };
    }
    if !pod.facet.finalizers {
        return Decision::one(vec![remove(pod)], "no node will end it");
    }
    // Whoever holds a finalizer must see that it ended.
    let mut value = pod.value();
    if pod.facet.deleting.is_none() {
        set(&mut value, &["metadata", "deletionTimestamp"], now.rfc3339());
    }
    set(&mut value, &["metadata", "deletionGracePeriodSeconds"], 0);
    if !finished(pod) {
        set(&mut value, &["status", "phase"], "Failed");
    }
    if !node(pod).is_empty() && view.get("nodes", "", node(pod)).is_none() {
        disrupt(&mut value, "DeletionByPodGC", "PodGC: node no longer exists", now);
    }
    if text(&value, "/status/reason").is_empty() {
        set(&mut value, &["status", "reason"], "NodeLost");
    }
    Decision::one(replace(pod, &value).into_iter().collect(), "no node will end it")
}

/// Of too many finished pods the oldest go.
fn keep_limit(view: &View, now: Millis) -> Decision {
    let mut decision = Decision::default();
    if view.count(RESOURCE, None) <= FINISHED_PODS_KEPT {
        return decision;
    }
    let ended = |pod: &&Arc<Object>| finished(pod) && pod.facet.deleting.is_none();
    let mut pods: Vec<&Arc<Object>> = view.list(RESOURCE, None).filter(ended).collect();
    let surplus = pods.len().saturating_sub(FINISHED_PODS_KEPT);
    pods.sort_by_key(|pod| pod.created);
    let mut writes = pods[..surplus].iter().filter_map(|pod| begin_deletion(pod, "", now));
    for _ in 0..SWEEP_DRAFTS {
        decision.push(batch(&mut writes), "too many finished pods");
    }
    decision
}
