//! One place of a structural schema, read from JSON. It never sees an object.
pub mod pattern;

use crate::problem::Problems;
use regex::Regex;
use serde_json::Value;
use std::collections::BTreeMap;

/// Deeper schemas are cut off here; Kubernetes' own limit comes from the size of a request.
const DEPTH_MAX: usize = 64;

/// What may stand at one place of an object.
#[derive(Clone, Debug, Default)]
pub struct Node {
    /// `object`, `array`, `string`, `integer`, `number`, `boolean`; empty: any.
    pub kind: Box<str>,
    pub nullable: bool,
    /// `x-kubernetes-preserve-unknown-fields`
    pub preserve: bool,
    /// `x-kubernetes-map-type: atomic`
    pub atomic: bool,
    /// `x-kubernetes-embedded-resource`
    pub embedded: bool,
    /// `x-kubernetes-int-or-string`
    pub int_or_string: bool,
    pub properties: BTreeMap<Box<str>, Node>,
    pub additional: Additional,
    pub items: Option<Box<Node>>,
    pub default: Option<Value>,
    pub limits: Limits,
    /// `x-kubernetes-list-type: set`, or `map` with its keys.
    pub unique: Unique,
    /// Whether a default stands here or below.
    pub fills: bool,
}

/// Members that `properties` does not name.
#[derive(Clone, Debug, Default)]
pub enum Additional {
    #[default]
    None,
    Any,
    Of(Box<Node>),
}

#[derive(Clone, Debug, Default)]
pub enum Unique {
    #[default]
    No,
    Items,
    Keys(Vec<Box<str>>),
}

/// What a value must be beside its type.
#[derive(Clone, Debug, Default)]
pub struct Limits {
    pub required: Vec<Box<str>>,
    pub one_of_values: Vec<Value>,
    pub minimum: Option<(f64, bool)>,
    pub maximum: Option<(f64, bool)>,
    pub multiple_of: Option<f64>,
    pub length: (Option<u64>, Option<u64>),
    pub items: (Option<u64>, Option<u64>),
    pub members: (Option<u64>, Option<u64>),
    pub pattern: Option<(Box<str>, Regex)>,
    pub format: Box<str>,
    pub all_of: Vec<Node>,
    pub any_of: Vec<Node>,
    pub one_of: Vec<Node>,
    pub not: Option<Box<Node>>,
}

/// Reads a schema; `path` is where it stands in its definition. Only what cannot be read is told: the rest is `lint`'s.
#[must_use]
pub fn read(source: &Value, path: &str, problems: &mut Problems) -> Node {
    place(source, path, problems, 0)
}

fn place(source: &Value, path: &str, problems: &mut Problems, depth: usize) -> Node {
    let mut node = Node::default();
    if depth > DEPTH_MAX {
        problems.forbidden(path, &format!("schemas may be nested {DEPTH_MAX} deep"));
        return node;
    }
    let flag = |name: &str| source[name].as_bool().unwrap_or(false);
    node.kind = source["type"].as_str().unwrap_or_default().into();
    node.nullable = flag("nullable");
    node.preserve = flag("x-kubernetes-preserve-unknown-fields");
    node.embedded = flag("x-kubernetes-embedded-resource");
    node.atomic = source["x-kubernetes-map-type"] == "atomic";
    node.int_or_string = flag("x-kubernetes-int-or-string");
    node.default = source.get("default").filter(|default| !default.is_null()).cloned();
    for (name, inner) in source["properties"].as_object().into_iter().flatten() {
        let inner = place(inner, &format!("{path}.properties[{name}]"), problems, depth + 1);
        node.properties.insert(name.as_str().into(), inner);
    }
    node.additional = match &source["additionalProperties"] {
        Value::Bool(true) => Additional::Any,
        inner @ Value::Object(_) => {
            let path = format!("{path}.additionalProperties");
            Additional::Of(Box::new(place(inner, &path, problems, depth + 1)))
        }
        _ => Additional::None,
    };
    if source["items"].is_object() {
        let inner = place(&source["items"], &format!("{path}.items"), problems, depth + 1);
        node.items = Some(Box::new(inner));
    }
    node.unique = match source["x-kubernetes-list-type"].as_str() {
        Some("set") => Unique::Items,
        Some("map") => Unique::Keys(words(&source["x-kubernetes-list-map-keys"])),
        _ => Unique::No,
    };
    node.limits = limits(source, path, problems, depth);
    let more = if let Additional::Of(inner) = &node.additional { Some(&**inner) } else { None };
    let mut below = node.properties.values().chain(node.items.as_deref()).chain(more);
    node.fills = node.default.is_some() || below.any(|inner| inner.fills);
    node
}

fn words(value: &Value) -> Vec<Box<str>> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(Into::into).collect()
}

fn limits(source: &Value, path: &str, problems: &mut Problems, depth: usize) -> Limits {
    let bound = |name: &str, exclusive: &str| {
        source[name].as_f64().map(|bound| (bound, source[exclusive].as_bool().unwrap_or(false)))
    };
    let pair = |least: &str, most: &str| (source[least].as_u64(), source[most].as_u64());
    let pattern = source["pattern"].as_str().filter(|pattern| !pattern.is_empty()).and_then(|pattern| {
        match pattern::compile(pattern) {
            Ok(compiled) => Some((pattern.into(), compiled)),
            Err(why) => {
                let why = format!("must be a valid regular expression, but isn't: {why}");
                problems.invalid_text(format!("{path}.pattern"), pattern, &why);
                None
            }
        }
    });
    let mut several = |name: &str| -> Vec<Node> {
        let list = source[name].as_array().into_iter().flatten().enumerate();
        list.map(|(at, inner)| place(inner, &format!("{path}.{name}[{at}]"), problems, depth + 1)).collect()
    };
    let (all_of, any_of, one_of) = (several("allOf"), several("anyOf"), several("oneOf"));
    let not = source["not"].is_object();
    let not = not.then(|| Box::new(place(&source["not"], &format!("{path}.not"), problems, depth + 1)));
    Limits {
        required: words(&source["required"]),
        one_of_values: source["enum"].as_array().cloned().unwrap_or_default(),
        minimum: bound("minimum", "exclusiveMinimum"),
        maximum: bound("maximum", "exclusiveMaximum"),
        multiple_of: source["multipleOf"].as_f64(),
        length: pair("minLength", "maxLength"),
        items: pair("minItems", "maxItems"),
        members: pair("minProperties", "maxProperties"),
        pattern,
        format: source["format"].as_str().unwrap_or_default().into(),
        all_of,
        any_of,
        one_of,
        not,
    }
}
