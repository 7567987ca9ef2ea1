//! ComponentStatus: the parts of a control plane, which Kubernetes still lists though nothing keeps them. Here one process is all of
//! them: whoever answers is well, and says so under the names that clients look for. It probes nobody.
use crate::call::{Call, not_allowed};
use crate::negotiate::Form;
use crate::read;
use crate::request::Response;
use crate::shape;
use api::status::Status;
use serde_json::{Value, json};

/// As Kubernetes names them; the last is where the state is kept.
const COMPONENTS: [&str; 3] = ["controller-manager", "etcd-0", "scheduler"];

/// # Errors
/// 404 for another name, 503 if nobody can say that the log goes on.
pub async fn answer(call: &Call, verb: &str) -> Result<Response, Status> {
    let view = read::newest(&call.room).await?;
    let meta = json!({"resourceVersion": view.revision().to_string()});
    match verb {
        "get" if COMPONENTS.contains(&call.target.name.as_str()) && call.form == Form::Table => {
            Ok(Response::value(200, &table(&meta, &[component(&call.target.name)])))
        }
        "get" if COMPONENTS.contains(&call.target.name.as_str()) => {
            shape::answer(call, 200, &component(&call.target.name))
        }
        "get" => Err(call.not_found()),
        "list" => {
            let items: Vec<Value> = COMPONENTS.iter().map(|name| component(name)).collect();
            let list = json!({"kind": "ComponentStatusList", "apiVersion": "v1", "metadata": meta, "items": items});
            match call.form {
                Form::Table => Ok(Response::value(200, &table(&meta, &items))),
                _ => shape::answer(call, 200, &list),
            }
        }
        _ => Err(not_allowed()),
    }
}

fn component(name: &str) -> Value {
    json!({"kind": "ComponentStatus", "apiVersion": "v1", "metadata": {"name": name},
        "conditions": [{"type": "Healthy", "status": "True", "message": "ok"}]})
}

fn table(meta: &Value, items: &[Value]) -> Value {
    let rows: Vec<Value> = items
        .iter()
        .map(|item| {
            let cells = json!([item["metadata"]["name"], "Healthy", "ok"]);
            json!({"cells": cells, "object": shape::partial(item)})
        })
        .collect();
    let column = |name: &str, format: &str| json!({"name": name, "type": "string", "format": format, "description": "", "priority": 0});
    let columns = json!([column("Name", "name"), column("Status", ""), column("Message", "")]);
    json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "columnDefinitions": columns, "rows": rows})
}
