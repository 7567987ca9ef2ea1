//! Scenarios of PodDisruptionBudgets: what is counted, from when on, and what cannot be counted.
mod cluster;

use cluster::{Cluster, condition, deployment, pod, replica_set};
use serde_json::{Value, json};

const BUDGETS: &str = "poddisruptionbudgets.policy";

fn budget(spec: Value) -> Value {
    let mut budget = json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": "b", "namespace": "default", "generation": 1}, "spec": spec});
    budget["spec"]["selector"] = json!({"matchLabels": {"app": "web"}});
    budget
}

/// A settled cluster with three pods of a Deployment and a budget.
fn with(spec: Value) -> Cluster {
    let mut cluster = Cluster::new(2);
    cluster.create("deployments.apps", deployment("web", 3));
    cluster.create(BUDGETS, budget(spec));
    cluster.settle();
    cluster
}

fn status(cluster: &Cluster) -> Value {
    cluster.get(BUDGETS, "default", "b").expect("the budget")["status"].clone()
}

/// Healthy, desired, expected, allowed.
fn counts(cluster: &Cluster) -> [i64; 4] {
    let status = status(cluster);
    ["currentHealthy", "desiredHealthy", "expectedPods", "disruptionsAllowed"]
        .map(|member| status[member].as_i64().expect("a count"))
}

#[test]
fn numbers_and_percents_are_of_what_the_controllers_want() {
    for (spec, want) in [
        (json!({"minAvailable": 2}), [3, 2, 3, 1]),
        (json!({"minAvailable": "50%"}), [3, 2, 3, 1]),
        (json!({"minAvailable": 5}), [3, 5, 3, 0]),
        (json!({"maxUnavailable": 1}), [3, 2, 3, 1]),
        (json!({"maxUnavailable": "50%"}), [3, 1, 3, 2]),
        (json!({"maxUnavailable": 9}), [3, 0, 3, 3]),
    ] {
        let cluster = with(spec.clone());
        assert_eq!(counts(&cluster), want, "{spec}");
        let object = cluster.get(BUDGETS, "default", "b").expect("the budget");
        let told = if want[3] > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
        assert_eq!(condition(&object, "DisruptionAllowed"), told, "{spec}");
        assert_eq!(object["status"]["observedGeneration"], 1);
    }
}

#[test]
fn a_change_of_scale_and_of_the_budget_is_counted_again() {
    let mut cluster = with(json!({"maxUnavailable": 1}));
    cluster.update("deployments.apps", "default", "web", |value| value["spec"]["replicas"] = 5.into());
    cluster.settle();
    assert_eq!(counts(&cluster), [5, 4, 5, 1]);
    cluster.pods_become_ready = false;
    cluster.update("deployments.apps", "default", "web", |value| value["spec"]["replicas"] = 7.into());
    cluster.settle();
    assert_eq!(counts(&cluster), [5, 6, 7, 0], "those that are not ready are expected, and not healthy");
    cluster.update(BUDGETS, "default", "b", |value| value["spec"]["maxUnavailable"] = 3.into());
    cluster.settle();
    assert_eq!(counts(&cluster), [5, 4, 7, 1]);
    assert_eq!(status(&cluster)["observedGeneration"], 2);
}

#[test]
fn a_budget_without_pods_allows_nothing_until_they_come() {
    let mut cluster = Cluster::new(1);
    cluster.create(BUDGETS, budget(json!({"minAvailable": 0})));
    cluster.settle();
    assert_eq!(counts(&cluster), [0, 0, 0, 0]);
    assert!(cluster.list("events", "default").iter().any(|event| event["reason"] == "NoPods"));
    cluster.create("replicasets.apps", replica_set("web", 2));
    cluster.settle();
    assert_eq!(counts(&cluster), [2, 0, 2, 2]);
}

#[test]
fn pods_without_a_controller_count_only_against_a_number() {
    let mut cluster = Cluster::new(1);
    cluster.create("pods", pod("bare", json!({"app": "web"})));
    cluster.create(BUDGETS, budget(json!({"minAvailable": 1})));
    cluster.settle();
    assert_eq!(counts(&cluster), [1, 1, 1, 0]);
    cluster.update(BUDGETS, "default", "b", |value| value["spec"]["minAvailable"] = "50%".into());
    cluster.settle();
    assert_eq!(counts(&cluster), [1, 0, 0, 0], "nobody says how many there should be");
}

#[test]
fn what_has_no_scale_cannot_be_counted() {
    let mut cluster = Cluster::new(1);
    let set = json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "j", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"app": "web"}}}});
    cluster.create("daemonsets.apps", set);
    let uid = cluster.get("daemonsets.apps", "default", "j").expect("the set")["metadata"]["uid"].clone();
    let mut owned = pod("p", json!({"app": "web"}));
    owned["metadata"]["ownerReferences"] =
        json!([{"apiVersion": "apps/v1", "kind": "DaemonSet", "name": "j", "uid": uid, "controller": true}]);
    cluster.create("pods", owned);
    cluster.create(BUDGETS, budget(json!({"maxUnavailable": 1})));
    cluster.settle();
    let object = cluster.get(BUDGETS, "default", "b").expect("the budget");
    assert_eq!(condition(&object, "DisruptionAllowed"), ("False", "SyncFailed"));
    assert_eq!(object["status"]["disruptionsAllowed"], 0);
    let failed = |event: &Value| event["reason"] == "CalculateExpectedPodCountFailed";
    assert!(cluster.list("events", "default").iter().any(failed));
}

#[test]
fn a_granted_eviction_counts_for_two_minutes_or_until_the_pod_goes() {
    let mut cluster = with(json!({"minAvailable": 1}));
    let names: Vec<String> = cluster
        .active("default")
        .iter()
        .map(|pod| pod["metadata"]["name"].as_str().unwrap_or_default().to_owned())
        .collect();
    let note = |cluster: &mut Cluster, name: &str| {
        let (name, now) = (name.to_owned(), cluster.now.rfc3339().to_string());
        cluster.update(BUDGETS, "default", "b", |value| value["status"]["disruptedPods"][&name] = now.into());
        cluster.settle();
    };
    note(&mut cluster, &names[0]);
    assert_eq!(counts(&cluster), [2, 1, 3, 1], "it will go");
    cluster.advance(119);
    assert_eq!(counts(&cluster), [2, 1, 3, 1]);
    cluster.advance(2);
    assert_eq!(counts(&cluster), [3, 1, 3, 2], "it did not go");
    assert_eq!(status(&cluster).get("disruptedPods"), None);
    assert!(cluster.list("events", "default").iter().any(|event| event["reason"] == "NotDeleted"));
    note(&mut cluster, &names[1]);
    cluster.delete("pods", "default", &names[1], "");
    cluster.settle();
    assert_eq!(counts(&cluster), [3, 1, 3, 2], "another has taken its place");
    assert_eq!(status(&cluster).get("disruptedPods"), None);
}
