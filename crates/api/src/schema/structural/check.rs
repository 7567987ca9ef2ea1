//! Whether an object is what a structural schema allows, in the words of Kubernetes' OpenAPI validator. It changes nothing.
use super::combine::combined;
use super::format;
use super::node::{Additional, Limits, Node, Unique};
use crate::problem::Problems;
use serde_json::Value;
use std::collections::BTreeMap;

/// More problems than this are not told.
const PROBLEMS_MAX: usize = 100;

pub(super) fn root(node: &Node, value: &Value, old: Option<&Value>, problems: &mut Problems) {
    any(node, value, old, "", problems);
}

/// One place of an object, called `path`.
pub(super) fn place(node: &Node, value: &Value, path: &str, problems: &mut Problems) {
    any(node, value, None, path, problems);
}

fn any(node: &Node, value: &Value, old: Option<&Value>, path: &str, problems: &mut Problems) {
    if problems.causes.len() >= PROBLEMS_MAX || old == Some(value) {
        return;
    }
    if value.is_null() && (node.nullable || node.kind.is_empty() && !node.int_or_string) {
        return;
    }
    if !fits(node, value) {
        return type_problem(node, value, path, problems);
    }
    values(&node.limits, value, path, problems);
    match value {
        Value::Object(members) => {
            for name in node.limits.required.iter().filter(|name| !members.contains_key(&***name)) {
                problems.required(below(path, name), "");
            }
            // A map that has one owner is another whenever it differs.
            let old = old.filter(|_| !node.atomic);
            for (name, member) in members {
                let inner = match (node.properties.get(name.as_str()), &node.additional) {
                    (Some(inner), _) => inner,
                    (None, Additional::Of(inner)) => inner,
                    _ => continue,
                };
                any(inner, member, old.and_then(|old| old.get(name)), &below(path, name), problems);
            }
        }
        Value::Array(items) => {
            unique(node, items, path, problems);
            if let Some(inner) = &node.items {
                let before = by_key(node, old);
                for (at, item) in items.iter().enumerate() {
                    let old = identity(&node.unique, item).and_then(|key| before.get(&key.to_string()).copied());
                    any(inner, item, old, &format!("{path}[{at}]"), problems);
                }
            }
        }
        _ => {}
    }
    let tried = |node: &Node| {
        let mut inner = Problems::default();
        any(node, value, old, path, &mut inner);
        inner
    };
    combined(&node.limits, &tried, path, problems);
}

/// Items of a list as it was, by their keys: those of other lists cannot be told apart.
fn by_key<'v>(node: &Node, old: Option<&'v Value>) -> BTreeMap<String, &'v Value> {
    if !matches!(node.unique, Unique::Keys(_)) {
        return BTreeMap::new();
    }
    let items = old.and_then(Value::as_array).into_iter().flatten();
    items.filter_map(|item| Some((identity(&node.unique, item)?.to_string(), item))).collect()
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

fn fits(node: &Node, value: &Value) -> bool {
    if node.int_or_string {
        return value.is_string() || whole(value);
    }
    match &*node.kind {
        "object" => value.is_object(),
        "array" => value.is_array(),
        "string" => value.is_string(),
        "boolean" => value.is_boolean(),
        "integer" => whole(value),
        "number" => value.is_number(),
        _ => true,
    }
}

fn whole(value: &Value) -> bool {
    value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0)
}

fn type_problem(node: &Node, value: &Value, path: &str, problems: &mut Problems) {
    let wanted = if node.int_or_string { "integer,string" } else { &*node.kind };
    let found = match value {
        Value::Null => "null",
        Value::Bool(_) => "boolean",
        Value::Number(_) if whole(value) => "integer",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    };
    let why = format!("{path} in body must be of type {wanted}: {found:?}");
    problems.wrong_type(path, found, &why);
}

fn values(limits: &Limits, value: &Value, path: &str, problems: &mut Problems) {
    if !limits.one_of_values.is_empty() && !limits.one_of_values.iter().any(|known| same(known, value)) {
        let known: Vec<String> = limits.one_of_values.iter().map(plain).collect();
        problems.unknown_word(path, value, &known.iter().map(String::as_str).collect::<Vec<_>>());
    }
    match value {
        Value::Number(_) => numbers(limits, value, path, problems),
        Value::String(text) => texts(limits, text, path, problems),
        Value::Array(items) => counts(items.len() as u64, limits.items, "items", value, path, problems),
        Value::Object(members) => counts(members.len() as u64, limits.members, "properties", value, path, problems),
        _ => {}
    }
}

/// 1 and 1.0 are one number.
fn same(a: &Value, b: &Value) -> bool {
    a == b || (a.is_number() && b.is_number() && a.as_f64() == b.as_f64())
}

fn numbers(limits: &Limits, value: &Value, path: &str, problems: &mut Problems) {
    let Some(number) = value.as_f64() else { return };
    let mut wrong = |why: String| problems.invalid(path, value, &format!("{path} in body {why}"));
    // Bounds of whole numbers are told as whole numbers.
    let float = |bound: f64| if value.is_f64() { float(bound) } else { format!("{:.0}", bound.trunc()) };
    match limits.minimum {
        Some((least, true)) if number <= least => wrong(format!("should be greater than {}", float(least))),
        Some((least, false)) if number < least => {
            wrong(format!("should be greater than or equal to {}", float(least)));
        }
        _ => {}
    }
    match limits.maximum {
        Some((most, true)) if number >= most => wrong(format!("should be less than {}", float(most))),
        Some((most, false)) if number > most => wrong(format!("should be less than or equal to {}", float(most))),
        _ => {}
    }
    if let Some(step) = limits.multiple_of.filter(|step| *step > 0.0 && (number / step).fract() != 0.0) {
        wrong(format!("should be a multiple of {}", float(step)));
    }
}

/// As Go prints it: `1e+06` from a million on.
fn float(number: f64) -> String {
    let size = number.abs();
    if size == 0.0 || (1e-4..1e6).contains(&size) {
        return number.to_string();
    }
    let text = format!("{number:e}");
    let (digits, power) = text.split_once('e').unwrap_or((&text, "0"));
    let (sign, power) = power.strip_prefix('-').map_or(('+', power), |power| ('-', power));
    format!("{digits}e{sign}{power:0>2}")
}

fn texts(limits: &Limits, text: &str, path: &str, problems: &mut Problems) {
    let mut wrong = |why: String| problems.invalid_text(path, text, &format!("{path} in body {why}"));
    let length = text.chars().count() as u64;
    if let Some(least) = limits.length.0.filter(|least| length < *least) {
        wrong(format!("should be at least {least} chars long"));
    }
    if let Some((pattern, _)) = limits.pattern.as_ref().filter(|(_, pattern)| !pattern.is_match(text)) {
        wrong(format!("should match '{pattern}'"));
    }
    if !format::fits(&limits.format, text) {
        wrong(format!("must be of type {}: {text:?}", limits.format));
    }
    if let Some(most) = limits.length.1.filter(|most| length > *most) {
        problems.too_long(path, usize::try_from(most).unwrap_or(usize::MAX));
    }
}

fn counts(
    count: u64,
    bounds: (Option<u64>, Option<u64>),
    what: &str,
    value: &Value,
    path: &str,
    problems: &mut Problems,
) {
    if let Some(least) = bounds.0.filter(|least| count < *least) {
        problems.invalid(path, value, &format!("{path} in body should have at least {least} {what}"));
    }
    if let Some(most) = bounds.1.filter(|most| count > *most) {
        problems.too_many(path, count, most);
    }
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// What tells an item of a list from the others.
fn identity(unique: &Unique, item: &Value) -> Option<Value> {
    match unique {
        Unique::No => None,
        Unique::Items => Some(item.clone()),
        Unique::Keys(keys) => {
            Some(Value::Object(keys.iter().map(|key| (key.to_string(), item[&**key].clone())).collect()))
        }
    }
}

fn unique(node: &Node, items: &[Value], path: &str, problems: &mut Problems) {
    let mut seen = std::collections::BTreeSet::new();
    for (at, item) in items.iter().enumerate() {
        let Some(identity) = identity(&node.unique, item) else { return };
        if !seen.insert(identity.to_string()) {
            problems.duplicate(format!("{path}[{at}]"), &identity);
        }
    }
}
