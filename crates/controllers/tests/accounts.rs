//! Scenarios of service accounts: namespaces have one, pods run as one that is there, Secrets with tokens go with it.
mod cluster;

use cluster::{Cluster, condition, replica_set};
use serde_json::{Value, json};

const ACCOUNTS: &str = "serviceaccounts";

fn account(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name, "namespace": "default"}})
}

#[test]
fn pods_are_made_once_their_account_is_there() {
    let mut cluster = Cluster::new(1);
    let mut set = replica_set("web", 2);
    set["spec"]["template"]["spec"]["serviceAccountName"] = "robot".into();
    cluster.create("replicasets.apps", set);
    cluster.settle();
    assert!(cluster.active("default").is_empty());
    let set = cluster.get("replicasets.apps", "default", "web").expect("the set");
    assert_eq!(condition(&set, "ReplicaFailure"), ("True", "FailedCreate"));
    let told = cluster.list("events", "default").into_iter().find(|event| event["reason"] == "FailedCreate");
    let want = "Error creating: pods \"web-\" is forbidden: error looking up service account default/robot: serviceaccount \"robot\" not found";
    assert_eq!(told.expect("told")["message"], want);
    cluster.create(ACCOUNTS, account("robot"));
    cluster.settle();
    let pods = cluster.active("default");
    assert_eq!(pods.len(), 2);
    let volume = pods[0]["spec"]["volumes"][0]["name"].as_str().expect("a volume");
    assert!(volume.starts_with("kube-api-access-"), "{volume}");
    assert_eq!(pods[0]["spec"]["containers"][0]["volumeMounts"][0]["name"], volume);
    assert_ne!(pods[1]["spec"]["volumes"][0]["name"], volume);
}

#[test]
fn a_secret_with_a_token_goes_with_its_account() {
    let mut cluster = Cluster::new(0);
    cluster.create(ACCOUNTS, account("robot"));
    let secret = |name: &str, account: &str, uid: &str, kind: &str| {
        let annotations =
            json!({"kubernetes.io/service-account.name": account, "kubernetes.io/service-account.uid": uid});
        json!({"apiVersion": "v1", "kind": "Secret", "type": kind,
            "metadata": {"name": name, "namespace": "default", "annotations": annotations}})
    };
    let token = "kubernetes.io/service-account-token";
    cluster.create("secrets", secret("good", "robot", "", token));
    cluster.create("secrets", secret("other", "robot", "00000000-0000-0000-0000-000000000001", token));
    cluster.create("secrets", secret("nobody", "none", "", token));
    cluster.create("secrets", secret("plain", "none", "", "Opaque"));
    cluster.settle();
    let names = |cluster: &Cluster| -> Vec<String> {
        let all = cluster.list("secrets", "default");
        all.iter().map(|secret| secret["metadata"]["name"].as_str().unwrap_or_default().to_owned()).collect()
    };
    assert_eq!(names(&cluster), ["good", "plain"]);
    cluster.delete(ACCOUNTS, "default", "robot", "");
    cluster.settle();
    assert_eq!(names(&cluster), ["plain"]);
}
