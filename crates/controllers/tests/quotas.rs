//! Scenarios of ResourceQuotas: what is counted and given back, and controllers that want more than there is.
mod cluster;

use cluster::{Cluster, condition, deployment, pod, replica_set};
use serde_json::{Value, json};

const QUOTAS: &str = "resourcequotas";
const SETS: &str = "replicasets.apps";

fn quota(hard: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "default"},
        "spec": {"hard": hard}})
}

fn used(cluster: &Cluster) -> Value {
    cluster.get(QUOTAS, "default", "q").expect("the quota")["status"]["used"].clone()
}

fn told(cluster: &Cluster, reason: &str) -> Vec<String> {
    let events = cluster.list("events", "default");
    let told = events.iter().filter(|event| event["reason"] == reason);
    told.map(|event| event["message"].as_str().unwrap_or_default().to_owned()).collect()
}

#[test]
fn what_is_there_is_counted_and_given_back() {
    let mut cluster = Cluster::new(1);
    cluster.create("pods", pod("a", json!({})));
    cluster.create("pods", pod("b", json!({})));
    cluster.create(QUOTAS, quota(json!({"pods": "9", "count/pods": "9", "secrets": "5"})));
    cluster.settle();
    assert_eq!(used(&cluster), json!({"pods": "2", "count/pods": "2", "secrets": "0"}));
    let kept = cluster.get(QUOTAS, "default", "q").expect("the quota");
    assert_eq!(kept["status"]["hard"], kept["spec"]["hard"]);
    cluster.update("pods", "default", "a", |pod| pod["status"]["phase"] = "Succeeded".into());
    cluster.settle();
    assert_eq!(used(&cluster), json!({"pods": "1", "count/pods": "2", "secrets": "0"}));
    cluster.delete("pods", "default", "b", "");
    cluster.settle();
    assert_eq!(used(&cluster), json!({"pods": "0", "count/pods": "1", "secrets": "0"}));
}

#[test]
fn a_replica_set_makes_what_there_is_room_for_and_says_why_not_more() {
    let mut cluster = Cluster::new(2);
    cluster.create(QUOTAS, quota(json!({"pods": "3"})));
    cluster.settle();
    cluster.create(SETS, replica_set("web", 5));
    cluster.settle();
    assert_eq!((cluster.active("default").len(), used(&cluster)), (3, json!({"pods": "3"})));
    let set = cluster.get(SETS, "default", "web").expect("the set");
    assert_eq!(condition(&set, "ReplicaFailure"), ("True", "FailedCreate"));
    let want = "Error creating: pods \"web-\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=3, limited: pods=3";
    assert_eq!(told(&cluster, "FailedCreate"), [want]);
    cluster.update(QUOTAS, "default", "q", |quota| quota["spec"]["hard"]["pods"] = "4".into());
    cluster.settle();
    assert_eq!(cluster.active("default").len(), 4, "it hears of the room");
    let first = cluster.active("default")[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    cluster.delete("pods", "default", &first, "");
    cluster.settle();
    assert_eq!(cluster.active("default").len(), 4, "what was given back is taken again");
    cluster.update(QUOTAS, "default", "q", |quota| quota["spec"]["hard"]["pods"] = "9".into());
    cluster.settle();
    assert_eq!((cluster.active("default").len(), used(&cluster)), (5, json!({"pods": "5"})));
    let set = cluster.get(SETS, "default", "web").expect("the set");
    assert_eq!(condition(&set, "ReplicaFailure"), ("", ""));
}

#[test]
fn a_pod_that_does_not_say_what_is_counted_is_not_made() {
    let mut cluster = Cluster::new(1);
    cluster.create(QUOTAS, quota(json!({"requests.cpu": "1"})));
    cluster.create(SETS, replica_set("web", 2));
    cluster.settle();
    assert_eq!(cluster.active("default").len(), 0);
    assert!(told(&cluster, "FailedCreate")[0].contains("failed quota: q: must specify requests.cpu for: c"));
}

#[test]
fn whatever_a_controller_makes_is_charged() {
    let mut cluster = Cluster::new(1);
    cluster.create(QUOTAS, quota(json!({"count/replicasets.apps": "0"})));
    cluster.create("deployments.apps", deployment("web", 1));
    cluster.settle();
    assert_eq!(cluster.list(SETS, "default").len(), 0);
    assert!(told(&cluster, "FailedCreate")[0].contains("exceeded quota: q, requested: count/replicasets.apps=1"));
    cluster.update(QUOTAS, "default", "q", |quota| quota["spec"]["hard"]["count/replicasets.apps"] = "1".into());
    cluster.advance(11);
    assert_eq!(cluster.list(SETS, "default").len(), 1);
    assert_eq!(used(&cluster), json!({"count/replicasets.apps": "1"}));
}
