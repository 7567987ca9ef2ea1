//! Whether `openAPIV3Schema` is a schema that a custom kind may have: structural (KEP-1979), within what Kubernetes takes of OpenAPI v3,
//! with defaults that hold. It sees no object, and tells everything in Kubernetes' words.
mod complete;
mod defaults;
mod nested;
mod openapi;
mod root;

use super::node::{self, Node};
use crate::problem::Problems;
use nested::Level;
use serde_json::Value;

/// Tells what is wrong with `schema`, which stands at `path`. `status`: its version has the status subresource.
///
/// Rules in CEL (`x-kubernetes-validations`) are kept and not judged: whoever brings them is warned. Their door is in `openapi`.
pub fn lint(schema: &Value, status: bool, path: &str, problems: &mut Problems) {
    let before = problems.causes.len();
    root::check(schema, status, path, problems);
    let mut structural = Problems::default();
    invariants(schema, Level::Root, path, &mut structural);
    complete::check(schema, path, &mut structural);
    structural.causes.sort_by(|a, b| (&a.field, &a.message).cmp(&(&b.field, &b.message)));
    structural.causes.dedup();
    let sound = structural.causes.is_empty();
    problems.causes.append(&mut structural.causes);
    // What the schema cannot be read for (a pattern too large, too deep a nesting) is told last, and only if nothing else is.
    let mut unreadable = Problems::default();
    let read: Node = node::read(schema, path, &mut unreadable);
    if sound && unreadable.causes.is_empty() {
        defaults::check(&read, path, problems);
    }
    openapi::check(schema, path, problems);
    if problems.causes.len() == before {
        problems.causes.append(&mut unreadable.causes);
    }
}

/// What holds of every schema that is not below `allOf` and its like.
fn invariants(schema: &Value, level: Level, path: &str, problems: &mut Problems) {
    let kind = text(schema, "type");
    if kind == "array" && schema["items"].is_null() {
        problems.required(format!("{path}.items"), "must be specified");
    }
    if schema["items"].is_object() {
        invariants(&schema["items"], Level::Item, &format!("{path}.items"), problems);
    }
    for (name, inner) in members(schema, "properties") {
        invariants(inner, Level::Field, &format!("{path}.properties[{name}]"), problems);
    }
    let additional = &schema["additionalProperties"];
    if !additional.is_null() && level == Level::Root {
        problems.forbidden(format!("{path}.additionalProperties"), "must not be used at the root");
    }
    if additional.is_object() {
        invariants(additional, Level::Field, &format!("{path}.additionalProperties"), problems);
    }
    extensions(schema, path, problems);
    nested::values(schema, path, problems);
    kinds(schema, level, path, problems);
    meta(schema, level, path, problems);
}

fn extensions(schema: &Value, path: &str, problems: &mut Problems) {
    if !flag(schema, "x-kubernetes-int-or-string") {
        return;
    }
    for member in ["x-kubernetes-preserve-unknown-fields", "x-kubernetes-embedded-resource"] {
        if flag(schema, member) {
            let why = "must be false if x-kubernetes-int-or-string is true";
            problems.invalid(format!("{path}.{member}"), &true.into(), why);
        }
    }
}

/// Which types must be there.
fn kinds(schema: &Value, level: Level, path: &str, problems: &mut Problems) {
    let (kind, embedded) = (text(schema, "type"), flag(schema, "x-kubernetes-embedded-resource"));
    let preserves = flag(schema, "x-kubernetes-preserve-unknown-fields");
    let at = format!("{path}.type");
    let object = "must be object if x-kubernetes-embedded-resource is true";
    match kind {
        "" if embedded => problems.required(at.as_str(), object),
        "" if !preserves && !flag(schema, "x-kubernetes-int-or-string") => {
            problems.required(at.as_str(), level.typeless())
        }
        _ if embedded && kind != "object" => problems.invalid_text(at.as_str(), kind, object),
        _ => {}
    }
    if embedded && !schema["additionalProperties"].is_null() {
        let why = "must not be used if x-kubernetes-embedded-resource is set";
        problems.forbidden(format!("{path}.additionalProperties"), why);
    }
    if level == Level::Root && !kind.is_empty() && kind != "object" {
        problems.invalid_text(at, kind, "must be object at the root");
    }
    if embedded && !preserves && members(schema, "properties").next().is_none() {
        let why =
            "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields";
        problems.required(format!("{path}.properties"), why);
    }
}

/// What may be said of `apiVersion`, `kind` and `metadata` where an object stands.
fn meta(schema: &Value, level: Level, path: &str, problems: &mut Problems) {
    if level != Level::Root && !flag(schema, "x-kubernetes-embedded-resource") {
        return;
    }
    for (member, want) in [("kind", "string"), ("apiVersion", "string"), ("metadata", "object")] {
        let Some(inner) = schema["properties"].get(member) else { continue };
        let kind = text(inner, "type");
        if kind != want {
            let at = format!("{path}.properties[{member}].type");
            problems.invalid_text(at, kind, &format!("must be {want}"));
        }
    }
    let Some(metadata) = schema["properties"].get("metadata").filter(|_| level == Level::Root) else { return };
    // `default` is told of elsewhere, and what limits values is not structure.
    let mut rest = metadata.as_object().cloned().unwrap_or_default();
    if members(metadata, "properties").all(|(name, _)| matches!(name, "name" | "generateName")) {
        rest.remove("properties");
    }
    let structure = |name: &String| {
        matches!(name.as_str(), "properties" | "additionalProperties" | "items" | "nullable" | "title" | "description")
            || name.starts_with("x-kubernetes-")
    };
    if rest.keys().any(structure) {
        let why = "must not specify anything other than name and generateName, but metadata is implicitly specified";
        problems.forbidden(format!("{path}.properties[metadata]"), why);
    }
}

fn text<'a>(schema: &'a Value, member: &str) -> &'a str {
    schema[member].as_str().unwrap_or_default()
}

fn flag(schema: &Value, member: &str) -> bool {
    schema[member].as_bool().unwrap_or(false)
}

fn members<'a>(schema: &'a Value, member: &str) -> impl Iterator<Item = (&'a str, &'a Value)> {
    schema[member].as_object().into_iter().flatten().map(|(name, inner)| (name.as_str(), inner))
}

#[cfg(test)]
mod tests;
