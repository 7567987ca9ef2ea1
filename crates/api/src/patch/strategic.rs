//! Strategic merge patch: Kubernetes' own, in which lists merge by a key that the schema names. Built-in kinds only.
//!
//! Directives: `$patch: replace | delete | merge`, `$retainKeys`, `$setElementOrder/LIST`, `$deleteFromPrimitiveList/LIST`.
//! The rules are those of apimachinery's `strategicpatch`, for `kubectl apply` computes its patches by them.
use super::words::Shown;
use crate::schema::structure::{Field, Message, Patch, Shape};
use crate::status::Status;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

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
    let whole = patch.contains_key(PATCH).then(|| Value::Object(patch.clone()));
    match patch.remove(PATCH) {
        None => {}
        Some(Value::String(directive)) => match directive.as_str() {
            "replace" => return Ok(drop_from_map(patch)),
            "delete" => return Ok(Members::new()),
            "merge" => {}
            other => return Err(unknown(other, whole.as_ref())),
        },
        Some(other) => return Err(unknown(&other.to_string(), whole.as_ref())),
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
        (Value::Array(items), Value::Array(gone)) if deletes => Value::Array(without(items, &gone)),
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
    let names: BTreeSet<&str> = keys.iter().filter_map(Value::as_str).collect();
    let named = |name: &str| names.contains(name);
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
        let order = Index::of(&order, how.key);
        let (live, mut merged) = match (old.remove(name), patch.remove(name)) {
            (None | Some(_), Some(Value::Null)) | (None, None) => continue,
            (Some(Value::Array(live)), Some(Value::Array(items))) => {
                let named = |item: &Value| item.get(PATCH).is_some() || order.place(item).is_some();
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
            Some(Value::Array(gone)) => merged = without(merged, &gone),
            Some(_) => return Err(Status::bad_request("invalid patch format of primitive list")),
            None => {}
        }
        old.insert(name.to_owned(), Value::Array(in_order(merged, &order, &Index::of(&live, how.key))));
    }
    Ok(())
}

fn merge_list(old: Vec<Value>, patch: Vec<Value>, place: Place, how: Patch) -> Result<Vec<Value>, Status> {
    if !how.merge {
        return Ok(drop_from_list(patch));
    }
    if !old.iter().chain(&patch).any(Value::is_object) {
        let mut seen = BTreeSet::new();
        let both = old.iter().chain(&patch).filter(|item| seen.insert(item.to_string())).cloned().collect();
        return Ok(in_order(both, &Index::of(&patch, ""), &Index::of(&old, "")));
    }
    if how.key.is_empty() || old.iter().chain(&patch).any(|item| !item.is_object()) {
        return Err(unprocessable("cannot merge lists without merge key"));
    }
    let (mut items, patch) = directives_of_items(old, patch, how.key)?;
    let live = Index::of(&items, how.key);
    let mut places = live.places.clone();
    for item in &patch {
        let id = identity(item, how.key).ok_or_else(|| no_key(item, how.key))?;
        match places.get(&id).and_then(|at| items.get_mut(*at)) {
            Some(known) => {
                if let (Value::Object(members), Value::Object(changes)) = (known.take(), item.clone()) {
                    *known = Value::Object(merge_map(members, changes, place)?);
                }
            }
            None => {
                places.insert(id, items.len());
                items.push(drop_directives(item.clone()));
            }
        }
    }
    Ok(in_order(items, &Index::of(&patch, how.key), &live))
}

/// Carries out `$patch` in list items: the list as it is then, and the items of the patch that are left.
fn directives_of_items(old: Vec<Value>, patch: Vec<Value>, key: &str) -> Result<(Vec<Value>, Vec<Value>), Status> {
    let (mut rest, mut gone, mut replace) = (Vec::new(), BTreeSet::new(), false);
    for item in patch {
        match item.get(PATCH).map(|directive| directive.as_str().unwrap_or_default()) {
            None => rest.push(item),
            Some("delete") => {
                gone.insert(identity(&item, key).ok_or_else(|| no_key(&item, key))?);
            }
            Some("replace") => replace = true,
            Some("merge") => return Err(unprocessable("merging lists cannot yet be specified in the patch")),
            Some(other) => return Err(unknown(other, Some(&item))),
        }
    }
    if replace {
        return Ok((drop_from_list(rest), Vec::new()));
    }
    let stays = |item: &Value| gone.is_empty() || identity(item, key).is_none_or(|id| !gone.contains(&id));
    Ok((old.into_iter().filter(stays).collect(), rest))
}

/// Items named by `order` in that order, the others in the live list's, one woven into the other as the live list has them.
fn in_order(items: Vec<Value>, order: &Index<'_>, live: &Index<'_>) -> Vec<Value> {
    let (mut named, mut others) = (Vec::new(), Vec::new());
    for item in items {
        let at = live.place(&item);
        match order.place(&item) {
            Some(place) => named.push((place, at, item)),
            None => others.push((at, item)),
        }
    }
    named.sort_by_key(|(place, ..)| *place);
    others.sort_by_key(|(at, _)| *at);
    let mut out = Vec::with_capacity(named.len() + others.len());
    let (mut named, mut others) = (named.into_iter().peekable(), others.into_iter().peekable());
    while let (Some((_, own, _)), Some((other, _))) = (named.peek(), others.peek()) {
        let before = matches!((other, own), (Some(other), Some(own)) if other < own);
        if before {
            out.extend(others.next().map(|(_, item)| item));
        } else {
            out.extend(named.next().map(|(.., item)| item));
        }
    }
    out.extend(named.map(|(.., item)| item));
    out.extend(others.map(|(_, item)| item));
    out
}

/// The items of a list by what they are known by; of equals the first counts.
struct Index<'a> {
    key: &'a str,
    places: BTreeMap<String, usize>,
}

impl<'a> Index<'a> {
    fn of(list: &[Value], key: &'a str) -> Self {
        let mut places = BTreeMap::new();
        for (at, item) in list.iter().enumerate() {
            if let Some(id) = identity(item, key) {
                places.entry(id).or_insert(at);
            }
        }
        Self { key, places }
    }

    fn place(&self, item: &Value) -> Option<usize> {
        self.places.get(&identity(item, self.key)?).copied()
    }
}

/// The value of the merge key, or the whole item where there is none, as text.
fn identity(item: &Value, key: &str) -> Option<String> {
    if key.is_empty() { Some(item.to_string()) } else { item.get(key).map(Value::to_string) }
}

fn without(items: Vec<Value>, gone: &[Value]) -> Vec<Value> {
    let gone: BTreeSet<String> = gone.iter().map(Value::to_string).collect();
    items.into_iter().filter(|item| !gone.contains(&item.to_string())).collect()
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

fn unknown(directive: &str, whole: Option<&Value>) -> Status {
    let whole = Shown(whole.unwrap_or(&Value::Null));
    unprocessable(&format!("unknown patch type: {directive} in map: {whole}"))
}

fn no_key(item: &Value, key: &str) -> Status {
    unprocessable(&format!("map: {} does not contain declared merge key: {key}", Shown(item)))
}

fn unprocessable(message: &str) -> Status {
    Status::new(422, "Invalid", message)
}

#[cfg(test)]
mod tests;
