//! Where a pod may go: affinities, tolerations, spreading, selectors of nodes. It places nothing.
use super::labels;
use super::words::{all, at, items, known, number, one_of, text, texts};
use crate::field::Problems;
use crate::name;
use serde_json::Value;
use std::collections::BTreeSet;

const REQUIRED: &str = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED: &str = "preferredDuringSchedulingIgnoredDuringExecution";
const EFFECTS: [&str; 3] = ["NoSchedule", "PreferNoSchedule", "NoExecute"];

pub(super) fn affinity(affinity: &Value, path: &str, problems: &mut Problems) {
    let nodes = &affinity["nodeAffinity"];
    if nodes.is_object() {
        let path = at(path, "nodeAffinity");
        if nodes[REQUIRED].is_object() {
            node_selector(&nodes[REQUIRED], &at(&path, REQUIRED), problems);
        }
        for (place, term) in items(nodes, PREFERRED).iter().enumerate() {
            let path = format!("{path}.{PREFERRED}[{place}]");
            weight(term, &path, problems);
            node_term(&term["preference"], &at(&path, "preference"), problems);
        }
    }
    for member in ["podAffinity", "podAntiAffinity"] {
        let (pods, path) = (&affinity[member], at(path, member));
        for (place, term) in items(pods, REQUIRED).iter().enumerate() {
            pod_term(term, &format!("{path}.{REQUIRED}[{place}]"), problems);
        }
        for (place, term) in items(pods, PREFERRED).iter().enumerate() {
            let path = format!("{path}.{PREFERRED}[{place}]");
            weight(term, &path, problems);
            pod_term(&term["podAffinityTerm"], &at(&path, "podAffinityTerm"), problems);
        }
    }
}

fn weight(term: &Value, path: &str, problems: &mut Problems) {
    let weight = number(term, "weight");
    if !(1..=100).contains(&weight) {
        problems.invalid(at(path, "weight"), &weight.into(), "must be in the range 1-100");
    }
}

pub(super) fn node_selector(selector: &Value, path: &str, problems: &mut Problems) {
    let (terms, path) = (items(selector, "nodeSelectorTerms"), at(path, "nodeSelectorTerms"));
    if terms.is_empty() {
        problems.required(path, "must have at least one node selector term");
        return;
    }
    for (place, term) in terms.iter().enumerate() {
        node_term(term, &format!("{path}[{place}]"), problems);
    }
}

fn node_term(term: &Value, path: &str, problems: &mut Problems) {
    for (place, requirement) in items(term, "matchExpressions").iter().enumerate() {
        let path = format!("{path}.matchExpressions[{place}]");
        let (key, values) = (text(requirement, "key"), texts(requirement, "values"));
        match text(requirement, "operator") {
            "In" | "NotIn" if values.is_empty() => {
                problems.required(at(&path, "values"), "must be specified when `operator` is 'In' or 'NotIn'");
            }
            "Exists" | "DoesNotExist" if !values.is_empty() => {
                let why = "may not be specified when `operator` is 'Exists' or 'DoesNotExist'";
                problems.forbidden(at(&path, "values"), why);
            }
            "Gt" | "Lt" if values.len() != 1 => {
                let why = "must be specified single value when `operator` is 'Lt' or 'Gt'";
                problems.required(at(&path, "values"), why);
            }
            "In" | "NotIn" | "Exists" | "DoesNotExist" | "Gt" | "Lt" => {}
            other => problems.invalid_text(at(&path, "operator"), other, "not a valid selector operator"),
        }
        all(&at(&path, "key"), key, name::qualified(key), problems);
        for (place, value) in values.into_iter().enumerate() {
            all(&format!("{path}.values[{place}]"), value, name::label_value(value), problems);
        }
    }
    for (place, requirement) in items(term, "matchFields").iter().enumerate() {
        node_field(requirement, &format!("{path}.matchFields[{place}]"), problems);
    }
}

fn node_field(requirement: &Value, path: &str, problems: &mut Problems) {
    let (key, values) = (text(requirement, "key"), texts(requirement, "values"));
    match text(requirement, "operator") {
        "In" | "NotIn" if values.len() != 1 => {
            let why = "must be only one value when `operator` is 'In' or 'NotIn' for node field selector";
            problems.required(at(path, "values"), why);
        }
        "In" | "NotIn" => {}
        other => problems.invalid_text(at(path, "operator"), other, "not a valid selector operator"),
    }
    if key == "metadata.name" {
        for (place, value) in values.into_iter().enumerate() {
            all(&format!("{path}.values[{place}]"), value, name::subdomain(value), problems);
        }
    } else {
        problems.invalid_text(at(path, "key"), key, "not a valid field selector key");
    }
}

fn pod_term(term: &Value, path: &str, problems: &mut Problems) {
    for member in ["labelSelector", "namespaceSelector"].into_iter().filter(|member| term[*member].is_object()) {
        labels::selector(&term[member], &at(path, member), problems);
    }
    for space in texts(term, "namespaces") {
        all(&at(path, "namespace"), space, name::label(space), problems);
    }
    let key = text(term, "topologyKey");
    if key.is_empty() {
        problems.required(at(path, "topologyKey"), "can not be empty");
    }
    all(&at(path, "topologyKey"), key, name::qualified(key), problems);
}

pub(super) fn toleration(toleration: &Value, path: &str, problems: &mut Problems) {
    let (key, operator) = (text(toleration, "key"), text(toleration, "operator"));
    let (effect, value) = (text(toleration, "effect"), text(toleration, "value"));
    if !key.is_empty() {
        all(&at(path, "key"), key, name::qualified(key), problems);
    } else if operator != "Exists" {
        let why = "operator must be Exists when `key` is empty, which means \"match all values and all keys\"";
        problems.invalid_text(at(path, "operator"), operator, why);
    }
    if toleration["tolerationSeconds"].is_number() && effect != "NoExecute" {
        let why = "effect must be 'NoExecute' when `tolerationSeconds` is set";
        problems.invalid_text(at(path, "effect"), effect, why);
    }
    match operator {
        "" | "Equal" => all(&at(path, "operator"), value, name::label_value(value), problems),
        "Exists" if !value.is_empty() => {
            problems.invalid(at(path, "operator"), toleration, "value must be empty when `operator` is 'Exists'");
        }
        // The two that compare numbers are younger.
        "Exists" | "Lt" | "Gt" => {}
        other => one_of(&at(path, "operator"), other, &["Equal", "Exists"], problems),
    }
    known(toleration, "effect", path, &EFFECTS, problems);
}

pub(super) fn spreading(spec: &Value, path: &str, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (place, constraint) in items(spec, "topologySpreadConstraints").iter().enumerate() {
        let path = format!("{path}.topologySpreadConstraints[{place}]");
        spread(constraint, &path, problems);
        let pair = (text(constraint, "topologyKey"), text(constraint, "whenUnsatisfiable"));
        if !seen.insert(pair) {
            let shown = format!("{{{}, {}}}", pair.0, pair.1);
            problems.duplicate(format!("{path}.{{topologyKey, whenUnsatisfiable}}"), &shown.into());
        }
    }
}

fn spread(constraint: &Value, path: &str, problems: &mut Problems) {
    let skew = number(constraint, "maxSkew");
    if skew <= 0 {
        problems.invalid(at(path, "maxSkew"), &skew.into(), "must be greater than zero");
    }
    if text(constraint, "topologyKey").is_empty() {
        problems.required(at(path, "topologyKey"), "can not be empty");
    }
    let when = text(constraint, "whenUnsatisfiable");
    one_of(&at(path, "whenUnsatisfiable"), when, &["DoNotSchedule", "ScheduleAnyway"], problems);
    if let Some(domains) = constraint["minDomains"].as_i64() {
        if domains <= 0 {
            problems.invalid(at(path, "minDomains"), &domains.into(), "must be greater than zero");
        }
        if when != "DoNotSchedule" {
            let why = format!("can only use minDomains if whenUnsatisfiable=DoNotSchedule, not {when}");
            problems.invalid(at(path, "minDomains"), &domains.into(), &why);
        }
    }
    for member in ["nodeAffinityPolicy", "nodeTaintsPolicy"] {
        known(constraint, member, path, &["Honor", "Ignore"], problems);
    }
    if !constraint["labelSelector"].is_null() {
        labels::selector(&constraint["labelSelector"], &at(path, "labelSelector"), problems);
    }
    let keys = items(constraint, "matchLabelKeys");
    if !keys.is_empty() && constraint["labelSelector"].is_null() {
        problems.forbidden(at(path, "matchLabelKeys"), "must not be specified when labelSelector is not set");
    }
}
