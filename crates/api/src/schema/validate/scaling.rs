//! HorizontalPodAutoscaler and PodDisruptionBudget. It counts no pods.
use super::labels;
use super::words::{at, demanded_name, items, known, number, one_of, text};
use crate::field::Problems;
use crate::name;
use crate::quantity::{Quantity, thousandths};
use serde_json::Value;

const WINDOW_SECONDS_MAX: i64 = 3_600;
const PERIOD_SECONDS_MAX: i64 = 1_800;
/// Kinds of metrics, and the members that tell of them, in the order in which Kubernetes looks for them.
const METRICS: [(&str, &str); 5] = [
    ("Object", "object"),
    ("External", "external"),
    ("Pods", "pods"),
    ("Resource", "resource"),
    ("ContainerResource", "containerResource"),
];
const METRIC_KINDS: [&str; 5] = ["ContainerResource", "External", "Object", "Pods", "Resource"];

/// `least`: the fewest replicas it may ask for.
pub(super) fn autoscaler(spec: &Value, least: i64, problems: &mut Problems) {
    let (fewest, most) = (&spec["minReplicas"], number(spec, "maxReplicas"));
    if fewest.as_i64().is_some_and(|fewest| fewest < least) {
        let why = format!("must be greater than or equal to {least}");
        problems.invalid("spec.minReplicas", fewest, &why);
    }
    if most < 1 {
        problems.invalid("spec.maxReplicas", &most.into(), "must be greater than 0");
    }
    if fewest.as_i64().is_some_and(|fewest| most < fewest) {
        problems.invalid("spec.maxReplicas", &most.into(), "must be greater than or equal to `minReplicas`");
    }
    reference(&spec["scaleTargetRef"], "spec.scaleTargetRef", problems);
    let metrics = items(spec, "metrics");
    for (place, metric) in metrics.iter().enumerate() {
        self::metric(metric, &format!("spec.metrics[{place}]"), problems);
    }
    let outside = metrics.iter().any(|metric| matches!(text(metric, "type"), "Object" | "External"));
    if *fewest == 0 && !outside {
        let why = "must specify at least one Object or External metric to support scaling to zero replicas";
        problems.forbidden("spec.metrics", why);
    }
    for way in ["scaleUp", "scaleDown"] {
        let rules = &spec["behavior"][way];
        if rules.is_object() {
            scaling(rules, &format!("spec.behavior.{way}"), problems);
        }
    }
}

fn reference(reference: &Value, path: &str, problems: &mut Problems) {
    for member in ["kind", "name"] {
        demanded_name(reference, member, path, name::path_segment, problems);
    }
}

fn scaling(rules: &Value, path: &str, problems: &mut Problems) {
    let window = &rules["stabilizationWindowSeconds"];
    let field = at(path, "stabilizationWindowSeconds");
    match window.as_i64() {
        Some(seconds) if seconds < 0 => {
            problems.invalid(field, window, "must be greater than or equal to zero");
        }
        Some(seconds) if seconds > WINDOW_SECONDS_MAX => {
            problems.invalid(field, window, &format!("must be less than or equal to {WINDOW_SECONDS_MAX}"));
        }
        _ => {}
    }
    known(rules, "selectPolicy", path, &["Disabled", "Max", "Min"], problems);
    let policies = items(rules, "policies");
    if policies.is_empty() {
        problems.required(at(path, "policies"), "must specify at least one Policy");
    }
    for (place, policy) in policies.iter().enumerate() {
        let path = format!("{path}.policies[{place}]");
        one_of(&at(&path, "type"), text(policy, "type"), &["Percent", "Pods"], problems);
        let (value, period) = (number(policy, "value"), number(policy, "periodSeconds"));
        if value <= 0 {
            problems.invalid(at(&path, "value"), &value.into(), "must be greater than zero");
        }
        if period <= 0 {
            problems.invalid(at(&path, "periodSeconds"), &period.into(), "must be greater than zero");
        }
        if period > PERIOD_SECONDS_MAX {
            let why = format!("must be less than or equal to {PERIOD_SECONDS_MAX}");
            problems.invalid(at(&path, "periodSeconds"), &period.into(), &why);
        }
    }
}

fn metric(metric: &Value, path: &str, problems: &mut Problems) {
    let kind = text(metric, "type");
    if kind.is_empty() {
        problems.required(at(path, "type"), "must specify a metric source type");
    }
    one_of(&at(path, "type"), kind, &METRIC_KINDS, problems);
    let told: Vec<&str> =
        METRICS.iter().map(|(_, member)| *member).filter(|member| metric[*member].is_object()).collect();
    if let Some(first) = told.first() {
        source(first, &metric[*first], &at(path, first), problems);
    }
    let Some((_, expected)) = METRICS.iter().find(|(known, _)| *known == kind) else { return };
    if !metric[*expected].is_object() {
        problems.required(at(path, expected), "must populate information for the given metric source");
    }
    if told.len() > 1 {
        for other in told.iter().filter(|member| *member != expected) {
            problems.forbidden(at(path, other), "must populate the given metric source only");
        }
    }
}

fn source(member: &str, source: &Value, path: &str, problems: &mut Problems) {
    let (goal, field) = (&source["target"], at(path, "target"));
    if member == "object" {
        reference(&source["describedObject"], &at(path, "describedObject"), problems);
    }
    if matches!(member, "object" | "external" | "pods") {
        demanded_name(&source["metric"], "name", &at(path, "metric"), name::path_segment, problems);
        if source["metric"]["selector"].is_object() {
            labels::selector(&source["metric"]["selector"], &format!("{path}.metric.selector"), problems);
        }
    }
    if matches!(member, "resource" | "containerResource") && text(source, "name").is_empty() {
        problems.required(at(path, "name"), "must specify a resource name");
    }
    if member == "containerResource" && text(source, "container").is_empty() {
        problems.required(at(path, "container"), "must specify a container");
    }
    target(goal, &field, problems);
    let (value, average) = (!goal["value"].is_null(), !goal["averageValue"].is_null());
    let share = !goal["averageUtilization"].is_null();
    match member {
        "object" if !value && !average => {
            problems.required(at(&field, "averageValue"), "must set either a target value or averageValue");
        }
        "external" if !value && !average => {
            let why = "must set either a target value for metric or a per-pod target";
            problems.required(at(&field, "averageValue"), why);
        }
        "external" if value && average => {
            let why = "may not set both a target value for metric and a per-pod target";
            problems.forbidden(at(&field, "value"), why);
        }
        "pods" if !average => {
            problems.required(at(&field, "averageValue"), "must specify a positive target averageValue");
        }
        "resource" | "containerResource" if !share && !average => {
            let why = "must set either a target raw value or a target utilization";
            problems.required(at(&field, "averageUtilization"), why);
        }
        "resource" | "containerResource" if share && average => {
            let why = "may not set both a target raw value and a target utilization";
            problems.forbidden(at(&field, "averageValue"), why);
        }
        _ => {}
    }
}

fn target(target: &Value, path: &str, problems: &mut Problems) {
    match text(target, "type") {
        "" => problems.required(at(path, "type"), "must specify a metric target type"),
        kind if !matches!(kind, "Utilization" | "Value" | "AverageValue") => {
            let why = "must be either Utilization, Value, or AverageValue";
            problems.invalid_text(at(path, "type"), kind, why);
        }
        _ => {}
    }
    for member in ["value", "averageValue"] {
        let amount = text(target, member);
        let positive = thousandths(amount) > 0 && Quantity::parse(amount).is_ok_and(|amount| !amount.is_negative());
        if !amount.is_empty() && !positive {
            problems.invalid_text(at(path, member), amount, "must be positive");
        }
    }
    let share = &target["averageUtilization"];
    if share.as_i64().is_some_and(|share| share < 1) {
        problems.invalid(at(path, "averageUtilization"), share, "must be greater than 0");
    }
}

pub(super) fn budget(spec: &Value, problems: &mut Problems) {
    if !spec["minAvailable"].is_null() && !spec["maxUnavailable"].is_null() {
        problems.invalid("spec", spec, "minAvailable and maxUnavailable cannot be both set");
    }
    for member in ["minAvailable", "maxUnavailable"] {
        let (own, field) = (&spec[member], at("spec", member));
        if own.as_i64().is_some_and(|pods| pods < 0) {
            problems.invalid(field, own, "must be greater than or equal to 0");
        } else if let Some(share) = own.as_str() {
            match share
                .strip_suffix('%')
                .filter(|digits| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
            {
                None => {
                    let why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or \
                               '93%', regex used for validation is '[0-9]+%')";
                    problems.invalid_text(field, share, why);
                }
                Some(digits) if digits.parse::<u64>().is_ok_and(|share| share > 100) => {
                    problems.invalid_text(field, share, "must not be greater than 100%");
                }
                Some(_) => {}
            }
        }
    }
    if !spec["selector"].is_null() {
        labels::selector(&spec["selector"], "spec.selector", problems);
    }
    let policies = ["AlwaysAllow", "IfHealthyBudget"];
    known(spec, "unhealthyPodEvictionPolicy", "spec", &policies, problems);
}
