//! Names of resources and amounts of them: LimitRange, ResourceQuota, and what containers ask for. It counts nothing.
use super::words::{IMMUTABLE, all, items, members, text, texts};
use crate::field::Problems;
use crate::name;
use crate::quantity::{Quantity, thousandths};
use serde_json::Value;
use std::collections::BTreeSet;

const NOT_NEGATIVE: &str = "must be greater than or equal to 0";
/// What a quota may count without a prefix.
const QUOTA_NAMES: [&str; 18] = [
    "cpu",
    "memory",
    "ephemeral-storage",
    "requests.cpu",
    "requests.memory",
    "requests.storage",
    "requests.ephemeral-storage",
    "limits.cpu",
    "limits.memory",
    "limits.ephemeral-storage",
    "pods",
    "resourcequotas",
    "services",
    "replicationcontrollers",
    "secrets",
    "persistentvolumeclaims",
    "configmaps",
    "services.nodeports",
];
/// What is counted in whole ones.
const WHOLE: [&str; 8] = [
    "pods",
    "services",
    "resourcequotas",
    "replicationcontrollers",
    "secrets",
    "configmaps",
    "persistentvolumeclaims",
    "services.nodeports",
];
const SCOPES: [&str; 7] = [
    "Terminating",
    "NotTerminating",
    "BestEffort",
    "NotBestEffort",
    "PriorityClass",
    "CrossNamespacePodAffinity",
    "VolumeAttributesClass",
];
/// What may be counted of pods that ask for nothing.
const BEST_EFFORT: [&str; 1] = ["pods"];

/// A name of a resource that a container can ask for.
pub(super) fn container_resource(own: &str, path: &str, problems: &mut Problems) {
    all(path, own, name::qualified(own), problems);
    if own.contains('/') {
        if !own.contains("kubernetes.io/") && format!("requests.{own}").len() > 253 {
            problems.invalid_text(path, own, "doesn't follow extended resource name standard");
        }
    } else if !own.is_empty()
        && !matches!(own, "cpu" | "memory" | "ephemeral-storage" | "storage")
        && !own.starts_with("hugepages-")
    {
        problems.invalid_text(path, own, "must be a standard resource type or fully qualified");
        problems.invalid_text(path, own, "must be a standard resource for containers");
    } else if own == "storage" {
        problems.invalid_text(path, own, "must be a standard resource for containers");
    }
}

/// An amount: none that is owed, and whole where halves mean nothing.
pub(super) fn amount(resource: &str, amount: &Value, path: &str, problems: &mut Problems) {
    let amount = amount.as_str().unwrap_or_default();
    if Quantity::parse(amount).is_ok_and(|amount| amount.is_negative()) {
        problems.invalid_text(path, amount, NOT_NEGATIVE);
    }
    let extended = resource.contains('/') && !resource.contains("kubernetes.io/");
    let counted = WHOLE.contains(&resource) || resource.starts_with("count/") || extended;
    if counted && thousandths(amount) % 1_000 != 0 {
        problems.invalid_text(path, amount, "must be an integer");
    }
}

pub(super) fn quota(spec: &Value, problems: &mut Problems) {
    for (resource, found) in members(spec, "hard") {
        let path = format!("spec.hard[{resource}]");
        quota_name(resource, &path, problems);
        amount(resource, found, &path, problems);
    }
    scopes(spec, problems);
    selector(&spec["scopeSelector"], problems);
}

/// The amounts that a controller wrote.
pub(super) fn quota_status(status: &Value, problems: &mut Problems) {
    for list in ["hard", "used"] {
        for (resource, found) in members(status, list) {
            let path = format!("status.{list}[{resource}]");
            quota_name(resource, &path, problems);
            amount(resource, found, &path, problems);
        }
    }
}

fn quota_name(own: &str, path: &str, problems: &mut Problems) {
    let whys = name::qualified(own);
    let known = own.contains('/')
        || QUOTA_NAMES.contains(&own)
        || own == "services.loadbalancers"
        || ["hugepages-", "requests.hugepages-", "limits.hugepages-"].iter().any(|prefix| own.starts_with(prefix));
    let good = whys.is_empty();
    all(path, own, whys, problems);
    if good && !known {
        problems.invalid_text(path, own, "must be a standard resource for quota");
    }
}

fn scopes(spec: &Value, problems: &mut Problems) {
    let (field, scopes) = ("spec.scopes", texts(spec, "scopes"));
    let shown = &spec["scopes"];
    for scope in &scopes {
        if !SCOPES.contains(scope) {
            problems.invalid(field, shown, "unsupported scope");
        }
        for (resource, _) in members(spec, "hard") {
            let standard = QUOTA_NAMES.contains(&resource);
            if *scope == "BestEffort" && standard && !BEST_EFFORT.contains(&resource) {
                problems.invalid(field, shown, "unsupported scope applied to resource");
            }
        }
    }
    for [one, other] in [["BestEffort", "NotBestEffort"], ["Terminating", "NotTerminating"]] {
        if scopes.contains(&one) && scopes.contains(&other) {
            problems.invalid(field, shown, "conflicting scopes");
        }
    }
}

fn selector(selector: &Value, problems: &mut Problems) {
    for (at, expression) in items(selector, "matchExpressions").iter().enumerate() {
        let path = format!("spec.scopeSelector.matchExpressions[{at}]");
        let (scope, values) = (text(expression, "scopeName"), items(expression, "values"));
        if !SCOPES.contains(&scope) {
            problems.invalid_text(format!("{path}.scopeName"), scope, "unsupported scope");
        }
        match text(expression, "operator") {
            "In" | "NotIn" if values.is_empty() => problems.required(
                format!("{path}.values"),
                "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
            ),
            "Exists" | "DoesNotExist" if !values.is_empty() => problems.invalid(
                format!("{path}.values"),
                &expression["values"],
                "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
            ),
            "In" | "NotIn" | "Exists" | "DoesNotExist" => {}
            other => problems.invalid_text(format!("{path}.operator"), other, "not a valid selector operator"),
        }
    }
}

/// What a quota is for stays.
pub(super) fn quota_change(old: &Value, new: &Value, problems: &mut Problems) {
    let set = |spec: &Value| texts(spec, "scopes").into_iter().map(str::to_owned).collect::<BTreeSet<_>>();
    if set(old) != set(new) {
        problems.invalid("spec.scopes", &new["scopes"], IMMUTABLE);
    }
}

pub(super) fn limit_range(spec: &Value, problems: &mut Problems) {
    let mut seen = BTreeSet::new();
    for (at, limit) in items(spec, "limits").iter().enumerate() {
        let (path, kind) = (format!("spec.limits[{at}]"), text(limit, "type"));
        let whys = name::qualified(kind);
        let good = whys.is_empty();
        all(&format!("{path}.type"), kind, whys, problems);
        if good && !kind.contains('/') && !matches!(kind, "Pod" | "Container" | "PersistentVolumeClaim") {
            let why = "must be a standard limit type or fully qualified";
            problems.invalid_text(format!("{path}.type"), kind, why);
        }
        if !seen.insert(kind) {
            problems.duplicate(format!("{path}.type"), &limit["type"]);
        }
        names(limit, kind, &path, problems);
        order(limit, &path, problems);
    }
}

fn names(limit: &Value, kind: &str, path: &str, problems: &mut Problems) {
    for list in ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"] {
        if kind == "Pod" && matches!(list, "default" | "defaultRequest") {
            if members(limit, list).next().is_some() {
                problems.forbidden(format!("{path}.{list}"), "may not be specified when `type` is 'Pod'");
            }
            continue;
        }
        for (resource, _) in members(limit, list) {
            let path = format!("{path}.{list}[{resource}]");
            if matches!(kind, "Pod" | "Container") {
                container_resource(resource, &path, problems);
            } else {
                all(&path, resource, name::qualified(resource), problems);
            }
        }
    }
    if kind == "PersistentVolumeClaim" && limit["min"]["storage"].is_null() && limit["max"]["storage"].is_null() {
        let why = "either minimum or maximum storage value is required, but neither was provided";
        problems.required(format!("{path}.limits"), why);
    }
}

/// The least is not above the most, and what is given unasked is between them.
fn order(limit: &Value, path: &str, problems: &mut Problems) {
    let lists = ["max", "min", "default", "defaultRequest", "maxLimitRequestRatio"];
    let resources: BTreeSet<&str> =
        lists.iter().flat_map(|list| members(limit, list)).map(|(resource, _)| resource).collect();
    for resource in resources {
        let of = |list: &str| limit[list][resource].as_str();
        let mut above = |over: &str, under: &str, field: &str, words: [&str; 2]| {
            if let (Some(high), Some(low)) = (of(over), of(under))
                && thousandths(high) > thousandths(low)
            {
                let why = format!("{} value {high} is greater than {} value {low}", words[0], words[1]);
                let shown = of(field).unwrap_or_default();
                problems.invalid_text(format!("{path}.{field}[{resource}]"), shown, &why);
            }
        };
        above("min", "max", "min", ["min", "max"]);
        above("min", "defaultRequest", "defaultRequest", ["min", "default request"]);
        above("defaultRequest", "max", "defaultRequest", ["default request", "max"]);
        above("defaultRequest", "default", "defaultRequest", ["default request", "default limit"]);
        above("min", "default", "default", ["min", "default"]);
        above("default", "max", "default", ["default", "max"]);
        if let Some(ratio) = of("maxLimitRequestRatio")
            && thousandths(ratio) < 1_000
        {
            let why = format!("ratio {ratio} is less than 1");
            problems.invalid_text(format!("{path}.maxLimitRequestRatio[{resource}]"), ratio, &why);
        }
    }
}
