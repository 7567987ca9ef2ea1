//! What a structural schema does not know is taken out of an object and named. It fills nothing in.
use super::node::{Additional, Node};
use serde_json::Value;

/// The members that every object and every embedded one has, whatever the schema says.
const KEPT: [&str; 3] = ["apiVersion", "kind", "metadata"];

pub(super) fn root(node: &Node, value: &mut Value, gone: &mut Vec<String>) {
    object(node, value, true, "", gone);
}

fn any(node: &Node, value: &mut Value, path: &str, gone: &mut Vec<String>) {
    match value {
        Value::Object(_) => object(node, value, node.embedded, path, gone),
        Value::Array(items) => {
            let Some(inner) = &node.items else { return };
            for (at, item) in items.iter_mut().enumerate() {
                any(inner, item, &format!("{path}[{at}]"), gone);
            }
        }
        _ => {}
    }
}

fn object(node: &Node, value: &mut Value, whole: bool, path: &str, gone: &mut Vec<String>) {
    let Value::Object(members) = value else { return };
    let names: Vec<String> = members.keys().cloned().collect();
    for name in names {
        if whole && KEPT.contains(&name.as_str()) {
            continue;
        }
        let here = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        let Some(member) = members.get_mut(&name) else { continue };
        match (node.properties.get(name.as_str()), &node.additional) {
            (Some(inner), _) => any(inner, member, &here, gone),
            (None, Additional::Of(inner)) => any(inner, member, &here, gone),
            (None, Additional::Any) => {}
            (None, Additional::None) if node.preserve => {}
            (None, Additional::None) => {
                members.remove(&name);
                gone.push(here);
            }
        }
    }
}
