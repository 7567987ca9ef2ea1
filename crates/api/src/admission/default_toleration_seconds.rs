//! DefaultTolerationSeconds: a pod that says nothing of lost nodes waits five minutes for one to come back.
use super::request::{Operation, Plugin, Request, text};
use crate::status::Status;
use serde_json::{Value, json};

pub const PLUGIN: Plugin = Plugin { name: "DefaultTolerationSeconds", admit: Some(admit), validate: None };

/// How long a pod stays on a node that is not ready or does not answer.
const SECONDS: i64 = 300;

fn admit(request: &Request<'_>, pod: &mut Value) -> Result<(), Status> {
    let writes = matches!(request.operation, Operation::Create | Operation::Update);
    if !request.about("pods") || !writes || !pod["spec"].is_object() {
        return Ok(());
    }
    if !pod["spec"]["tolerations"].is_array() {
        pod["spec"]["tolerations"] = json!([]);
    }
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let Some(list) = pod["spec"]["tolerations"].as_array_mut() else { return Ok(()) };
        let covers = |toleration: &Value| {
            let (own, effect) = (text(toleration, "key"), text(toleration, "effect"));
            (own == key || own.is_empty()) && (effect == "NoExecute" || effect.is_empty())
        };
        if !list.iter().any(covers) {
            list.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": SECONDS}));
        }
    }
    Ok(())
}
