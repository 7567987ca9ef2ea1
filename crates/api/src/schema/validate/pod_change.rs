//! What may change of a pod that is there: little, for its node has read the rest. It never checks what a pod may say.
use super::words::{items, text};
use crate::field::Problems;
use crate::pod;
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

/// A pod that a file on its node made is not the API's to change.
const MIRROR: &str = "kubernetes.io/config.mirror";

/// `/ephemeralcontainers` only adds.
pub(super) fn ephemeral(old: &Value, new: &Value, problems: &mut Problems) {
    if !old["metadata"]["annotations"][MIRROR].is_null() {
        problems.forbidden("", "static pods do not support ephemeral containers");
        return;
    }
    let (list, field) = ("ephemeralContainers", "spec.ephemeralContainers");
    for was in items(&old["spec"], list) {
        let own = text(was, "name");
        match items(&new["spec"], list).iter().find(|now| now["name"] == was["name"]) {
            None => {
                let why = format!("existing ephemeral containers {own:?} may not be removed\n");
                problems.forbidden(field, &why);
            }
            Some(now) if now != was => {
                let why = format!("existing ephemeral containers {own:?} may not be changed\n{}", shown(was, now));
                problems.forbidden(field, &why);
            }
            Some(_) => {}
        }
    }
}

/// `/resize` changes how much processor and memory containers may use, and nothing that would make another pod of it.
pub(super) fn resize(old: &Value, new: &Value, problems: &mut Problems) {
    if !old["metadata"]["annotations"][MIRROR].is_null() {
        problems.forbidden("", "static pods cannot be resized");
        return;
    }
    let (before, after) = (&old["spec"], &new["spec"]);
    if before["os"]["name"] == "windows" {
        problems.forbidden("", "windows pods cannot be resized");
        return;
    }
    let class = pod::quality(after);
    let was = match text(&old["status"], "qosClass") {
        "" => pod::quality(before),
        known => known,
    };
    if was != class {
        problems.invalid_text("spec", class, "Pod QOS Class may not change as a result of resizing");
    }
    for list in ["containers", "initContainers"] {
        let (had, have) = (items(before, list), items(after, list));
        if had.len() != have.len() {
            problems
                .forbidden(format!("spec.{list}"), &format!("{} may not be added or removed on resize", kind(list)));
            return;
        }
        for (place, (was, now)) in had.iter().zip(have).enumerate() {
            let path = format!("spec.{list}[{place}]");
            if was["name"] != now["name"] {
                let why = format!("{} may not be renamed or reordered on resize", kind(list));
                problems.forbidden(path, &why);
                continue;
            }
            if list == "initContainers" && was["restartPolicy"] != "Always" && was["resources"] != now["resources"] {
                let why = "resources for non-sidecar init containers are immutable";
                problems.invalid(format!("{path}.resources"), &now["resources"], why);
            }
            removed(&was["resources"], &now["resources"], &path, problems);
        }
    }
    let (before, after) = (sized(before), sized(after));
    if before != after {
        let why = format!("only cpu and memory resources are mutable\n{}", shown(&before, &after));
        problems.forbidden("spec", &why);
    }
}

fn kind(list: &str) -> &'static str {
    if list == "containers" { "containers" } else { "initContainers" }
}

/// What a container was given stays given, if in another amount.
fn removed(old: &Value, new: &Value, path: &str, problems: &mut Problems) {
    for (part, what) in [("requests", "requests"), ("limits", "limits")] {
        let gone = ["cpu", "memory"].into_iter().any(|own| !old[part][own].is_null() && new[part][own].is_null());
        if gone {
            let why = format!("resource {what} cannot be removed");
            problems.forbidden(format!("{path}.resources.{part}"), &why);
        }
    }
}

/// A spec without the amounts that may change.
fn sized(spec: &Value) -> Value {
    let mut spec = spec.clone();
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            let Some(resources) = container.get_mut("resources").and_then(Value::as_object_mut) else { continue };
            for part in ["requests", "limits"] {
                if let Some(amounts) = resources.get_mut(part).and_then(Value::as_object_mut) {
                    amounts.retain(|own, _| !matches!(own.as_str(), "cpu" | "memory"));
                }
            }
            resources.retain(|_, part| !part.is_null() && !part.as_object().is_some_and(serde_json::Map::is_empty));
        }
    }
    spec
}
