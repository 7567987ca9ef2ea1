//! Clients that make namespaces, fill them, and end them, some with a finalizer in the way that they take off later.
use super::worker::{Work, Worker, items, name};
use serde_json::{Value, json};

pub(super) const WORK: Work = Work {
    name: "namespaces",
    says: "make namespaces, fill them with small objects, end them with finalizers in the way",
    most: 2,
    act: |worker| Box::pin(act(worker)),
};

const PLACES: [&str; 3] = ["c0", "c1", "c2"];

async fn act(worker: &mut Worker) {
    let place = *worker.random.pick(&PLACES);
    let maps = format!("/api/v1/namespaces/{place}/configmaps");
    match worker.random.below(10) {
        0..=1 => _ = worker.namespace(place).await,
        2..=6 => {
            let name = format!("m{}", worker.random.below(4));
            let held = worker.random.chance(300);
            let finalizers = if held { json!(["rutter.dev/held"]) } else { json!([]) };
            let meta = json!({"name": name, "finalizers": finalizers});
            let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"k": "v"}});
            if matches!(worker.ask("POST", &maps, body).await, Some((404, _))) {
                worker.namespace(place).await;
            }
        }
        7 => _ = worker.ask("DELETE", &format!("/api/v1/namespaces/{place}"), Value::Null).await,
        _ => release(worker, &maps).await,
    }
}

/// Takes the finalizers off all that is there: at the end nothing may wait for one.
async fn release(worker: &mut Worker, maps: &str) {
    let Some((200, list)) = worker.ask("GET", maps, Value::Null).await else { return };
    let held = items(&list).filter(|object| object["metadata"]["finalizers"].is_array());
    for name in held.map(name).map(str::to_owned).collect::<Vec<_>>() {
        worker.ask("PATCH", &format!("{maps}/{name}"), json!({"metadata": {"finalizers": null}})).await;
    }
}

/// When all is calm: nothing is held any more. True if it could be seen to.
pub(super) async fn let_go(worker: &mut Worker) -> bool {
    for place in PLACES {
        let maps = format!("/api/v1/namespaces/{place}/configmaps");
        release(worker, &maps).await;
        let Some((200, list)) = worker.ask("GET", &maps, Value::Null).await else { return false };
        if items(&list).any(|object| object["metadata"]["finalizers"].is_array()) {
            return false;
        }
    }
    true
}
