//! Clients that make, scale, roll out, roll back and delete StatefulSets, and delete their pods: names that come again and again. Their pods
//! have no claims, for nobody binds those here.
use super::worker::{NAMESPACES, Work, Worker, items};
use serde_json::{Value, json};

pub(super) const WORK: Work = Work {
    name: "sets",
    says: "make, scale, roll out, roll back and delete StatefulSets; delete their pods",
    most: 2,
    act: |worker| Box::pin(act(worker)),
};

const SETS: [&str; 2] = ["db0", "db1"];
/// Ordinals are below their sum.
const REPLICAS_MAX: u64 = 3;
const START_MAX: u64 = 1;
const POLICIES: [&str; 3] = ["Background", "Foreground", "Orphan"];

async fn act(worker: &mut Worker) {
    let namespace = *worker.random.pick(&NAMESPACES);
    let name = *worker.random.pick(&SETS);
    let all = format!("/apis/apps/v1/namespaces/{namespace}/statefulsets");
    let one = format!("{all}/{name}");
    match worker.random.below(100) {
        0..=1 => _ = worker.ask("DELETE", &format!("/api/v1/namespaces/{namespace}"), Value::Null).await,
        2..=26 => {
            if make(worker, &all, name).await == Some(404) {
                worker.namespace(namespace).await;
            }
        }
        27..=44 => {
            let replicas = worker.random.below(REPLICAS_MAX + 1);
            worker.ask("PATCH", &one, json!({"spec": {"replicas": replicas}})).await;
        }
        45..=60 => {
            let version = worker.random.below(1_000).to_string();
            let template = json!({"metadata": {"annotations": {"version": version}}});
            worker.ask("PATCH", &one, json!({"spec": {"template": template}})).await;
        }
        61..=66 => roll_back(worker, namespace, name, &one).await,
        67..=71 => {
            let strategy = strategy(worker);
            worker.ask("PATCH", &one, json!({"spec": {"updateStrategy": strategy}})).await;
        }
        72..=74 => {
            let start = worker.random.below(START_MAX + 1);
            worker.ask("PATCH", &one, json!({"spec": {"ordinals": {"start": start}}})).await;
        }
        75..=79 => {
            let policy = *worker.random.pick(&POLICIES);
            worker.ask("DELETE", &one, json!({"kind": "DeleteOptions", "propagationPolicy": policy})).await;
        }
        80..=95 => {
            let ordinal = worker.random.below(REPLICAS_MAX + START_MAX);
            let pod = format!("/api/v1/namespaces/{namespace}/pods/{name}-{ordinal}");
            worker.ask("DELETE", &pod, Value::Null).await;
        }
        _ => _ = worker.ask("GET", &one, Value::Null).await,
    }
}

fn strategy(worker: &mut Worker) -> Value {
    match worker.random.below(6) {
        0 => json!({"type": "OnDelete", "rollingUpdate": null}),
        1 => json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 1}}),
        _ => json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}}),
    }
}

async fn make(worker: &mut Worker, all: &str, name: &str) -> Option<u16> {
    let policy = *worker.random.pick(&["OrderedReady", "OrderedReady", "Parallel"]);
    let container = json!({"name": "c", "image": "registry.example/db:1", "command": ["run"],
        "resources": {"requests": {"cpu": format!("{}m", worker.pod_millis / 2)}}});
    let template = json!({"metadata": {"labels": {"app": name}},
        "spec": {"terminationGracePeriodSeconds": 1 + worker.random.below(10), "containers": [container]}});
    let spec = json!({"replicas": worker.random.below(REPLICAS_MAX + 1), "serviceName": name,
        "selector": {"matchLabels": {"app": name}}, "podManagementPolicy": policy,
        "minReadySeconds": *worker.random.pick(&[0, 0, 0, 2]), "revisionHistoryLimit": worker.random.below(4),
        "ordinals": {"start": worker.random.below(START_MAX + 1)}, "updateStrategy": strategy(worker),
        "template": template});
    let body = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name}, "spec": spec});
    Some(worker.ask("POST", all, body).await?.0)
}

/// Puts the template of some revision back, as `kubectl rollout undo` does.
async fn roll_back(worker: &mut Worker, namespace: &str, name: &str, one: &str) {
    let path = format!("/apis/apps/v1/namespaces/{namespace}/controllerrevisions?labelSelector=app%3D{name}");
    let Some((200, list)) = worker.ask("GET", &path, Value::Null).await else { return };
    let revisions: Vec<&Value> = items(&list).collect();
    if revisions.is_empty() {
        return;
    }
    let mut template = worker.random.pick(&revisions)["data"]["spec"]["template"].clone();
    if let Some(members) = template.as_object_mut() {
        members.remove("$patch");
        worker.ask("PATCH", one, json!({"spec": {"template": template}})).await;
    }
}
