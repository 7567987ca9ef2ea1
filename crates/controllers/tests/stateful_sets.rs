//! Scenarios of StatefulSets: the order of their pods, their names, revisions and claims.
mod cluster;

use cluster::{Cluster, pod, stateful_set};
use serde_json::{Value, json};

const SETS: &str = "statefulsets.apps";
const REVISIONS: &str = "controllerrevisions.apps";
const CLAIMS: &str = "persistentvolumeclaims";

fn db(cluster: &Cluster) -> Value {
    cluster.get(SETS, "default", "db").expect("the set")
}

fn change(cluster: &mut Cluster, change: impl FnOnce(&mut Value)) {
    cluster.update(SETS, "default", "db", change);
}

fn set_image(cluster: &mut Cluster, image: &str) {
    change(cluster, |value| value["spec"]["template"]["spec"]["containers"][0]["image"] = image.into());
}

fn made(change: impl FnOnce(&mut Value)) -> Cluster {
    let mut cluster = Cluster::new(3);
    let mut value = stateful_set("db", 3);
    change(&mut value);
    cluster.create(SETS, value);
    cluster
}

fn names(cluster: &Cluster, resource: &str) -> Vec<String> {
    let name = |object: &Value| object["metadata"]["name"].as_str().unwrap_or("").to_owned();
    cluster.list(resource, "default").iter().map(name).collect()
}

/// Name and image of each pod, those being deleted in brackets.
fn pods(cluster: &Cluster) -> String {
    let one = |pod: &Value| {
        let name = pod["metadata"]["name"].as_str().unwrap_or("");
        let image = pod["spec"]["containers"][0]["image"].as_str().unwrap_or("");
        if pod["metadata"]["deletionTimestamp"].is_null() {
            format!("{name}:{image}")
        } else {
            format!("({name}:{image})")
        }
    };
    cluster.list("pods", "default").iter().map(one).collect::<Vec<_>>().join(" ")
}

/// What is there after each turn of the deciders, with a turn of the kubelet between, until nothing changes any more.
fn turns(cluster: &mut Cluster) -> Vec<String> {
    let mut turns = Vec::new();
    loop {
        cluster.settle_deciders();
        let now = pods(cluster);
        if turns.last() != Some(&now) {
            turns.push(now);
        }
        if !cluster.kubelet() {
            cluster.settle();
            return turns;
        }
    }
}

fn uid(cluster: &Cluster, name: &str) -> String {
    let pod = cluster.get("pods", "default", name).expect("the pod");
    pod["metadata"]["uid"].as_str().unwrap_or("").to_owned()
}

/// What `kubectl rollout status` waits for.
fn rolled_out(set: &Value) -> bool {
    let status = |member: &str| set["status"][member].as_i64().unwrap_or(0);
    let wanted = set["spec"]["replicas"].as_i64().unwrap_or(0);
    let partition = set["spec"]["updateStrategy"]["rollingUpdate"]["partition"].as_i64().unwrap_or(0);
    status("observedGeneration") >= set["metadata"]["generation"].as_i64().unwrap_or(0)
        && status("readyReplicas") >= wanted
        && match partition {
            0 => set["status"]["updateRevision"] == set["status"]["currentRevision"],
            partition => status("updatedReplicas") >= wanted - partition,
        }
}

#[test]
fn pods_come_one_after_the_other_and_know_who_they_are() {
    let mut cluster = made(|value| value["spec"]["ordinals"] = json!({"start": 5}));
    let first = turns(&mut cluster);
    assert_eq!(first, ["db-5:one", "db-5:one db-6:one", "db-5:one db-6:one db-7:one"]);
    let pod = cluster.get("pods", "default", "db-6").expect("the pod");
    let set = db(&cluster);
    let revision = set["status"]["updateRevision"].clone();
    assert_eq!(
        pod["metadata"]["labels"],
        json!({"app": "db", "statefulset.kubernetes.io/pod-name": "db-6", "apps.kubernetes.io/pod-index": "6",
            "controller-revision-hash": revision})
    );
    assert_eq!((&pod["spec"]["hostname"], &pod["spec"]["subdomain"]), (&json!("db-6"), &json!("peers")));
    assert_eq!(names(&cluster, REVISIONS), [revision.as_str().unwrap_or("")]);
    let status = &set["status"];
    for member in ["replicas", "readyReplicas", "availableReplicas", "currentReplicas", "updatedReplicas"] {
        assert_eq!(status[member], 3, "{member} of {status}");
    }
    assert!(rolled_out(&set));
    let events = cluster.list("events", "default");
    let told = |reason: &str| events.iter().filter(|event| event["reason"] == reason).count();
    assert_eq!((told("SuccessfulCreate"), told("FailedCreate")), (3, 0));
}

#[test]
fn nothing_goes_on_while_one_is_not_ready() {
    let mut cluster = made(|_| {});
    cluster.pods_become_ready = false;
    cluster.settle();
    assert_eq!(pods(&cluster), "db-0:one");
    assert_eq!(db(&cluster)["status"]["replicas"], 1);
    assert!(!rolled_out(&db(&cluster)));
}

#[test]
fn parallel_pods_come_and_go_at_once() {
    let mut cluster = made(|value| value["spec"]["podManagementPolicy"] = "Parallel".into());
    assert_eq!(turns(&mut cluster), ["db-0:one db-1:one db-2:one"]);
    change(&mut cluster, |value| value["spec"]["replicas"] = 1.into());
    cluster.settle_deciders();
    assert_eq!(pods(&cluster), "db-0:one (db-1:one) (db-2:one)");
    cluster.settle();
    assert_eq!(pods(&cluster), "db-0:one");
    // A rolling update takes one at a time all the same.
    change(&mut cluster, |value| value["spec"]["replicas"] = 2.into());
    cluster.settle();
    set_image(&mut cluster, "two");
    cluster.settle_deciders();
    assert_eq!(pods(&cluster), "db-0:one (db-1:one)");
    cluster.settle();
    assert_eq!(pods(&cluster), "db-0:two db-1:two");
}

#[test]
fn a_large_parallel_set_is_made_in_few_commands() {
    let mut cluster = made(|value| {
        value["spec"]["podManagementPolicy"] = "Parallel".into();
        value["spec"]["replicas"] = 1_200.into();
    });
    let before = cluster.view().index();
    cluster.settle_deciders();
    assert_eq!(cluster.active("default").len(), 1_200);
    assert!(cluster.view().index() - before < 20, "{} entries", cluster.view().index() - before);
}

#[test]
fn pods_go_from_the_top_one_at_a_time_and_only_while_all_are_well() {
    let mut cluster = made(|_| {});
    cluster.settle();
    let sick = |cluster: &mut Cluster, name: &str, status: &str| {
        cluster.update("pods", "default", name, |value| value["status"]["conditions"][0]["status"] = status.into());
    };
    sick(&mut cluster, "db-0", "False");
    change(&mut cluster, |value| value["spec"]["replicas"] = 1.into());
    cluster.settle();
    assert_eq!(pods(&cluster), "db-0:one db-1:one db-2:one");
    sick(&mut cluster, "db-0", "True");
    assert_eq!(turns(&mut cluster), ["db-0:one db-1:one (db-2:one)", "db-0:one (db-1:one)", "db-0:one"]);
    assert_eq!(db(&cluster)["status"]["replicas"], 1);
}

#[test]
fn of_those_that_are_too_many_only_one_is_on_its_way_out() {
    let mut cluster = made(|_| {});
    cluster.settle();
    cluster.delete("pods", "default", "db-1", "");
    change(&mut cluster, |value| value["spec"]["replicas"] = 1.into());
    assert_eq!(turns(&mut cluster), ["db-0:one (db-1:one) db-2:one", "db-0:one (db-2:one)", "db-0:one"]);
}

#[test]
fn an_update_goes_down_to_its_partition_and_back_again() {
    let mut cluster = made(|value| value["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 1.into());
    cluster.settle();
    let first = db(&cluster)["status"]["currentRevision"].clone();
    set_image(&mut cluster, "two");
    assert_eq!(
        turns(&mut cluster),
        [
            "db-0:one db-1:one (db-2:one)",
            "db-0:one db-1:one db-2:two",
            "db-0:one (db-1:one) db-2:two",
            "db-0:one db-1:two db-2:two"
        ]
    );
    let set = db(&cluster);
    assert!(rolled_out(&set));
    assert_eq!((&set["status"]["updatedReplicas"], &set["status"]["currentReplicas"]), (&json!(2), &json!(1)));
    assert_eq!(set["status"]["currentRevision"], first);
    // One below the partition is made anew as it was, one above as it shall be.
    cluster.delete("pods", "default", "db-0", "");
    cluster.delete("pods", "default", "db-2", "");
    cluster.settle();
    assert_eq!(pods(&cluster), "db-0:one db-1:two db-2:two");
    change(&mut cluster, |value| value["spec"]["updateStrategy"]["rollingUpdate"]["partition"] = 0.into());
    cluster.settle();
    assert_eq!(pods(&cluster), "db-0:two db-1:two db-2:two");
    let set = db(&cluster);
    assert!(rolled_out(&set) && set["status"]["currentRevision"] != first);
    assert_eq!(set["status"]["currentReplicas"], 3);
    // `kubectl rollout undo` patches the template of the first revision back.
    let name = first.as_str().expect("a name");
    let revision = cluster.get(REVISIONS, "default", name).expect("the first revision");
    let mut template = revision["data"]["spec"]["template"].clone();
    assert_eq!(template.as_object_mut().expect("a template").remove("$patch"), Some("replace".into()));
    change(&mut cluster, |value| value["spec"]["template"] = template);
    cluster.settle();
    assert_eq!(pods(&cluster), "db-0:one db-1:one db-2:one");
    assert_eq!(db(&cluster)["status"]["currentRevision"], first);
    assert_eq!(names(&cluster, REVISIONS).len(), 2, "the first revision is used again");
    assert_eq!(cluster.get(REVISIONS, "default", name).expect("the first revision")["revision"], 3);
}

#[test]
fn an_update_waits_until_pods_were_ready_for_long_enough() {
    let mut cluster = made(|value| value["spec"]["minReadySeconds"] = 10.into());
    cluster.settle();
    assert_eq!(pods(&cluster), "db-0:one");
    cluster.advance(35);
    assert_eq!(
        (pods(&cluster).as_str(), &db(&cluster)["status"]["availableReplicas"]),
        ("db-0:one db-1:one db-2:one", &json!(3))
    );
    set_image(&mut cluster, "two");
    cluster.settle();
    assert_eq!(pods(&cluster), "db-0:one db-1:one db-2:two");
    cluster.advance(11);
    assert_eq!(pods(&cluster), "db-0:one db-1:two db-2:two");
    // The next leader knows of no timer, and goes on all the same.
    cluster.elect();
    cluster.settle();
    cluster.advance(11);
    assert_eq!(pods(&cluster), "db-0:two db-1:two db-2:two");
}

#[test]
fn on_delete_leaves_pods_until_somebody_deletes_them() {
    let mut cluster = made(|value| value["spec"]["updateStrategy"] = json!({"type": "OnDelete"}));
    cluster.settle();
    set_image(&mut cluster, "two");
    cluster.settle();
    assert_eq!(pods(&cluster), "db-0:one db-1:one db-2:one");
    cluster.delete("pods", "default", "db-1", "");
    cluster.settle();
    assert_eq!(pods(&cluster), "db-0:one db-1:two db-2:one");
    assert_eq!(db(&cluster)["status"]["updatedReplicas"], 1);
}

#[test]
fn only_so_many_revisions_are_kept() {
    let mut cluster = made(|value| value["spec"]["revisionHistoryLimit"] = 2.into());
    for version in 0..6 {
        set_image(&mut cluster, &format!("v{version}"));
        cluster.settle();
    }
    let revisions = cluster.list(REVISIONS, "default");
    let mut numbers: Vec<i64> = revisions.iter().filter_map(|one| one["revision"].as_i64()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, [4, 5, 6]);
}

#[test]
fn a_revision_whose_name_is_taken_has_another() {
    let mut cluster = made(|_| {});
    cluster.settle();
    let name = names(&cluster, REVISIONS).remove(0);
    cluster.delete(SETS, "default", "db", "");
    cluster.settle();
    assert!(cluster.list(REVISIONS, "default").is_empty() && cluster.list("pods", "default").is_empty());
    let other = json!({"apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 1, "data": {"spec": {}},
        "metadata": {"name": name, "namespace": "default"}});
    cluster.create(REVISIONS, other);
    cluster.create(SETS, stateful_set("db", 1));
    cluster.settle();
    let status = &db(&cluster)["status"];
    assert_eq!(status["collisionCount"], 1);
    assert!(status["updateRevision"] != name.as_str() && rolled_out(&db(&cluster)));
}

#[test]
fn a_pod_is_made_again_only_when_the_old_one_is_gone() {
    let mut cluster = made(|_| {});
    cluster.settle();
    let (old, node) = (uid(&cluster, "db-1"), cluster.get("pods", "default", "db-1").expect("the pod"));
    let node = node["spec"]["nodeName"].as_str().unwrap_or("").to_owned();
    cluster.lost.insert(node.clone());
    let ready = |cluster: &mut Cluster, status: &str| {
        cluster.update("nodes", "", &node, |value| value["status"]["conditions"][0]["status"] = status.into());
    };
    ready(&mut cluster, "Unknown");
    // Long after its patience is over it is being deleted, and nothing else: its node may still run it.
    cluster.settle();
    cluster.advance(4_000);
    cluster.elect();
    cluster.settle();
    assert_eq!(uid(&cluster, "db-1"), old);
    assert_eq!(pods(&cluster), "db-0:one (db-1:one) db-2:one");
    // Its node comes back and ends it.
    cluster.lost.clear();
    ready(&mut cluster, "True");
    cluster.settle();
    assert_ne!(uid(&cluster, "db-1"), old);
    assert_eq!(pods(&cluster), "db-0:one db-1:one db-2:one");
}

#[test]
fn an_operator_may_say_that_a_lost_node_is_off() {
    let mut cluster = made(|_| {});
    cluster.settle();
    let old = uid(&cluster, "db-1");
    let node = cluster.get("pods", "default", "db-1").expect("the pod")["spec"]["nodeName"].clone();
    let node = node.as_str().expect("a node").to_owned();
    cluster.lost.insert(node.clone());
    let taint = json!([{"key": "node.kubernetes.io/out-of-service", "value": "nodeshutdown", "effect": "NoExecute"}]);
    cluster.update("nodes", "", &node, |value| value["spec"]["taints"] = taint);
    cluster.settle();
    assert_eq!(uid(&cluster, "db-1"), old, "a node that answers ends its pods itself");
    assert_eq!(pods(&cluster), "db-0:one (db-1:one) db-2:one");
    cluster.update("nodes", "", &node, |value| value["status"]["conditions"][0]["status"] = "Unknown".into());
    cluster.settle();
    assert_ne!(uid(&cluster, "db-1"), old);
    assert_eq!(pods(&cluster), "db-0:one db-1:one db-2:one");
}

#[test]
fn no_grace_is_a_little_grace_where_names_stay() {
    let mut cluster = made(|value| value["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 0.into());
    cluster.settle();
    set_image(&mut cluster, "two");
    cluster.settle_deciders();
    assert_eq!(pods(&cluster), "db-0:one db-1:one (db-2:one)");
}

#[test]
fn a_failed_pod_is_made_anew() {
    let mut cluster = made(|_| {});
    cluster.settle();
    let old = uid(&cluster, "db-1");
    cluster.update("pods", "default", "db-1", |value| value["status"]["phase"] = "Failed".into());
    cluster.settle();
    assert_ne!(uid(&cluster, "db-1"), old);
    assert_eq!(pods(&cluster), "db-0:one db-1:one db-2:one");
    assert!(cluster.list("events", "default").iter().any(|event| event["reason"] == "RecreatingFailedPod"));
}

#[test]
fn a_name_that_another_has_is_waited_for() {
    let mut cluster = Cluster::new(1);
    cluster.create("pods", pod("db-1", json!({"app": "other"})));
    cluster.create(SETS, stateful_set("db", 2));
    cluster.settle();
    assert_eq!(db(&cluster)["status"]["replicas"], 1);
    let failed = |cluster: &Cluster| {
        cluster.list("events", "default").iter().filter(|event| event["reason"] == "FailedCreate").count()
    };
    assert_eq!(failed(&cluster), 1);
    cluster.delete("pods", "default", "db-1", "");
    cluster.settle();
    assert!(rolled_out(&db(&cluster)));
    assert_eq!(db(&cluster)["status"]["replicas"], 2);
}

#[test]
fn orphans_of_its_names_are_adopted_and_strangers_let_go() {
    let mut cluster = made(|_| {});
    cluster.settle();
    let uids = ["db-0", "db-1", "db-2"].map(|name| uid(&cluster, name));
    cluster.delete(SETS, "default", "db", "orphan");
    cluster.settle();
    assert_eq!(pods(&cluster), "db-0:one db-1:one db-2:one");
    cluster.create(SETS, stateful_set("db", 3));
    cluster.settle();
    assert_eq!(["db-0", "db-1", "db-2"].map(|name| uid(&cluster, name)), uids);
    assert!(rolled_out(&db(&cluster)));
    assert_eq!(names(&cluster, REVISIONS).len(), 1, "the revision was adopted too");
    // One that loses its label is let go, and holds its name.
    cluster.update("pods", "default", "db-2", |value| value["metadata"]["labels"] = json!({"app": "mine"}));
    cluster.settle();
    assert!(cluster.get("pods", "default", "db-2").expect("it stays")["metadata"]["ownerReferences"].is_null());
    assert_eq!(db(&cluster)["status"]["replicas"], 2);
    // It comes back, with the labels of its name.
    cluster.update("pods", "default", "db-2", |value| value["metadata"]["labels"]["app"] = "db".into());
    cluster.settle();
    let back = cluster.get("pods", "default", "db-2").expect("it is there");
    assert_eq!(back["metadata"]["ownerReferences"][0]["name"], "db");
    assert_eq!(back["metadata"]["labels"]["apps.kubernetes.io/pod-index"], "2");
    assert_eq!(db(&cluster)["status"]["replicas"], 3);
}

fn with_claims(value: &mut Value, deleted: &str, scaled: &str) {
    value["spec"]["replicas"] = 2.into();
    value["spec"]["volumeClaimTemplates"] = json!([{"metadata": {"name": "data", "labels": {"tier": "gold"}},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]);
    value["spec"]["template"]["spec"]["volumes"] =
        json!([{"name": "data", "emptyDir": {}}, {"name": "tmp", "emptyDir": {}}]);
    value["spec"]["persistentVolumeClaimRetentionPolicy"] = json!({"whenDeleted": deleted, "whenScaled": scaled});
}

#[test]
fn claims_come_before_their_pods_and_stay() {
    let mut cluster = made(|value| with_claims(value, "Retain", "Retain"));
    cluster.settle();
    assert_eq!(names(&cluster, CLAIMS), ["data-db-0", "data-db-1"]);
    let claim = cluster.get(CLAIMS, "default", "data-db-1").expect("the claim");
    assert_eq!(claim["metadata"]["labels"], json!({"tier": "gold", "app": "db"}));
    assert_eq!(claim["spec"]["resources"]["requests"]["storage"], "1Gi");
    let pod = cluster.get("pods", "default", "db-1").expect("the pod");
    let volumes = pod["spec"]["volumes"].as_array().expect("volumes");
    assert_eq!(volumes.len(), 3, "one is of the pod's token");
    assert_eq!(volumes[0], json!({"name": "data", "persistentVolumeClaim": {"claimName": "data-db-1"}}));
    change(&mut cluster, |value| value["spec"]["replicas"] = 0.into());
    cluster.settle();
    cluster.delete(SETS, "default", "db", "");
    cluster.settle();
    assert_eq!(names(&cluster, CLAIMS), ["data-db-0", "data-db-1"]);
    // The next set of this name finds them.
    let kept = cluster.get(CLAIMS, "default", "data-db-0").expect("the claim");
    cluster.create(SETS, {
        let mut value = stateful_set("db", 1);
        with_claims(&mut value, "Retain", "Retain");
        value
    });
    cluster.settle();
    assert_eq!(cluster.get(CLAIMS, "default", "data-db-0").expect("the claim")["metadata"], kept["metadata"]);
}

#[test]
fn claims_go_with_pods_that_are_too_many_or_with_the_set() {
    let mut cluster = made(|value| with_claims(value, "Delete", "Delete"));
    cluster.settle();
    let owner = |cluster: &Cluster| {
        cluster.get(CLAIMS, "default", "data-db-1").expect("the claim")["metadata"]["ownerReferences"][0]["kind"]
            .clone()
    };
    assert_eq!(owner(&cluster), "StatefulSet");
    change(&mut cluster, |value| value["spec"]["replicas"] = 1.into());
    cluster.settle_deciders();
    assert_eq!(owner(&cluster), "Pod");
    // Before the pod is gone it is wanted again: the claim goes first, and the new pod has a new one.
    let old = cluster.get(CLAIMS, "default", "data-db-1").expect("the claim")["metadata"]["uid"].clone();
    change(&mut cluster, |value| value["spec"]["replicas"] = 2.into());
    cluster.settle();
    assert_eq!(pods(&cluster), "db-0:one db-1:one");
    let new = cluster.get(CLAIMS, "default", "data-db-1").expect("the claim");
    assert_ne!(new["metadata"]["uid"], old);
    assert_eq!(owner(&cluster), "StatefulSet");
    cluster.delete(SETS, "default", "db", "");
    cluster.settle();
    assert!(names(&cluster, CLAIMS).is_empty() && names(&cluster, "pods").is_empty());
}

#[test]
fn a_claim_that_is_lost_is_made_again_and_the_policy_may_change() {
    let mut cluster = made(|value| with_claims(value, "Retain", "Retain"));
    cluster.settle();
    // While its pod is there only force takes it away.
    cluster.update(CLAIMS, "default", "data-db-1", |claim| claim["metadata"]["finalizers"] = json!([]));
    cluster.delete(CLAIMS, "default", "data-db-1", "");
    cluster.settle();
    assert_eq!(names(&cluster, CLAIMS), ["data-db-0", "data-db-1"]);
    change(&mut cluster, |value| {
        value["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] = "Delete".into()
    });
    cluster.settle();
    let owners = |cluster: &Cluster| {
        let claims = cluster.list(CLAIMS, "default");
        claims.iter().filter(|claim| !claim["metadata"]["ownerReferences"].is_null()).count()
    };
    assert_eq!(owners(&cluster), 2);
    change(&mut cluster, |value| {
        value["spec"]["persistentVolumeClaimRetentionPolicy"]["whenDeleted"] = "Retain".into()
    });
    cluster.settle();
    assert_eq!(owners(&cluster), 0);
}

#[test]
fn a_new_leader_goes_on_at_every_step() {
    let mut cluster = made(|_| {});
    let mut versions = ["two", "three"].into_iter();
    loop {
        cluster.elect();
        cluster.settle_deciders();
        let ready = |pod: &&Value| pod["status"]["conditions"][0]["status"] == "True";
        let all = cluster.list("pods", "default");
        let waiting = all.iter().filter(|pod| !ready(pod) || !pod["metadata"]["deletionTimestamp"].is_null()).count();
        assert!(waiting <= 1, "one at a time: {}", pods(&cluster));
        if !cluster.kubelet() {
            match versions.next() {
                Some(version) => set_image(&mut cluster, version),
                None => break,
            }
        }
    }
    cluster.settle();
    assert_eq!(pods(&cluster), "db-0:three db-1:three db-2:three");
    assert!(rolled_out(&db(&cluster)));
}
