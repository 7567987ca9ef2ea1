//! Objects within an object (`x-kubernetes-embedded-resource`). It finds them, and judges nothing.
use super::node::{Additional, Node};
use serde_json::Value;

pub(super) fn find<'v>(node: &Node, value: &'v Value, path: &str, found: &mut Vec<(String, &'v Value)>) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                let inner = match (node.properties.get(name.as_str()), &node.additional) {
                    (Some(inner), _) => inner,
                    (None, Additional::Of(inner)) => inner,
                    _ => continue,
                };
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                one(inner, member, path, found);
            }
        }
        Value::Array(items) => {
            let Some(inner) = &node.items else { return };
            for (at, item) in items.iter().enumerate() {
                one(inner, item, format!("{path}[{at}]"), found);
            }
        }
        _ => {}
    }
}

fn one<'v>(node: &Node, value: &'v Value, path: String, found: &mut Vec<(String, &'v Value)>) {
    if node.embedded && value.is_object() {
        found.push((path.clone(), value));
    }
    find(node, value, &path, found);
}
