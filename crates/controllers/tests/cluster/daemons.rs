//! What tests of DaemonSets share: one set called `d`, and its pods by node.
use super::{Cluster, daemon_set};
use serde_json::{Value, json};

pub const SETS: &str = "daemonsets.apps";
pub const REVISIONS: &str = "controllerrevisions.apps";

/// A cluster with so many nodes (`n1`, ...) and the set, changed; nothing is decided yet.
pub fn with(nodes: usize, change: impl FnOnce(&mut Value)) -> Cluster {
    let mut cluster = Cluster::new(nodes);
    let mut value = daemon_set("d");
    change(&mut value);
    cluster.create(SETS, value);
    cluster
}

/// The same, at rest.
pub fn made(nodes: usize, change: impl FnOnce(&mut Value)) -> Cluster {
    let mut cluster = with(nodes, change);
    cluster.settle();
    cluster
}

pub fn set(cluster: &Cluster) -> Value {
    cluster.get(SETS, "default", "d").expect("the set")
}

pub fn change(cluster: &mut Cluster, change: impl FnOnce(&mut Value)) {
    cluster.update(SETS, "default", "d", change);
}

pub fn set_image(cluster: &mut Cluster, image: &str) {
    change(cluster, |value| value["spec"]["template"]["spec"]["containers"][0]["image"] = image.into());
}

pub fn name(object: &Value) -> String {
    object["metadata"]["name"].as_str().unwrap_or("").to_owned()
}

/// Node and image of each pod, sorted, those being deleted in brackets.
pub fn pods(cluster: &Cluster) -> String {
    let one = |pod: &Value| {
        let node = pod["spec"]["nodeName"].as_str().unwrap_or("?");
        let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or("");
        match pod["metadata"]["deletionTimestamp"].is_null() {
            true => format!("{node}:{image}"),
            false => format!("({node}:{image})"),
        }
    };
    let mut all: Vec<String> = cluster.list("pods", "default").iter().map(one).collect();
    all.sort();
    all.join(" ")
}

/// The pod on a node.
pub fn on(cluster: &Cluster, node: &str) -> Value {
    let mut pods = cluster.active("default");
    pods.retain(|pod| pod["spec"]["nodeName"] == node);
    assert_eq!(pods.len(), 1, "one on {node}: {}", self::pods(cluster));
    pods.remove(0)
}

pub fn label(cluster: &mut Cluster, node: &str, key: &str, value: Option<&str>) {
    cluster.update("nodes", "", node, |node| {
        let labels = node["metadata"]["labels"].as_object_mut().expect("labels");
        match value {
            Some(value) => _ = labels.insert(key.into(), value.into()),
            None => _ = labels.remove(key),
        }
    });
    cluster.settle();
}

/// `[desired, current, ready, updated, available, misscheduled]`.
pub fn counts(cluster: &Cluster) -> [i64; 6] {
    let members = [
        "desiredNumberScheduled",
        "currentNumberScheduled",
        "numberReady",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberMisscheduled",
    ];
    members.map(|member| set(cluster)["status"][member].as_i64().unwrap_or(0))
}

/// What `kubectl rollout status` waits for.
pub fn rolled_out(cluster: &Cluster) -> bool {
    let set = set(cluster);
    let status = |member: &str| set["status"][member].as_i64().unwrap_or(0);
    status("observedGeneration") >= set["metadata"]["generation"].as_i64().unwrap_or(0)
        && status("updatedNumberScheduled") >= status("desiredNumberScheduled")
        && status("numberAvailable") >= status("desiredNumberScheduled")
}

/// Number and hash of each revision, by number.
pub fn revisions(cluster: &Cluster) -> Vec<(i64, String)> {
    let hash = |one: &Value| one["metadata"]["labels"]["controller-revision-hash"].as_str().unwrap_or("").to_owned();
    let all = cluster.list(REVISIONS, "default");
    let mut all: Vec<_> = all.iter().map(|one| (one["revision"].as_i64().unwrap_or(0), hash(one))).collect();
    all.sort();
    all
}

/// The hash labels that its pods have.
pub fn hashes(cluster: &Cluster) -> Vec<String> {
    let hash = |pod: &Value| pod["metadata"]["labels"]["controller-revision-hash"].as_str().unwrap_or("").to_owned();
    let mut all: Vec<String> = cluster.active("default").iter().map(hash).collect();
    all.sort();
    all.dedup();
    all
}

/// Has the pod of this name fail.
pub fn fail(cluster: &mut Cluster, name: &str) {
    cluster.update("pods", "default", name, |pod| {
        pod["status"] = json!({"phase": "Failed", "reason": "OutOfpods"});
    });
}

pub fn told(cluster: &Cluster, reason: &str) -> Vec<String> {
    let events = cluster.list("events", "default");
    let told = events.iter().filter(|event| event["reason"] == reason);
    told.map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect()
}
