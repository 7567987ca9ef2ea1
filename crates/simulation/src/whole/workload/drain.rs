//! Clients that drain a node as kubectl does: cordon it, evict what runs there, wait a little, and open it again.
use super::worker::{Work, Worker, items, name};
use serde_json::{Value, json};

pub(super) const WORK: Work = Work {
    name: "drain",
    says: "cordon a node, evict its pods through the API, open it again",
    most: 1,
    act: |worker| Box::pin(act(worker)),
};

async fn act(worker: &mut Worker) {
    if worker.nodes == 0 {
        return;
    }
    let node = worker.random.between(1, worker.nodes);
    worker.cordon(node, true).await;
    let path = format!("/api/v1/pods?fieldSelector=spec.nodeName%3Dn{node}");
    if let Some((200, list)) = worker.ask("GET", &path, Value::Null).await {
        let place =
            |pod: &Value| (pod["metadata"]["namespace"].as_str().unwrap_or_default().to_owned(), name(pod).to_owned());
        for (namespace, name) in items(&list).map(place).collect::<Vec<_>>() {
            let meta = json!({"name": name, "namespace": namespace});
            let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta});
            worker.ask("POST", &format!("/api/v1/namespaces/{namespace}/pods/{name}/eviction"), body).await;
        }
    }
    worker.cordon(node, false).await;
}
