//! PersistentVolumeClaim and PersistentVolume. It binds nothing.
use super::words::{IMMUTABLE, at, demanded, immutable, items, known, members, named, one_of, text};
use super::{labels, placement, volume_source};
use crate::field::Problems;
use crate::name;
use crate::quantity::{Quantity, thousandths};
use serde_json::Value;

const MODES: [&str; 4] = ["ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod"];

pub(super) fn claim(spec: &Value, problems: &mut Problems) {
    modes(spec, "at least 1 access mode is required", problems);
    if !spec["selector"].is_null() {
        labels::selector(&spec["selector"], "spec.selector", problems);
    }
    match spec["resources"]["requests"]["storage"].as_str() {
        None => problems.required("spec.resources[storage]", ""),
        Some(amount) => amount_above_zero(amount, "spec.resources[storage]", problems),
    }
    named(spec, "storageClassName", "spec", name::subdomain, problems);
    named(spec, "volumeAttributesClassName", "spec", name::subdomain, problems);
    volume_mode(spec, problems);
    for source in ["dataSource", "dataSourceRef"].into_iter().filter(|source| spec[*source].is_object()) {
        let (own, path) = (&spec[source], at("spec", source));
        demanded(own, "name", &path, problems);
        demanded(own, "kind", &path, problems);
        let group = text(own, "apiGroup");
        if group.is_empty() && text(own, "kind") != "PersistentVolumeClaim" {
            let why = "must be 'PersistentVolumeClaim' when referencing the default apiGroup";
            problems.invalid_text(path, text(own, "kind"), why);
        }
    }
}

fn modes(spec: &Value, why: &str, problems: &mut Problems) {
    let modes = items(spec, "accessModes");
    if modes.is_empty() {
        problems.required("spec.accessModes", why);
    }
    for mode in modes {
        one_of("spec.accessModes", mode.as_str().unwrap_or_default(), &MODES, problems);
    }
    if modes.len() > 1 && modes.iter().any(|mode| mode == "ReadWriteOncePod") {
        problems.forbidden("spec.accessModes", "may not use ReadWriteOncePod with other access modes");
    }
}

fn amount_above_zero(amount: &str, path: &str, problems: &mut Problems) {
    let negative = Quantity::parse(amount).is_ok_and(|amount| amount.is_negative());
    if negative || thousandths(amount) == 0 {
        problems.invalid_text(path, amount, "must be greater than zero");
    }
}

fn volume_mode(spec: &Value, problems: &mut Problems) {
    let mode = text(spec, "volumeMode");
    if !mode.is_empty() {
        one_of("spec.volumeMode", mode, &["Block", "Filesystem"], problems);
    }
}

/// A claim stays as it is, but for what a bound one asks for, its attributes, and the volume and class it is given once.
pub(super) fn claim_change(old: &Value, new: &Value, problems: &mut Problems) {
    let (before, after) = (&old["spec"], &new["spec"]);
    let bound = text(&new["status"], "phase") == "Bound";
    let kept = |spec: &Value| {
        let mut spec = spec.clone();
        if let Some(members) = spec.as_object_mut() {
            members.retain(|name, value| {
                let given = matches!(name.as_str(), "volumeName" | "storageClassName") && unset(&before[name.as_str()]);
                !matches!(name.as_str(), "volumeAttributesClassName" | "dataSource" | "dataSourceRef")
                    && !given
                    && !value.is_null()
            });
        }
        if bound && let Some(requests) = spec.pointer_mut("/resources/requests").and_then(Value::as_object_mut) {
            requests.remove("storage");
        }
        spec
    };
    if kept(before) != kept(after) {
        let why =
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        problems.forbidden("spec", why);
    }
    let asked = |spec: &Value| spec["resources"]["requests"]["storage"].as_str().map_or(0, thousandths);
    let held = old["status"]["capacity"]["storage"].as_str().map_or(0, thousandths);
    if asked(after) < asked(before) && asked(after) <= held {
        let field = "spec.resources.requests.storage";
        problems.forbidden(field, "field can not be less than status.capacity");
    }
    immutable(&before["volumeMode"], &after["volumeMode"], "volumeMode", problems);
}

fn unset(value: &Value) -> bool {
    value.is_null() || value == ""
}

pub(super) fn volume(spec: &Value, problems: &mut Problems) {
    modes(spec, "", problems);
    let path = "spec.capacity";
    if members(spec, "capacity").next().is_none() {
        problems.required(path, "");
    }
    if spec["capacity"]["storage"].is_null() || members(spec, "capacity").count() > 1 {
        problems.unsupported(path, &spec["capacity"], &["storage"]);
    }
    for (name, amount) in members(spec, "capacity") {
        amount_above_zero(amount.as_str().unwrap_or_default(), &format!("{path}[{name}]"), problems);
    }
    known(spec, "persistentVolumeReclaimPolicy", "spec", &["Delete", "Recycle", "Retain"], problems);
    let affinity = &spec["nodeAffinity"];
    if affinity.is_object() {
        if affinity["required"].is_object() {
            placement::node_selector(&affinity["required"], "spec.nodeAffinity.required", problems);
        } else {
            problems.required("spec.nodeAffinity.required", "must specify required node constraints");
        }
    }
    volume_source::persistent(spec, "spec", problems);
    named(spec, "storageClassName", "spec", name::subdomain, problems);
    volume_mode(spec, problems);
}

/// What a volume is made of stays.
pub(super) fn volume_change(old: &Value, new: &Value, problems: &mut Problems) {
    let source = |spec: &Value| {
        let mut spec = spec.clone();
        if let Some(members) = spec.as_object_mut() {
            members.retain(|name, value| value.is_object() && volume_source::is(name));
            if let Some(csi) = members.get_mut("csi").and_then(Value::as_object_mut) {
                // Credentials may be renewed.
                csi.retain(|name, _| !name.ends_with("SecretRef"));
            }
        }
        spec
    };
    if source(old) != source(new) {
        let why = "spec.persistentvolumesource is immutable after creation";
        problems.forbidden("spec.persistentvolumesource", why);
    }
    immutable(&old["volumeMode"], &new["volumeMode"], "volumeMode", problems);
    if !old["nodeAffinity"].is_null() && old["nodeAffinity"] != new["nodeAffinity"] {
        problems.invalid("spec.nodeAffinity", &new["nodeAffinity"], IMMUTABLE);
    }
}
