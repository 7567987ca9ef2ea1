//! CustomResourceDefinition: its names, scope and versions. The schemas in it are `structural`'s to read.
use super::words::{all, immutable, items, one_of, text};
use crate::field::Problems;
use crate::name;
use serde_json::Value;
use std::collections::BTreeSet;

const APPROVAL: &str = "api-approved.kubernetes.io";
/// Groups that are Kubernetes' own.
const PROTECTED: [&str; 2] = ["k8s.io", "kubernetes.io"];

pub(super) fn definition(value: &Value, problems: &mut Problems) {
    let (spec, names) = (&value["spec"], &value["spec"]["names"]);
    let (group, plural) = (text(spec, "group"), text(names, "plural"));
    let own = text(&value["metadata"], "name");
    if own != format!("{plural}.{group}") {
        problems.invalid_text("metadata.name", own, "must be spec.names.plural+\".\"+spec.group");
    }
    if group.is_empty() {
        problems.required("spec.group", "");
    } else {
        all("spec.group", group, name::subdomain(group), problems);
        if !group.contains('.') {
            problems.invalid_text("spec.group", group, "should be a domain with at least one dot");
        }
    }
    match text(spec, "scope") {
        "" => problems.required("spec.scope", ""),
        scope => one_of("spec.scope", scope, &["Cluster", "Namespaced"], problems),
    }
    versions(spec, problems);
    self::names(names, problems);
}

fn versions(spec: &Value, problems: &mut Problems) {
    let versions = items(spec, "versions");
    let mut seen = BTreeSet::new();
    for (at, version) in versions.iter().enumerate() {
        let own = text(version, "name");
        all(&format!("spec.versions[{at}].name"), own, name::label_1035(own), problems);
        if !seen.insert(own) {
            problems.invalid_text("spec.versions", own, "must contain unique version names");
        }
    }
    if versions.iter().filter(|version| version["storage"] == true).count() != 1 {
        let names = versions.iter().map(|version| version["name"].clone()).collect();
        problems.invalid("spec.versions", &names, "must have exactly one version marked as storage version");
    }
}

fn names(names: &Value, problems: &mut Problems) {
    for member in ["plural", "singular", "kind", "listKind"] {
        let (path, own) = (format!("spec.names.{member}"), text(names, member));
        if own.is_empty() {
            problems.required(path, "");
            continue;
        }
        for why in name::label_1035(&own.to_lowercase()) {
            if member.ends_with("ind") {
                let why = format!("may have mixed case, but should otherwise match: {why}");
                problems.invalid_text(path.as_str(), own, &why);
            } else {
                problems.invalid_text(path.as_str(), own, &why);
            }
        }
        if !member.ends_with("ind") && own.chars().any(char::is_uppercase) {
            all(&path, own, name::label_1035(own), problems);
        }
    }
    for member in ["shortNames", "categories"] {
        for (at, own) in items(names, member).iter().enumerate() {
            let own = own.as_str().unwrap_or_default();
            all(&format!("spec.names.{member}[{at}]"), own, name::label_1035(own), problems);
        }
    }
    if !text(names, "kind").is_empty() && names["kind"] == names["listKind"] {
        problems.invalid("spec.names.listKind", &names["listKind"], "kind and listKind may not be the same");
    }
}

pub(super) fn new_definition(value: &Value, problems: &mut Problems) {
    let group = text(&value["spec"], "group");
    let protected =
        PROTECTED.iter().any(|own| group.strip_suffix(own).is_some_and(|rest| rest.is_empty() || rest.ends_with('.')));
    if protected && text(&value["metadata"]["annotations"], APPROVAL).is_empty() {
        let why = format!(
            "protected groups must have approval annotation {APPROVAL:?}, see \
             https://github.com/kubernetes/enhancements/pull/1111"
        );
        problems.required(format!("metadata.annotations[{APPROVAL}]"), &why);
    }
}

pub(super) fn change(old: &Value, new: &Value, problems: &mut Problems) {
    let (before, after) = (&old["spec"], &new["spec"]);
    let mut conditions = items(&old["status"], "conditions").iter();
    if conditions.any(|condition| condition["type"] == "Established" && condition["status"] == "True") {
        immutable(&before["scope"], &after["scope"], "spec.scope", problems);
        immutable(&before["names"]["kind"], &after["names"]["kind"], "spec.names.kind", problems);
    }
    immutable(&before["group"], &after["group"], "spec.group", problems);
    immutable(&before["names"]["plural"], &after["names"]["plural"], "spec.names.plural", problems);
}
