//! Whatever is limited below `allOf` and its like must be said outside of it too.
use crate::problem::Problems;
use serde_json::Value;

pub(super) fn check(schema: &Value, path: &str, problems: &mut Problems) {
    logic(schema, schema, path, path, problems);
}

/// `limits`: where values are limited, at `there`; `schema`: what the same place is by structure, at `path`.
fn logic(limits: &Value, schema: &Value, path: &str, there: &str, problems: &mut Problems) {
    if limits["not"].is_object() {
        nested(&limits["not"], schema, path, &format!("{there}.not"), problems);
    }
    for member in ["allOf", "anyOf", "oneOf"] {
        for (at, inner) in limits[member].as_array().into_iter().flatten().enumerate() {
            nested(inner, schema, path, &format!("{there}.{member}[{at}]"), problems);
        }
    }
}

fn nested(limits: &Value, schema: &Value, path: &str, there: &str, problems: &mut Problems) {
    logic(limits, schema, path, there, problems);
    if limits["items"].is_object() {
        let (path, there) = (format!("{path}.items"), format!("{there}.items"));
        place(&limits["items"], &schema["items"], &path, &there, problems);
    }
    for (name, inner) in limits["properties"].as_object().into_iter().flatten() {
        let (path, there) = (format!("{path}.properties[{name}]"), format!("{there}.properties[{name}]"));
        place(inner, &schema["properties"][name.as_str()], &path, &there, problems);
    }
}

fn place(limits: &Value, schema: &Value, path: &str, there: &str, problems: &mut Problems) {
    if schema.is_null() {
        problems.required(path, &format!("because it is defined in {there}"));
    } else {
        nested(limits, schema, path, there, problems);
    }
}
