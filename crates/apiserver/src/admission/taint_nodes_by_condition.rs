//! TaintNodesByCondition: a new node takes no pods until it is known to be ready. The controller of nodes' lives takes the taint off.
use api::admission::request::{Operation, Plugin, Request, items, text};
use api::status::Status;
use serde_json::{Value, json};

pub const PLUGIN: Plugin = Plugin { name: "TaintNodesByCondition", admit: Some(admit), validate: None };

const KEY: &str = "node.kubernetes.io/not-ready";
const EFFECT: &str = "NoSchedule";

fn admit(request: &Request<'_>, node: &mut Value) -> Result<(), Status> {
    if !request.is(Operation::Create, "nodes") {
        return Ok(());
    }
    if !node["spec"].is_object() {
        node["spec"] = json!({});
    }
    let mut taints = items(&node["spec"], "taints").to_vec();
    if !taints.iter().any(|taint| text(taint, "key") == KEY && text(taint, "effect") == EFFECT) {
        taints.push(json!({"key": KEY, "effect": EFFECT}));
        node["spec"]["taints"] = taints.into();
    }
    Ok(())
}
