//! Where a Service reaches a pod: what slices and Endpoints have in common.
use crate::fields::{at, list, number, text};
use serde_json::{Value, json};

/// A Service's port as this pod has it; `None` if it is a name that the pod does not know.
pub(crate) fn target(port: &Value, pod: &Value) -> Option<Value> {
    let protocol = Some(text(port, "/protocol")).filter(|name| !name.is_empty()).unwrap_or("TCP");
    let number = match at(port, "/targetPort") {
        Value::String(name) => {
            let containers = list(pod, "/spec/containers").iter().chain(list(pod, "/spec/initContainers"));
            let mut known = containers.flat_map(|container| list(container, "/ports"));
            let is = |known: &&Value| {
                let known_protocol = Some(text(known, "/protocol")).filter(|name| !name.is_empty()).unwrap_or("TCP");
                text(known, "/name") == name && known_protocol == protocol
            };
            known.find(is).and_then(|known| number(known, "/containerPort"))?
        }
        Value::Number(number) => number.as_i64().filter(|number| *number > 0)?,
        _ => number(port, "/port")?,
    };
    let mut target = json!({"name": text(port, "/name"), "port": number, "protocol": protocol});
    let app = at(port, "/appProtocol");
    if !app.is_null() {
        target["appProtocol"] = app.clone();
    }
    Some(target)
}
