//! Clients that count up in a ConfigMap by reading, adding one and writing back under the version they read: what every operator does. A
//! lost update, or one made twice, shows in the count.
use super::worker::{COUNTER, Work, Worker};
use serde_json::{Value, json};

pub(super) const WORK: Work = Work {
    name: "counters",
    says: "count up in the same ConfigMap: read, add one, write under the version read",
    most: 4,
    act: |worker| Box::pin(act(worker)),
};

async fn act(worker: &mut Worker) {
    let (_, namespace, name) = COUNTER;
    let all = format!("/api/v1/namespaces/{namespace}/configmaps");
    let one = format!("{all}/{name}");
    match worker.ask("GET", &one, Value::Null).await {
        Some((404, _)) => {
            worker.namespace(namespace).await;
            let meta = json!({"name": name});
            let data = json!({"count": "0"});
            let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data});
            worker.ask("POST", &all, body).await;
        }
        Some((200, mut object)) => {
            let count: u64 = object["data"]["count"].as_str().and_then(|count| count.parse().ok()).unwrap_or(0);
            object["data"]["count"] = (count + 1).to_string().into();
            // Who wrote last, so that two writes of the same count would differ.
            object["data"]["by"] = worker.number.to_string().into();
            worker.ask("PUT", &one, object).await;
        }
        _ => {}
    }
}
