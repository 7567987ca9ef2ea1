//! Admission at the door: what a client is refused, given and told.
mod serve;

use apiserver::server::ApiServer;
use hyper::header::WARNING;
use serde_json::{Value, json};
use serve::{Reply, alone, ask};

const PODS: &str = "/api/v1/namespaces/default/pods";
const CLAIMS: &str = "/api/v1/namespaces/default/persistentvolumeclaims";

async fn send(server: &ApiServer, method: &str, path: &str, body: Value) -> Reply {
    let kind = if method == "PATCH" { "merge-patch+json" } else { "json" };
    ask(server, method, path, &[&format!("Content-Type: application/{kind}")], body.to_string()).await
}

async fn make(server: &ApiServer, path: &str, body: Value) -> Value {
    let made = send(server, "POST", path, body).await;
    assert_eq!(made.code, 201, "{}", made.body);
    made.json()
}

fn pod(name: &str, container: Value) -> Value {
    let mut one = json!({"name": "c", "image": "i"});
    for (member, value) in container.as_object().into_iter().flatten() {
        one[member] = value.clone();
    }
    json!({"metadata": {"name": name}, "spec": {"containers": [one]}})
}

fn claim(name: &str, storage: &str) -> Value {
    json!({"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": storage}}}})
}

fn message(reply: &Reply) -> String {
    reply.json()["message"].as_str().unwrap_or_default().to_owned()
}

#[tokio::test]
async fn a_limit_range_completes_and_refuses() {
    let server = alone().await;
    let item = json!({"type": "Container", "max": {"cpu": "1"}, "defaultRequest": {"cpu": "100m"}});
    let range = json!({"metadata": {"name": "r"}, "spec": {"limits": [item]}});
    make(&server, "/api/v1/namespaces/default/limitranges", range).await;
    let made = make(&server, PODS, pod("p", json!({}))).await;
    let want = json!({"limits": {"cpu": "1"}, "requests": {"cpu": "100m"}});
    assert_eq!(made["spec"]["containers"][0]["resources"], want);
    assert_eq!(made["status"]["qosClass"], "Burstable");
    let told = "LimitRanger plugin set: cpu request for container c; cpu limit for container c";
    assert_eq!(made["metadata"]["annotations"]["kubernetes.io/limit-ranger"], told);
    let refused = send(&server, "POST", PODS, pod("q", json!({"resources": {"limits": {"cpu": "2"}}}))).await;
    let want = "pods \"q\" is forbidden: maximum cpu usage per Container is 1, but limit is 2";
    assert_eq!((refused.code, message(&refused).as_str()), (403, want));
    let bigger = json!({"spec": {"containers": [{"name": "c", "image": "i", "resources": {"limits": {"cpu": "3"}}}]}});
    let refused = send(&server, "PATCH", &format!("{PODS}/p/resize"), bigger).await;
    assert_eq!(refused.code, 403, "{}", refused.body);
}

#[tokio::test]
async fn a_namespace_says_what_its_pods_may() {
    let server = alone().await;
    let labels =
        json!({"pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/warn": "restricted"});
    let own = json!({"metadata": {"labels": labels}});
    assert_eq!(send(&server, "PATCH", "/api/v1/namespaces/default", own).await.code, 200);
    let refused = send(&server, "POST", PODS, pod("q", json!({"securityContext": {"privileged": true}}))).await;
    let want = "pods \"q\" is forbidden: violates PodSecurity \"baseline:latest\": privileged (container \"c\" must not set securityContext.privileged=true)";
    assert_eq!((refused.code, message(&refused).as_str()), (403, want));
    let told = send(&server, "POST", PODS, pod("p", json!({}))).await;
    let warning = told.headers.get(WARNING).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let want = "299 - \"would violate PodSecurity \\\"restricted:latest\\\": allowPrivilegeEscalation != false (container \\\"c\\\" must set";
    assert!(told.code == 201 && warning.starts_with(want), "{} {warning}", told.code);
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": pod("", json!({}))["spec"]});
    let deployment =
        json!({"metadata": {"name": "d"}, "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template}});
    let told = send(&server, "POST", "/apis/apps/v1/namespaces/default/deployments", deployment).await;
    assert!(told.code == 201 && told.headers.contains_key(WARNING), "{}", told.body);
    let stricter = json!({"metadata": {"labels": {"pod-security.kubernetes.io/enforce": "restricted"}}});
    let told = send(&server, "PATCH", "/api/v1/namespaces/default?dryRun=All", stricter).await;
    let warnings: Vec<&str> = told.headers.get_all(WARNING).iter().filter_map(|value| value.to_str().ok()).collect();
    assert!(warnings.len() == 2 && warnings[1].contains("p: allowPrivilegeEscalation != false, "), "{warnings:?}");
    let wrong = json!({"metadata": {"labels": {"pod-security.kubernetes.io/audit-version": "1.2"}}});
    let refused = send(&server, "PATCH", "/api/v1/namespaces/default", wrong).await;
    assert_eq!(refused.code, 422, "{}", refused.body);
    assert_eq!(
        refused.json()["details"]["causes"][0]["field"],
        "metadata.labels[pod-security.kubernetes.io/audit-version]"
    );
}

#[tokio::test]
async fn some_namespaces_stay() {
    let server = alone().await;
    for (name, code) in [("default", 403), ("kube-system", 403), ("kube-public", 403), ("kube-node-lease", 200)] {
        let reply = ask(&server, "DELETE", &format!("/api/v1/namespaces/{name}"), &[], "").await;
        assert_eq!(reply.code, code, "{name}: {}", reply.body);
    }
    let refused = ask(&server, "DELETE", "/api/v1/namespaces/default", &[], "").await;
    assert_eq!(message(&refused), "namespaces \"default\" is forbidden: this namespace may not be deleted");
}

#[tokio::test]
async fn pods_have_the_priority_of_their_class_and_nothing_of_their_own() {
    let server = alone().await;
    let mut own = pod("p", json!({}));
    own["spec"]["priority"] = 7.into();
    let refused = send(&server, "POST", PODS, own.clone()).await;
    let want = "pods \"p\" is forbidden: the integer value of priority (7) must not be provided in pod spec; priority admission controller computed 0 from the given PriorityClass name";
    assert_eq!((refused.code, message(&refused).as_str()), (403, want));
    own["spec"] = pod("", json!({}))["spec"].clone();
    own["spec"]["priorityClassName"] = "system-node-critical".into();
    assert_eq!(make(&server, PODS, own).await["spec"]["priority"], 2_000_001_000);
    let class = |name: &str| json!({"metadata": {"name": name}, "value": 5, "globalDefault": true});
    let classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
    make(&server, classes, class("usual")).await;
    let refused = send(&server, "POST", classes, class("other")).await;
    assert_eq!(refused.code, 403, "{}", refused.body);
    let made = make(&server, PODS, pod("q", json!({}))).await;
    assert_eq!((&made["spec"]["priorityClassName"], &made["spec"]["priority"]), (&json!("usual"), &json!(5)));
    let same = send(&server, "PUT", &format!("{PODS}/q"), made.clone()).await;
    assert_eq!(same.code, 200, "{}", same.body);
}

#[tokio::test]
async fn a_runtime_class_is_paid_for() {
    let server = alone().await;
    let class = json!({"metadata": {"name": "vm"}, "handler": "vm", "overhead": {"podFixed": {"cpu": "250m"}}});
    make(&server, "/apis/node.k8s.io/v1/runtimeclasses", class).await;
    let mut own = pod("p", json!({}));
    own["spec"]["runtimeClassName"] = "vm".into();
    assert_eq!(make(&server, PODS, own.clone()).await["spec"]["overhead"], json!({"cpu": "250m"}));
    own["spec"]["runtimeClassName"] = "none".into();
    let refused = send(&server, "POST", PODS, own).await;
    assert_eq!(message(&refused), "pods \"p\" is forbidden: pod rejected: RuntimeClass \"none\" not found");
}

#[tokio::test]
async fn claims_have_a_class_are_held_and_grow_where_they_may() {
    let server = alone().await;
    let class = |name: &str, grows: bool| {
        json!({"metadata": {"name": name, "annotations": {"storageclass.kubernetes.io/is-default-class": (!grows).to_string()}},
            "provisioner": "p.io/p", "allowVolumeExpansion": grows})
    };
    let classes = "/apis/storage.k8s.io/v1/storageclasses";
    make(&server, classes, class("fixed", false)).await;
    make(&server, classes, class("grows", true)).await;
    let made = make(&server, CLAIMS, claim("c", "1Gi")).await;
    assert_eq!(made["spec"]["storageClassName"], "fixed");
    assert_eq!(made["metadata"]["finalizers"], json!(["kubernetes.io/pvc-protection"]));
    let mut other = claim("g", "1Gi");
    other["spec"]["storageClassName"] = "grows".into();
    make(&server, CLAIMS, other).await;
    let more = json!({"spec": {"resources": {"requests": {"storage": "2Gi"}}}});
    let bound = json!({"status": {"phase": "Bound", "capacity": {"storage": "1Gi"}}});
    for name in ["c", "g"] {
        let one = format!("{CLAIMS}/{name}");
        assert_eq!(send(&server, "PATCH", &one, more.clone()).await.code / 100, 4, "it is not bound");
        assert_eq!(send(&server, "PATCH", &format!("{one}/status"), bound.clone()).await.code, 200);
    }
    let refused = send(&server, "PATCH", &format!("{CLAIMS}/c"), more.clone()).await;
    let want = "persistentvolumeclaims \"c\" is forbidden: only dynamically provisioned pvc can be resized and the storageclass that provisions the pvc must support resize";
    assert_eq!((refused.code, message(&refused).as_str()), (403, want));
    let grown = send(&server, "PATCH", &format!("{CLAIMS}/g"), more).await;
    assert_eq!(grown.code, 200, "{}", grown.body);
    let held = ask(&server, "DELETE", &format!("{CLAIMS}/g"), &[], "").await;
    assert!(held.json()["metadata"]["deletionTimestamp"].is_string(), "{}", held.body);
}

#[tokio::test]
async fn an_ingress_has_the_default_class_and_a_node_begins_tainted() {
    let server = alone().await;
    let annotations = json!({"ingressclass.kubernetes.io/is-default-class": "true"});
    let class = json!({"metadata": {"name": "usual", "annotations": annotations}, "spec": {"controller": "a.io/b"}});
    make(&server, "/apis/networking.k8s.io/v1/ingressclasses", class).await;
    let backend = json!({"service": {"name": "s", "port": {"number": 80}}});
    let ingress = json!({"metadata": {"name": "i"}, "spec": {"defaultBackend": backend}});
    let made = make(&server, "/apis/networking.k8s.io/v1/namespaces/default/ingresses", ingress).await;
    assert_eq!(made["spec"]["ingressClassName"], "usual");
    let node = make(&server, "/api/v1/nodes", json!({"metadata": {"name": "n"}})).await;
    assert_eq!(node["spec"]["taints"], json!([{"key": "node.kubernetes.io/not-ready", "effect": "NoSchedule"}]));
}

#[tokio::test]
async fn classes_of_the_system_stay() {
    let server = alone().await;
    let classes = "/apis/scheduling.k8s.io/v1/priorityclasses";
    let mut own = json!({"metadata": {"name": "system-node-critical"}, "value": 2_000_001_000});
    send(&server, "POST", classes, own.clone()).await;
    let refused = send(&server, "DELETE", &format!("{classes}/system-node-critical"), json!({})).await;
    let want = "priorityclasses.scheduling.k8s.io \"system-node-critical\" is forbidden: this is a system priority class and cannot be deleted";
    assert_eq!((refused.code, message(&refused).as_str()), (403, want));
    own["metadata"]["name"] = "mine".into();
    let refused = send(&server, "POST", classes, own.clone()).await;
    assert_eq!(
        message(&refused),
        "PriorityClass.scheduling.k8s.io \"mine\" is invalid: value: Forbidden: maximum allowed value of a user defined priority is 1000000000"
    );
    own["value"] = 1_000_000_000.into();
    make(&server, classes, own).await;
    for (change, want) in [
        (json!({"value": 5}), "value: Forbidden: may not be changed in an update."),
        (json!({"preemptionPolicy": "Never"}), "preemptionPolicy: Invalid value: \"Never\": field is immutable"),
    ] {
        let refused = send(&server, "PATCH", &format!("{classes}/mine"), change).await;
        let want = format!("PriorityClass.scheduling.k8s.io \"mine\" is invalid: {want}");
        assert_eq!((refused.code, message(&refused)), (422, want));
    }
    assert_eq!(send(&server, "DELETE", &format!("{classes}/mine"), json!({})).await.code, 200);
}
