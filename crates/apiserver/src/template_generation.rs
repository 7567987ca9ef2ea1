//! How often a DaemonSet's template was changed. Inside Kubernetes that is a field of the kind, which only its strategy writes; apps/v1
//! shows it as an annotation. So here no update changes the annotation but by changing the template.
use crate::call::Call;
use serde_json::{Value, json};

const ANNOTATION: &str = "deprecated.daemonset.template.generation";

fn meant(call: &Call) -> bool {
    (&*call.kind.group, &*call.kind.kind) == ("apps", "DaemonSet")
}

/// What stands there; 0 if that is nothing, or no number.
fn read(value: &Value) -> i64 {
    let annotation = value.pointer("/metadata/annotations").and_then(|annotations| annotations.get(ANNOTATION));
    annotation.and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap_or(0)
}

fn write(value: &mut Value, generation: i64) {
    let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    let annotations = meta.entry("annotations").or_insert_with(|| json!({}));
    if !annotations.is_object() {
        *annotations = json!({});
    }
    annotations[ANNOTATION] = generation.to_string().into();
}

/// A new set begins at one, or where its author says.
pub fn begin(call: &Call, value: &mut Value) {
    if meant(call) {
        write(value, read(value).max(1));
    }
}

/// Whatever a writer says of it, it stays.
pub fn keep(call: &Call, old: &Value, new: &mut Value) {
    if meant(call) {
        write(new, read(old).max(1));
    }
}

/// Counts a changed template.
pub fn count(call: &Call, old: &Value, new: &mut Value) {
    if meant(call) && old.pointer("/spec/template") != new.pointer("/spec/template") {
        write(new, read(old).max(1).saturating_add(1));
    }
}
