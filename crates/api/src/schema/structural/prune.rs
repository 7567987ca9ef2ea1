//! What a structural schema does not know is taken out of an object and named. It fills nothing in.
use super::node::{Additional, Node};
use crate::schema::fields;
use crate::schema::structure::{OBJECT_META, message};
use serde_json::Value;

/// The members that every object and every embedded one has, whatever the schema says.
const KEPT: [&str; 3] = ["apiVersion", "kind", "metadata"];

pub(super) fn root(node: &Node, value: &mut Value, gone: &mut Vec<String>) {
    object(node, value, true, "", gone);
}

/// Whole numbers that were written as `3.0` are written as `3`: typed clients read no other.
pub(super) fn whole_numbers(value: &mut Value) {
    match value {
        Value::Object(members) => members.values_mut().for_each(whole_numbers),
        Value::Array(items) => items.iter_mut().for_each(whole_numbers),
        Value::Number(number) if number.is_f64() => {
            let plain = number.as_f64().filter(|number| number.fract() == 0.0);
            // One that does not fit stays as it is.
            if let Some(whole) = plain.and_then(|number| format!("{number:.0}").parse::<i64>().ok()) {
                *value = whole.into();
            }
        }
        _ => {}
    }
}

/// One place of an object.
pub(super) fn place(node: &Node, value: &mut Value, gone: &mut Vec<String>) {
    any(node, value, "", gone);
}

fn any(node: &Node, value: &mut Value, path: &str, gone: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            if let Some(meta) = members.get_mut("metadata").filter(|meta| node.embedded && meta.is_object()) {
                metadata(meta, path, gone);
            }
            object(node, value, node.embedded, path, gone);
        }
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

/// What no metadata has. Metadata of the wrong type is left to those who judge it.
fn metadata(meta: &mut Value, path: &str, gone: &mut Vec<String>) {
    let mut known = meta.clone();
    let Some(Ok(unknown)) = message(OBJECT_META).map(|message| fields::check(message, &mut known)) else { return };
    if !unknown.is_empty() {
        *meta = known;
    }
    let path = if path.is_empty() { "metadata".to_owned() } else { format!("{path}.metadata") };
    gone.extend(unknown.into_iter().map(|name| format!("{path}.{name}")));
}
