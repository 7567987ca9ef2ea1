//! What may change of a pod that is there: little, for its node has read the rest. It never checks what a pod may say.
use super::words::{items, text};
use crate::field::Problems;
use serde_json::Value;
use std::collections::BTreeSet;

const MAY_CHANGE: &str = "pod updates may not change fields other than `spec.containers[*].image`,\
                          `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions \
                          to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was \
                          previously negative)";
/// What admission gives every pod, and what a client who sends a pod anew need not know of.
const GIVEN_TOLERATIONS: [&str; 2] = ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"];
const GIVEN: [&str; 3] = ["priority", "preemptionPolicy", "tolerations"];

pub(super) fn spec(old: &Value, new: &Value, problems: &mut Problems) {
    if old == new {
        return;
    }
    for list in ["containers", "initContainers"] {
        if items(old, list).len() != items(new, list).len() {
            problems.forbidden(format!("spec.{list}"), "pod updates may not add or remove containers");
            return;
        }
    }
    deadline(&old["activeDeadlineSeconds"], &new["activeDeadlineSeconds"], problems);
    tolerations(old, new, problems);
    gates(old, new, problems);
    let (before, after) = (munged(old, new), munged(new, new));
    if before != after {
        problems.forbidden("spec", &format!("{MAY_CHANGE}\n{}", shown(&before, &after)));
    }
}

fn deadline(old: &Value, new: &Value, problems: &mut Problems) {
    let path = "spec.activeDeadlineSeconds";
    match (old.as_i64(), new.as_i64()) {
        (_, Some(after)) if !(0..=i64::from(i32::MAX)).contains(&after) => {
            problems.invalid(path, new, "must be between 0 and 2147483647, inclusive");
        }
        (Some(before), Some(after)) if after > before => {
            problems.invalid(path, new, "must be less than or equal to previous value");
        }
        (Some(_), None) => problems.invalid(path, new, "must not update from a positive integer to nil value"),
        _ => {}
    }
}

/// Of those that were there, only `tolerationSeconds` may change.
fn tolerations(old: &Value, new: &Value, problems: &mut Problems) {
    let after = items(new, "tolerations");
    let same = |a: &Value, b: &Value| {
        let operator =
            |toleration| Some(text(toleration, "operator")).filter(|word| !word.is_empty()).unwrap_or("Equal");
        operator(a) == operator(b) && ["key", "value", "effect"].iter().all(|member| text(a, member) == text(b, member))
    };
    for toleration in items(old, "tolerations") {
        let given = GIVEN_TOLERATIONS.contains(&text(toleration, "key"));
        if !given && !after.iter().any(|other| same(toleration, other)) {
            let why = "existing toleration can not be modified except its tolerationSeconds";
            problems.forbidden("spec.tolerations", why);
            return;
        }
    }
}

fn gates(old: &Value, new: &Value, problems: &mut Problems) {
    let known: BTreeSet<&str> = items(old, "schedulingGates").iter().map(|gate| text(gate, "name")).collect();
    for (at, gate) in items(new, "schedulingGates").iter().enumerate() {
        let name = text(gate, "name");
        if !known.contains(name) {
            let why = format!("only deletion is allowed, but found new scheduling gate '{name}'");
            problems.forbidden(format!("spec.schedulingGates[{at}]"), &why);
        }
    }
}

/// A spec with what may change as in `new`, so that what may not can be compared.
fn munged(spec: &Value, new: &Value) -> Value {
    let mut munged = spec.clone();
    let Some(members) = munged.as_object_mut() else { return munged };
    for member in ["activeDeadlineSeconds", "schedulingGates"] {
        members.remove(member);
    }
    // A pod that waits at a gate may still be told where it may go.
    if !items(spec, "schedulingGates").is_empty() {
        for member in ["nodeSelector", "affinity"] {
            match new.get(member) {
                Some(value) => members.insert(member.into(), value.clone()),
                None => members.remove(member),
            };
        }
    }
    for member in GIVEN {
        if new[member].is_null() || member == "tolerations" {
            members.remove(member);
        }
    }
    let grace = "terminationGracePeriodSeconds";
    if spec[grace].as_i64().is_some_and(|seconds| seconds < 0) && new[grace] == 1 {
        members.insert(grace.into(), 1.into());
    }
    for list in ["containers", "initContainers"] {
        for container in members.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(container) = container.as_object_mut() {
                container.remove("image");
            }
        }
    }
    members.retain(|_, value| !value.is_null());
    munged
}

/// What differs, a line each.
fn shown(before: &Value, after: &Value) -> String {
    let (Some(before), Some(after)) = (before.as_object(), after.as_object()) else { return String::new() };
    let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
    let mut lines = Vec::new();
    for name in names.into_iter().filter(|name| before.get(*name) != after.get(*name)) {
        lines.extend(before.get(name).map(|value| format!("- \t{name}: {value}\n")));
        lines.extend(after.get(name).map(|value| format!("+ \t{name}: {value}\n")));
    }
    lines.concat()
}
