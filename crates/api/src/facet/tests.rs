//! Tests of the facet: what selectors, indexes and the scheduler will read.
use super::of;
use serde_json::{Value, json};

#[test]
fn a_pod_shows_what_the_scheduler_reads() {
    let pod = json!({
        "metadata": {"name": "p", "labels": {"b": "2", "a": "1"}, "generation": 3, "finalizers": ["x/y"],
            "deletionTimestamp": "1970-01-01T00:00:05Z",
            "ownerReferences": [{"uid": "00000000-0000-0000-0000-000000000007", "kind": "ReplicaSet", "name": "r", "controller": true}]},
        "spec": {"nodeName": "n1", "schedulerName": "default-scheduler",
            "initContainers": [
                {"name": "side", "restartPolicy": "Always", "resources": {"requests": {"cpu": "100m"}}},
                {"name": "first", "resources": {"requests": {"cpu": "2", "memory": "1Gi"}}}],
            "containers": [
                {"name": "a", "resources": {"requests": {"cpu": "500m", "memory": "64Mi"}}},
                {"name": "b", "resources": {"limits": {"cpu": 1}}}],
            "overhead": {"cpu": "10m"}},
        "status": {"phase": "Pending"}});
    let facet = of("pods", &pod);
    assert_eq!((facet.label("a"), facet.label("b"), facet.label("c")), (Some("1"), Some("2"), None));
    assert_eq!((facet.field("spec.nodeName"), facet.field("status.phase")), (Some("n1"), Some("Pending")));
    // The first init step beside its sidecar (2.1) is more than all containers and the sidecar (1.6).
    assert_eq!(facet.amount("cpu"), 2_110);
    assert_eq!(facet.amount("memory"), (1 << 30) * 1_000);
    assert_eq!(facet.amount("pods"), 1_000);
    let owner = facet.controller().expect("a controller is named");
    assert_eq!((owner.uid, &*owner.kind, &*owner.name), (7, "ReplicaSet", "r"));
    assert_eq!((facet.deleting, facet.finalizers, facet.generation), (Some(5_000), true, 3));
}

#[test]
fn a_node_shows_what_it_has() {
    let node =
        json!({"metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"}}});
    let facet = of("nodes", &node);
    assert_eq!((facet.amount("cpu"), facet.amount("pods")), (4_000, 110_000));
    assert_eq!(facet.field("spec.unschedulable"), Some("false"));
}

#[test]
fn nonsense_gives_an_empty_facet_and_no_panic() {
    for value in [
        Value::Null,
        json!([]),
        json!({"metadata": 5}),
        json!({"metadata": {"labels": [1], "ownerReferences": [{"uid": "x"}]}}),
    ] {
        assert_eq!(of("configmaps", &value), super::Facet::default());
    }
    let pod = json!({"spec": {"containers": [{"resources": {"requests": {"cpu": "many", "memory": []}}}, 7]}});
    assert_eq!(of("pods", &pod).amount("cpu"), 0);
}
