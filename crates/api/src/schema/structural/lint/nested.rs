//! Schemas below `allOf`, `anyOf`, `oneOf` and `not`: they limit values, and say nothing of what an object is made of.
use crate::problem::Problems;
use crate::schema::structural::node::pattern;
use serde_json::{Value, json};

/// Where a schema stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Root,
    Item,
    Field,
}

impl Level {
    pub(super) fn typeless(self) -> &'static str {
        match self {
            Self::Root => "must not be empty at the root",
            Self::Item => "must not be empty for specified array items",
            Self::Field => "must not be empty for specified object fields",
        }
    }
}

/// Members that are structure, and what is said where they may not be.
const STRUCTURE: [(&str, &str); 11] = [
    ("type", "must be empty to be structural"),
    ("additionalProperties", "must be undefined to be structural"),
    ("default", "must be undefined to be structural"),
    ("title", "must be empty to be structural"),
    ("description", "must be empty to be structural"),
    ("nullable", "must be false to be structural"),
    ("externalDocs", "must be undefined to be structural"),
    ("x-kubernetes-preserve-unknown-fields", "must be false to be structural"),
    ("x-kubernetes-embedded-resource", "must be false to be structural"),
    ("x-kubernetes-int-or-string", "must be false to be structural"),
    ("x-kubernetes-list-map-keys", "must be empty to be structural"),
];
const UNDEFINED: [&str; 2] = ["x-kubernetes-list-type", "x-kubernetes-map-type"];

/// What limits the values of a structural schema.
pub(super) fn values(schema: &Value, path: &str, problems: &mut Problems) {
    // The two forms in which the types of an int-or-string may be said again.
    let pair = either(&schema["anyOf"]);
    let first = either(&schema["allOf"][0]["anyOf"]);
    logic(schema, path, pair, first, problems);
}

fn either(any_of: &Value) -> bool {
    *any_of == json!([{"type": "integer"}, {"type": "string"}])
}

fn logic(schema: &Value, path: &str, pair: bool, first: bool, problems: &mut Problems) {
    for member in ["anyOf", "allOf", "oneOf"] {
        if member == "anyOf" && pair {
            continue;
        }
        for (at, inner) in schema[member].as_array().into_iter().flatten().enumerate() {
            let skip = member == "allOf" && at == 0 && first;
            nested(inner, &format!("{path}.{member}[{at}]"), skip, problems);
        }
    }
    if schema["not"].is_object() {
        nested(&schema["not"], &format!("{path}.not"), false, problems);
    }
    if let Some(text) = schema["pattern"].as_str().filter(|text| !text.is_empty())
        && let Err(why) = pattern::compile(text)
    {
        let why = format!("must be a valid regular expression, but isn't: {why}");
        problems.invalid_text(format!("{path}.pattern"), text, &why);
    }
}

fn nested(schema: &Value, path: &str, pair: bool, problems: &mut Problems) {
    logic(schema, path, pair, false, problems);
    if schema["items"].is_object() {
        nested(&schema["items"], &format!("{path}.items"), false, problems);
    }
    for (name, inner) in schema["properties"].as_object().into_iter().flatten() {
        nested(inner, &format!("{path}.properties[{name}]"), false, problems);
    }
    for (member, why) in STRUCTURE {
        if said(&schema[member]) {
            problems.forbidden(format!("{path}.{member}"), why);
        }
    }
    for member in UNDEFINED {
        if said(&schema[member]) {
            problems.forbidden(format!("{path}.{member}"), "must be undefined to be structural");
        }
    }
    if !schema["properties"]["metadata"].is_null() {
        problems.forbidden(format!("{path}.properties[metadata]"), "must not be specified in a nested context");
    }
}

fn said(value: &Value) -> bool {
    !matches!(value, Value::Null | Value::Bool(false))
        && value.as_str() != Some("")
        && value.as_array().is_none_or(|list| !list.is_empty())
}
