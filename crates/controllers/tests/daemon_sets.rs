//! Scenarios of DaemonSets: on which nodes there is a pod, which pods come and go, and what the set says of it.
mod cluster;

use cluster::daemons::*;
use cluster::{Cluster, daemon_set, node, pod, replica_set};
use serde_json::{Value, json};

#[test]
fn each_node_has_one_pod_which_is_made_anew_when_it_is_deleted() {
    let mut cluster = made(3, |_| {});
    assert_eq!(pods(&cluster), "n1:one n2:one n3:one");
    assert_eq!(counts(&cluster), [3, 3, 3, 3, 3, 0]);
    let status = set(&cluster)["status"].clone();
    assert_eq!((&status["observedGeneration"], &status["numberUnavailable"]), (&json!(1), &Value::Null));
    assert!(rolled_out(&cluster));
    let first = on(&cluster, "n1");
    let owner = &first["metadata"]["ownerReferences"][0];
    assert_eq!(
        (&owner["kind"], &owner["controller"], &owner["name"]),
        (&json!("DaemonSet"), &json!(true), &json!("d"))
    );
    assert_eq!((&owner["apiVersion"], &first["metadata"]["generateName"]), (&json!("apps/v1"), &json!("d-")));
    assert!(name(&first).starts_with("d-"));
    let required = &first["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"];
    assert_eq!(required, &json!([{"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]}]));
    let unready = json!({"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"});
    assert!(first["spec"]["tolerations"].as_array().is_some_and(|all| all.len() == 6 && all.contains(&unready)));
    let created = told(&cluster, "SuccessfulCreate");
    assert!(created.contains(&format!("Created pod: {}", name(&first))), "{created:?}");
    cluster.delete("pods", "default", &name(&first), "");
    cluster.settle();
    assert_eq!(pods(&cluster), "n1:one n2:one n3:one");
    assert_ne!(name(&on(&cluster, "n1")), name(&first));
    cluster.delete(SETS, "default", "d", "");
    cluster.settle();
    assert!(cluster.list("pods", "default").is_empty() && cluster.list(REVISIONS, "default").is_empty());
}

#[test]
fn pods_follow_the_labels_of_nodes() {
    let blue = json!({"color": "blue"});
    let terms = json!([{"matchExpressions": [{"key": "color", "operator": "In", "values": ["blue"]}]}]);
    let affinity =
        json!({"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}});
    for (member, value) in [("nodeSelector", blue), ("affinity", affinity)] {
        let mut cluster = made(2, |set| set["spec"]["template"]["spec"][member] = value);
        assert_eq!((pods(&cluster), counts(&cluster)), (String::new(), [0; 6]));
        label(&mut cluster, "n2", "color", Some("blue"));
        assert_eq!((pods(&cluster), counts(&cluster)), ("n2:one".into(), [1, 1, 1, 1, 1, 0]));
        label(&mut cluster, "n2", "color", Some("green"));
        assert_eq!((pods(&cluster), counts(&cluster)), (String::new(), [0; 6]));
    }
    let mut cluster = made(2, |set| set["spec"]["template"]["spec"]["nodeSelector"] = json!({"color": "blue"}));
    label(&mut cluster, "n1", "color", Some("green"));
    assert_eq!(pods(&cluster), "");
    change(&mut cluster, |set| set["spec"]["template"]["spec"]["nodeSelector"]["color"] = "green".into());
    cluster.settle();
    assert_eq!((pods(&cluster), rolled_out(&cluster)), ("n1:one".into(), true));
}

#[test]
fn nodes_come_and_go() {
    let mut cluster = made(1, |_| {});
    cluster.create("nodes", node("n2"));
    cluster.settle();
    assert_eq!(pods(&cluster), "n1:one n2:one");
    // A pod that waits for a node that is gone is nobody else's to take away.
    cluster.lost.insert("n3".into());
    cluster.create("nodes", node("n3"));
    cluster.settle();
    assert_eq!(pods(&cluster), "?:one n1:one n2:one");
    assert_eq!(counts(&cluster), [3, 3, 2, 3, 2, 0]);
    cluster.delete("nodes", "", "n3", "");
    cluster.settle();
    assert_eq!((pods(&cluster), counts(&cluster)), ("n1:one n2:one".into(), [2, 2, 2, 2, 2, 0]));
    let named = made(2, |set| set["spec"]["template"]["spec"]["nodeName"] = "n2".into());
    assert_eq!(pods(&named), "n2:one");
}

fn taint(cluster: &mut Cluster, key: &str, effect: &str) {
    cluster.update("nodes", "", "n1", |node| node["spec"]["taints"] = json!([{"key": key, "effect": effect}]));
    cluster.settle();
}

#[test]
fn taints_keep_new_pods_away_and_send_old_ones() {
    let mut cluster = made(2, |_| {});
    taint(&mut cluster, "k", "NoSchedule");
    assert_eq!(pods(&cluster), "n1:one n2:one", "one that is there stays");
    assert_eq!(counts(&cluster), [1, 1, 1, 1, 1, 1]);
    let gone = name(&on(&cluster, "n1"));
    cluster.delete("pods", "default", &gone, "");
    cluster.settle();
    assert_eq!(pods(&cluster), "n2:one");
    for trouble in [json!({"unschedulable": true}), json!({"taints": [{"key": "k", "effect": "PreferNoSchedule"}]})] {
        cluster.update("nodes", "", "n1", |node| {
            node["spec"]["taints"] = trouble["taints"].clone();
            node["spec"]["unschedulable"] = trouble["unschedulable"].clone();
        });
        cluster.settle();
        assert_eq!(pods(&cluster), "n1:one n2:one", "{trouble}");
        taint(&mut cluster, "k", "NoExecute");
        assert_eq!(pods(&cluster), "n2:one");
    }
    let tolerations = json!([{"operator": "Exists"}]);
    change(&mut cluster, |set| set["spec"]["template"]["spec"]["tolerations"] = tolerations);
    cluster.settle();
    assert_eq!(pods(&cluster), "n1:one n2:one");
}

#[test]
fn troubles_of_nodes_keep_no_daemon_away() {
    for (trouble, host, want) in [
        ("DiskPressure", false, "n1:one"),
        ("MemoryPressure", false, "n1:one"),
        ("PIDPressure", false, "n1:one"),
        ("NetworkUnavailable", false, ""),
        ("NetworkUnavailable", true, "n1:one"),
    ] {
        let mut cluster = Cluster::new(1);
        let condition = json!({"type": trouble, "status": "True"});
        cluster.update("nodes", "", "n1", |node| {
            node["status"]["conditions"].as_array_mut().expect("conditions").push(condition.clone());
        });
        cluster.settle();
        let node = cluster.get("nodes", "", "n1").expect("the node");
        assert_eq!(node["spec"]["taints"][0]["effect"], "NoSchedule", "{trouble}");
        let mut value = daemon_set("d");
        value["spec"]["template"]["spec"]["hostNetwork"] = host.into();
        cluster.create(SETS, value);
        cluster.settle();
        assert_eq!(pods(&cluster), want, "{trouble}, on the host's network: {host}");
    }
}

#[test]
fn a_failed_pod_is_made_anew_at_once_and_then_ever_later() {
    let mut cluster = made(2, |_| {});
    let mut waited = Vec::new();
    for _ in 0..4 {
        let failed = name(&on(&cluster, "n1"));
        fail(&mut cluster, &failed);
        cluster.settle();
        let mut seconds = 0;
        while cluster.get("pods", "default", &failed).is_some() {
            cluster.advance(1);
            seconds += 1;
        }
        waited.push(seconds);
        assert_eq!(pods(&cluster), "n1:one n2:one");
    }
    assert_eq!(waited, [0, 1, 2, 4]);
    let told = told(&cluster, "FailedDaemonPod");
    assert!(told.len() == 4 && told[0].ends_with(" on node n1, will try to kill it"), "{told:?}");
    // One that held for long begins anew, and so does one of another template.
    cluster.advance(1_900);
    let failed = name(&on(&cluster, "n1"));
    fail(&mut cluster, &failed);
    cluster.settle();
    assert!(cluster.get("pods", "default", &failed).is_none());
    let ended = name(&on(&cluster, "n2"));
    cluster.update("pods", "default", &ended, |pod| pod["status"]["phase"] = "Succeeded".into());
    cluster.settle();
    assert_eq!((pods(&cluster), counts(&cluster)), ("n1:one n2:one".into(), [2, 2, 2, 2, 2, 0]));
}

/// A pod bound to a node, as another version of the set might have left it.
fn bound(name: &str, node: &str, labels: Value) -> Value {
    let mut pod = pod(name, labels);
    pod["spec"]["nodeName"] = node.into();
    pod
}

#[test]
fn what_is_there_is_taken_up_and_of_two_the_older_stays() {
    let mut cluster = Cluster::new(2);
    cluster.create("pods", bound("old", "n1", json!({"app": "d"})));
    cluster.now.0 += 1_000;
    cluster.create("pods", bound("young", "n1", json!({"app": "d"})));
    cluster.create("pods", bound("other", "n1", json!({"app": "e"})));
    cluster.create(SETS, daemon_set("d"));
    change(&mut cluster, |set| set["spec"]["updateStrategy"] = json!({"type": "OnDelete"}));
    cluster.settle();
    assert_eq!(name(&on(&cluster, "n2")).len(), "d-".len() + 5);
    let left = cluster.get("pods", "default", "old").expect("it stays");
    assert_eq!(left["metadata"]["ownerReferences"][0]["name"], "d");
    assert!(cluster.get("pods", "default", "young").is_none());
    let other = cluster.get("pods", "default", "other").expect("it stays");
    assert!(other["metadata"]["ownerReferences"].is_null());
    assert_eq!(counts(&cluster), [2, 2, 2, 1, 2, 0], "the adopted one is of no template");
    // One that loses its label is let go, and taken up again when it comes back: then there are two.
    let relabel = |cluster: &mut Cluster, to: &str| {
        cluster.update("pods", "default", "old", |pod| pod["metadata"]["labels"]["app"] = to.into());
        cluster.settle();
    };
    relabel(&mut cluster, "mine");
    let released = cluster.get("pods", "default", "old").expect("it stays");
    assert!(released["metadata"]["ownerReferences"].is_null());
    assert_eq!(counts(&cluster), [2, 2, 2, 2, 2, 0]);
    relabel(&mut cluster, "d");
    assert!(cluster.get("pods", "default", "old").is_some(), "the older one");
    assert_eq!(counts(&cluster), [2, 2, 2, 1, 2, 0]);
}

#[test]
fn a_set_takes_no_pod_that_another_controls() {
    let mut cluster = Cluster::new(1);
    cluster.create("replicasets.apps", replica_set("d", 1));
    cluster.settle();
    cluster.create(SETS, daemon_set("d"));
    cluster.settle();
    let kind = |pod: &Value| pod["metadata"]["ownerReferences"][0]["kind"].as_str().unwrap_or("").to_owned();
    let mut kinds: Vec<String> = cluster.active("default").iter().map(kind).collect();
    kinds.sort();
    assert_eq!(kinds, ["DaemonSet", "ReplicaSet"]);
}

#[test]
fn availability_comes_with_time_and_conditions_stay_as_others_wrote_them() {
    let mut cluster = made(1, |set| set["spec"]["minReadySeconds"] = 30.into());
    assert_eq!(counts(&cluster), [1, 1, 1, 1, 0, 0]);
    assert_eq!(set(&cluster)["status"]["numberUnavailable"], 1);
    let conditions = json!([{"type": "StatusUpdate", "status": "True", "reason": "E2E"}]);
    change(&mut cluster, |set| set["status"]["conditions"] = conditions.clone());
    cluster.advance(31);
    assert_eq!(counts(&cluster), [1, 1, 1, 1, 1, 0]);
    assert_eq!(set(&cluster)["status"]["conditions"], conditions);
    assert!(set(&cluster)["status"]["numberUnavailable"].is_null());
}

#[test]
fn a_quota_that_has_no_room_is_told_once_and_heard_of_when_it_has() {
    let mut cluster = Cluster::new(3);
    let quota = json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "q", "namespace": "default"},
        "spec": {"hard": {"pods": "2"}}});
    cluster.create("resourcequotas", quota);
    cluster.settle();
    cluster.create(SETS, daemon_set("d"));
    cluster.settle();
    assert_eq!((pods(&cluster).len(), counts(&cluster)), ("n1:one n2:one".len(), [3, 2, 2, 2, 2, 0]));
    cluster.advance(60);
    let want =
        "Error creating: pods \"d-\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2";
    assert_eq!(told(&cluster, "FailedCreate"), [want]);
    cluster.update("resourcequotas", "default", "q", |quota| quota["spec"]["hard"]["pods"] = "3".into());
    cluster.settle();
    assert_eq!(pods(&cluster), "n1:one n2:one n3:one");
}

#[test]
fn one_decision_makes_250_pods_and_the_next_goes_on() {
    let mut cluster = with(260, |_| {});
    let view = cluster.view();
    let controller = cluster::all().iter().find(|one| one.name == "daemon_set").expect("the controller");
    let key = api::key::Key::new(SETS, "default", "d");
    let decision = controller.decision(&view, &key, cluster.now);
    let made = decision.drafts.iter().flat_map(|draft| &draft.writes).filter(|write| &*write.key.resource == "pods");
    assert_eq!(made.count(), 250);
    cluster.settle();
    assert_eq!(counts(&cluster), [260, 260, 260, 260, 260, 0]);
}

#[test]
fn heartbeats_of_nodes_wake_nobody() {
    let mut cluster = made(1, |_| {});
    let controller = cluster::all().iter().find(|one| one.name == "daemon_set").expect("the controller");
    let mut woken = |change: &dyn Fn(&mut Value)| {
        let before = cluster.view().get("nodes", "", "n1").cloned();
        cluster.update("nodes", "", "n1", change);
        let (view, time) = (cluster.view(), cluster.now);
        let object = view.get("nodes", "", "n1").cloned().expect("the node");
        let revision = object.revision;
        let event = api::event::Event { act: api::event::Act::Modified, revision, time, object, before };
        (controller.keys)(&event, &view).len()
    };
    assert_eq!(woken(&|node| node["status"]["conditions"][0]["lastHeartbeatTime"] = "2026-01-01T00:00:00Z".into()), 0);
    assert_eq!(woken(&|node| node["status"]["images"] = json!([{"names": ["a"]}])), 0);
    assert_eq!(woken(&|node| node["metadata"]["labels"]["a"] = "b".into()), 1);
    assert_eq!(woken(&|node| node["spec"]["taints"] = json!([{"key": "k", "effect": "NoExecute"}])), 1);
    assert_eq!(woken(&|node| node["spec"]["unschedulable"] = true.into()), 1);
}

#[test]
fn nothing_is_made_in_a_namespace_that_ends() {
    let mut cluster = made(2, |_| {});
    cluster.delete("namespaces", "", "default", "");
    cluster.settle();
    assert!(cluster.list(SETS, "").is_empty() && cluster.list("pods", "").is_empty());
    assert!(cluster.list(REVISIONS, "").is_empty());
}
