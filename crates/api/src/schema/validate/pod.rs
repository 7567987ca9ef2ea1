//! What a pod and a pod template may say. It never asks whether a node could run it.
use super::words::{all, items, number, one_of, text};
use super::{container, labels, volume};
use crate::field::Problems;
use crate::name;
use serde_json::Value;
use std::collections::BTreeSet;

/// The template of a workload, at `path`.
pub(super) fn template(template: &Value, path: &str, problems: &mut Problems) {
    let meta = &template["metadata"];
    labels::labels(meta, "labels", &format!("{path}.metadata.labels"), problems);
    labels::annotations(meta, &format!("{path}.metadata.annotations"), problems);
    spec(&template["spec"], &format!("{path}.spec"), problems);
}

pub(super) fn spec(spec: &Value, path: &str, problems: &mut Problems) {
    let volumes = volume::volumes(spec, path, problems);
    container::all_of(spec, path, &volumes, problems);
    one_of(&format!("{path}.restartPolicy"), text(spec, "restartPolicy"), &["Always", "OnFailure", "Never"], problems);
    let policies = ["ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"];
    one_of(&format!("{path}.dnsPolicy"), text(spec, "dnsPolicy"), &policies, problems);
    labels::labels(spec, "nodeSelector", &format!("{path}.nodeSelector"), problems);
    for (member, check) in [
        ("serviceAccountName", name::subdomain as fn(&str) -> Vec<String>),
        ("nodeName", name::subdomain),
        ("hostname", name::label),
        ("subdomain", name::label),
        ("priorityClassName", name::subdomain),
        ("runtimeClassName", name::subdomain),
    ] {
        let value = text(spec, member);
        if !value.is_empty() {
            all(&format!("{path}.{member}"), value, check(value), problems);
        }
    }
    if let Some(seconds) = spec["activeDeadlineSeconds"].as_i64()
        && !(1..=i64::from(i32::MAX)).contains(&seconds)
    {
        let why = "must be between 1 and 2147483647, inclusive";
        problems.invalid(format!("{path}.activeDeadlineSeconds"), &spec["activeDeadlineSeconds"], why);
    }
    gates(spec, path, problems);
    for (at, toleration) in items(spec, "tolerations").iter().enumerate() {
        self::toleration(toleration, &format!("{path}.tolerations[{at}]"), problems);
    }
    for (at, constraint) in items(spec, "topologySpreadConstraints").iter().enumerate() {
        spread(constraint, &format!("{path}.topologySpreadConstraints[{at}]"), problems);
    }
}

fn gates(spec: &Value, path: &str, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (at, gate) in items(spec, "schedulingGates").iter().enumerate() {
        let (path, name) = (format!("{path}.schedulingGates[{at}]"), text(gate, "name"));
        all(&path, name, name::qualified(name), problems);
        if !seen.insert(name) {
            problems.duplicate(path, &gate["name"]);
        }
    }
}

fn toleration(toleration: &Value, path: &str, problems: &mut Problems) {
    let (key, operator) = (text(toleration, "key"), text(toleration, "operator"));
    let (effect, value) = (text(toleration, "effect"), text(toleration, "value"));
    if !key.is_empty() {
        all(&format!("{path}.key"), key, name::qualified(key), problems);
    } else if operator != "Exists" {
        problems.invalid_text(
            format!("{path}.operator"),
            operator,
            "operator must be Exists when `key` is empty, which means \"match all values and all keys\"",
        );
    }
    if toleration["tolerationSeconds"].is_number() && effect != "NoExecute" {
        problems.invalid_text(
            format!("{path}.effect"),
            effect,
            "effect must be 'NoExecute' when `tolerationSeconds` is set",
        );
    }
    match operator {
        "" | "Equal" => all(&format!("{path}.operator"), value, name::label_value(value), problems),
        "Exists" if !value.is_empty() => {
            let why = "value must be empty when `operator` is 'Exists'";
            problems.invalid(format!("{path}.operator"), toleration, why);
        }
        // The two that compare numbers are younger.
        "Exists" | "Lt" | "Gt" => {}
        other => one_of(&format!("{path}.operator"), other, &["Equal", "Exists"], problems),
    }
    if !effect.is_empty() {
        let known = ["NoSchedule", "PreferNoSchedule", "NoExecute"];
        one_of(&format!("{path}.effect"), effect, &known, problems);
    }
}

fn spread(constraint: &Value, path: &str, problems: &mut Problems) {
    if number(constraint, "maxSkew") <= 0 {
        problems.invalid(format!("{path}.maxSkew"), &number(constraint, "maxSkew").into(), "must be greater than zero");
    }
    if text(constraint, "topologyKey").is_empty() {
        problems.required(format!("{path}.topologyKey"), "can not be empty");
    }
    let known = ["DoNotSchedule", "ScheduleAnyway"];
    one_of(&format!("{path}.whenUnsatisfiable"), text(constraint, "whenUnsatisfiable"), &known, problems);
    if !constraint["labelSelector"].is_null() {
        labels::selector(&constraint["labelSelector"], &format!("{path}.labelSelector"), problems);
    }
}
