//! The OpenAPI v2 document of all groups together, made from those of v3: what older clients and Argo CD read.
//! Custom kinds lose what v2 cannot say, as in Kubernetes' `ToStructuralOpenAPIV2`. Nothing here is served or kept.
use crate::kind::{Kind, Schema};
use crate::openapi::schemas::{DELETE_OPTIONS, add_object_members, name};
use serde_json::{Map, Value, json};

/// Members of a custom kind's schema that no document has.
const UNTOLD: [&str; 16] = [
    "$ref",
    "$schema",
    "additionalItems",
    "allOf",
    "anyOf",
    "definitions",
    "dependencies",
    "example",
    "externalDocs",
    "id",
    "not",
    "nullable",
    "oneOf",
    "patternProperties",
    "discriminator",
    "xml",
];

/// One document out of those of v3.
pub(super) fn joined(documents: impl Iterator<Item = Value>, kinds: &[&Kind]) -> Value {
    let (mut paths, mut definitions) = (Map::new(), Map::new());
    for mut document in documents {
        for (path, item) in members(document["paths"].take()) {
            paths.insert(path, path_item(item));
        }
        for (name, schema) in members(document["components"]["schemas"].take()) {
            if !definitions.contains_key(&name) {
                definitions.insert(name, builtin(schema));
            }
        }
    }
    for kind in kinds {
        if let (Schema::Custom(schema), Some(known)) = (&kind.schema, definitions.get_mut(&name(kind))) {
            let mut made = custom(&schema.source, known["properties"].take());
            made["x-kubernetes-group-version-kind"] = known["x-kubernetes-group-version-kind"].take();
            *known = made;
        }
    }
    // Delete options are taken by every group.
    let all: Vec<Value> = groups(kinds)
        .into_iter()
        .map(|(group, version)| json!({"group": group, "version": version, "kind": "DeleteOptions"}))
        .collect();
    if let Some(options) = definitions.get_mut(DELETE_OPTIONS) {
        options["x-kubernetes-group-version-kind"] = all.into();
    }
    json!({
        "swagger": "2.0",
        "info": {"title": "Kubernetes", "version": "v1.35.0"},
        "paths": paths,
        "definitions": definitions,
    })
}

fn groups<'a>(kinds: &[&'a Kind]) -> Vec<(&'a str, &'a str)> {
    let mut groups: Vec<(&str, &str)> = kinds.iter().map(|kind| (&*kind.group, &*kind.version)).collect();
    groups.sort_unstable();
    groups.dedup();
    groups
}

fn members(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(members) => members,
        _ => Map::new(),
    }
}

fn path_item(item: Value) -> Value {
    let operations = members(item).into_iter().map(|(name, member)| match name.as_str() {
        "parameters" => (name, list(member).into_iter().map(parameter).collect()),
        _ => (name, operation(member)),
    });
    Value::Object(operations.collect())
}

fn list(value: Value) -> Vec<Value> {
    match value {
        Value::Array(items) => items,
        _ => Vec::new(),
    }
}

/// A parameter's type stands beside its name.
fn parameter(mut parameter: Value) -> Value {
    for (name, member) in members(parameter["schema"].take()) {
        parameter[name] = member;
    }
    if let Some(parameter) = parameter.as_object_mut() {
        parameter.remove("schema");
    }
    parameter
}

fn operation(mut operation: Value) -> Value {
    let mut parameters: Vec<Value> = list(operation["parameters"].take()).into_iter().map(parameter).collect();
    let (mut consumes, mut produces) = (vec![Value::from("*/*")], Vec::new());
    let body = operation["requestBody"].take();
    if let Some((_, content)) = body["content"].as_object().and_then(|content| content.iter().next()) {
        let mut parameter = json!({"name": "body", "in": "body", "schema": builtin(content["schema"].clone())});
        if body["required"] == true {
            parameter["required"] = true.into();
        }
        parameters.insert(0, parameter);
        consumes = members(body["content"].clone()).into_iter().map(|(media, _)| media.into()).collect();
    }
    let mut responses = Map::new();
    for (code, mut response) in members(operation["responses"].take()) {
        let content = members(response["content"].take());
        let mut told = json!({"description": response["description"].take()});
        if let Some((_, first)) = content.iter().next() {
            told["schema"] = builtin(first["schema"].clone());
            produces = content.keys().map(|media| Value::from(media.as_str())).collect();
        }
        responses.insert(code, told);
    }
    let mut made = members(operation);
    made.remove("requestBody");
    if parameters.is_empty() {
        made.remove("parameters");
    } else {
        made.insert("parameters".into(), parameters.into());
    }
    made.insert("responses".into(), Value::Object(responses));
    made.insert("consumes".into(), consumes.into());
    made.insert("produces".into(), produces.into());
    made.insert("schemes".into(), json!(["https"]));
    Value::Object(made)
}

/// A schema of ours in the words of v2: a bare reference, one type.
fn builtin(schema: Value) -> Value {
    let mut made = Map::new();
    for (name, member) in members(schema) {
        match name.as_str() {
            "allOf" => made.extend(list(member).into_iter().flat_map(|one| members(builtin(one)))),
            "oneOf" => drop(made.insert("type".into(), "string".into())),
            "$ref" => {
                let text = member.as_str().unwrap_or_default().replace("#/components/schemas/", "#/definitions/");
                made.insert(name, text.into());
            }
            "properties" => {
                let inner = members(member).into_iter().map(|(name, schema)| (name, builtin(schema)));
                made.insert(name, Value::Object(inner.collect()));
            }
            "items" => drop(made.insert(name, builtin(member))),
            "additionalProperties" if member.is_object() => drop(made.insert(name, builtin(member))),
            _ => drop(made.insert(name, member)),
        }
    }
    Value::Object(made)
}

/// The schema of a custom kind; `known`: its properties by v3, for those that every object has.
fn custom(source: &Value, mut known: Value) -> Value {
    if !source.is_object() || source["x-kubernetes-preserve-unknown-fields"] == true {
        // Nothing more, or clients would forbid what is not named.
        return json!({"type": "object"});
    }
    let mut made = structural(source);
    if !made["properties"].is_object() {
        made["properties"] = json!({});
    }
    for name in ["apiVersion", "kind", "metadata"] {
        made["properties"][name] = builtin(known[name].take());
    }
    made["type"] = "object".into();
    made
}

fn structural(source: &Value) -> Value {
    let flag = |name: &str| source[name] == true;
    let (nullable, open) = (flag("nullable"), flag("x-kubernetes-preserve-unknown-fields"));
    let mut made: Map<String, Value> = source.as_object().cloned().unwrap_or_default();
    made.retain(|name, _| !UNTOLD.contains(&name.as_str()));
    if nullable || open {
        made.remove("items");
        made.remove("properties");
    }
    let kind = source["type"].as_str().unwrap_or_default();
    if nullable || kind == "array" && !made.contains_key("items") || kind == "object" && open {
        made.remove("type");
    }
    required(source, &mut made);
    for (name, member) in &mut made {
        match (name.as_str(), &mut *member) {
            ("properties", Value::Object(members)) => members.values_mut().for_each(|inner| *inner = structural(inner)),
            ("items" | "additionalProperties", Value::Object(_)) => *member = structural(member),
            _ => {}
        }
    }
    let mut made = Value::Object(made);
    if flag("x-kubernetes-embedded-resource") && !open {
        add_object_members(&mut made);
        for name in ["apiVersion", "kind", "metadata"] {
            made["properties"][name] = builtin(made["properties"][name].take());
        }
    }
    made
}

/// What may be null cannot be required, for v2 knows no null.
fn required(source: &Value, made: &mut Map<String, Value>) {
    let Some(Value::Array(names)) = made.get_mut("required") else { return };
    names.retain(|name| source["properties"][name.as_str().unwrap_or_default()]["nullable"] != true);
    if names.is_empty() || source["additionalProperties"]["nullable"] == true {
        made.remove("required");
    }
}
