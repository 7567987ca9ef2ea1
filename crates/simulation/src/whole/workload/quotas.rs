//! Clients that make and take away pods and ConfigMaps in one namespace, under a ResourceQuota for which they race, and which they change.
//! Nobody ends that namespace.
use super::worker::{Work, Worker, items, name};
use serde_json::{Value, json};

pub(super) const WORK: Work = Work {
    name: "quotas",
    says: "make and delete pods and ConfigMaps under a ResourceQuota that has too little for all, and change it",
    most: 3,
    act: |worker| Box::pin(act(worker)),
};

const PLACE: &str = "/api/v1/namespaces/quotas";
const SETS: &str = "/apis/apps/v1/namespaces/quotas/deployments";

async fn act(worker: &mut Worker) {
    match worker.random.below(20) {
        0..=6 => {
            let name = format!("p{}", worker.random.below(6));
            let body = pod(worker, &name);
            if matches!(worker.ask("POST", &format!("{PLACE}/pods"), body).await, Some((404, _))) {
                found(worker).await;
            }
        }
        7..=9 => end(worker, "pods").await,
        10..=13 => {
            let body = json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"name": format!("m{}", worker.random.below(6))}, "data": {"k": "v"}});
            worker.ask("POST", &format!("{PLACE}/configmaps"), body).await;
        }
        14..=15 => end(worker, "configmaps").await,
        16 => {
            let hard = json!({"pods": worker.random.between(2, 5).to_string(),
                "configmaps": worker.random.between(2, 5).to_string()});
            let path = format!("{PLACE}/resourcequotas/limit");
            if matches!(worker.ask("PATCH", &path, json!({"spec": {"hard": hard}})).await, Some((404, _))) {
                found(worker).await;
            }
        }
        17..=18 => {
            let replicas = worker.random.below(4);
            let path = format!("{SETS}/web");
            worker.ask("PATCH", &path, json!({"spec": {"replicas": replicas}})).await;
        }
        _ => _ = worker.ask("GET", &format!("{PLACE}/resourcequotas/limit"), Value::Null).await,
    }
}

/// The namespace, its quota, and a Deployment that wants pods too.
async fn found(worker: &mut Worker) {
    worker.namespace("quotas").await;
    let cpu = format!("{}m", worker.pod_millis * 4);
    let hard = json!({"pods": "4", "configmaps": "4", "requests.cpu": cpu, "count/replicasets.apps": "2"});
    let body =
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "limit"}, "spec": {"hard": hard}});
    worker.ask("POST", &format!("{PLACE}/resourcequotas"), body).await;
    let mut template = pod(worker, "");
    template["metadata"] = json!({"labels": {"app": "web"}});
    let spec = json!({"replicas": 1, "selector": {"matchLabels": {"app": "web"}},
        "template": {"metadata": template["metadata"], "spec": template["spec"]}});
    let body = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec});
    worker.ask("POST", SETS, body).await;
}

fn pod(worker: &mut Worker, name: &str) -> Value {
    let container = json!({"name": "c", "image": "registry.example/web:1", "command": ["run"],
        "resources": {"requests": {"cpu": format!("{}m", worker.pod_millis)}}});
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
        "spec": {"terminationGracePeriodSeconds": worker.random.below(5), "containers": [container]}})
}

async fn end(worker: &mut Worker, plural: &str) {
    let all = format!("{PLACE}/{plural}");
    let Some((200, list)) = worker.ask("GET", &all, Value::Null).await else { return };
    let names: Vec<&str> = items(&list).map(name).collect();
    if !names.is_empty() {
        let one = format!("{all}/{}", worker.random.pick(&names));
        worker.ask("DELETE", &one, Value::Null).await;
    }
}

/// When all is calm: there is room for all that controllers want, and no pod is left that nobody would make again. True if it could be
/// seen to.
pub(super) async fn let_go(worker: &mut Worker) -> bool {
    let hard = json!({"pods": "100", "configmaps": "100", "requests.cpu": "100", "count/replicasets.apps": "100"});
    let quota = worker.ask("PATCH", &format!("{PLACE}/resourcequotas/limit"), json!({"spec": {"hard": hard}})).await;
    if !matches!(quota, Some((200 | 404, _))) {
        return false;
    }
    // What every namespace is given may have found no room; it is tried again after a while.
    let given = worker.ask("GET", &format!("{PLACE}/configmaps/kube-root-ca.crt"), Value::Null).await;
    if !matches!((quota, given), (Some((404, _)), Some(_)) | (_, Some((200, _)))) {
        return false;
    }
    let Some((200, list)) = worker.ask("GET", &format!("{PLACE}/pods"), Value::Null).await else { return false };
    let bare = items(&list).filter(|pod| pod["metadata"]["ownerReferences"].is_null());
    let bare: Vec<String> = bare.map(name).map(str::to_owned).collect();
    let none = bare.is_empty();
    for name in bare {
        worker.ask("DELETE", &format!("{PLACE}/pods/{name}"), Value::Null).await;
    }
    none
}
