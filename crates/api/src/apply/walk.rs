//! Walks over objects along their schema: which places an object says, how two merge, where they differ, what is left when places
//! are taken out. It knows no owners.
use crate::apply::order::{self, From};
use crate::apply::place::{Items, NO_KEY, Place};
use crate::apply::set::{Difference, Set, Step};
use crate::go;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};

/// A value as its place sees it.
enum Form<'v> {
    /// It has one owner.
    Leaf,
    Members(&'v Map<String, Value>),
    /// Items with the steps by which they are told apart, the first of each.
    Items(Vec<(Step, &'v Value)>),
}

fn form<'v>(place: Place<'_>, value: &'v Value) -> Form<'v> {
    match value {
        Value::Object(members) if !matches!(place, Place::Atomic) => Form::Members(members),
        Value::Array(items) => {
            let told_apart = place.items();
            let step = |item: &Value| match &told_apart {
                Items::Whole => None,
                Items::Values => Some(Step::Value(item.to_string())),
                Items::Keys(keys) => Some(Step::Key(place.key(keys, item))),
            };
            if matches!(told_apart, Items::Whole) {
                return Form::Leaf;
            }
            Form::Items(first_of_each(items.iter().filter_map(|item| Some((step(item)?, item))).collect()))
        }
        _ => Form::Leaf,
    }
}

fn first_of_each(items: Vec<(Step, &Value)>) -> Vec<(Step, &Value)> {
    let mut seen = BTreeSet::new();
    let first: Vec<bool> = items.iter().map(|(step, _)| seen.insert(step)).collect();
    items.into_iter().zip(first).filter_map(|(item, first)| first.then_some(item)).collect()
}

/// Whether each item of each list is told apart from the others; `path` is where `value` stands.
///
/// # Errors
/// Where one is not.
pub(super) fn check(place: Place<'_>, value: &Value, path: &str) -> Result<(), String> {
    match value {
        Value::Object(members) if !matches!(place, Place::Atomic) => {
            members.iter().try_for_each(|(name, value)| check(place.member(name).0, value, &format!("{path}.{name}")))
        }
        Value::Array(items) => {
            let told_apart = place.items();
            let mut seen = BTreeSet::new();
            for (at, item) in items.iter().enumerate() {
                let step = match &told_apart {
                    Items::Whole => return Ok(()),
                    Items::Values => Step::Value(item.to_string()),
                    Items::Keys(keys) => match place.key(keys, item) {
                        key if key == NO_KEY => {
                            let why = "associative list with keys has an element that omits all key fields";
                            let more = "(and doesn't have default values for any key fields)";
                            let keys = keys.iter().map(|key| go::quoted(key)).collect::<Vec<_>>().join(" ");
                            return Err(format!("{path}: element {at}: {why} [{keys}] {more}"));
                        }
                        key => Step::Key(key),
                    },
                };
                let inner = format!("{path}{step}");
                if matches!(step, Step::Key(_)) {
                    check(place.item(), item, &inner)?;
                }
                if let Some(twice) = seen.replace(step) {
                    return Err(format!("{path}: duplicate entries for key {twice}"));
                }
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Puts every place that `value` says into `set`.
pub(super) fn fields(place: Place<'_>, value: &Value, set: &mut Set) {
    match form(place, value) {
        Form::Leaf => set.member = true,
        Form::Members(members) => {
            for (name, value) in members {
                let (inner, named) = place.member(name);
                let below = set.at(Step::Field(name.clone()));
                fields(inner, value, below);
                let empty = value.as_object().is_some_and(Map::is_empty) || value.as_array().is_some_and(Vec::is_empty);
                below.member |= !named || value.is_null() || empty;
            }
        }
        Form::Items(items) => {
            for (step, item) in items {
                let by_key = matches!(step, Step::Key(_));
                let below = set.at(step);
                below.member = true;
                if by_key {
                    fields(place.item(), item, below);
                }
            }
        }
    }
}

/// `live` with all that `config` says.
pub(super) fn merge(place: Place<'_>, live: &Value, config: &Value) -> Value {
    match (form(place, live), form(place, config)) {
        (Form::Members(live), Form::Members(config)) => {
            let both = live.iter().map(|(name, live)| {
                let config = config.get(name).map(|config| merge(place.member(name).0, live, config));
                (name.clone(), config.unwrap_or_else(|| live.clone()))
            });
            let mut merged: Map<_, _> = both.collect();
            let fresh = config.iter().filter(|(name, _)| !live.contains_key(*name));
            merged.extend(fresh.map(|(name, value)| (name.clone(), value.clone())));
            Value::Object(merged)
        }
        (Form::Items(live), Form::Items(config)) => {
            let order = order::merged(&steps(&live), &steps(&config));
            let items = order.into_iter().map(|from| match from {
                From::Left(at) => live[at].1.clone(),
                From::Right(at) => config[at].1.clone(),
                From::Both(left, right) => merge(place.item(), live[left].1, config[right].1),
            });
            Value::Array(items.collect())
        }
        _ => config.clone(),
    }
}

fn steps<'i>(items: &'i [(Step, &Value)]) -> Vec<&'i Step> {
    items.iter().map(|(step, _)| step).collect()
}

/// Where `new` differs from `old`.
pub(super) fn compare(place: Place<'_>, old: &Value, new: &Value) -> Difference {
    differ(place, Some(old), Some(new))
}

fn differ<'v>(place: Place<'_>, old: Option<&'v Value>, new: Option<&'v Value>) -> Difference {
    let mut difference = Difference::default();
    if old == new {
        return difference;
    }
    let empty = |value: Option<&Value>| match value {
        None => true,
        Some(Value::Object(members)) => members.is_empty(),
        Some(Value::Array(items)) => items.is_empty(),
        Some(_) => false,
    };
    match (old.map(|old| form(place, old)), new.map(|new| form(place, new))) {
        _ if empty(old) && empty(new) => {}
        (None | Some(Form::Members(_)), None | Some(Form::Members(_))) => {
            let (old, new) = (old.and_then(Value::as_object), new.and_then(Value::as_object));
            let added =
                new.into_iter().flat_map(Map::keys).filter(|name| old.is_none_or(|old| !old.contains_key(*name)));
            for name in old.into_iter().flat_map(Map::keys).chain(added) {
                let at = |members: Option<&'v Map<String, Value>>| members.and_then(|members| members.get(name));
                let below = differ(place.member(name).0, at(old), at(new));
                difference.put(Step::Field(name.clone()), below);
            }
        }
        (old @ (None | Some(Form::Items(_))), new @ (None | Some(Form::Items(_)))) => {
            let (old, new) = (items(old), items(new));
            let steps = old.keys().chain(new.keys().filter(|step| !old.contains_key(*step)));
            for step in steps {
                let inner = if matches!(step, Step::Key(_)) { place.item() } else { Place::Atomic };
                let below = differ(inner, old.get(step).copied(), new.get(step).copied());
                difference.put(step.clone(), below);
            }
        }
        (Some(_), Some(_)) => difference.modified.member = true,
        (None, _) | (_, None) => {}
    }
    difference.added.member |= old.is_none();
    difference.removed.member |= new.is_none();
    difference
}

fn items(form: Option<Form<'_>>) -> BTreeMap<Step, &Value> {
    match form {
        Some(Form::Items(items)) => items.into_iter().collect(),
        _ => BTreeMap::new(),
    }
}

/// `set` with every member that the schema names and below which something stands.
pub(super) fn named(place: Place<'_>, set: &Set) -> Set {
    let below = set.below.iter().map(|(step, below)| {
        let (inner, by_name) = match step {
            Step::Field(name) => place.member(name),
            Step::Key(_) | Step::Value(_) => (place.item(), false),
        };
        let mut below = named(inner, below);
        below.member |= by_name;
        (step.clone(), below)
    });
    Set { member: set.member, below: below.collect() }
}

/// `value` without the places in `gone`; an object or list that is empty then goes as well.
pub(super) fn remove(place: Place<'_>, value: Value, gone: &Set) -> Value {
    remove_below(place, &value, gone).unwrap_or(value)
}

/// What is left; `None` if nothing is.
fn remove_below(place: Place<'_>, value: &Value, gone: &Set) -> Option<Value> {
    let left = |inner: Place<'_>, step: &Step, value: &Value| match gone.below.get(step) {
        Some(below) if below.member => None,
        Some(below) => remove_below(inner, value, below),
        None => Some(value.clone()),
    };
    match form(place, value) {
        Form::Leaf => Some(value.clone()),
        Form::Members(members) => {
            let mut kept = Map::new();
            for (name, value) in members {
                if let Some(value) = left(place.member(name).0, &Step::Field(name.clone()), value) {
                    kept.insert(name.clone(), value);
                }
            }
            (!kept.is_empty() || members.is_empty()).then_some(Value::Object(kept))
        }
        Form::Items(items) => {
            let mut kept = Vec::new();
            for (step, item) in &items {
                kept.extend(left(place.item(), step, item));
            }
            (!kept.is_empty() || items.is_empty()).then_some(Value::Array(kept))
        }
    }
}
