//! Strategic merge patch: Kubernetes' own, in which lists merge by a key that the schema names. Built-in kinds only.
//!
//! Directives: `$patch: replace | delete | merge`, `$retainKeys`, `$setElementOrder/LIST`, `$deleteFromPrimitiveList/LIST`.
//! The rules are those of apimachinery's `strategicpatch`, for `kubectl apply` computes its patches by them.
use crate::schema::structure::{Field, Message, Patch, Shape};
use crate::status::Status;
use serde_json::{Map, Value};

const PATCH: &str = "$patch";
const RETAIN_KEYS: &str = "$retainKeys";
const SET_ORDER: &str = "$setElementOrder/";
const DELETE_FROM: &str = "$deleteFromPrimitiveList/";

type Members = Map<String, Value>;

/// What is known of the place a patch has come to.
#[derive(Clone, Copy)]
enum Place {
    Message(&'static Message),
    /// A map, whose values are of the message if they are objects.
    Map(Option<&'static Message>),
    /// No structure is known: objects merge, lists are replaced.
    Free,
}

/// # Errors
/// 400 for a malformed directive, 422 for an unknown one or a list item without its merge key.
pub fn apply(message: &'static Message, old: &Value, patch: &Value) -> Result<Value, Status> {
    let (Value::Object(old), Value::Object(patch)) = (old, patch) else {
        return Err(Status::bad_request("error decoding patch: a strategic merge patch is a JSON object"));
    };
    merge_map(old.clone(), patch.clone(), Place::Message(message)).map(Value::Object)
}

impl Place {
    /// What stands at member `name`, and how it is patched.
    fn at(self, name: &str) -> (Self, Patch) {
        match self {
            Self::Message(message) => match message.field(name) {
                Some(field) => (Self::of(field), field.patch),
                None => (Self::Free, Patch::default()),
            },
            Self::Map(Some(message)) => (Self::Message(message), Patch::default()),
            Self::Map(None) | Self::Free => (Self::Free, Patch::default()),
        }
    }

    fn of(field: &'static Field) -> Self {
        match (field.shape, field.message()) {
            (Shape::Map, message) => Self::Map(message),
            (_, Some(message)) => Self::Message(message),
            (_, None) => Self::Free,
        }
    }
}

fn merge_map(mut old: Members, mut patch: Members, place: Place) -> Result<Members, Status> {
    match patch.remove(PATCH) {
        None => {}
        Some(Value::String(directive)) => match directive.as_str() {
            "replace" => return Ok(drop_from_map(patch)),
            "delete" => return Ok(Members::new()),
            "merge" => {}
            other => return Err(unknown(other)),
        },
        Some(other) => return Err(unknown(&other.to_string())),
    }
    retain_keys(&mut old, &mut patch)?;
    ordered_lists(&mut old, &mut patch, place)?;
    for (name, value) in patch {
        let (name, deletes) = match name.strip_prefix(DELETE_FROM) {
            Some(list) => (list.to_owned(), true),
            None => (name, false),
        };
        if deletes && !value.is_array() {
            return Err(Status::bad_request("invalid patch format of primitive list"));
        }
        if value.is_null() {
            old.remove(&name);
            continue;
        }
        let Some(present) = old.get_mut(&name) else {
            if !deletes {
                old.insert(name, drop_directives(value));
            }
            continue;
        };
        *present = merge_value(present.take(), value, deletes, place.at(&name))?;
    }
    Ok(old)
}

/// One member that both have; `deletes` if the patch names items to take out of a list.
fn merge_value(present: Value, value: Value, deletes: bool, (inner, how): (Place, Patch)) -> Result<Value, Status> {
    Ok(match (present, value) {
        (Value::Object(_), Value::Object(value)) if how.replace => Value::Object(drop_from_map(value)),
        (Value::Object(present), Value::Object(value)) => Value::Object(merge_map(present, value, inner)?),
        (Value::Array(items), Value::Array(gone)) if deletes => {
            Value::Array(items.into_iter().filter(|item| !gone.contains(item)).collect())
        }
        (Value::Array(items), Value::Array(value)) => Value::Array(merge_list(items, value, inner, how)?),
        (present, _) if deletes => present,
        (_, value) => drop_directives(value),
    })
}

/// `$retainKeys`: what is not named goes; the patch may set nothing that is not named.
fn retain_keys(old: &mut Members, patch: &mut Members) -> Result<(), Status> {
    let Some(keys) = patch.remove(RETAIN_KEYS) else { return Ok(()) };
    let bad = || Status::bad_request("invalid patch format of retainKeys");
    let keys = keys.as_array().ok_or_else(bad)?;
    let named = |name: &str| keys.iter().any(|key| key == name);
    if keys.iter().any(|key| !key.is_string()) || patch.keys().any(|name| !name.starts_with('$') && !named(name)) {
        return Err(bad());
    }
    old.retain(|name, _| named(name));
    Ok(())
}

/// `$setElementOrder/LIST`: the list is merged, then its items that the order names stand in that order.
fn ordered_lists(old: &mut Members, patch: &mut Members, place: Place) -> Result<(), Status> {
    let orders: Vec<String> = patch.keys().filter(|name| name.starts_with(SET_ORDER)).cloned().collect();
    for directive in orders {
        let bad = || Status::bad_request("invalid patch format of setElementOrder list");
        let Some(Value::Array(order)) = patch.remove(&directive) else { return Err(bad()) };
        let name = &directive[SET_ORDER.len()..];
        let (inner, how) = place.at(name);
        let (live, mut merged) = match (old.remove(name), patch.remove(name)) {
            (None | Some(_), Some(Value::Null)) | (None, None) => continue,
            (Some(Value::Array(live)), Some(Value::Array(items))) => {
                let named = |item: &Value| item.get(PATCH).is_some() || place_in(&order, item, how.key).is_some();
                if !items.iter().all(named) {
                    return Err(bad());
                }
                let merged = merge_list(live.clone(), items, inner, how)?;
                (live, merged)
            }
            (Some(Value::Array(live)), None) => (live.clone(), live),
            (_, Some(Value::Array(items))) => (Vec::new(), drop_from_list(items)),
            (Some(other), None) => {
                old.insert(name.to_owned(), other);
                continue;
            }
            (_, Some(_)) => return Err(bad()),
        };
        match patch.remove(&format!("{DELETE_FROM}{name}")) {
            Some(Value::Array(gone)) => merged.retain(|item| !gone.contains(item)),
            Some(_) => return Err(Status::bad_request("invalid patch format of primitive list")),
            None => {}
        }
        old.insert(name.to_owned(), Value::Array(in_order(merged, &order, &live, how.key)));
    }
    Ok(())
}

fn merge_list(old: Vec<Value>, patch: Vec<Value>, place: Place, how: Patch) -> Result<Vec<Value>, Status> {
    if !how.merge {
        return Ok(drop_from_list(patch));
    }
    if !old.iter().chain(&patch).any(Value::is_object) {
        let mut both: Vec<Value> = Vec::with_capacity(old.len() + patch.len());
        for item in old.iter().chain(&patch) {
            if !both.contains(item) {
                both.push(item.clone());
            }
        }
        return Ok(in_order(both, &patch, &old, ""));
    }
    if how.key.is_empty() || old.iter().chain(&patch).any(|item| !item.is_object()) {
        return Err(unprocessable("cannot merge lists without merge key"));
    }
    let (mut items, patch) = directives_of_items(old, patch, how.key)?;
    let live = items.clone();
    for item in &patch {
        let value = item.get(how.key).ok_or_else(|| no_key(item, how.key))?;
        match items.iter_mut().find(|known| known.get(how.key) == Some(value)) {
            Some(known) => {
                if let (Value::Object(members), Value::Object(changes)) = (known.take(), item.clone()) {
                    *known = Value::Object(merge_map(members, changes, place)?);
                }
            }
            None => items.push(drop_directives(item.clone())),
        }
    }
    Ok(in_order(items, &patch, &live, how.key))
}

/// Carries out `$patch` in list items: the list as it is then, and the items of the patch that are left.
fn directives_of_items(mut old: Vec<Value>, patch: Vec<Value>, key: &str) -> Result<(Vec<Value>, Vec<Value>), Status> {
    let (mut rest, mut replace) = (Vec::new(), false);
    for item in patch {
        match item.get(PATCH).map(|directive| directive.as_str().unwrap_or_default()) {
            None => rest.push(item),
            Some("delete") => {
                let value = item.get(key).ok_or_else(|| no_key(&item, key))?;
                old.retain(|known| known.get(key) != Some(value));
            }
            Some("replace") => replace = true,
            Some("merge") => return Err(unprocessable("merging lists cannot yet be specified in the patch")),
            Some(other) => return Err(unknown(other)),
        }
    }
    if replace { Ok((drop_from_list(rest), Vec::new())) } else { Ok((old, rest)) }
}

/// Items named by `order` in that order, the others in the live list's, one woven into the other as the live list has them.
fn in_order(items: Vec<Value>, order: &[Value], live: &[Value], key: &str) -> Vec<Value> {
    let (mut named, mut others): (Vec<Value>, Vec<Value>) =
        items.into_iter().partition(|item| place_in(order, item, key).is_some());
    named.sort_by_key(|item| place_in(order, item, key));
    others.sort_by_key(|item| place_in(live, item, key));
    let mut out = Vec::with_capacity(named.len() + others.len());
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    while let (Some(own), Some(other)) = (named.peek(), others.peek()) {
        let before = match (place_in(live, other, key), place_in(live, own, key)) {
            (Some(other), Some(own)) => other < own,
            _ => false,
        };
        out.extend(if before { others.next() } else { named.next() });
    }
    out.extend(named);
    out.extend(others);
    out
}

fn place_in(list: &[Value], item: &Value, key: &str) -> Option<usize> {
    if key.is_empty() {
        return list.iter().position(|known| known == item);
    }
    let wanted = item.get(key)?;
    list.iter().position(|known| known.get(key) == Some(wanted))
}

/// What a patch adds where nothing was: without directives, and without nulls, which had nothing to delete.
fn drop_directives(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(drop_from_map(members)),
        Value::Array(items) => Value::Array(drop_from_list(items)),
        other => other,
    }
}

fn drop_from_list(items: Vec<Value>) -> Vec<Value> {
    let kept = items.into_iter().filter(|item| item.get(PATCH).is_none_or(|directive| directive == "merge"));
    kept.map(drop_directives).collect()
}

fn drop_from_map(members: Members) -> Members {
    let directive = |name: &str| {
        name == PATCH || name == RETAIN_KEYS || name.starts_with(SET_ORDER) || name.starts_with(DELETE_FROM)
    };
    let kept = members.into_iter().filter(|(name, value)| !directive(name) && !value.is_null());
    kept.map(|(name, value)| (name, drop_directives(value))).collect()
}

fn unknown(directive: &str) -> Status {
    unprocessable(&format!("unknown patch type: {directive}"))
}

fn no_key(item: &Value, key: &str) -> Status {
    unprocessable(&format!("map: {item} does not contain declared merge key: {key}"))
}

fn unprocessable(message: &str) -> Status {
    Status::new(422, "Invalid", message)
}

#[cfg(test)]
mod tests;
