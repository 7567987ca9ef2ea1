//! Clients that define a kind of their own, change its schema, make objects of it and take the kind away, all at once.
use super::worker::{COUNTER, Work, Worker};
use serde_json::{Value, json};

pub(super) const WORK: Work = Work {
    name: "definitions",
    says: "define a kind, change its schema, make objects of it and take it away under load",
    most: 2,
    act: |worker| Box::pin(act(worker)),
};

const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const NAME: &str = "sails.sim.rutter.dev";

async fn act(worker: &mut Worker) {
    let (_, namespace, _) = COUNTER;
    let sails = format!("/apis/sim.rutter.dev/v1/namespaces/{namespace}/sails");
    let one = format!("{sails}/s{}", worker.random.below(3));
    match worker.random.below(20) {
        0..=2 => {
            worker.namespace(namespace).await;
            let most = worker.random.between(5, 9);
            worker.ask("POST", DEFINITIONS, definition(most)).await;
        }
        3..=5 => {
            let most = worker.random.between(5, 9);
            let path = format!("{DEFINITIONS}/{NAME}");
            worker.ask("PATCH", &path, json!({"spec": {"versions": [version(most)]}})).await;
        }
        6 => _ = worker.ask("DELETE", &format!("{DEFINITIONS}/{NAME}"), Value::Null).await,
        7..=13 => {
            let meta = json!({"name": one.rsplit('/').next()});
            let spec = json!({"area": worker.random.below(10)});
            let body = json!({"apiVersion": "sim.rutter.dev/v1", "kind": "Sail", "metadata": meta, "spec": spec});
            worker.ask("POST", &sails, body).await;
        }
        14..=16 => {
            let area = worker.random.below(10);
            worker.ask("PATCH", &one, json!({"spec": {"area": area}})).await;
        }
        17..=18 => _ = worker.ask("DELETE", &one, Value::Null).await,
        _ => _ = worker.ask("GET", &sails, Value::Null).await,
    }
}

fn version(most: u64) -> Value {
    let area = json!({"type": "integer", "minimum": 0, "maximum": most});
    let spec = json!({"type": "object", "properties": {"area": area}});
    let schema = json!({"openAPIV3Schema": {"type": "object", "properties": {"spec": spec}}});
    json!({"name": "v1", "served": true, "storage": true, "schema": schema})
}

fn definition(most: u64) -> Value {
    let names = json!({"plural": "sails", "singular": "sail", "kind": "Sail"});
    let spec = json!({"group": "sim.rutter.dev", "scope": "Namespaced", "names": names, "versions": [version(most)]});
    let meta = json!({"name": NAME});
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": meta, "spec": spec})
}
