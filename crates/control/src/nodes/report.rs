//! What a node may write, as writes: its own Node, the status of its own pods, the removal of those whose deletion has begun,
//! and Events. Pure. Whatever else a node asks for is refused (Kubernetes' NodeRestriction).
use api::command::{Change, Condition, Write};
use api::key::Key;
use api::object::{Object, Uid};
use serde_json::{Map, Value};
use store::view::View;

/// Marks a Node whose agent speaks over link: its session is its heartbeat.
pub(crate) const LINK_ANNOTATION: &str = "rutter.dev/link";

/// Why a node's report is not written: one line, sent back to it.
pub(crate) type Refused = String;

/// The node's own object, created or brought up to date. Labels and annotations that others set stay; the spec is theirs.
pub(crate) fn register(view: &View, node: &str, mut given: Value) -> Result<Option<Write>, Refused> {
    if given["kind"] != "Node" || given["metadata"]["name"] != node {
        return Err(format!("node {node} may register the Node {node} and nothing else"));
    }
    let key = Key::new("nodes", "", node);
    let Some(old) = view.get_key(&key) else {
        merge(&mut given["metadata"], "annotations", &Value::Null);
        given["metadata"]["annotations"][LINK_ANNOTATION] = "true".into();
        return put(key, Condition::Absent, &given).map(Some);
    };
    let mut new = old.value();
    for member in ["labels", "annotations"] {
        let ours = given["metadata"][member].clone();
        merge(&mut new["metadata"], member, &ours);
    }
    new["metadata"]["annotations"][LINK_ANNOTATION] = "true".into();
    if given["status"].is_object() {
        new["status"] = status(&new["status"], given["status"].take());
    }
    changed(old, &new)
}

/// The status of the node's own pod, or of itself, as it observes it.
pub(crate) fn observed(
    view: &View,
    node: &str,
    key: &Key,
    uid: &str,
    status_given: Value,
) -> Result<Option<Write>, Refused> {
    let old = own(view, node, key, uid)?;
    if !status_given.is_object() {
        return Err(format!("the status of {key} is no object"));
    }
    let mut new = old.value();
    new["status"] = status(&new["status"], status_given);
    changed(old, &new)
}

/// Takes away a pod whose containers are gone. One with finalizers stays until they are dropped.
pub(crate) fn removed(view: &View, node: &str, key: &Key, uid: &str) -> Result<Option<Write>, Refused> {
    let old = own(view, node, key, uid)?;
    if old.facet.deleting.is_none() {
        return Err(format!("nobody has asked to delete {key}"));
    }
    if !old.facet.finalizers {
        let condition = Condition::Revision(old.revision);
        return Ok(Some(Write { key: key.clone(), condition, change: Change::Delete }));
    }
    let mut new = old.value();
    new["metadata"]["deletionGracePeriodSeconds"] = 0.into();
    changed(old, &new)
}

/// A Kubernetes Event. The same Event again replaces the first: it counts.
pub(crate) fn event(view: &View, node: &str, given: &Value) -> Result<Option<Write>, Refused> {
    let text = |pointer: &str| given.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
    let (namespace, name) = (text("/metadata/namespace"), text("/metadata/name"));
    if text("/kind") != "Event" || namespace.is_empty() || name.is_empty() {
        return Err(format!("what node {node} reports is no Event with namespace and name"));
    }
    if view.get("namespaces", "", namespace).is_none_or(|namespace| namespace.facet.deleting.is_some()) {
        return Err(format!("namespace {namespace} takes no new objects"));
    }
    let key = Key::new("events", namespace, name);
    let condition = view.get_key(&key).map_or(Condition::Absent, |old| Condition::Revision(old.revision));
    put(key, condition, given).map(Some)
}

/// The object at `key`, if it is the one with this uid and belongs to the node.
fn own<'a>(view: &'a View, node: &str, key: &Key, uid: &str) -> Result<&'a Object, Refused> {
    let pod = &*key.resource == "pods";
    let itself = &*key.resource == "nodes" && &*key.name == node && key.namespace.is_empty();
    if !pod && !itself {
        return Err(format!("node {node} may not write {key}"));
    }
    let old = view.get_key(key).ok_or_else(|| format!("{key} is gone"))?;
    if pod && old.facet.field("spec.nodeName") != Some(node) {
        return Err(format!("{key} is not on node {node}"));
    }
    if Uid::parse(uid) != Some(old.uid) {
        return Err(format!("{key} is another now, with uid {}", old.uid));
    }
    Ok(old)
}

/// The new status; conditions that the node does not speak of were set by others and stay.
fn status(old: &Value, mut new: Value) -> Value {
    let types = |status: &Value| -> Vec<Value> {
        status["conditions"].as_array().into_iter().flatten().map(|condition| condition["type"].clone()).collect()
    };
    let spoken = types(&new);
    let others = old["conditions"].as_array().into_iter().flatten();
    let kept: Vec<Value> = others.filter(|condition| !spoken.contains(&condition["type"])).cloned().collect();
    if !kept.is_empty() {
        match new["conditions"].as_array_mut() {
            Some(conditions) => conditions.extend(kept),
            None => new["conditions"] = kept.into(),
        }
    }
    new
}

/// Adds the members of `ours` to the map at `member`, and makes it a map if it is none.
fn merge(metadata: &mut Value, member: &str, ours: &Value) {
    if !metadata[member].is_object() {
        metadata[member] = Map::new().into();
    }
    for (name, value) in ours.as_object().into_iter().flatten() {
        metadata[member][name] = value.clone();
    }
}

fn put(key: Key, condition: Condition, value: &Value) -> Result<Write, Refused> {
    let body = api::kinds::body(&key.resource, value).map_err(|why| format!("{key}: {why}"))?;
    Ok(Write { key, condition, change: Change::Put(body) })
}

fn changed(old: &Object, new: &Value) -> Result<Option<Write>, Refused> {
    let write = put(old.key.clone(), Condition::Revision(old.revision), new)?;
    let same = matches!(&write.change, Change::Put(body) if body.text == old.body().text);
    Ok((!same).then_some(write))
}

/// Whether this Node's agent speaks over link.
pub(crate) fn by_link(node: &Value) -> bool {
    node["metadata"]["annotations"][LINK_ANNOTATION].is_string()
}

/// The Node with every condition Unknown, as Kubernetes' node controller writes it when nothing is heard of a node.
/// `None` if it says so already.
pub(crate) fn unknown(old: &Object, now: &str) -> Result<Option<Write>, Refused> {
    let mut new = old.value();
    if !new["status"].is_object() {
        new["status"] = Map::new().into();
    }
    if !new["status"]["conditions"].is_array() {
        new["status"]["conditions"] = Vec::<Value>::new().into();
    }
    let Some(conditions) = new["status"]["conditions"].as_array_mut() else { return Ok(None) };
    for kind in ["Ready", "MemoryPressure", "DiskPressure", "PIDPressure"] {
        let found = conditions.iter_mut().find(|condition| condition["type"] == kind);
        let condition = match found {
            Some(condition) if condition["status"] == "Unknown" => continue,
            Some(condition) => condition,
            None if kind == "Ready" => {
                conditions.push(serde_json::json!({"type": kind}));
                let Some(last) = conditions.last_mut() else { continue };
                last
            }
            None => continue,
        };
        condition["status"] = "Unknown".into();
        condition["reason"] = "NodeStatusUnknown".into();
        condition["message"] = "The node's agent has no session with the cluster.".into();
        condition["lastTransitionTime"] = now.into();
    }
    changed(old, &new)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::command::{Command, CommandId, Entry};
    use api::revision::{Millis, Revision};
    use serde_json::json;
    use std::sync::Arc;
    use store::state::State;

    fn view(objects: &[(&str, Value)]) -> (View, Vec<Arc<Object>>) {
        let mut state = State::default();
        let writes = objects.iter().map(|(resource, value)| {
            let text = |member: &str| value["metadata"][member].as_str().unwrap_or_default();
            put(Key::new(resource, text("namespace"), text("name")), Condition::Absent, value).expect("a body")
        });
        let writes: Vec<Write> = writes.collect();
        let keys: Vec<Key> = writes.iter().map(|write| write.key.clone()).collect();
        let nobody = || Box::<str>::from("");
        let (cause, read) = (Revision(0), Revision(0));
        let command =
            Command { id: CommandId(1), actor: nobody(), agent: nobody(), cause, read, note: nobody(), writes };
        store::apply::apply(&mut state, 1, &Entry { time: Millis(5_000), epoch: 1, commands: vec![command] });
        let view = state.view();
        let held = keys.iter().map(|key| view.get_key(key).expect("written").clone()).collect();
        (view, held)
    }

    fn pod(node: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"namespace": "ns", "name": "p"}, "spec": {"nodeName": node},
            "status": {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]}})
    }

    fn text(write: Option<Write>) -> Value {
        match write.expect("a write").change {
            Change::Put(body) => serde_json::from_slice(&body.text).expect("JSON"),
            Change::Delete => json!("deleted"),
        }
    }

    #[test]
    fn a_node_writes_the_status_of_its_own_pods_only() {
        let (view, held) = view(&[("pods", pod("n1"))]);
        let (key, uid) = (held[0].key.clone(), held[0].uid.to_string());
        let given = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
        let written = text(observed(&view, "n1", &key, &uid, given.clone()).expect("allowed"));
        assert_eq!(written["status"]["phase"], "Running");
        assert_eq!(written["status"]["conditions"][1]["type"], "PodScheduled", "what others said stays");
        assert_eq!(written["spec"]["nodeName"], "n1");
        let other = observed(&view, "n2", &key, &uid, given.clone()).expect_err("not its pod");
        assert_eq!(other, "pods/ns/p is not on node n2");
        let stale =
            observed(&view, "n1", &key, "00000000-0000-0000-0000-000000000001", given.clone()).expect_err("another");
        assert!(stale.starts_with("pods/ns/p is another now"));
        assert!(observed(&view, "n1", &key, &uid, json!("x")).is_err());
        for (resource, namespace, name) in [("secrets", "ns", "s"), ("nodes", "", "n2"), ("nodes", "ns", "n1")] {
            assert!(
                observed(&view, "n1", &Key::new(resource, namespace, name), &uid, given.clone()).is_err(),
                "{resource}"
            );
        }
        let same = json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}]});
        assert_eq!(observed(&view, "n1", &key, &uid, same), Ok(None), "what is so already is not written");
    }

    #[test]
    fn a_pod_is_removed_only_when_its_deletion_has_begun() {
        let mut deleting = pod("n1");
        deleting["metadata"]["name"] = "d".into();
        deleting["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        let mut held_back = deleting.clone();
        held_back["metadata"]["name"] = "f".into();
        held_back["metadata"]["finalizers"] = json!(["a/b"]);
        let (view, held) = view(&[("pods", pod("n1")), ("pods", deleting), ("pods", held_back)]);
        let remove = |at: usize, node| removed(&view, node, &held[at].key, &held[at].uid.to_string());
        assert!(remove(0, "n1").is_err());
        assert_eq!(text(remove(1, "n1").expect("allowed")), "deleted");
        assert_eq!(text(remove(2, "n1").expect("allowed"))["metadata"]["deletionGracePeriodSeconds"], 0);
        assert!(remove(1, "n2").is_err());
    }

    #[test]
    fn a_node_registers_itself_and_keeps_what_others_set() {
        let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1", "labels": {"os": "linux"}},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]}});
        let (empty, _) = view(&[]);
        let born = text(register(&empty, "n1", node.clone()).expect("allowed"));
        assert_eq!(born["metadata"]["annotations"][LINK_ANNOTATION], "true");
        assert!(register(&empty, "n2", node.clone()).is_err());
        assert!(register(&empty, "n1", pod("n1")).is_err());
        let mut old = born.clone();
        old["metadata"]["labels"]["mine"] = "kept".into();
        old["spec"] = json!({"podCIDR": "10.1.0.0/24", "unschedulable": true});
        let (view, held) = view(&[("nodes", old)]);
        assert_eq!(register(&view, "n1", node.clone()), Ok(None));
        let mut next = node;
        next["metadata"]["labels"]["os"] = "other".into();
        next["spec"] = json!({"unschedulable": false});
        let written = text(register(&view, "n1", next).expect("allowed"));
        assert_eq!(written["metadata"]["labels"], json!({"mine": "kept", "os": "other"}));
        assert_eq!(written["spec"], json!({"podCIDR": "10.1.0.0/24", "unschedulable": true}));
        let lost = text(unknown(&held[0], "2026-01-01T00:00:00Z").expect("a write"));
        assert_eq!(lost["status"]["conditions"][0]["status"], "Unknown");
        assert!(by_link(&lost));
    }

    #[test]
    fn an_event_needs_a_namespace_that_takes_it() {
        let space = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "ns"}});
        let event_given = json!({"apiVersion": "v1", "kind": "Event", "metadata": {"namespace": "ns", "name": "e"}});
        let (view, _) = view(&[("namespaces", space)]);
        assert!(event(&view, "n1", &event_given).expect("allowed").is_some());
        for bad in [
            json!(null),
            json!({"kind": "Event"}),
            json!({"kind": "Event", "metadata": {"namespace": "no", "name": "e"}}),
        ] {
            assert!(event(&view, "n1", &bad).is_err(), "{bad}");
        }
    }
}
