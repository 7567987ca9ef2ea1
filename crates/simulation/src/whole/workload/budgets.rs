//! Clients that evict pods of one Deployment, all at once, under a PodDisruptionBudget which they change, while it is scaled.
use super::worker::{Work, Worker, items, name};
use serde_json::{Value, json};

pub(super) const WORK: Work = Work {
    name: "budgets",
    says: "evict the pods of one Deployment under a PodDisruptionBudget, scale it and change the budget",
    most: 3,
    act: |worker| Box::pin(act(worker)),
};

const PODS: &str = "/api/v1/namespaces/budgets/pods";
const SETS: &str = "/apis/apps/v1/namespaces/budgets/deployments";
const BUDGETS: &str = "/apis/policy/v1/namespaces/budgets/poddisruptionbudgets";

async fn act(worker: &mut Worker) {
    match worker.random.below(20) {
        0..=13 => evict(worker).await,
        14..=15 => {
            let replicas = worker.random.between(2, 5);
            worker.ask("PATCH", &format!("{SETS}/crew"), json!({"spec": {"replicas": replicas}})).await;
        }
        16..=17 => {
            let spec = match worker.random.below(4) {
                0 => json!({"minAvailable": worker.random.between(1, 3), "maxUnavailable": null}),
                1 => json!({"minAvailable": "50%", "maxUnavailable": null}),
                2 => json!({"minAvailable": null, "maxUnavailable": worker.random.between(1, 2)}),
                _ => json!({"minAvailable": null, "maxUnavailable": "40%"}),
            };
            worker.ask("PATCH", &format!("{BUDGETS}/crew"), json!({"spec": spec})).await;
        }
        18 => {
            let path = format!("{BUDGETS}/crew");
            let policy = *worker.random.pick(&["IfHealthyBudget", "AlwaysAllow"]);
            worker.ask("PATCH", &path, json!({"spec": {"unhealthyPodEvictionPolicy": policy}})).await;
        }
        _ => _ = worker.ask("GET", &format!("{BUDGETS}/crew"), Value::Null).await,
    }
}

/// Evicts one of the pods; if there are none, sees to it that there will be.
async fn evict(worker: &mut Worker) {
    let Some((200, list)) = worker.ask("GET", PODS, Value::Null).await else { return };
    let names: Vec<&str> = items(&list).map(name).collect();
    if names.is_empty() {
        return found(worker).await;
    }
    let name = worker.random.pick(&names).to_owned();
    let meta = json!({"name": name, "namespace": "budgets"});
    let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta});
    worker.ask("POST", &format!("{PODS}/{name}/eviction"), body).await;
}

async fn found(worker: &mut Worker) {
    worker.namespace("budgets").await;
    let container = json!({"name": "c", "image": "registry.example/web:1", "command": ["run"],
        "resources": {"requests": {"cpu": format!("{}m", worker.pod_millis)}}});
    let labels = json!({"app": "crew"});
    let template = json!({"metadata": {"labels": labels},
        "spec": {"terminationGracePeriodSeconds": worker.random.below(5), "containers": [container]}});
    let spec = json!({"replicas": 4, "selector": {"matchLabels": labels}, "template": template});
    let body = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "crew"}, "spec": spec});
    worker.ask("POST", SETS, body).await;
    let spec = json!({"maxUnavailable": 1, "selector": {"matchLabels": labels}});
    let body =
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "crew"}, "spec": spec});
    worker.ask("POST", BUDGETS, body).await;
}
