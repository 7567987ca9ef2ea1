//! Names, labels, annotations, owners and finalizers of every object. What a kind holds beside its metadata is not its business.
use super::words::{all, immutable, items, text};
use super::{address, labels};
use crate::field::Problems;
use crate::kind::Kind;
use crate::name;
use serde_json::Value;

/// What may stand without a `/` in a list of finalizers.
const STANDARD_FINALIZERS: [&str; 3] = ["orphan", "foregroundDeletion", "kubernetes"];

pub(super) fn new_object(kind: &Kind, value: &Value, problems: &mut Problems) {
    let meta = &value["metadata"];
    let check = names(kind);
    let prefix = text(meta, "generateName");
    if !prefix.is_empty() {
        all("metadata.generateName", prefix, check(&masked(prefix)), problems);
    }
    let name = text(meta, "name");
    if name.is_empty() {
        problems.required("metadata.name", "name or generateName is required");
    } else {
        all("metadata.name", name, check(name), problems);
    }
    labels::labels(meta, "labels", "metadata.labels", problems);
    labels::annotations(meta, "metadata.annotations", problems);
    owners(meta, problems);
    finalizers(kind, meta, problems);
}

pub(super) fn update(old: &Value, new: &Value, problems: &mut Problems) {
    let (old, new) = (&old["metadata"], &new["metadata"]);
    for member in ["name", "namespace", "uid", "creationTimestamp"] {
        immutable(&old[member], &new[member], &format!("metadata.{member}"), problems);
    }
    // What did not change was good enough when it was written.
    if old["labels"] != new["labels"] {
        labels::labels(new, "labels", "metadata.labels", problems);
    }
    if old["annotations"] != new["annotations"] {
        labels::annotations(new, "metadata.annotations", problems);
    }
    if old["ownerReferences"] != new["ownerReferences"] {
        owners(new, problems);
    }
}

/// An object within another one, at `path`: it says what it is, and its metadata is what any object's may be.
pub(super) fn embedded(value: &Value, path: &str, problems: &mut Problems) {
    for member in ["apiVersion", "kind"] {
        let at = format!("{path}.{member}");
        match &value[member] {
            Value::Null => problems.required(at, "must not be empty"),
            Value::String(text) if text.is_empty() => problems.invalid_text(at, "", "must not be empty"),
            Value::String(text) if member == "kind" => {
                let whys = name::label_1035(&text.to_lowercase());
                if !whys.is_empty() {
                    let why = format!("may have mixed case, but should otherwise match: {}", whys.join(","));
                    problems.invalid_text(at, text, &why);
                }
            }
            Value::String(text) if text.matches('/').count() > 1 => {
                problems.invalid_text(at, text, &format!("unexpected GroupVersion string: {text}"));
            }
            Value::String(_) => {}
            other => problems.invalid(at, other, "must be a string"),
        }
    }
    let (meta, path) = (&value["metadata"], format!("{path}.metadata"));
    match meta {
        Value::Null => return,
        Value::Object(_) => {}
        other => return problems.invalid(path, other, "must be an object"),
    }
    for member in ["name", "generateName"] {
        let own = text(meta, member);
        all(&format!("{path}.{member}"), own, name::path_segment(own), problems);
    }
    let space = text(meta, "namespace");
    if !space.is_empty() {
        all(&format!("{path}.namespace"), space, name::label(space), problems);
    }
    labels::labels(meta, "labels", &format!("{path}.labels"), problems);
    labels::annotations(meta, &format!("{path}.annotations"), problems);
}

/// What a name of the kind must be.
fn names(kind: &Kind) -> fn(&str) -> Vec<String> {
    if kind.custom() {
        return name::subdomain;
    }
    match (&*kind.group, &*kind.kind) {
        ("", "Namespace") => name::label,
        ("", "Service") => name::label_1035,
        ("networking.k8s.io", "IPAddress") => address::strict,
        ("certificates.k8s.io", "CertificateSigningRequest") => |_| Vec::new(),
        ("", "Event")
        | ("rbac.authorization.k8s.io", _)
        | ("policy", "PodDisruptionBudget")
        | ("apiregistration.k8s.io", _)
        | ("internal.apiserver.k8s.io", _) => name::path_segment,
        _ => name::subdomain,
    }
}

/// A prefix may end with a dash: the name that is made of it does not.
fn masked(prefix: &str) -> String {
    match prefix.strip_suffix('-') {
        Some(rest) if !rest.is_empty() => {
            let cut = rest.char_indices().last().map_or(0, |(at, _)| at);
            format!("{}a", &rest[..cut])
        }
        _ => prefix.to_owned(),
    }
}

fn owners(meta: &Value, problems: &mut Problems) {
    let path = "metadata.ownerReferences";
    let mut first: Option<String> = None;
    for owner in items(meta, "ownerReferences") {
        let (version, kind) = (text(owner, "apiVersion"), text(owner, "kind"));
        if version.is_empty() || version.ends_with('/') {
            problems.invalid_text(format!("{path}.apiVersion"), version, "version must not be empty");
        }
        for (member, why) in
            [("kind", "kind must not be empty"), ("name", "name must not be empty"), ("uid", "uid must not be empty")]
        {
            if text(owner, member).is_empty() {
                problems.invalid_text(format!("{path}.{member}"), "", why);
            }
        }
        if (version, kind) == ("v1", "Event") {
            problems.invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner");
        }
        if owner["controller"] == true {
            let this = format!("{kind}/{}", text(owner, "name"));
            match &first {
                None => first = Some(this),
                Some(first) => {
                    let why = format!(
                        "Only one reference can have Controller set to true. Found \"true\" in references for {first} and {this}"
                    );
                    problems.invalid(path, &meta["ownerReferences"], &why);
                }
            }
        }
    }
}

fn finalizers(kind: &Kind, meta: &Value, problems: &mut Problems) {
    let path = "metadata.finalizers";
    let list: Vec<&str> = items(meta, "finalizers").iter().filter_map(Value::as_str).collect();
    // Definitions are held by a finalizer without a path, as in Kubernetes.
    let free = kind.custom() || &*kind.group == "apiextensions.k8s.io";
    for finalizer in &list {
        all(path, finalizer, name::qualified(finalizer), problems);
        if !free && !finalizer.contains('/') && !STANDARD_FINALIZERS.contains(finalizer) {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            problems.invalid_text(path, finalizer, why);
        }
    }
    if list.contains(&"orphan") && list.contains(&"foregroundDeletion") {
        let why = "finalizer orphan and foregroundDeletion cannot be both set";
        problems.invalid(path, &meta["finalizers"], why);
    }
}
