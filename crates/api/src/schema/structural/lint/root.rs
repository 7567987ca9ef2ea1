//! What the root of a schema may say.
use crate::problem::Problems;
use serde_json::Value;

/// Members at the root of a schema whose version has a status subresource, by their names in Go, which is how they are told.
const ALLOWED: [(&str, &str); 22] = [
    ("description", "Description"),
    ("type", "Type"),
    ("format", "Format"),
    ("title", "Title"),
    ("maximum", "Maximum"),
    ("exclusiveMaximum", "ExclusiveMaximum"),
    ("minimum", "Minimum"),
    ("exclusiveMinimum", "ExclusiveMinimum"),
    ("maxLength", "MaxLength"),
    ("minLength", "MinLength"),
    ("pattern", "Pattern"),
    ("maxItems", "MaxItems"),
    ("minItems", "MinItems"),
    ("uniqueItems", "UniqueItems"),
    ("multipleOf", "MultipleOf"),
    ("required", "Required"),
    ("items", "Items"),
    ("properties", "Properties"),
    ("externalDocs", "ExternalDocs"),
    ("example", "Example"),
    ("x-kubernetes-preserve-unknown-fields", "XPreserveUnknownFields"),
    ("x-kubernetes-validations", "XValidations"),
];

pub(super) fn check(schema: &Value, status: bool, path: &str, problems: &mut Problems) {
    if status {
        with_status(schema, path, problems);
    }
    if schema["nullable"] == true {
        problems.forbidden(format!("{path}.nullable"), "nullable cannot be true at the root");
    }
}

fn with_status(schema: &Value, path: &str, problems: &mut Problems) {
    let kind = schema["type"].as_str().unwrap_or_default();
    if !kind.is_empty() && kind != "object" {
        let why =
            "only \"object\" is allowed as the type at the root of the schema if the status subresource is enabled";
        problems.invalid_text(format!("{path}.type"), kind, why);
    }
    let said = |value: &Value| !matches!(value, Value::Null | Value::Bool(false));
    let foreign = |name: &String| ALLOWED.iter().all(|(known, _)| known != name);
    if schema.as_object().into_iter().flatten().any(|(name, value)| said(value) && foreign(name)) {
        let known: Vec<&str> = ALLOWED.iter().map(|(_, name)| *name).collect();
        let why = format!(
            "only [{}] fields are allowed at the root of the schema if the status subresource is enabled",
            known.join(" ")
        );
        problems.invalid(path, schema, &why);
    }
}
