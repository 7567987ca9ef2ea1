//! Scenarios of Deployments and ReplicaSets, from creation to the end of their pods.
mod cluster;

use cluster::{Cluster, condition, deployment, pod, replica_set};
use serde_json::{Value, json};

const DEPLOYMENTS: &str = "deployments.apps";
const SETS: &str = "replicasets.apps";

fn image(pod: &Value) -> &str {
    pod["spec"]["containers"][0]["image"].as_str().unwrap_or("")
}

fn set_image(cluster: &mut Cluster, name: &str, image: &str) {
    cluster.update(DEPLOYMENTS, "default", name, |value| {
        value["spec"]["template"]["spec"]["containers"][0]["image"] = image.into();
    });
}

fn web(cluster: &Cluster) -> Value {
    cluster.get(DEPLOYMENTS, "default", "web").expect("the deployment")
}

/// What `kubectl rollout status` waits for.
fn rolled_out(deployment: &Value) -> bool {
    let status = |member: &str| deployment["status"][member].as_i64().unwrap_or(0);
    let wanted = deployment["spec"]["replicas"].as_i64().unwrap_or(0);
    status("observedGeneration") >= deployment["metadata"]["generation"].as_i64().unwrap_or(0)
        && [status("updatedReplicas"), status("replicas"), status("availableReplicas")] == [wanted; 3]
}

#[test]
fn a_deployment_is_created_scaled_and_deleted() {
    let mut cluster = Cluster::new(3);
    cluster.create(DEPLOYMENTS, deployment("web", 3));
    cluster.settle();
    assert!(rolled_out(&web(&cluster)), "{}", web(&cluster));
    assert_eq!(condition(&web(&cluster), "Available"), ("True", "MinimumReplicasAvailable"));
    assert_eq!(condition(&web(&cluster), "Progressing"), ("True", "NewReplicaSetAvailable"));
    assert_eq!(web(&cluster)["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "1");
    let pods = cluster.active("default");
    assert_eq!(pods.len(), 3);
    for pod in &pods {
        assert!(pod["metadata"]["labels"]["pod-template-hash"].is_string());
        assert_eq!(pod["metadata"]["ownerReferences"][0]["kind"], "ReplicaSet");
        let pods = api::kinds::builtin().iter().find(|kind| &*kind.resource == "pods").expect("pods");
        let mut defaulted = pod.clone();
        api::schema::default(pods, &mut defaulted);
        assert_eq!(&defaulted, pod, "it says all that the API server would fill in");
    }
    for replicas in [7, 0, 2] {
        cluster.update(DEPLOYMENTS, "default", "web", |value| value["spec"]["replicas"] = replicas.into());
        cluster.settle();
        assert_eq!(cluster.active("default").len(), replicas, "scaled to {replicas}");
        assert!(rolled_out(&web(&cluster)));
    }
    assert_eq!(cluster.list(SETS, "default").len(), 1);
    let reasons: Vec<Value> =
        cluster.list("events", "default").into_iter().map(|event| event["reason"].clone()).collect();
    for reason in ["ScalingReplicaSet", "SuccessfulCreate", "SuccessfulDelete"] {
        assert!(reasons.contains(&json!(reason)), "{reason} in {reasons:?}");
    }
}

#[test]
fn a_rolling_update_keeps_its_bounds_and_can_be_undone() {
    let mut cluster = Cluster::new(2);
    cluster.create(DEPLOYMENTS, deployment("web", 4));
    cluster.settle();
    let first = cluster.list(SETS, "default").remove(0);
    set_image(&mut cluster, "web", "two");
    // Step by step: never more than 5 pods wanted, never fewer than 3 ready.
    for _ in 0..40 {
        cluster.settle_deciders();
        let wanted: i64 = cluster.list(SETS, "default").iter().filter_map(|set| set["spec"]["replicas"].as_i64()).sum();
        assert!(wanted <= 5, "{wanted} wanted");
        let ready = cluster.active("default").iter().filter(|pod| condition(pod, "Ready").0 == "True").count();
        assert!(ready >= 3, "{ready} ready");
        if !cluster.kubelet() {
            break;
        }
    }
    cluster.settle();
    assert!(rolled_out(&web(&cluster)));
    assert!(cluster.active("default").iter().all(|pod| image(pod) == "two"));
    assert_eq!(web(&cluster)["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "2");
    // `kubectl rollout undo` puts the old template back, without the hash label.
    let mut template = first["spec"]["template"].clone();
    template["metadata"]["labels"].as_object_mut().expect("labels").remove("pod-template-hash");
    cluster.update(DEPLOYMENTS, "default", "web", |value| value["spec"]["template"] = template);
    cluster.settle();
    let again =
        cluster.get(SETS, "default", first["metadata"]["name"].as_str().expect("a name")).expect("the first set");
    assert_eq!(again["spec"]["replicas"], 4);
    assert_eq!(again["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "3");
    assert_eq!(again["metadata"]["annotations"]["deployment.kubernetes.io/revision-history"], "1");
    assert_eq!(cluster.list(SETS, "default").len(), 2);
    assert!(rolled_out(&web(&cluster)));
}

#[test]
fn recreate_waits_until_the_old_pods_are_gone() {
    let mut cluster = Cluster::new(1);
    let mut value = deployment("web", 2);
    value["spec"]["strategy"] = json!({"type": "Recreate"});
    cluster.create(DEPLOYMENTS, value);
    cluster.settle();
    set_image(&mut cluster, "web", "two");
    cluster.settle_deciders();
    assert!(cluster.list("pods", "default").iter().all(|pod| image(pod) == "one"), "old pods are still stopping");
    assert_eq!(cluster.list("pods", "default").len(), 2);
    cluster.settle();
    assert!(cluster.active("default").iter().all(|pod| image(pod) == "two"));
    assert!(rolled_out(&web(&cluster)));
}

#[test]
fn a_paused_deployment_scales_but_does_not_roll() {
    let mut cluster = Cluster::new(1);
    cluster.create(DEPLOYMENTS, deployment("web", 2));
    cluster.settle();
    cluster.update(DEPLOYMENTS, "default", "web", |value| value["spec"]["paused"] = true.into());
    set_image(&mut cluster, "web", "two");
    cluster.update(DEPLOYMENTS, "default", "web", |value| value["spec"]["replicas"] = 3.into());
    cluster.settle();
    assert_eq!(cluster.active("default").iter().filter(|pod| image(pod) == "one").count(), 3);
    assert_eq!(condition(&web(&cluster), "Progressing"), ("Unknown", "DeploymentPaused"));
    cluster.update(DEPLOYMENTS, "default", "web", |value| value["spec"]["paused"] = false.into());
    cluster.settle();
    assert!(cluster.active("default").iter().all(|pod| image(pod) == "two"));
    assert_eq!(condition(&web(&cluster), "Progressing"), ("True", "NewReplicaSetAvailable"));
}

#[test]
fn a_rollout_without_progress_says_so_in_time() {
    let mut cluster = Cluster::new(1);
    cluster.pods_become_ready = false;
    cluster.create(DEPLOYMENTS, deployment("web", 1));
    cluster.settle();
    cluster.advance(500);
    assert_eq!(condition(&web(&cluster), "Progressing").0, "True");
    cluster.advance(200);
    assert_eq!(condition(&web(&cluster), "Progressing"), ("False", "ProgressDeadlineExceeded"));
    assert_eq!(condition(&web(&cluster), "Available"), ("False", "MinimumReplicasUnavailable"));
}

#[test]
fn only_so_many_old_sets_are_kept() {
    let mut cluster = Cluster::new(1);
    let mut value = deployment("web", 1);
    value["spec"]["revisionHistoryLimit"] = 2.into();
    cluster.create(DEPLOYMENTS, value);
    for version in 0..6 {
        set_image(&mut cluster, "web", &format!("v{version}"));
        cluster.settle();
    }
    assert_eq!(cluster.list(SETS, "default").len(), 3);
    assert_eq!(web(&cluster)["metadata"]["annotations"]["deployment.kubernetes.io/revision"], "6");
}

#[test]
fn min_ready_seconds_delay_availability() {
    let mut cluster = Cluster::new(1);
    let mut value = deployment("web", 1);
    value["spec"]["minReadySeconds"] = 30.into();
    cluster.create(DEPLOYMENTS, value);
    cluster.settle();
    assert_eq!(web(&cluster)["status"]["readyReplicas"], 1);
    assert!(web(&cluster)["status"]["availableReplicas"].is_null());
    cluster.advance(31);
    assert_eq!(web(&cluster)["status"]["availableReplicas"], 1);
}

#[test]
fn a_replica_set_adopts_what_matches_and_releases_what_does_not() {
    let mut cluster = Cluster::new(1);
    cluster.create("pods", pod("early", json!({"app": "web"})));
    cluster.create(SETS, replica_set("web", 2));
    cluster.settle();
    assert_eq!(cluster.active("default").len(), 2);
    let early = cluster.get("pods", "default", "early").expect("it was adopted, not replaced");
    assert_eq!(early["metadata"]["ownerReferences"][0]["name"], "web");
    // A pod that loses its label is let go and replaced, by a younger one.
    cluster.advance(60);
    cluster.update("pods", "default", "early", |value| value["metadata"]["labels"] = json!({"app": "other"}));
    cluster.settle();
    let early = cluster.get("pods", "default", "early").expect("it was let go, not deleted");
    assert!(early["metadata"]["ownerReferences"].is_null());
    assert_eq!(cluster.active("default").len(), 3);
    // It comes back, and one is too many: the ready ones are equal, the youngest goes.
    cluster.update("pods", "default", "early", |value| value["metadata"]["labels"] = json!({"app": "web"}));
    cluster.settle();
    assert_eq!(cluster.active("default").len(), 2);
    assert!(cluster.get("pods", "default", "early").is_some());
}

#[test]
fn a_replication_controller_does_the_same_by_its_own_selector() {
    const RC: &str = "replicationcontrollers";
    let mut cluster = Cluster::new(1);
    cluster.create("pods", pod("early", json!({"app": "web"})));
    let mut made = replica_set("web", 2);
    (made["apiVersion"], made["kind"]) = ("v1".into(), "ReplicationController".into());
    made["spec"]["selector"] = json!({"app": "web"});
    cluster.create(RC, made);
    cluster.settle();
    let owners: Vec<Value> =
        cluster.active("default").iter().map(|pod| pod["metadata"]["ownerReferences"][0].clone()).collect();
    assert!(owners.len() == 2 && owners.iter().all(|owner| owner["kind"] == "ReplicationController"), "{owners:?}");
    assert!(owners.iter().all(|owner| owner["apiVersion"] == "v1" && owner["controller"] == true), "{owners:?}");
    let status = cluster.get(RC, "default", "web").expect("it is there")["status"].clone();
    assert_eq!(
        (&status["replicas"], &status["readyReplicas"], &status["observedGeneration"]),
        (&json!(2), &json!(2), &json!(1))
    );
    cluster.update("pods", "default", "early", |value| value["metadata"]["labels"] = json!({"app": "other"}));
    cluster.settle();
    let early = cluster.get("pods", "default", "early").expect("it was let go, not deleted");
    assert!(early["metadata"]["ownerReferences"].is_null() && cluster.active("default").len() == 3);
    cluster.update(RC, "default", "web", |value| value["spec"]["replicas"] = 0.into());
    cluster.settle();
    assert_eq!(cluster.active("default").len(), 1);
}

#[test]
fn pods_that_serve_least_go_first() {
    let mut cluster = Cluster::new(1);
    cluster.create(SETS, replica_set("web", 3));
    cluster.settle();
    let names: Vec<String> =
        cluster.active("default").iter().map(|pod| pod["metadata"]["name"].as_str().unwrap_or("").to_owned()).collect();
    cluster.update("pods", "default", &names[1], |value| value["status"]["conditions"][0]["status"] = "False".into());
    cluster.update("pods", "default", &names[2], |value| {
        value["metadata"]["annotations"] = json!({"controller.kubernetes.io/pod-deletion-cost": "-5"});
    });
    for gone in [1, 2] {
        cluster.update(SETS, "default", "web", |value| value["spec"]["replicas"] = (3 - gone).into());
        cluster.settle();
        assert!(cluster.get("pods", "default", &names[gone]).is_none(), "{} goes as number {gone}", names[gone]);
    }
}

#[test]
fn a_failed_pod_is_replaced() {
    let mut cluster = Cluster::new(1);
    cluster.create(SETS, replica_set("web", 1));
    cluster.settle();
    let name = cluster.active("default")[0]["metadata"]["name"].as_str().expect("a name").to_owned();
    cluster.update("pods", "default", &name, |value| value["status"]["phase"] = "Failed".into());
    cluster.settle();
    assert_eq!(cluster.active("default").len(), 1);
    assert_eq!(cluster.list("pods", "default").len(), 2);
}

#[test]
fn a_large_set_is_made_in_few_commands() {
    let mut cluster = Cluster::new(3);
    cluster.create(SETS, replica_set("web", 1_200));
    let before = cluster.view().index();
    cluster.settle_deciders();
    assert_eq!(cluster.active("default").len(), 1_200);
    assert!(cluster.view().index() - before < 12, "{} entries", cluster.view().index() - before);
}

#[test]
fn no_command_is_larger_than_the_log_takes() {
    let mut cluster = Cluster::new(1);
    let mut set = replica_set("large", 24);
    set["spec"]["template"]["metadata"]["annotations"] = json!({"a": "x".repeat(400_000)});
    cluster.create("replicasets.apps", set);
    cluster.settle();
    assert_eq!(cluster.active("default").len(), 24);
    let bytes = |writes: &[api::command::Write]| -> usize {
        let body = |write: &api::command::Write| match &write.change {
            api::command::Change::Put(body) => body.text.len(),
            api::command::Change::Delete => 0,
        };
        writes.iter().map(body).sum()
    };
    // Its pods run, so each is written once more with the time of its end.
    let (view, now) = (cluster.view(), cluster.now);
    let decide = |name: &str, key: &api::key::Key, view: &store::view::View| {
        let controller = cluster::all().iter().find(|controller| controller.name == name).expect("a controller");
        (controller.decide)(view, key, now)
    };
    assert!(
        decide("replica_set", &api::key::Key::new("replicasets.apps", "default", "large"), &view).drafts.is_empty()
    );
    cluster.update("replicasets.apps", "default", "large", |set| set["spec"]["replicas"] = 0.into());
    let view = cluster.view();
    let shed = decide("replica_set", &api::key::Key::new("replicasets.apps", "default", "large"), &view);
    assert!(shed.drafts.iter().all(|draft| bytes(&draft.writes) < api::limits::ENTRY_BYTES_MAX / 2));
    cluster.delete("namespaces", "", "default", "");
    let swept = decide("namespace", &api::key::Key::new("namespaces", "", "default"), &cluster.view());
    assert!(
        swept.drafts.len() > 2
            && swept.drafts.iter().all(|draft| bytes(&draft.writes) < api::limits::ENTRY_BYTES_MAX / 2)
    );
    cluster.settle();
    assert!(cluster.active("default").is_empty());
}
