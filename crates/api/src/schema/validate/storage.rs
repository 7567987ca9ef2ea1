//! PersistentVolumeClaim, PersistentVolume, StorageClass. It binds nothing.
use super::labels;
use super::words::{immutable, items, members, one_of, text};
use crate::field::Problems;
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
    volume_mode(spec, problems);
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

/// A claim stays as it is, but for what it asks for, and but for the volume and class it is given once.
pub(super) fn claim_change(old: &Value, new: &Value, problems: &mut Problems) {
    let kept = |spec: &Value| {
        let mut spec = spec.clone();
        if let Some(members) = spec.as_object_mut() {
            members.retain(|name, value| {
                let given = matches!(name.as_str(), "volumeName" | "storageClassName") && unset(&old[name.as_str()]);
                !matches!(name.as_str(), "resources" | "volumeAttributesClassName" | "dataSource" | "dataSourceRef")
                    && !given
                    && !value.is_null()
            });
        }
        spec
    };
    if kept(old) != kept(new) {
        let why =
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        problems.forbidden("spec", why);
    }
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
    for (name, amount) in members(spec, "capacity") {
        amount_above_zero(amount.as_str().unwrap_or_default(), &format!("{path}[{name}]"), problems);
    }
    let policy = text(spec, "persistentVolumeReclaimPolicy");
    if !policy.is_empty() {
        one_of("spec.persistentVolumeReclaimPolicy", policy, &["Delete", "Recycle", "Retain"], problems);
    }
    volume_mode(spec, problems);
}

pub(super) fn class(value: &Value, problems: &mut Problems) {
    if text(value, "provisioner").is_empty() {
        problems.required("provisioner", "");
    }
    let policy = text(value, "reclaimPolicy");
    if !policy.is_empty() {
        one_of("reclaimPolicy", policy, &["Delete", "Retain"], problems);
    }
    let mode = text(value, "volumeBindingMode");
    if !mode.is_empty() {
        one_of("volumeBindingMode", mode, &["Immediate", "WaitForFirstConsumer"], problems);
    }
}

pub(super) fn class_change(old: &Value, new: &Value, problems: &mut Problems) {
    for member in ["parameters", "provisioner"] {
        if old[member] != new[member] {
            problems.forbidden(member, &format!("updates to {member} are forbidden."));
        }
    }
    for member in ["reclaimPolicy", "volumeBindingMode"] {
        immutable(&old[member], &new[member], member, problems);
    }
}
