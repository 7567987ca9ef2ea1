//! Scenarios of what is born and what goes: namespaces, owners and what they own, lost nodes, old Events.
mod cluster;

use api::key::Key;
use cluster::{Cluster, condition, deployment, namespace, node, pod, replica_set};
use serde_json::{Value, json};

const DEPLOYMENTS: &str = "deployments.apps";
const SETS: &str = "replicasets.apps";

fn config_map(name: &str, owners: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default", "ownerReferences": owners}})
}

fn owner(cluster: &Cluster, name: &str, block: bool) -> Value {
    let uid = cluster.get("configmaps", "default", name).expect("the owner")["metadata"]["uid"].clone();
    json!({"apiVersion": "v1", "kind": "ConfigMap", "name": name, "uid": uid, "blockOwnerDeletion": block})
}

fn names(objects: &[Value]) -> Vec<&str> {
    objects.iter().filter_map(|object| object["metadata"]["name"].as_str()).collect()
}

#[test]
fn a_cluster_begins_with_what_clients_expect() {
    let mut cluster = Cluster::new(0);
    assert_eq!(names(&cluster.list("namespaces", "")), ["default", "kube-node-lease", "kube-public", "kube-system"]);
    assert!(cluster.get("priorityclasses.scheduling.k8s.io", "", "system-node-critical").is_some());
    assert!(cluster.get("serviceaccounts", "kube-public", "default").is_some());
    assert!(
        cluster.get("configmaps", "default", "kube-root-ca.crt").is_none(),
        "nobody has said yet who the authority is"
    );
    cluster.create(
        "configmaps",
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cluster-ca", "namespace": "kube-system"}, "data": {"ca.crt": "A"}}),
    );
    cluster.create("namespaces", namespace("team"));
    cluster.settle();
    for name in ["default", "team"] {
        assert_eq!(cluster.get("configmaps", name, "kube-root-ca.crt").expect("the authority")["data"]["ca.crt"], "A");
    }
    cluster.update("configmaps", "kube-system", "cluster-ca", |value| value["data"]["ca.crt"] = "B".into());
    cluster.delete("serviceaccounts", "team", "default", "");
    cluster.settle();
    assert_eq!(cluster.get("configmaps", "team", "kube-root-ca.crt").expect("the authority")["data"]["ca.crt"], "B");
    assert!(cluster.get("serviceaccounts", "team", "default").is_some());
}

#[test]
fn what_comes_into_a_namespace_after_its_end_goes_too() {
    let mut cluster = Cluster::new(1);
    let mut late = config_map("late", json!([]));
    late["metadata"]["namespace"] = "team".into();
    cluster.create("configmaps", late);
    cluster.settle();
    assert!(cluster.get("configmaps", "team", "late").is_some(), "its namespace may still come");
    cluster.advance(59);
    assert!(cluster.get("configmaps", "team", "late").is_some());
    cluster.advance(2);
    assert!(cluster.get("configmaps", "team", "late").is_none(), "{:?}", cluster.list("configmaps", "team"));
}

#[test]
fn a_namespace_ends_after_its_content() {
    let mut cluster = Cluster::new(1);
    cluster.create("namespaces", namespace("team"));
    let mut value = deployment("web", 3);
    value["metadata"]["namespace"] = "team".into();
    cluster.create(DEPLOYMENTS, value);
    cluster.settle();
    let mut kept = config_map("kept", json!([]));
    kept["metadata"]["namespace"] = "team".into();
    kept["metadata"]["finalizers"] = json!(["example.com/keep"]);
    cluster.create("configmaps", kept);
    cluster.delete("namespaces", "", "team", "");
    cluster.settle();
    let ending = cluster.get("namespaces", "", "team").expect("a finalizer holds it");
    assert_eq!(condition(&ending, "NamespaceFinalizersRemaining"), ("True", "SomeFinalizersRemain"));
    assert_eq!(
        cluster.list("pods", "team").len() + cluster.list(SETS, "team").len() + cluster.list("events", "team").len(),
        0
    );
    cluster.update("configmaps", "team", "kept", |value| value["metadata"]["finalizers"] = json!([]));
    cluster.delete("configmaps", "team", "kept", "");
    cluster.settle();
    assert!(cluster.get("namespaces", "", "team").is_none());
    for resource in cluster.view().resources() {
        assert_eq!(cluster.view().count(resource, Some("team")), 0, "{resource}");
    }
}

#[test]
fn deleting_a_deployment_takes_its_pods_along() {
    let mut cluster = Cluster::new(1);
    cluster.create(DEPLOYMENTS, deployment("web", 2));
    cluster.settle();
    cluster.delete(DEPLOYMENTS, "default", "web", "");
    cluster.settle();
    assert_eq!((cluster.list(SETS, "default").len(), cluster.list("pods", "default").len()), (0, 0));
}

#[test]
fn in_the_foreground_the_owner_goes_last() {
    let mut cluster = Cluster::new(1);
    cluster.create(DEPLOYMENTS, deployment("web", 2));
    cluster.settle();
    cluster.delete(DEPLOYMENTS, "default", "web", "foregroundDeletion");
    cluster.settle_deciders();
    assert!(cluster.get(DEPLOYMENTS, "default", "web").is_some());
    assert_eq!(cluster.list("pods", "default").len(), 2, "the pods are still stopping");
    cluster.settle();
    assert!(cluster.get(DEPLOYMENTS, "default", "web").is_none());
    assert_eq!((cluster.list(SETS, "default").len(), cluster.list("pods", "default").len()), (0, 0));
}

#[test]
fn orphans_are_let_go() {
    let mut cluster = Cluster::new(1);
    cluster.create(SETS, replica_set("web", 2));
    cluster.settle();
    cluster.delete(SETS, "default", "web", "orphan");
    cluster.settle();
    assert!(cluster.get(SETS, "default", "web").is_none());
    let pods = cluster.active("default");
    assert_eq!(pods.len(), 2);
    assert!(pods.iter().all(|pod| pod["metadata"]["ownerReferences"].is_null()));
}

#[test]
fn an_object_stays_while_one_owner_does() {
    let mut cluster = Cluster::new(0);
    for name in ["a", "b"] {
        cluster.create("configmaps", config_map(name, json!([])));
    }
    let owners = json!([owner(&cluster, "a", false), owner(&cluster, "b", false)]);
    cluster.create("configmaps", config_map("child", owners));
    cluster.delete("configmaps", "default", "a", "");
    cluster.settle();
    let child = cluster.get("configmaps", "default", "child").expect("b still owns it");
    assert_eq!(child["metadata"]["ownerReferences"].as_array().map(Vec::len), Some(1));
    cluster.delete("configmaps", "default", "b", "");
    cluster.settle();
    assert!(cluster.get("configmaps", "default", "child").is_none());
}

#[test]
fn an_owner_of_the_same_name_is_not_the_owner() {
    let mut cluster = Cluster::new(0);
    cluster.create("configmaps", config_map("a", json!([])));
    let old = owner(&cluster, "a", false);
    cluster.delete("configmaps", "default", "a", "");
    cluster.create("configmaps", config_map("a", json!([])));
    cluster.create("configmaps", config_map("child", json!([old])));
    let mut foreign = old.clone();
    foreign["apiVersion"] = "example.com/v1".into();
    foreign["kind"] = "Unheard".into();
    cluster.create("configmaps", config_map("foreign", json!([foreign])));
    cluster.settle();
    assert!(cluster.get("configmaps", "default", "child").is_none());
    assert!(cluster.get("configmaps", "default", "foreign").is_some(), "nobody knows whether its owner lives");
}

#[test]
fn a_circle_of_owners_can_be_deleted_in_the_foreground() {
    let mut cluster = Cluster::new(0);
    for name in ["a", "b", "c"] {
        cluster.create("configmaps", config_map(name, json!([])));
    }
    for (name, by) in [("a", "c"), ("b", "a"), ("c", "b")] {
        let owners = json!([owner(&cluster, by, true)]);
        cluster.update("configmaps", "default", name, |value| value["metadata"]["ownerReferences"] = owners);
    }
    cluster.settle();
    assert_eq!(cluster.list("configmaps", "default").len(), 3);
    cluster.delete("configmaps", "default", "a", "foregroundDeletion");
    cluster.settle();
    assert_eq!(names(&cluster.list("configmaps", "default")), [""; 0]);
}

fn set_ready(cluster: &mut Cluster, name: &str, status: &str) {
    cluster.update("nodes", "", name, |value| value["status"]["conditions"][0]["status"] = status.into());
}

fn taints(cluster: &Cluster, name: &str) -> Vec<String> {
    let node = cluster.get("nodes", "", name).expect("the node");
    let taints = node["spec"]["taints"].as_array().cloned().unwrap_or_default();
    taints
        .iter()
        .map(|taint| format!("{}:{}", taint["key"].as_str().unwrap_or(""), taint["effect"].as_str().unwrap_or("")))
        .collect()
}

#[test]
fn pods_of_a_lost_node_are_replaced_after_their_patience() {
    let mut cluster = Cluster::new(2);
    cluster.create(SETS, replica_set("web", 4));
    cluster.settle();
    cluster.lost.insert("n1".into());
    set_ready(&mut cluster, "n1", "Unknown");
    cluster.settle();
    assert_eq!(
        taints(&cluster, "n1"),
        ["node.kubernetes.io/unreachable:NoSchedule", "node.kubernetes.io/unreachable:NoExecute"]
    );
    let ready =
        |cluster: &Cluster| cluster.get(SETS, "default", "web").expect("the set")["status"]["readyReplicas"].clone();
    assert_eq!(ready(&cluster), 2, "two of its pods do not answer");
    cluster.advance(299);
    assert_eq!(cluster.active("default").len(), 4);
    assert!(cluster.list("pods", "default").iter().all(|pod| pod["metadata"]["deletionTimestamp"].is_null()));
    cluster.advance(2);
    assert_eq!((cluster.list("pods", "default").len(), ready(&cluster)), (6, json!(4)));
    // The node's object goes: its pods go with it.
    cluster.delete("nodes", "", "n1", "");
    cluster.settle();
    assert_eq!(cluster.list("pods", "default").len(), 4);
}

#[test]
fn a_node_that_answers_again_keeps_its_pods() {
    let mut cluster = Cluster::new(2);
    cluster.create(SETS, replica_set("web", 4));
    cluster.settle();
    set_ready(&mut cluster, "n1", "False");
    cluster.settle();
    assert_eq!(taints(&cluster, "n1")[0], "node.kubernetes.io/not-ready:NoSchedule");
    cluster.advance(100);
    set_ready(&mut cluster, "n1", "True");
    cluster.settle();
    assert!(taints(&cluster, "n1").is_empty());
    assert!(cluster.active("default").iter().all(|pod| condition(pod, "Ready").0 == "True"));
    cluster.advance(1_000);
    assert_eq!(cluster.list("pods", "default").len(), 4);
}

#[test]
fn when_all_nodes_are_lost_nobody_is_evicted() {
    let mut cluster = Cluster::new(2);
    cluster.create(SETS, replica_set("web", 2));
    cluster.settle();
    for name in ["n1", "n2"] {
        set_ready(&mut cluster, name, "Unknown");
    }
    cluster.advance(2_000);
    assert_eq!(cluster.active("default").len(), 2);
}

#[test]
fn a_taint_of_the_operator_evicts_whoever_does_not_bear_it() {
    let mut cluster = Cluster::new(1);
    let tolerant = |seconds: Value| json!([{"key": "drain", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": seconds}]);
    for (name, tolerations) in [("a", json!([])), ("b", tolerant(json!(60))), ("c", json!([{"operator": "Exists"}]))] {
        let mut value = pod(name, json!({}));
        value["spec"]["tolerations"] = tolerations;
        cluster.create("pods", value);
    }
    cluster.settle();
    cluster.update("nodes", "", "n1", |value| {
        value["spec"]["taints"] = json!([{"key": "drain", "value": "now", "effect": "NoExecute"}])
    });
    cluster.settle();
    assert_eq!(names(&cluster.list("pods", "default")), ["b", "c"]);
    cluster.advance(61);
    assert_eq!(names(&cluster.list("pods", "default")), ["c"]);
}

#[test]
fn every_node_has_a_range_of_its_own() {
    let mut cluster = Cluster::new(3);
    let range =
        |cluster: &Cluster, name: &str| cluster.get("nodes", "", name).expect("the node")["spec"]["podCIDR"].clone();
    let ranges: Vec<Value> = ["n1", "n2", "n3"].iter().map(|name| range(&cluster, name)).collect();
    assert_eq!(ranges, ["10.244.0.0/24", "10.244.1.0/24", "10.244.2.0/24"]);
    cluster.delete("nodes", "", "n2", "");
    cluster.create("nodes", node("n4"));
    cluster.settle();
    assert_eq!(range(&cluster, "n4"), "10.244.1.0/24");
}

#[test]
fn a_cordoned_node_bears_its_taint() {
    let mut cluster = Cluster::new(1);
    cluster.update("nodes", "", "n1", |value| value["spec"]["unschedulable"] = true.into());
    cluster.settle();
    assert_eq!(taints(&cluster, "n1"), ["node.kubernetes.io/unschedulable:NoSchedule"]);
    cluster.update("nodes", "", "n1", |value| value["spec"]["unschedulable"] = false.into());
    cluster.settle();
    assert!(taints(&cluster, "n1").is_empty());
}

#[test]
fn a_pod_deleted_before_it_had_a_node_is_gone() {
    let mut cluster = Cluster::new(0);
    cluster.create("pods", pod("a", json!({})));
    cluster.settle();
    cluster.delete("pods", "default", "a", "");
    cluster.settle();
    assert!(cluster.view().get_key(&Key::new("pods", "default", "a")).is_none());
}

#[test]
fn events_are_forgotten_after_an_hour() {
    let mut cluster = Cluster::new(1);
    cluster.create(SETS, replica_set("web", 2));
    cluster.settle();
    assert!(!cluster.list("events", "default").is_empty());
    cluster.advance(3_500);
    assert!(!cluster.list("events", "default").is_empty());
    cluster.advance(200);
    assert_eq!(cluster.list("events", "default").len(), 0);
}

#[test]
fn a_definition_ends_after_its_objects() {
    const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";
    let mut cluster = Cluster::new(0);
    cluster.create(
        DEFINITIONS,
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "boats.rutter.dev",
            "finalizers": ["customresourcecleanup.apiextensions.k8s.io"]}}),
    );
    for number in 0..100 {
        let mut boat = json!({"apiVersion": "rutter.dev/v1", "kind": "Boat", "metadata": {"name": format!("b{number}"), "namespace": "default"}});
        if number == 7 {
            boat["metadata"]["finalizers"] = json!(["rutter.dev/anchor"]);
        }
        cluster.create("boats.rutter.dev", boat);
    }
    cluster.settle();
    assert_eq!(cluster.list("boats.rutter.dev", "").len(), 100, "nothing goes while the definition stays");
    cluster.update(DEFINITIONS, "", "boats.rutter.dev", |definition| {
        definition["metadata"]["deletionTimestamp"] = "2027-01-15T08:00:00Z".into();
    });
    cluster.settle();
    assert_eq!(names(&cluster.list("boats.rutter.dev", "")), ["b7"]);
    assert!(cluster.get(DEFINITIONS, "", "boats.rutter.dev").is_some(), "it waits for the last");
    let anchored = cluster.view().get("boats.rutter.dev", "default", "b7").cloned().expect("it is held");
    cluster.update("boats.rutter.dev", "default", "b7", |boat| boat["metadata"]["finalizers"] = json!([]));
    assert!(anchored.facet.deleting.is_some());
    cluster.delete("boats.rutter.dev", "default", "b7", "");
    cluster.settle();
    assert!(cluster.list(DEFINITIONS, "").is_empty());
}

#[test]
fn names_go_to_who_waits_for_them() {
    const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";
    let mut cluster = Cluster::new(0);
    let definition = |plural: &str, short: &str, status: serde_json::Value| {
        let names = json!({"plural": plural, "singular": format!("{plural}-one"), "kind": plural, "listKind": format!("{plural}List"),
            "shortNames": [short]});
        let accepted = if status == "True" { names.clone() } else { json!({"plural": plural, "kind": plural}) };
        let conditions =
            json!([{"type": "NamesAccepted", "status": status}, {"type": "Established", "status": status}]);
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": format!("{plural}.rutter.dev")}, "spec": {"group": "rutter.dev", "names": names},
            "status": {"acceptedNames": accepted, "conditions": conditions}})
    };
    cluster.create(DEFINITIONS, definition("boats", "b", json!("True")));
    cluster.create(DEFINITIONS, definition("barges", "b", json!("False")));
    cluster.settle();
    let state = |cluster: &Cluster| {
        let barges = cluster.get(DEFINITIONS, "", "barges.rutter.dev").expect("it is there");
        api::kinds::acceptance::established(&barges)
    };
    assert!(!state(&cluster), "its short name is taken");
    cluster.delete(DEFINITIONS, "", "boats.rutter.dev", "");
    cluster.settle();
    assert!(state(&cluster));
}
