//! The defaults of a structural schema, written where an object says nothing. Applying them twice is applying them once.
use super::node::{Additional, Node};
use serde_json::Value;

pub(super) fn root(node: &Node, value: &mut Value) {
    any(node, value);
}

fn any(node: &Node, value: &mut Value) {
    match value {
        Value::Object(members) => {
            for (name, inner) in &node.properties {
                let missing = match members.get(&**name) {
                    None => true,
                    // A null that may not be one is the same as nothing, where something else is known to stand there.
                    Some(Value::Null) => !inner.nullable,
                    Some(_) => false,
                };
                if let (true, Some(default)) = (missing, &inner.default) {
                    members.insert(name.to_string(), default.clone());
                }
                if let Some(member) = members.get_mut(&**name) {
                    any(inner, member);
                }
            }
            if let Additional::Of(inner) = &node.additional {
                let others = members.iter_mut().filter(|(name, _)| !node.properties.contains_key(name.as_str()));
                others.for_each(|(_, member)| any(inner, member));
            }
        }
        Value::Array(items) => {
            if let Some(inner) = &node.items {
                items.iter_mut().for_each(|item| any(inner, item));
            }
        }
        _ => {}
    }
}
