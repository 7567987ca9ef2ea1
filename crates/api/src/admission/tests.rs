//! The smaller plug-ins, a table each.
use super::town::Town;
use super::{
    default_storage_class, default_toleration_seconds, pod_topology_labels, priority, runtime_class,
    storage_object_in_use_protection,
};
use serde_json::{Value, json};

fn pod(spec: Value) -> Value {
    json!({"metadata": {"name": "p", "namespace": "a"}, "spec": spec})
}

#[test]
fn a_priority_is_that_of_its_class() {
    let class = |name: &str, value: i64, default: bool| json!({"metadata": {"name": name}, "value": value, "globalDefault": default, "preemptionPolicy": "Never"});
    let resource = "priorityclasses.scheduling.k8s.io";
    let town = Town::default().with(resource, &class("high", 100, false)).with(resource, &class("usual", 5, true));
    let plugins = [&priority::PLUGIN];
    let table = [
        (json!({"priorityClassName": "high"}), Ok(("high", 100))),
        (json!({}), Ok(("usual", 5))),
        (json!({"priorityClassName": "high", "priority": 100}), Ok(("high", 100))),
        (json!({"priorityClassName": "none"}), Err("no PriorityClass with name none was found")),
        (
            json!({"priority": 7}),
            Err(
                "the integer value of priority (7) must not be provided in pod spec; priority admission controller computed 5 from the given PriorityClass name",
            ),
        ),
        (
            json!({"priorityClassName": "high", "preemptionPolicy": "PreemptLowerPriority"}),
            Err(
                "the string value of PreemptionPolicy (PreemptLowerPriority) must not be provided in pod spec; priority admission controller computed Never from the given PriorityClass name",
            ),
        ),
    ];
    for (spec, want) in table {
        let mut pod = pod(spec);
        match (town.create(&plugins, "pods", &mut pod), want) {
            (Ok(_), Ok((name, value))) => {
                assert_eq!(
                    (&pod["spec"]["priorityClassName"], &pod["spec"]["priority"]),
                    (&json!(name), &json!(value))
                );
                assert_eq!(pod["spec"]["preemptionPolicy"], "Never");
            }
            (Err(refused), Err(want)) => assert_eq!(refused.message, format!("pods \"p\" is forbidden: {want}")),
            (found, _) => panic!("{found:?} of {pod}"),
        }
    }
    let refused = town.create(&plugins, resource, &mut class("other", 6, true)).expect_err("one default");
    let want = "priorityclasses.scheduling.k8s.io \"other\" is forbidden: PriorityClass usual is already marked as default. Only one default can exist";
    assert_eq!(refused.message, want);
    let old = class("usual", 5, true);
    assert!(town.ask(&plugins, resource, "", Some(&old), &mut old.clone()).is_ok());
}

#[test]
fn a_runtime_class_costs_and_places() {
    let class = json!({"metadata": {"name": "vm"}, "handler": "vm", "overhead": {"podFixed": {"cpu": "250m"}},
        "scheduling": {"nodeSelector": {"vm": "yes"}, "tolerations": [{"key": "vm", "operator": "Exists"}]}});
    let town = Town::default().with("runtimeclasses.node.k8s.io", &class);
    let plugins = [&runtime_class::PLUGIN];
    let own = json!({"key": "vm", "operator": "Equal", "value": "x"});
    let mut made = pod(json!({"runtimeClassName": "vm", "tolerations": [own, {"key": "b", "operator": "Exists"}]}));
    assert!(town.create(&plugins, "pods", &mut made).is_ok());
    let want = json!({"runtimeClassName": "vm", "overhead": {"cpu": "250m"}, "nodeSelector": {"vm": "yes"},
        "tolerations": [{"key": "b", "operator": "Exists"}, {"key": "vm", "operator": "Exists"}]});
    assert_eq!(made["spec"], want);
    let table = [
        (json!({"runtimeClassName": "none"}), "pod rejected: RuntimeClass \"none\" not found"),
        (
            json!({"runtimeClassName": "vm", "overhead": {"cpu": "1"}}),
            "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead",
        ),
        (
            json!({"overhead": {"cpu": "1"}}),
            "pod rejected: Pod Overhead set without corresponding RuntimeClass defined Overhead",
        ),
        (
            json!({"runtimeClassName": "vm", "nodeSelector": {"vm": "no"}}),
            "conflict: runtimeClass.scheduling.nodeSelector[vm] = yes; pod.spec.nodeSelector[vm] = no",
        ),
    ];
    for (spec, want) in table {
        let refused = town.create(&plugins, "pods", &mut pod(spec)).expect_err(want);
        assert_eq!((refused.code, &*refused.message), (403, &*format!("pods \"p\" is forbidden: {want}")));
    }
}

#[test]
fn a_claim_gets_the_newest_default_class_and_is_held() {
    let class = |name: &str, default: &str| json!({"metadata": {"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": default}}});
    let resource = "storageclasses.storage.k8s.io";
    let town = Town::default().with(resource, &class("old", "true")).with(resource, &class("new", "true"));
    let town = town.with(resource, &class("newest", "false"));
    let plugins = [&default_storage_class::PLUGIN, &storage_object_in_use_protection::PLUGIN];
    for (spec, want) in
        [(json!({}), "new"), (json!({"storageClassName": ""}), ""), (json!({"storageClassName": "x"}), "x")]
    {
        let mut claim = json!({"metadata": {"name": "c", "namespace": "a"}, "spec": spec});
        assert!(town.create(&plugins, "persistentvolumeclaims", &mut claim).is_ok());
        assert_eq!(claim["spec"]["storageClassName"], want);
        assert_eq!(claim["metadata"]["finalizers"], json!(["kubernetes.io/pvc-protection"]));
    }
    let mut volume = json!({"metadata": {"name": "v", "finalizers": ["x/y"]}, "spec": {}});
    assert!(town.create(&plugins, "persistentvolumes", &mut volume).is_ok());
    assert_eq!(volume["metadata"]["finalizers"], json!(["x/y", "kubernetes.io/pv-protection"]));
}

#[test]
fn a_pod_bears_where_its_node_stands() {
    let (zone, region) = ("topology.kubernetes.io/zone", "topology.kubernetes.io/region");
    let node = json!({"metadata": {"name": "n", "labels": {zone: "z", region: "r", "other": "o"}}});
    let town = Town::default().with("nodes", &node);
    let plugins = [&pod_topology_labels::PLUGIN];
    for (spec, labels, want) in [
        (json!({"nodeName": "n"}), json!({"a": "b"}), json!({"a": "b", zone: "z", region: "r"})),
        (json!({"nodeName": "n"}), json!({zone: "own"}), json!({zone: "own", region: "r"})),
        (json!({"nodeName": "n"}), Value::Null, json!({zone: "z", region: "r"})),
        (json!({"nodeName": "gone"}), json!({"a": "b"}), json!({"a": "b"})),
        (json!({}), json!({"a": "b"}), json!({"a": "b"})),
    ] {
        let mut made = pod(spec);
        made["metadata"]["labels"] = labels;
        assert!(town.create(&plugins, "pods", &mut made).is_ok());
        assert_eq!(made["metadata"]["labels"], want);
    }
}

#[test]
fn tolerations_are_completed_when_a_pod_changes_too() {
    let town = Town::default();
    let plugins = [&default_toleration_seconds::PLUGIN];
    let old = pod(json!({}));
    let mut new = old.clone();
    assert!(town.ask(&plugins, "pods", "", Some(&old), &mut new).is_ok());
    assert_eq!(new["spec"]["tolerations"].as_array().map(Vec::len), Some(2));
    let mut status = old.clone();
    assert!(town.ask(&plugins, "pods", "status", Some(&old), &mut status).is_ok());
    assert_eq!(status, old);
}
