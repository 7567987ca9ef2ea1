//! Clients that make, scale, roll and delete Deployments, Services and namespaces, delete pods, and cordon nodes.
use super::worker::{NAMESPACES, Work, Worker, items, name};
use serde_json::{Value, json};

pub(super) const WORK: Work = Work {
    name: "rollouts",
    says: "make, scale, roll out and delete Deployments, Services and namespaces; delete pods; cordon nodes",
    most: 3,
    act: |worker| Box::pin(act(worker)),
};

pub(super) const DEPLOYMENTS: [&str; 2] = ["web0", "web1"];
const REPLICAS_MAX: u64 = 5;
const POLICIES: [&str; 3] = ["Background", "Foreground", "Orphan"];

async fn act(worker: &mut Worker) {
    let namespace = *worker.random.pick(&NAMESPACES);
    let name = *worker.random.pick(&DEPLOYMENTS);
    let all = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    let one = format!("{all}/{name}");
    match worker.random.below(100) {
        0..=9 => _ = worker.namespace(namespace).await,
        10..=12 => _ = worker.ask("DELETE", &format!("/api/v1/namespaces/{namespace}"), Value::Null).await,
        13..=39 => {
            let replicas = worker.random.below(REPLICAS_MAX + 1);
            if make(worker, namespace, name, replicas).await == Some(404) {
                worker.namespace(namespace).await;
            }
        }
        40..=59 => {
            let replicas = worker.random.below(REPLICAS_MAX + 1);
            worker.ask("PATCH", &one, json!({"spec": {"replicas": replicas}})).await;
        }
        60..=74 => {
            let version = worker.random.below(1_000).to_string();
            let template = json!({"metadata": {"annotations": {"version": version}}});
            worker.ask("PATCH", &one, json!({"spec": {"template": template}})).await;
        }
        75..=79 => {
            let policy = *worker.random.pick(&POLICIES);
            worker.ask("DELETE", &one, json!({"kind": "DeleteOptions", "propagationPolicy": policy})).await;
        }
        80..=87 => end_pod(worker, namespace).await,
        88..=92 => service(worker, namespace, name).await,
        93..=96 => {
            let (node, closed) = (worker.random.between(1, worker.nodes), worker.random.chance(500));
            worker.cordon(node, closed).await;
        }
        _ => _ = worker.ask("GET", &one, Value::Null).await,
    }
}

/// Makes what must run when all is calm.
pub(super) async fn something(worker: &mut Worker) -> Option<u16> {
    make(worker, NAMESPACES[0], DEPLOYMENTS[0], 3).await
}

async fn make(worker: &mut Worker, namespace: &str, name: &str, replicas: u64) -> Option<u16> {
    let surge = *worker.random.pick(&["0", "25%", "100%"]);
    let strategy = match worker.random.below(10) {
        0 => json!({"type": "Recreate"}),
        _ if surge == "0" => json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}),
        _ => json!({"rollingUpdate": {"maxSurge": surge, "maxUnavailable": "25%"}}),
    };
    let container = json!({"name": "c", "image": "registry.example/web:1", "command": ["run"],
        "resources": {"requests": {"cpu": format!("{}m", worker.pod_millis)}},
        "volumeMounts": [{"name": "scratch", "mountPath": "/scratch"}]});
    let template = json!({"metadata": {"labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": worker.random.below(10), "containers": [container],
            "volumes": [{"name": "scratch", "emptyDir": {}}]}});
    let spec = json!({"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "strategy": strategy,
        "template": template});
    let body = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec});
    let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
    Some(worker.ask("POST", &path, body).await?.0)
}

/// Makes a Service of a Deployment's pods, or takes it away.
async fn service(worker: &mut Worker, namespace: &str, name: &str) {
    let all = format!("/api/v1/namespaces/{namespace}/services");
    if worker.random.chance(300) {
        worker.ask("DELETE", &format!("{all}/{name}"), Value::Null).await;
        return;
    }
    let kind = if worker.random.chance(300) { "NodePort" } else { "ClusterIP" };
    let spec = json!({"type": kind, "selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8_080}]});
    let body = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec});
    worker.ask("POST", &all, body).await;
}

async fn end_pod(worker: &mut Worker, namespace: &str) {
    let path = format!("/api/v1/namespaces/{namespace}/pods");
    let Some((200, list)) = worker.ask("GET", &path, Value::Null).await else { return };
    let names: Vec<&str> = items(&list).map(name).collect();
    if names.is_empty() {
        return;
    }
    let path = format!("{path}/{}", worker.random.pick(&names));
    worker.ask("DELETE", &path, Value::Null).await;
}
