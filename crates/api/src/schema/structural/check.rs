//! Whether an object is what a structural schema allows, in the words of Kubernetes' OpenAPI validator. It changes nothing.
use super::node::{Additional, Limits, Node, Unique};
use crate::problem::Problems;
use serde_json::Value;

/// More problems than this are not told.
const PROBLEMS_MAX: usize = 100;

pub(super) fn root(node: &Node, value: &Value, problems: &mut Problems) {
    any(node, value, "", problems);
}

fn any(node: &Node, value: &Value, path: &str, problems: &mut Problems) {
    if problems.causes.len() >= PROBLEMS_MAX {
        return;
    }
    if value.is_null() && (node.nullable || node.kind.is_empty()) {
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
            for (name, member) in members {
                let inner = match (node.properties.get(name.as_str()), &node.additional) {
                    (Some(inner), _) => inner,
                    (None, Additional::Of(inner)) => inner,
                    _ => continue,
                };
                any(inner, member, &below(path, name), problems);
            }
        }
        Value::Array(items) => {
            unique(node, items, path, problems);
            if let Some(inner) = &node.items {
                for (at, item) in items.iter().enumerate() {
                    any(inner, item, &format!("{path}[{at}]"), problems);
                }
            }
        }
        _ => {}
    }
    combined(&node.limits, value, path, problems);
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
    if !limits.one_of_values.is_empty() && !limits.one_of_values.contains(value) {
        let known: Vec<String> = limits.one_of_values.iter().map(plain).collect();
        problems.unsupported(path, value, &known.iter().map(String::as_str).collect::<Vec<_>>());
    }
    let mut wrong = |why: String| problems.invalid(path, value, &format!("{path} in body {why}"));
    if let Some(number) = value.as_f64() {
        match limits.minimum {
            Some((least, true)) if number <= least => wrong(format!("should be greater than {least}")),
            Some((least, false)) if number < least => wrong(format!("should be greater than or equal to {least}")),
            _ => {}
        }
        match limits.maximum {
            Some((most, true)) if number >= most => wrong(format!("should be less than {most}")),
            Some((most, false)) if number > most => wrong(format!("should be less than or equal to {most}")),
            _ => {}
        }
        if let Some(step) = limits.multiple_of.filter(|step| *step != 0.0 && (number / step).fract() != 0.0) {
            wrong(format!("should be a multiple of {step}"));
        }
    }
    if let Some(text) = value.as_str() {
        if let Some((pattern, _)) = limits.pattern.as_ref().filter(|(_, pattern)| !pattern.is_match(text)) {
            wrong(format!("should match '{pattern}'"));
        }
        if !well_formed(&limits.format, text) {
            wrong(format!("must be of type {}: {text:?}", limits.format));
        }
        let length = text.chars().count() as u64;
        if let Some(least) = limits.length.0.filter(|least| length < *least) {
            wrong(format!("should be at least {least} chars long"));
        }
        if let Some(most) = limits.length.1.filter(|most| length > *most) {
            problems.too_long(path, usize::try_from(most).unwrap_or(usize::MAX));
        }
    }
    let (count, bounds) = match value {
        Value::Array(items) => (items.len() as u64, limits.items),
        Value::Object(members) => (members.len() as u64, limits.members),
        _ => return,
    };
    let what = if value.is_array() { "items" } else { "properties" };
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

/// The formats that are checked; Kubernetes ignores those it does not know.
fn well_formed(format: &str, text: &str) -> bool {
    match format {
        "date-time" => text.parse::<jiff::Timestamp>().is_ok(),
        "date" => text.parse::<jiff::civil::Date>().is_ok(),
        "ipv4" => text.parse::<core::net::Ipv4Addr>().is_ok(),
        "ipv6" => text.parse::<core::net::Ipv6Addr>().is_ok(),
        "byte" => crate::base64::decode(text).is_some(),
        _ => true,
    }
}

fn unique(node: &Node, items: &[Value], path: &str, problems: &mut Problems) {
    let identity = |item: &Value| match &node.unique {
        Unique::No => None,
        Unique::Items => Some(item.clone()),
        Unique::Keys(keys) => {
            Some(Value::Object(keys.iter().map(|key| (key.to_string(), item[&**key].clone())).collect()))
        }
    };
    let mut seen = std::collections::BTreeSet::new();
    for (at, item) in items.iter().enumerate() {
        let Some(identity) = identity(item) else { return };
        if !seen.insert(identity.to_string()) {
            problems.duplicate(format!("{path}[{at}]"), &identity);
        }
    }
}

fn combined(limits: &Limits, value: &Value, path: &str, problems: &mut Problems) {
    let holds = |node: &Node| {
        let mut inner = Problems::default();
        any(node, value, path, &mut inner);
        inner.causes.is_empty()
    };
    limits.all_of.iter().for_each(|node| any(node, value, path, problems));
    let matching = limits.one_of.iter().filter(|node| holds(node)).count();
    if !limits.any_of.is_empty() && !limits.any_of.iter().any(holds) {
        problems.invalid(path, value, &format!("{path} in body must validate at least one schema (anyOf)"));
    }
    if !limits.one_of.is_empty() && matching != 1 {
        let why = format!("{path} in body must validate one and only one schema (oneOf). Found {matching} valid");
        problems.invalid(path, value, &why);
    }
    if limits.not.as_deref().is_some_and(holds) {
        problems.invalid(path, value, &format!("{path} in body must not validate the schema (not)"));
    }
}
