//! What follows from a node's conditions: taints, pods no longer counted as ready, and eviction when a taint outlasts a pod's patience.
//! It never decides whether a node is alive: that is observed elsewhere and stands in its conditions.
use crate::conditions::{Wanted, disrupt, find, is_true, put};
use crate::controller::Controller;
use crate::fields::{flag, list, number, set, text, unset};
use crate::limits::{EVICTION_SECONDS, HELD_EVICTION_MILLIS};
use crate::reports;
use crate::writes::{begin_deletion_as, replace};
use api::decision::Decision;
use api::event::{Act, Event};
use api::key::Key;
use api::object::Object;
use api::planted::{Bug, planted};
use api::report::Report;
use api::revision::Millis;
use serde_json::{Value, json};
use std::sync::Arc;
use store::view::View;

const RESOURCE: &str = "nodes";
const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
/// What a pod's Ready condition says while its node does not answer.
const NODE_NOT_READY: &str = "NodeNotReady";

/// Conditions that keep new pods away, and their taints.
const PRESSURES: [(&str, &str); 4] = [
    ("MemoryPressure", "node.kubernetes.io/memory-pressure"),
    ("DiskPressure", "node.kubernetes.io/disk-pressure"),
    ("PIDPressure", "node.kubernetes.io/pid-pressure"),
    ("NetworkUnavailable", "node.kubernetes.io/network-unavailable"),
];
const CORDONED: &str = "node.kubernetes.io/unschedulable";

pub(crate) const CONTROLLER: Controller = Controller { name: "node_lifecycle", keys, all, decide };

fn keys(event: &Event, view: &View) -> Vec<Key> {
    let object = &event.object;
    let node = |pod: &Object| pod.facet.field("spec.nodeName").unwrap_or("").to_owned();
    match &*object.key.resource {
        RESOURCE if event.act != Act::Deleted => vec![object.key.clone()],
        "pods" if event.act != Act::Deleted => {
            // Only a pod that is new on its node can meet a taint that the node's own key does not know of.
            let name = node(object);
            let new = event.before.as_ref().is_none_or(|before| node(before) != name);
            let key = Key::new(RESOURCE, "", &name);
            if new && !name.is_empty() && view.get_key(&key).is_some() { vec![key] } else { Vec::new() }
        }
        _ => Vec::new(),
    }
}

fn all(view: &View) -> Vec<Key> {
    view.list(RESOURCE, None).map(|object| object.key.clone()).collect()
}

fn decide(view: &View, key: &Key, now: Millis) -> Decision {
    let Some(object) = view.get_key(key) else { return Decision::idle() };
    let before = object.value();
    let mut node = before.clone();
    put_taints(&mut node, now);
    let mut decision = Decision::default();
    let mut writes: Vec<_> = replace(object, &node).into_iter().collect();
    let had = |key: &str| list(&before, "/spec/taints").iter().any(|taint| is(taint, key, "NoExecute"));
    let has = |key: &str| list(&node, "/spec/taints").iter().any(|taint| is(taint, key, "NoExecute"));
    if [NOT_READY, UNREACHABLE].iter().any(|key| has(key)) && ![NOT_READY, UNREACHABLE].iter().any(|key| had(key)) {
        let message = format!("Node {} status is now: NodeNotReady", object.key.name);
        let report = Report { component: "node-controller", warning: false, reason: NODE_NOT_READY, message: &message };
        writes.extend(reports::write(view, &node, report, now));
    }
    decision.push(writes, "taints");
    let pods: Vec<&Arc<Object>> = view.list_by_field("pods", "spec.nodeName", &object.key.name).collect();
    let execute: Vec<&Value> =
        list(&node, "/spec/taints").iter().filter(|taint| text(taint, "/effect") == "NoExecute").collect();
    for pod in pods {
        if pod.facet.deleting.is_some() || matches!(pod.facet.field("status.phase"), Some("Succeeded" | "Failed")) {
            continue;
        }
        let value = pod.value();
        match leave_at(&value, &execute) {
            Some(due) if due <= now && may_evict(view, &execute) => evict(view, pod, &value, now, &mut decision),
            due => {
                if let Some(due) = due {
                    decision.wake(due.max(Millis(now.0.saturating_add(if due <= now {
                        HELD_EVICTION_MILLIS
                    } else {
                        0
                    }))));
                }
                mark_ready(pod, value, is_true(&node, "Ready"), now, &mut decision);
            }
        }
    }
    decision
}

fn is(taint: &Value, key: &str, effect: &str) -> bool {
    text(taint, "/key") == key && text(taint, "/effect") == effect
}

/// Brings the taints that follow from conditions up to date; all others stay.
fn put_taints(node: &mut Value, now: Millis) {
    let lost = match find(node, "Ready").map(|condition| text(condition, "/status")) {
        Some("True") => None,
        Some("Unknown") => Some(UNREACHABLE),
        _ => Some(NOT_READY),
    };
    let mut wanted: Vec<(&str, &str)> = Vec::new();
    wanted.extend(lost.iter().flat_map(|key| [(*key, "NoSchedule"), (*key, "NoExecute")]));
    wanted.extend(PRESSURES.iter().filter(|(kind, _)| is_true(node, kind)).map(|(_, key)| (*key, "NoSchedule")));
    if flag(node, "/spec/unschedulable") {
        wanted.push((CORDONED, "NoSchedule"));
    }
    let ours = |taint: &Value| {
        let key = text(taint, "/key");
        let effect = text(taint, "/effect");
        let lifecycle = [NOT_READY, UNREACHABLE].contains(&key) && matches!(effect, "NoSchedule" | "NoExecute");
        lifecycle || (effect == "NoSchedule" && (key == CORDONED || PRESSURES.iter().any(|(_, known)| *known == key)))
    };
    let mut taints = list(node, "/spec/taints").to_vec();
    taints.retain(|taint| {
        planted(Bug::KeepsTaints) || !ours(taint) || wanted.iter().any(|(key, effect)| is(taint, key, effect))
    });
    for (key, effect) in wanted {
        if !taints.iter().any(|taint| is(taint, key, effect)) {
            taints.push(json!({"key": key, "effect": effect}));
        }
    }
    // Patience is counted from when the taint came.
    for taint in taints.iter_mut().filter(|taint| text(taint, "/effect") == "NoExecute") {
        if text(taint, "/timeAdded").is_empty() {
            taint["timeAdded"] = now.rfc3339().into();
        }
    }
    if taints.is_empty() {
        unset(node, &["spec", "taints"]);
    } else {
        set(node, &["spec", "taints"], taints);
    }
}

/// When the pod must leave because of the `NoExecute` taints; `None` if it may stay.
fn leave_at(pod: &Value, taints: &[&Value]) -> Option<Millis> {
    let leave = |taint: &&Value| {
        let since = Millis::parse(text(taint, "/timeAdded")).unwrap_or(Millis(0));
        let bears = |toleration: &&Value| {
            let (key, exists) = (text(toleration, "/key"), text(toleration, "/operator") == "Exists");
            let keyed = key == text(taint, "/key") || (key.is_empty() && exists);
            keyed
                && matches!(text(toleration, "/effect"), "" | "NoExecute")
                && (exists || text(toleration, "/value") == text(taint, "/value"))
        };
        let tolerations: Vec<&Value> = list(pod, "/spec/tolerations").iter().filter(bears).collect();
        let seconds = if tolerations.is_empty() {
            // A pod that says nothing of lost nodes has the patience that admission gives to all.
            let lost = [NOT_READY, UNREACHABLE].contains(&text(taint, "/key"));
            Some(if lost { EVICTION_SECONDS } else { 0 })
        } else {
            tolerations.iter().filter_map(|toleration| number(toleration, "/tolerationSeconds")).min()
        };
        seconds.map(|seconds| Millis(since.0.saturating_add(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000))))
    };
    taints.iter().filter_map(leave).min()
}

/// Pods of lost nodes stay where they are while no node at all is ready: then it is us who are lost.
fn may_evict(view: &View, taints: &[&Value]) -> bool {
    let lost = |taint: &&Value| [NOT_READY, UNREACHABLE].contains(&text(taint, "/key"));
    !taints.iter().all(lost) || view.list(RESOURCE, None).any(|node| is_true(&node.value(), "Ready"))
}

fn evict(view: &View, pod: &Arc<Object>, value: &Value, now: Millis, decision: &mut Decision) {
    let message = format!("Marking for deletion Pod {}/{}", pod.key.namespace, pod.key.name);
    let report = Report {
        component: "taint-eviction-controller",
        warning: false,
        reason: "TaintManagerEviction",
        message: &message,
    };
    let mut disrupted = value.clone();
    disrupt(&mut disrupted, "DeletionByTaintManager", "Taint manager: deleting due to NoExecute taint", now);
    let writes = begin_deletion_as(pod, disrupted, now).into_iter().chain(reports::write(view, value, report, now));
    decision.push(writes.collect(), "its node's taint outlasted its patience");
}

/// While the node does not answer its pods do not count as ready; when it does again, what it last said of their containers holds.
fn mark_ready(pod: &Arc<Object>, mut value: Value, answers: bool, now: Millis, decision: &mut Decision) {
    let marked = find(&value, "Ready").is_some_and(|ready| text(ready, "/reason") == NODE_NOT_READY);
    if !answers && is_true(&value, "Ready") {
        let wanted =
            Wanted { kind: "Ready", status: "False", reason: NODE_NOT_READY, message: "its node does not answer" };
        put(&mut value, wanted, now, false);
    } else if answers && marked {
        let status = if is_true(&value, "ContainersReady") { "True" } else { "False" };
        put(&mut value, Wanted { kind: "Ready", status, reason: "", message: "" }, now, false);
    } else {
        return;
    }
    decision.push(replace(pod, &value).into_iter().collect(), "its node's readiness");
}
