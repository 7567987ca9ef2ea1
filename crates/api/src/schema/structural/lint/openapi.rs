//! What Kubernetes takes of OpenAPI v3, and how its own extensions go together.
use crate::problem::Problems;
use serde_json::Value;

const TYPES: [&str; 6] = ["array", "boolean", "integer", "number", "object", "string"];
const META: [&str; 3] = ["metadata", "kind", "apiVersion"];

/// What is said of a place by where it stands.
#[derive(Clone, Copy)]
struct Around<'a> {
    root: bool,
    /// Inside `metadata`, `kind` or `apiVersion` of an object.
    meta: bool,
    /// Why no default may stand here.
    no_default: Option<&'a str>,
}

pub(super) fn check(schema: &Value, path: &str, problems: &mut Problems) {
    place(schema, Around { root: true, meta: false, no_default: None }, path, problems);
}

fn place(schema: &Value, around: Around<'_>, path: &str, problems: &mut Problems) {
    standard(schema, around, path, problems);
    let inner = Around { root: false, ..around };
    let additional = &schema["additionalProperties"];
    if additional.is_object() || additional.is_boolean() {
        let some = schema["properties"].as_object().is_some_and(|members| !members.is_empty());
        if some && *additional != true {
            let why = "additionalProperties and properties are mutual exclusive";
            problems.forbidden(format!("{path}.additionalProperties"), why);
        }
        let why = around.meta.then_some("inside additionalProperties applying to object metadata");
        let inner = Around { no_default: why.or(around.no_default), ..inner };
        place(additional, inner, &format!("{path}.additionalProperties"), problems);
    }
    let object = around.root || schema["x-kubernetes-embedded-resource"] == true;
    for (name, member) in schema["properties"].as_object().into_iter().flatten() {
        let meta = object && META.contains(&name.as_str());
        let why = format!("in top-level {name}");
        let no_default = if meta && around.root { Some(why.as_str()) } else { around.no_default };
        let inner = Around { meta: around.meta || meta, no_default, ..inner };
        place(member, inner, &format!("{path}.properties[{name}]"), problems);
    }
    if schema["not"].is_object() {
        place(&schema["not"], inner, &format!("{path}.not"), problems);
    }
    for member in ["allOf", "oneOf", "anyOf"] {
        for (at, part) in schema[member].as_array().into_iter().flatten().enumerate() {
            place(part, inner, &format!("{path}.{member}[{at}]"), problems);
        }
    }
    if schema["items"].is_object() {
        place(&schema["items"], inner, &format!("{path}.items"), problems);
    }
    extensions(schema, path, problems);
}

/// What OpenAPI has and Kubernetes does not take.
fn standard(schema: &Value, around: Around<'_>, path: &str, problems: &mut Problems) {
    let kind = schema["type"].as_str().unwrap_or_default();
    if !kind.is_empty() && !TYPES.contains(&kind) {
        problems.unsupported(format!("{path}.type"), &schema["type"], &TYPES);
    }
    if let (Some(why), false) = (around.no_default, schema["default"].is_null()) {
        problems.forbidden(format!("{path}.default"), &format!("must not be set {why}"));
    }
    for member in ["id", "additionalItems", "patternProperties", "definitions", "dependencies", "$ref"] {
        if !schema[member].is_null() {
            problems.forbidden(format!("{path}.{member}"), &format!("{member} is not supported"));
        }
    }
    if kind == "null" {
        let why = "type cannot be set to null, use nullable as an alternative";
        problems.forbidden(format!("{path}.type"), why);
    }
    if schema["items"].is_array() {
        problems.forbidden(format!("{path}.items"), "items must be a schema object and not an array");
    }
    if around.meta && schema["x-kubernetes-embedded-resource"] == true {
        let why = "must not be used inside of resource meta";
        problems.forbidden(format!("{path}.x-kubernetes-embedded-resource"), why);
    }
    if schema["uniqueItems"] == true {
        let why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic";
        problems.forbidden(format!("{path}.uniqueItems"), why);
    }
}

fn extensions(schema: &Value, path: &str, problems: &mut Problems) {
    if schema["x-kubernetes-preserve-unknown-fields"] == false {
        let at = format!("{path}.x-kubernetes-preserve-unknown-fields");
        problems.invalid(at, &false.into(), "must be true or undefined");
    }
    for (member, want) in [("x-kubernetes-map-type", "object"), ("x-kubernetes-list-type", "array")] {
        let kind = schema["type"].as_str().unwrap_or_default();
        if schema[member].is_null() || kind == want {
            continue;
        }
        let (at, why) = (format!("{path}.type"), format!("must be {want} if {member} is specified"));
        if kind.is_empty() { problems.required(at, &why) } else { problems.invalid_text(at, kind, &why) }
    }
    for (member, known) in
        [("x-kubernetes-map-type", &["atomic", "granular"][..]), ("x-kubernetes-list-type", &["atomic", "set", "map"])]
    {
        let value = &schema[member];
        if !value.is_null() && value.as_str().is_none_or(|word| !known.contains(&word)) {
            problems.unknown_word(format!("{path}.{member}"), value, known);
        }
    }
    lists(schema, path, problems);
    // The door of CEL: rules (`x-kubernetes-validations`) will be read, compiled and costed here, and evaluated beside `check`.
}

/// Lists whose items are told apart.
fn lists(schema: &Value, path: &str, problems: &mut Problems) {
    let (kind, items) = (schema["x-kubernetes-list-type"].as_str(), &schema["items"]);
    let keys: Vec<&str> =
        schema["x-kubernetes-list-map-keys"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    if kind == Some("set") && items.is_object() {
        for (of, member, fine) in [
            ("array", "x-kubernetes-list-type", items["x-kubernetes-list-type"].is_null()),
            ("object", "x-kubernetes-map-type", false),
        ] {
            if items["type"] == of && !fine && items[member] != "atomic" {
                let why = "must be atomic as item of a list with x-kubernetes-list-type=set";
                problems.invalid(format!("{path}.items.{member}"), &items[member], why);
            }
        }
    }
    if !keys.is_empty() && kind != Some("map") {
        let (at, why) =
            (format!("{path}.x-kubernetes-list-type"), "must be map if x-kubernetes-list-map-keys is non-empty");
        match kind {
            None => problems.required(at, why),
            Some(kind) => problems.invalid_text(at, kind, why),
        }
    }
    if kind == Some("map") {
        map(schema, &keys, path, problems);
    }
    if let Some(kind) = kind.filter(|kind| matches!(*kind, "set" | "map") && items["nullable"] == true) {
        problems.forbidden(
            format!("{path}.items.nullable"),
            &format!("cannot be nullable when x-kubernetes-list-type is {kind}"),
        );
    }
}

fn map(schema: &Value, keys: &[&str], path: &str, problems: &mut Problems) {
    let items = &schema["items"];
    let at = format!("{path}.x-kubernetes-list-map-keys");
    if keys.is_empty() {
        problems.required(at.as_str(), "must not be empty if x-kubernetes-list-type is map");
    }
    if items.is_null() {
        problems.required(format!("{path}.items"), "must have a schema if x-kubernetes-list-type is map");
        return;
    }
    if items["type"] != "object" {
        let kind = items["type"].as_str().unwrap_or_default();
        let why = "must be object if parent array's x-kubernetes-list-type is map";
        problems.invalid_text(format!("{path}.items.type"), kind, why);
        return;
    }
    for (number, key) in keys.iter().enumerate() {
        let (inner, place) = (&items["properties"][*key], format!("{path}.items.properties[{key}]"));
        if keys[..number].contains(key) {
            problems.invalid(at.as_str(), &schema["x-kubernetes-list-map-keys"], "must not contain duplicate entries");
        }
        if inner.is_null() {
            let why = "entries must all be names of item properties";
            problems.invalid(at.as_str(), &schema["x-kubernetes-list-map-keys"], why);
            continue;
        }
        if inner["type"] == "array" || inner["type"] == "object" {
            let why = "must be a scalar type if parent array's x-kubernetes-list-type is map";
            problems.invalid(format!("{place}.type"), &items["type"], why);
        }
        let required = items["required"].as_array().is_some_and(|list| list.iter().any(|name| name == key));
        if !required && inner["default"].is_null() {
            let why =
                "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property";
            problems.required(format!("{place}.default"), why);
        }
        if inner["nullable"] == true {
            let why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable";
            problems.forbidden(format!("{place}.nullable"), why);
        }
    }
}
