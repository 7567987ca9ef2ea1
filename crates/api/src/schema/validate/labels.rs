//! Labels, annotations and label selectors, wherever they stand. It selects nothing.
use super::words::{all, go_selector, invalid_shown, items, members, text};
use crate::field::Problems;
use crate::name;
use crate::selector::Labels;
use serde_json::Value;

/// Bytes of all annotations of one object, keys and values.
const ANNOTATIONS_BYTES_MAX: usize = 256 * 1024;

/// The labels in member `member` of `value`.
pub(super) fn labels(value: &Value, member: &str, path: &str, problems: &mut Problems) {
    for (key, value) in members(value, member) {
        all(path, key, name::qualified(key), problems);
        let value = value.as_str().unwrap_or_default();
        all(path, value, name::label_value(value), problems);
    }
}

pub(super) fn annotations(value: &Value, path: &str, problems: &mut Problems) {
    let mut bytes = 0;
    for (key, value) in members(value, "annotations") {
        all(path, key, name::qualified(&key.to_lowercase()), problems);
        bytes += key.len() + value.as_str().unwrap_or_default().len();
    }
    if bytes > ANNOTATIONS_BYTES_MAX {
        problems.too_long(path, ANNOTATIONS_BYTES_MAX);
    }
}

/// A LabelSelector object.
pub(super) fn selector(selector: &Value, path: &str, problems: &mut Problems) {
    labels(selector, "matchLabels", &format!("{path}.matchLabels"), problems);
    for (at, expression) in items(selector, "matchExpressions").iter().enumerate() {
        let path = format!("{path}.matchExpressions[{at}]");
        let (key, values) = (text(expression, "key"), items(expression, "values"));
        match text(expression, "operator") {
            "In" | "NotIn" if values.is_empty() => {
                problems.required(format!("{path}.values"), "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                problems.forbidden(format!("{path}.values"), why);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => problems.invalid_text(format!("{path}.operator"), other, "not a valid selector operator"),
        }
        all(&format!("{path}.key"), key, name::qualified(key), problems);
        for (at, value) in values.iter().enumerate() {
            let value = value.as_str().unwrap_or_default();
            all(&format!("{path}.values[{at}]"), value, name::label_value(value), problems);
        }
    }
}

/// The selector of a workload: there, not empty, and understood. `of`: what it is for, in words. Gives it to match with.
pub(super) fn required(spec: &Value, of: &str, problems: &mut Problems) -> Option<Labels> {
    let (own, path) = (&spec["selector"], "spec.selector");
    if own.is_null() {
        problems.required(path, "");
        return Labels::of(own).ok();
    }
    selector(own, path, problems);
    if items(own, "matchExpressions").is_empty() && members(own, "matchLabels").next().is_none() {
        invalid_shown(path, &go_selector(own), &format!("empty selector is invalid for {of}"), problems);
        return None;
    }
    let read = Labels::of(own);
    if read.is_err() {
        invalid_shown(path, &go_selector(own), "invalid label selector", problems);
    }
    read.ok()
}
