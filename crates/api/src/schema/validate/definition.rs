//! CustomResourceDefinition: its names, scope and versions, and what of them may change. Schemas are `structural`'s to judge.
mod conversion;
mod version;

use super::words::{demanded, immutable, items, one_of, text};
use crate::field::Problems;
use crate::kinds::{acceptance, approval, builtin};
use crate::name;
use crate::status::qualified;
use serde_json::Value;
use std::collections::BTreeSet;

/// Resources under which the cluster keeps what no client sees; no definition may have their names.
const RESERVED: [&str; 1] = ["nodeports.rutter.dev"];

pub(super) fn definition(value: &Value, problems: &mut Problems) {
    let spec = &value["spec"];
    place(value, problems);
    let group = demanded(spec, "group", "spec", problems);
    if !group.is_empty() {
        let whys = name::subdomain(group);
        if !whys.is_empty() {
            problems.invalid_text("spec.group", group, &whys.join(","));
        } else if !group.contains('.') {
            problems.invalid_text("spec.group", group, "should be a domain with at least one dot");
        }
    }
    match text(spec, "scope") {
        "" => problems.required("spec.scope", ""),
        scope => one_of("spec.scope", scope, &["Cluster", "Namespaced"], problems),
    }
    versions(spec, problems);
    for member in ["plural", "singular", "kind", "listKind"] {
        demanded(&spec["names"], member, "spec.names", problems);
    }
    names(&spec["names"], "spec.names", problems);
    if spec["preserveUnknownFields"] == true {
        let why =
            "cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead";
        problems.invalid("spec.preserveUnknownFields", &true.into(), why);
    }
    conversion::check(&spec["conversion"], problems);
    names(&value["status"]["acceptedNames"], "status.acceptedNames", problems);
    stored(value, problems);
}

/// Its name says where its objects are kept: nobody else's place.
fn place(value: &Value, problems: &mut Problems) {
    let (group, plural) = (text(&value["spec"], "group"), text(&value["spec"]["names"], "plural"));
    let own = text(&value["metadata"], "name");
    if own != format!("{plural}.{group}") {
        problems.invalid_text("metadata.name", own, "must be spec.names.plural+\".\"+spec.group");
    }
    let resource = qualified(group, plural);
    if RESERVED.contains(&resource.as_str()) || builtin().iter().any(|kind| *kind.resource == *resource) {
        problems.forbidden("metadata.name", "this name is the cluster's own");
    }
}

fn versions(spec: &Value, problems: &mut Problems) {
    let versions = items(spec, "versions");
    let mut seen = BTreeSet::new();
    let mut unique = true;
    for (at, one) in versions.iter().enumerate() {
        if one["schema"]["openAPIV3Schema"].is_null() {
            problems.required(format!("spec.versions[{at}].schema.openAPIV3Schema"), "schemas are required");
        }
    }
    for (at, one) in versions.iter().enumerate() {
        let (own, path) = (text(one, "name"), format!("spec.versions[{at}]"));
        label(&format!("{path}.name"), own, problems);
        unique &= seen.insert(own);
        version::check(one, &path, problems);
    }
    let names = || versions.iter().map(|version| version["name"].clone()).collect();
    if !unique {
        problems.invalid("spec.versions", &names(), "must contain unique version names");
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        problems.invalid("spec.versions", &names(), "must have exactly one version marked as storage version");
    }
}

fn label(path: &str, own: &str, problems: &mut Problems) {
    let whys = name::label_1035(own);
    if !whys.is_empty() {
        problems.invalid_text(path, own, &whys.join(","));
    }
}

fn names(names: &Value, path: &str, problems: &mut Problems) {
    for member in ["plural", "singular", "kind", "listKind"] {
        let (path, own) = (format!("{path}.{member}"), text(names, member));
        if own.is_empty() {
            continue;
        }
        if !member.ends_with("ind") {
            label(&path, own, problems);
            continue;
        }
        let whys = name::label_1035(&own.to_lowercase());
        if !whys.is_empty() {
            let why = format!("may have mixed case, but should otherwise match: {}", whys.join(","));
            problems.invalid_text(path, own, &why);
        }
    }
    for (at, own) in items(names, "shortNames").iter().enumerate() {
        label(&format!("{path}.shortNames[{at}]"), own.as_str().unwrap_or_default(), problems);
    }
    let kind = text(names, "kind");
    if !kind.is_empty() && kind == text(names, "listKind") {
        problems.invalid_text(format!("{path}.listKind"), kind, "kind and listKind may not be the same");
    }
    for (at, own) in items(names, "categories").iter().enumerate() {
        label(&format!("{path}.categories[{at}]"), own.as_str().unwrap_or_default(), problems);
    }
}

/// Versions in which there may be objects must stay.
fn stored(value: &Value, problems: &mut Problems) {
    let (path, stored) = ("status.storedVersions", items(&value["status"], "storedVersions"));
    let list = Value::from(stored.to_vec());
    if stored.is_empty() {
        return problems.invalid(path, &list, "must have at least one stored version");
    }
    let versions = items(&value["spec"], "versions");
    if let Some(missing) = versions.iter().find(|one| one["storage"] == true && !stored.contains(&one["name"])) {
        let why = format!("must have the storage version {}", text(missing, "name"));
        problems.invalid(path, &list, &why);
    }
    for (at, own) in stored.iter().enumerate() {
        if versions.iter().all(|version| version["name"] != *own) {
            let own = own.as_str().unwrap_or_default();
            let why = format!(
                "missing from spec.versions; {own} was previously a storage version, and must remain in spec.versions until a \
                 storage migration ensures no data remains persisted in {own} and removes {own} from status.storedVersions"
            );
            problems.invalid_text(format!("{path}[{at}]"), own, &why);
        }
    }
}

/// What holds of a new one alone.
pub(super) fn new_definition(value: &Value, problems: &mut Problems) {
    approved(value, None, problems);
}

fn approved(value: &Value, old: Option<&Value>, problems: &mut Problems) {
    if !approval::protected(text(&value["spec"], "group")) {
        return;
    }
    let (state, why) = approval::of(value);
    // What was so before is left alone: who changes something else need not know of it.
    if old.is_some_and(|old| approval::of(old).0 == state) {
        return;
    }
    let path = format!("metadata.annotations[{}]", approval::ANNOTATION);
    match state {
        approval::Approval::Missing => problems.required(path, &why),
        approval::Approval::Invalid => {
            problems.invalid_text(path, text(&value["metadata"]["annotations"], approval::ANNOTATION), &why);
        }
        _ => {}
    }
}

pub(super) fn change(old: &Value, new: &Value, problems: &mut Problems) {
    let (before, after) = (&old["spec"], &new["spec"]);
    if acceptance::established(old) {
        immutable(&before["scope"], &after["scope"], "spec.scope", problems);
        immutable(&before["names"]["kind"], &after["names"]["kind"], "spec.names.kind", problems);
    }
    immutable(&before["group"], &after["group"], "spec.group", problems);
    immutable(&before["names"]["plural"], &after["names"]["plural"], "spec.names.plural", problems);
    approved(new, Some(old), problems);
}
