//! One version of a custom kind: its schema, subresources, columns, and the fields that it may be selected by.
use crate::field::Problems;
use crate::schema::structural::lint;
use crate::schema::validate::words::{items, text};
use serde_json::Value;
use std::collections::BTreeSet;

/// Bytes of what clients of a deprecated version are told.
const WARNING_BYTES_MAX: usize = 256;
/// Fields by which a version may be selected.
const SELECTABLE_MAX: u64 = 8;
const COLUMN_TYPES: [&str; 5] = ["boolean", "date", "integer", "number", "string"];
const COLUMN_FORMATS: [&str; 8] = ["byte", "date", "date-time", "double", "float", "int32", "int64", "password"];

pub(super) fn check(version: &Value, path: &str, problems: &mut Problems) {
    deprecation(version, path, problems);
    let schema = &version["schema"]["openAPIV3Schema"];
    if !schema.is_null() {
        let status = !version["subresources"]["status"].is_null();
        lint(schema, status, &format!("{path}.schema.openAPIV3Schema"), problems);
    }
    scale(&version["subresources"]["scale"], &format!("{path}.subresources.scale"), problems);
    for (at, column) in items(version, "additionalPrinterColumns").iter().enumerate() {
        self::column(column, &format!("{path}.additionalPrinterColumns[{at}]"), problems);
    }
    selectable(version, &format!("{path}.selectableFields"), problems);
}

fn deprecation(version: &Value, path: &str, problems: &mut Problems) {
    let Some(warning) = version["deprecationWarning"].as_str() else { return };
    let mut wrong = |why: &str| problems.invalid_text(format!("{path}.deprecationWarning"), warning, why);
    if version["deprecated"] != true {
        return wrong("can only be set for deprecated versions");
    }
    if warning.len() > WARNING_BYTES_MAX {
        wrong("must be <= 256 characters long");
    }
    if warning.is_empty() {
        wrong("must not be an empty string");
    }
    if let Some((at, _)) = warning.char_indices().find(|(_, one)| one.is_control()) {
        let why = "must only contain printable UTF-8 characters; non-printable character found at index";
        wrong(&format!("{why} {at}"));
    }
}

fn scale(scale: &Value, path: &str, problems: &mut Problems) {
    if scale.is_null() {
        return;
    }
    for (member, below) in [("specReplicasPath", ".spec"), ("statusReplicasPath", ".status")] {
        let (at, own) = (format!("{path}.{member}"), text(scale, member));
        if own.is_empty() {
            problems.required(at, "");
        } else if simple(own, &at, problems) && !own.starts_with(&format!("{below}.")) {
            problems.invalid_text(at, own, &format!("should be a json path under {below}"));
        }
    }
    let (at, own) = (format!("{path}.labelSelectorPath"), text(scale, "labelSelectorPath"));
    if !own.is_empty() && simple(own, &at, problems) && !own.starts_with(".spec.") && !own.starts_with(".status.") {
        problems.invalid_text(at, own, "should be a json path under either .spec or .status");
    }
}

fn simple(path: &str, at: &str, problems: &mut Problems) -> bool {
    if !path.starts_with('.') {
        problems.invalid_text(at, path, "must be a simple json path starting with .");
    }
    path.starts_with('.')
}

fn column(column: &Value, path: &str, problems: &mut Problems) {
    if text(column, "name").is_empty() {
        problems.required(format!("{path}.name"), "");
    }
    let (kind, one_of) = (text(column, "type"), format!("must be one of {}", COLUMN_TYPES.join(",")));
    if kind.is_empty() {
        problems.required(format!("{path}.type"), &one_of);
    } else if !COLUMN_TYPES.contains(&kind) {
        problems.invalid_text(format!("{path}.type"), kind, &one_of);
    }
    let format = text(column, "format");
    if !format.is_empty() && !COLUMN_FORMATS.contains(&format) {
        let why = format!("must be one of {}", COLUMN_FORMATS.join(","));
        problems.invalid_text(format!("{path}.format"), format, &why);
    }
    let own = text(column, "jsonPath");
    if own.is_empty() {
        problems.required(format!("{path}.JSONPath"), "");
    } else {
        simple(own, &format!("{path}.JSONPath"), problems);
    }
}

fn selectable(version: &Value, path: &str, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (at, field) in items(version, "selectableFields").iter().enumerate() {
        let (at, own) = (format!("{path}[{at}].jsonPath"), text(field, "jsonPath"));
        if own.is_empty() {
            problems.required(at, "");
            continue;
        }
        let found = own.strip_prefix('.').and_then(|names| {
            let schema = Some(&version["schema"]["openAPIV3Schema"]);
            names.split('.').fold(schema, |schema, name| schema?.get("properties")?.get(name))
        });
        let Some(found) = found else {
            problems.invalid_text(at, own, "is an invalid path: does not refer to a valid field");
            continue;
        };
        if own == ".metadata" || own.starts_with(".metadata.") {
            problems.invalid_text(at.as_str(), own, "must not point to fields in metadata");
        }
        if !matches!(text(found, "type"), "string" | "boolean" | "integer") {
            let why = "must point to a field of type string, boolean or integer. Enum string fields and strings with formats are \
                       allowed.";
            problems.invalid_text(at.as_str(), own, why);
        }
        if !seen.insert(own) {
            problems.duplicate(at, &own.into());
        }
    }
    if seen.len() as u64 > SELECTABLE_MAX {
        problems.too_many(path, seen.len() as u64, SELECTABLE_MAX);
    }
}
