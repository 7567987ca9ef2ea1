//! Node and PriorityClass: where pods may go, and which first. It places nothing.
use super::address;
use super::words::{all, immutable, items, number, one_of, text, texts};
use crate::field::Problems;
use crate::name;
use serde_json::Value;
use std::collections::BTreeSet;

/// The highest priority that is not kept for the system.
const PRIORITY_MAX: i64 = 1_000_000_000;
const SYSTEM_CLASSES: [(&str, i64); 2] =
    [("system-node-critical", 2_000_001_000), ("system-cluster-critical", 2_000_000_000)];

pub(super) fn node(spec: &Value, problems: &mut Problems) {
    let ranges = texts(spec, "podCIDRs");
    for (place, range) in ranges.iter().enumerate() {
        if address::cidr(range).is_none() {
            problems.invalid_text(format!("spec.podCIDRs[{place}]"), range, address::NO_CIDR);
        }
    }
    if ranges.len() > 2 {
        let why = "may specify no more than one CIDR for each IP family";
        problems.invalid("spec.podCIDRs", &spec["podCIDRs"], why);
    }
    let mut seen = BTreeSet::new();
    for (at, taint) in items(spec, "taints").iter().enumerate() {
        let path = format!("spec.taints[{at}]");
        let (key, value, effect) = (text(taint, "key"), text(taint, "value"), text(taint, "effect"));
        all(&format!("{path}.key"), key, name::qualified(key), problems);
        all(&format!("{path}.value"), value, name::label_value(value), problems);
        if effect.is_empty() {
            problems.required(format!("{path}.effect"), "");
        } else {
            let known = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
            one_of(&format!("{path}.effect"), effect, &known, problems);
        }
        if !seen.insert((key, effect)) {
            problems.duplicate(path, taint);
        }
    }
}

pub(super) fn change(old: &Value, new: &Value, problems: &mut Problems) {
    let kept = |member: &str| {
        let before = &old[member];
        before.is_null() || before == "" || *before == new[member]
    };
    if !kept("podCIDR") || !kept("podCIDRs") {
        problems.forbidden("spec.podCIDRs", "node updates may not change podCIDR except from \"\" to valid");
    }
    if !kept("providerID") {
        problems.forbidden("spec.providerID", "node updates may not change providerID except from \"\" to valid");
    }
}

pub(super) fn priority_class(value: &Value, problems: &mut Problems) {
    let policy = text(value, "preemptionPolicy");
    if !policy.is_empty() {
        one_of("preemptionPolicy", policy, &["Never", "PreemptLowerPriority"], problems);
    }
}

pub(super) fn new_priority_class(value: &Value, problems: &mut Problems) {
    let (name, priority) = (text(&value["metadata"], "name"), number(value, "value"));
    if name.starts_with("system-") {
        if !SYSTEM_CLASSES.contains(&(name, priority)) {
            let why = "priority class names with 'system-' prefix are reserved for system use only. error: ";
            let known = SYSTEM_CLASSES.iter().any(|(known, _)| *known == name);
            let error = if known {
                format!("value of {name} PriorityClass must be {}", value_of(name))
            } else {
                format!("{name} is not a known system priority class")
            };
            problems.forbidden("metadata.name", &format!("{why}{error}"));
        }
    } else if priority > PRIORITY_MAX {
        let why = format!("maximum allowed value of a user defined priority is {PRIORITY_MAX}");
        problems.forbidden("value", &why);
    }
}

fn value_of(class: &str) -> i64 {
    SYSTEM_CLASSES.iter().find(|(name, _)| *name == class).map_or(0, |(_, value)| *value)
}

pub(super) fn priority_class_change(old: &Value, new: &Value, problems: &mut Problems) {
    if number(old, "value") != number(new, "value") {
        problems.forbidden("value", "may not be changed in an update.");
    }
    immutable(&old["preemptionPolicy"], &new["preemptionPolicy"], "preemptionPolicy", problems);
}
