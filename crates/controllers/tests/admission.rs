//! What controllers make passes admission as what clients make does: it is completed, and what is refused is told and tried again.
mod cluster;

use cluster::Cluster;
use serde_json::{Value, json};

fn set(name: &str, container: Value) -> Value {
    let mut one = json!({"name": "c", "image": "i"});
    for (member, value) in container.as_object().into_iter().flatten() {
        one[member] = value.clone();
    }
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name, "namespace": "default", "generation": 1},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"a": name}},
            "template": {"metadata": {"labels": {"a": name}}, "spec": {"containers": [one]}}}})
}

fn failure(cluster: &Cluster, name: &str) -> Option<String> {
    let set = cluster.get("replicasets.apps", "default", name)?;
    let mut conditions = set["status"]["conditions"].as_array()?.iter();
    let failed = conditions.find(|condition| condition["type"] == "ReplicaFailure")?;
    failed["message"].as_str().map(str::to_owned)
}

fn enforce(cluster: &mut Cluster, level: &str) {
    cluster.update("namespaces", "", "default", |namespace| {
        namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] = level.into();
    });
    cluster.settle();
}

#[test]
fn pods_that_violate_a_policy_are_not_made_until_they_do_not() {
    let mut cluster = Cluster::new(1);
    enforce(&mut cluster, "baseline");
    cluster.create("replicasets.apps", set("w", json!({"securityContext": {"privileged": true}})));
    cluster.settle();
    assert!(cluster.active("default").is_empty());
    let want = "pods \"w-\" is forbidden: violates PodSecurity \"baseline:latest\": privileged (container \"c\" must not set securityContext.privileged=true)";
    assert_eq!(failure(&cluster, "w").as_deref(), Some(want));
    let told =
        |event: &Value| event["reason"] == "FailedCreate" && event["message"] == format!("Error creating: {want}");
    assert_eq!(cluster.list("events", "default").iter().filter(|event| told(event)).count(), 1);
    enforce(&mut cluster, "privileged");
    assert_eq!(cluster.active("default").len(), 2);
    assert_eq!(failure(&cluster, "w"), None);
}

#[test]
fn pods_are_completed_by_limit_ranges_and_runtime_classes() {
    let mut cluster = Cluster::new(1);
    let item = json!({"type": "Container", "default": {"cpu": "1", "memory": "1Gi"}, "defaultRequest": {"cpu": "1", "memory": "1Gi"}});
    let range = json!({"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "r", "namespace": "default"}, "spec": {"limits": [item]}});
    cluster.create("limitranges", range);
    let class = json!({"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "vm"}, "handler": "vm",
        "overhead": {"podFixed": {"cpu": "250m"}}});
    let mut wanted = set("w", json!({}));
    wanted["spec"]["template"]["spec"]["runtimeClassName"] = "vm".into();
    cluster.create("replicasets.apps", wanted);
    cluster.settle();
    assert_eq!(
        failure(&cluster, "w").as_deref(),
        Some("pods \"w-\" is forbidden: pod rejected: RuntimeClass \"vm\" not found")
    );
    cluster.create("runtimeclasses.node.k8s.io", class);
    cluster.settle();
    let pods = cluster.active("default");
    assert_eq!(pods.len(), 2);
    assert_eq!(pods[0]["spec"]["containers"][0]["resources"]["limits"], json!({"cpu": "1", "memory": "1Gi"}));
    assert_eq!(pods[0]["spec"]["overhead"], json!({"cpu": "250m"}));
}

#[test]
fn a_job_and_a_stateful_set_tell_what_is_refused() {
    let mut cluster = Cluster::new(1);
    enforce(&mut cluster, "restricted");
    let template = json!({"metadata": {"labels": {"a": "s"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "s", "namespace": "default", "generation": 1},
        "spec": {"replicas": 1, "serviceName": "s", "selector": {"matchLabels": {"a": "s"}}, "template": template}});
    cluster.create("statefulsets.apps", set);
    let template =
        json!({"metadata": {}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
    let job = json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j", "namespace": "default", "generation": 1},
        "spec": {"parallelism": 1, "completions": 1, "backoffLimit": 6, "template": template}});
    cluster.create("jobs.batch", job);
    cluster.settle();
    assert!(cluster.active("default").is_empty());
    let events = cluster.list("events", "default");
    for about in ["s", "j"] {
        let told = |event: &&Value| event["involvedObject"]["name"] == about && event["reason"] == "FailedCreate";
        let told: Vec<&Value> = events.iter().filter(told).collect();
        assert_eq!(told.len(), 1, "{events:?}");
        let message = told[0]["message"].as_str().unwrap_or_default();
        assert!(
            message.contains("violates PodSecurity \"restricted:latest\": allowPrivilegeEscalation != false"),
            "{message}"
        );
    }
    enforce(&mut cluster, "privileged");
    cluster.advance(60);
    assert_eq!(cluster.active("default").len(), 2);
}

#[test]
fn a_claim_in_use_stays_until_its_pod_is_gone() {
    let mut cluster = Cluster::new(1);
    let claim = |name: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": "default",
            "finalizers": ["kubernetes.io/pvc-protection"]}, "spec": {}})
    };
    cluster.create("persistentvolumeclaims", claim("used"));
    cluster.create("persistentvolumeclaims", claim("free"));
    let volume = |phase: &str| {
        json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": phase.to_lowercase(),
            "finalizers": ["kubernetes.io/pv-protection"]}, "spec": {}, "status": {"phase": phase}})
    };
    cluster.create("persistentvolumes", volume("Bound"));
    cluster.create("persistentvolumes", volume("Released"));
    let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "status": {"phase": "Running"},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}],
            "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "used"}}]}});
    cluster.create("pods", pod);
    for name in ["used", "free"] {
        cluster.delete("persistentvolumeclaims", "default", name, "kubernetes.io/pvc-protection");
    }
    for name in ["bound", "released"] {
        cluster.delete("persistentvolumes", "", name, "kubernetes.io/pv-protection");
    }
    cluster.settle();
    let there = |cluster: &Cluster, resource: &str, namespace: &str| -> Vec<Value> {
        cluster.list(resource, namespace).into_iter().map(|object| object["metadata"]["name"].clone()).collect()
    };
    assert_eq!(there(&cluster, "persistentvolumeclaims", "default"), ["used"]);
    assert_eq!(there(&cluster, "persistentvolumes", ""), ["bound"]);
    cluster.delete("pods", "default", "p", "");
    cluster.settle();
    cluster.advance(60);
    assert!(there(&cluster, "persistentvolumeclaims", "default").is_empty());
}
