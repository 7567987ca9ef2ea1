//! Scenarios of DaemonSets whose template changes: which pods are replaced when, and the revisions that are kept.
mod cluster;

use cluster::daemons::*;
use cluster::{Cluster, daemon_set};
use serde_json::{Value, json};

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

fn uids(cluster: &Cluster) -> Vec<String> {
    let uid = |pod: &Value| pod["metadata"]["uid"].as_str().unwrap_or("").to_owned();
    cluster.active("default").iter().map(uid).collect()
}

#[test]
fn who_updates_on_deletion_is_updated_only_then() {
    let mut cluster = made(2, |set| set["spec"]["updateStrategy"] = json!({"type": "OnDelete"}));
    let first = revisions(&cluster);
    assert_eq!((first.len(), first[0].0, hashes(&cluster)), (1, 1, vec![first[0].1.clone()]));
    set_image(&mut cluster, "two");
    cluster.settle();
    assert_eq!(pods(&cluster), "n1:one n2:one");
    assert_eq!(counts(&cluster), [2, 2, 2, 0, 2, 0]);
    let both = revisions(&cluster);
    assert_eq!((both.len(), both[1].0, hashes(&cluster)), (2, 2, vec![first[0].1.clone()]));
    assert_ne!(both[0].1, both[1].1);
    let old = name(&on(&cluster, "n1"));
    cluster.delete("pods", "default", &old, "");
    cluster.settle();
    assert_eq!((pods(&cluster), counts(&cluster)), ("n1:two n2:one".into(), [2, 2, 2, 1, 2, 0]));
}

#[test]
fn a_rolling_update_takes_one_node_after_another() {
    let mut cluster = made(3, |_| {});
    set_image(&mut cluster, "two");
    let turns = turns(&mut cluster);
    for turn in &turns {
        assert!(turn.matches("(n").count() + turn.matches('?').count() <= 1, "{turns:?}");
    }
    assert_eq!(turns.first().map(String::as_str), Some("(n1:one) n2:one n3:one"));
    assert_eq!(pods(&cluster), "n1:two n2:two n3:two");
    assert!(rolled_out(&cluster));
    assert_eq!(hashes(&cluster), [revisions(&cluster)[1].1.clone()]);
    assert_eq!(on(&cluster, "n1")["metadata"]["labels"]["pod-template-generation"], "2");
    change(&mut cluster, |set| set["spec"]["minReadySeconds"] = 0.into());
    cluster.settle();
    assert_eq!((revisions(&cluster).len(), counts(&cluster)), (2, [3, 3, 3, 3, 3, 0]), "that is no new template");
}

#[test]
fn more_may_be_missing_and_those_that_are_go_first() {
    for (unavailable, want) in [(json!(2), 2), (json!("50%"), 2), (json!("100%"), 4)] {
        let mut cluster =
            made(4, |set| set["spec"]["updateStrategy"]["rollingUpdate"]["maxUnavailable"] = unavailable.clone());
        set_image(&mut cluster, "two");
        cluster.settle_deciders();
        assert_eq!(pods(&cluster).matches("(n").count(), want, "{unavailable}");
        cluster.settle();
        assert_eq!(pods(&cluster), "n1:two n2:two n3:two n4:two");
    }
    let mut cluster = made(3, |_| {});
    let sick = name(&on(&cluster, "n3"));
    cluster.update("pods", "default", &sick, |pod| pod["status"]["conditions"][0]["status"] = "False".into());
    cluster.settle();
    assert_eq!(counts(&cluster), [3, 3, 2, 3, 2, 0]);
    set_image(&mut cluster, "two");
    cluster.settle_deciders();
    assert_eq!(pods(&cluster), "(n3:one) n1:one n2:one");
}

#[test]
fn a_rollback_restarts_none_that_has_the_template() {
    let mut cluster = made(3, |_| {});
    let before = uids(&cluster);
    cluster.pods_become_ready = false;
    set_image(&mut cluster, "foo:non-existent");
    cluster.settle();
    assert_eq!(pods(&cluster), "n1:foo:non-existent n2:one n3:one", "the update is stuck");
    let stay: Vec<String> = uids(&cluster).into_iter().filter(|uid| before.contains(uid)).collect();
    assert_eq!(stay.len(), 2);
    cluster.pods_become_ready = true;
    set_image(&mut cluster, "one");
    cluster.settle();
    assert_eq!((pods(&cluster), rolled_out(&cluster)), ("n1:one n2:one n3:one".into(), true));
    assert!(stay.iter().all(|uid| uids(&cluster).contains(uid)), "none was restarted");
    let numbers: Vec<i64> = revisions(&cluster).iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, [2, 3], "the first revision is used again");
}

#[test]
fn a_surge_makes_the_new_one_before_the_old_one_goes() {
    let surge = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}});
    let mut cluster = made(2, |set| set["spec"]["updateStrategy"] = surge);
    set_image(&mut cluster, "two");
    let turns = turns(&mut cluster);
    assert_eq!(turns[0], "?:two n1:one n2:one");
    for turn in &turns {
        let available = |image: &str| ["n1", "n2"].map(|node| turn.matches(&format!("{node}:{image}")).count());
        let ([a, b], [c, d]) = (available("one"), available("two"));
        assert!(a + c >= 1 && b + d >= 1 && turn.matches('?').count() <= 1, "{turns:?}");
    }
    assert_eq!((pods(&cluster), rolled_out(&cluster)), ("n1:two n2:two".into(), true));
    // Where the new one does not become ready the old one stays; one that is not ready either gives way.
    cluster.pods_become_ready = false;
    set_image(&mut cluster, "three");
    cluster.settle();
    assert_eq!(pods(&cluster), "n1:three n1:two n2:two");
    let mut old = cluster.active("default");
    old.retain(|pod| pod["spec"]["nodeName"] == "n1" && pod["spec"]["containers"][0]["image"] == "two");
    cluster.update("pods", "default", &name(&old[0]), |pod| pod["status"]["conditions"][0]["status"] = "False".into());
    cluster.settle();
    assert_eq!(pods(&cluster), "n1:three n2:three n2:two", "a node without an old one is none of those that have two");
}

#[test]
fn with_a_surge_a_node_that_takes_no_more_keeps_its_pod_until_another_is_available() {
    let surge = json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}});
    for (ready, want) in [("True", "n2:two"), ("False", "n1:one n2:two")] {
        let mut cluster = made(2, |set| set["spec"]["updateStrategy"] = surge.clone());
        let other = name(&on(&cluster, "n2"));
        cluster.update("pods", "default", &other, |pod| pod["status"]["conditions"][0]["status"] = ready.into());
        cluster.update("nodes", "", "n1", |node| {
            node["spec"]["taints"] = json!([{"key": "k", "effect": "NoSchedule"}]);
        });
        cluster.settle();
        cluster.pods_become_ready = ready == "True";
        set_image(&mut cluster, "two");
        cluster.settle();
        assert_eq!(pods(&cluster), want, "the other is available: {ready}");
    }
}

#[test]
fn an_update_waits_until_pods_were_ready_for_long_enough() {
    let mut cluster = made(2, |set| set["spec"]["minReadySeconds"] = 10.into());
    cluster.advance(11);
    set_image(&mut cluster, "two");
    cluster.settle();
    assert_eq!(pods(&cluster), "n1:two n2:one");
    cluster.advance(9);
    assert_eq!(pods(&cluster), "n1:two n2:one");
    cluster.advance(2);
    assert_eq!(pods(&cluster), "n1:two n2:two");
}

#[test]
fn orphans_are_taken_up_with_their_revision_and_not_restarted() {
    let mut cluster = made(2, |_| {});
    let (before, hash) = (uids(&cluster), hashes(&cluster));
    cluster.delete(SETS, "default", "d", "orphan");
    cluster.settle();
    assert_eq!(pods(&cluster), "n1:one n2:one");
    let owners = |one: &Value| one["metadata"]["ownerReferences"].is_null();
    assert!(cluster.list("pods", "default").iter().chain(&cluster.list(REVISIONS, "default")).all(owners));
    cluster.create(SETS, daemon_set("d"));
    cluster.settle();
    assert_eq!((uids(&cluster), hashes(&cluster)), (before, hash));
    assert_eq!((revisions(&cluster).len(), rolled_out(&cluster)), (1, true));
    // A set of another template takes them up, too, and replaces them.
    cluster.delete(SETS, "default", "d", "orphan");
    cluster.settle();
    let mut other = daemon_set("d");
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "two".into();
    cluster.create(SETS, other);
    cluster.settle();
    assert_eq!((pods(&cluster), revisions(&cluster).len()), ("n1:two n2:two".into(), 2));
}

#[test]
fn a_client_may_make_patch_and_delete_revisions() {
    let mut cluster = made(2, |_| {});
    let before = uids(&cluster);
    let first = cluster.list(REVISIONS, "default").remove(0);
    assert_eq!((&first["revision"], &first["metadata"]["labels"]["app"]), (&json!(1), &json!("d")));
    assert_eq!(first["data"]["spec"]["template"]["$patch"], "replace");
    assert_eq!(first["metadata"]["ownerReferences"][0]["kind"], "DaemonSet");
    cluster.update(REVISIONS, "default", &name(&first), |one| one["metadata"]["labels"]["x"] = "patched".into());
    cluster.settle();
    let mut second = first.clone();
    second["metadata"] = json!({"name": "d-other", "namespace": "default",
        "ownerReferences": first["metadata"]["ownerReferences"],
        "labels": {"app": "d", "controller-revision-hash": "other"}});
    second["revision"] = 2.into();
    cluster.create(REVISIONS, second);
    cluster.settle();
    assert_eq!(revisions(&cluster).len(), 2);
    assert_eq!((hashes(&cluster), uids(&cluster)), (vec!["other".to_owned()], before.clone()), "the same template");
    cluster.delete(REVISIONS, "default", &name(&first), "");
    cluster.settle();
    assert_eq!((revisions(&cluster), uids(&cluster)), (vec![(2, "other".to_owned())], before));
    change(&mut cluster, |set| set["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = 1.into());
    cluster.settle();
    assert_eq!(revisions(&cluster).len(), 2);
    cluster.delete(REVISIONS, "default", "d-other", "");
    cluster.settle();
    let left = revisions(&cluster);
    assert_eq!((left.len(), left[0].0), (1, 3));
}

#[test]
fn old_revisions_are_kept_up_to_the_limit_and_while_pods_have_them() {
    let mut cluster = made(1, |set| set["spec"]["revisionHistoryLimit"] = 2.into());
    for version in 0..5 {
        set_image(&mut cluster, &format!("v{version}"));
        cluster.settle();
    }
    let numbers = |cluster: &Cluster| revisions(cluster).iter().map(|(number, _)| *number).collect::<Vec<_>>();
    assert_eq!(numbers(&cluster), [4, 5, 6]);
    change(&mut cluster, |set| {
        set["spec"]["updateStrategy"] = json!({"type": "OnDelete"});
        set["spec"]["revisionHistoryLimit"] = 0.into();
    });
    set_image(&mut cluster, "last");
    cluster.settle();
    assert_eq!(numbers(&cluster), [6, 7], "a pod still has the sixth");
}

#[test]
fn a_revision_whose_name_is_taken_has_another() {
    let mut cluster = made(1, |_| {});
    let taken = name(&cluster.list(REVISIONS, "default")[0]);
    cluster.delete(SETS, "default", "d", "");
    cluster.settle();
    let other = json!({"apiVersion": "apps/v1", "kind": "ControllerRevision", "revision": 1, "data": {"spec": {}},
        "metadata": {"name": taken, "namespace": "default"}});
    cluster.create(REVISIONS, other);
    cluster.create(SETS, daemon_set("d"));
    cluster.settle();
    assert_eq!((&set(&cluster)["status"]["collisionCount"], rolled_out(&cluster)), (&json!(1), true));
}

#[test]
fn pods_say_the_generation_of_the_template_that_the_api_counts() {
    let annotation = json!({"deprecated.daemonset.template.generation": "999"});
    let cluster = made(1, |set| set["metadata"]["annotations"] = annotation.clone());
    assert_eq!(on(&cluster, "n1")["metadata"]["labels"]["pod-template-generation"], "999");
}
