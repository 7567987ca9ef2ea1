//! Workloads that keep pods running: Deployment, ReplicaSet, StatefulSet, DaemonSet, ReplicationController. It counts no pods.
use super::words::{IMMUTABLE, go_map, go_selector, invalid_shown, members, not_negative, number, one_of, text};
use super::{labels, pod};
use crate::field::Problems;
use crate::selector::Labels;
use serde_json::Value;

const TEMPLATE: &str = "spec.template";
const STATEFUL_MAY_CHANGE: [&str; 7] = [
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

pub(super) fn deployment(spec: &Value, problems: &mut Problems) {
    not_negative(spec, "spec", &["replicas"], problems);
    let selector = labels::required(spec, "deployment", problems);
    template(spec, selector.as_ref(), "ReplicaSet", problems);
    let strategy = &spec["strategy"];
    match text(strategy, "type") {
        "Recreate" => {
            if !strategy["rollingUpdate"].is_null() {
                let why = "may not be specified when strategy `type` is 'Recreate'";
                problems.forbidden("spec.strategy.rollingUpdate", why);
            }
        }
        "RollingUpdate" => rolling(&strategy["rollingUpdate"], "spec.strategy.rollingUpdate", problems),
        other => one_of("spec.strategy", other, &["Recreate", "RollingUpdate"], problems),
    }
    not_negative(spec, "spec", &["minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds"], problems);
    if spec["progressDeadlineSeconds"].as_i64().is_some_and(|seconds| seconds <= number(spec, "minReadySeconds")) {
        let why = "must be greater than minReadySeconds";
        problems.invalid("spec.progressDeadlineSeconds", &spec["progressDeadlineSeconds"], why);
    }
}

pub(super) fn replica_set(spec: &Value, problems: &mut Problems) {
    not_negative(spec, "spec", &["replicas", "minReadySeconds"], problems);
    let selector = labels::required(spec, "deployment", problems);
    template(spec, selector.as_ref(), "ReplicaSet", problems);
}

pub(super) fn daemon_set(spec: &Value, problems: &mut Problems) {
    let selector = labels::required(spec, "daemonset", problems);
    template(spec, selector.as_ref(), "DaemonSet", problems);
    let strategy = &spec["updateStrategy"];
    match text(strategy, "type") {
        "RollingUpdate" => one_way(&strategy["rollingUpdate"], "spec.updateStrategy.rollingUpdate", problems),
        other => one_of("spec.updateStrategy.type", other, &["RollingUpdate", "OnDelete"], problems),
    }
    not_negative(spec, "spec", &["minReadySeconds", "revisionHistoryLimit"], problems);
}

pub(super) fn stateful_set(spec: &Value, problems: &mut Problems) {
    let policy = text(spec, "podManagementPolicy");
    if !matches!(policy, "OrderedReady" | "Parallel") {
        problems.invalid_text("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'");
    }
    let strategy = &spec["updateStrategy"];
    match text(strategy, "type") {
        "RollingUpdate" => {
            let path = "spec.updateStrategy.rollingUpdate";
            let (rolling, field) = (&strategy["rollingUpdate"], format!("{path}.maxUnavailable"));
            not_negative(rolling, path, &["partition"], problems);
            let most = &rolling["maxUnavailable"];
            share(most, &field, problems);
            if !most.is_null() && none(most) {
                problems.invalid(field.as_str(), most, "cannot be 0");
            }
            not_all(most, &field, problems);
        }
        "OnDelete" => {
            if !strategy["rollingUpdate"].is_null() {
                let why = "only allowed for updateStrategy 'RollingUpdate'";
                problems.invalid("spec.updateStrategy.rollingUpdate", &strategy["rollingUpdate"], why);
            }
        }
        other => problems.invalid_text("spec.updateStrategy", other, "must be 'RollingUpdate' or 'OnDelete'"),
    }
    for member in ["whenDeleted", "whenScaled"] {
        let policy = text(&spec["persistentVolumeClaimRetentionPolicy"], member);
        if !policy.is_empty() {
            let path = format!("spec.persistentVolumeClaimRetentionPolicy.{member}");
            one_of(&path, policy, &["Retain", "Delete"], problems);
        }
    }
    not_negative(spec, "spec", &["replicas", "minReadySeconds"], problems);
    not_negative(&spec["ordinals"], "spec.ordinals", &["start"], problems);
    let selector = labels::required(spec, "statefulset", problems);
    // Its pods' mounts may name claims that are not among the volumes, so Kubernetes looks at no more of the template.
    matching(spec, selector.as_ref(), problems);
    let meta = &spec["template"]["metadata"];
    labels::labels(meta, "labels", "spec.template.labels", problems);
    labels::annotations(meta, "spec.template.annotations", problems);
    keeps_running(spec, "StatefulSet", problems);
}

pub(super) fn replication_controller(spec: &Value, problems: &mut Problems) {
    not_negative(spec, "spec", &["minReadySeconds", "replicas"], problems);
    if members(spec, "selector").next().is_none() {
        problems.required("spec.selector", "");
    }
    if spec["template"].is_null() {
        problems.required(TEMPLATE, "");
        return;
    }
    let selector = Labels::of_map(&spec["selector"]);
    template(spec, (!selector.is_empty()).then_some(&selector), "ReplicationController", problems);
}

fn template(spec: &Value, selector: Option<&Labels>, of: &str, problems: &mut Problems) {
    matching(spec, selector, problems);
    pod::template(&spec["template"], TEMPLATE, problems);
    keeps_running(spec, of, problems);
}

fn matching(spec: &Value, selector: Option<&Labels>, problems: &mut Problems) {
    let own = &spec["template"]["metadata"]["labels"];
    if selector.is_some_and(|selector| !selector.is_empty() && !selector.matches_map(own)) {
        let why = "`selector` does not match template `labels`";
        invalid_shown("spec.template.metadata.labels", &go_map(own), why, problems);
    }
}

/// Pods that are kept running start again, and have no end.
fn keeps_running(spec: &Value, of: &str, problems: &mut Problems) {
    let pod = &spec["template"]["spec"];
    one_of("spec.template.spec.restartPolicy", text(pod, "restartPolicy"), &["Always"], problems);
    if pod["activeDeadlineSeconds"].is_number() {
        let why = format!("activeDeadlineSeconds in {of} is not Supported");
        problems.forbidden("spec.template.spec.activeDeadlineSeconds", &why);
    }
}

fn rolling(rolling: &Value, path: &str, problems: &mut Problems) {
    let [unavailable, surge] = steps(rolling, path, problems);
    if unavailable && surge {
        let value = if rolling["maxUnavailable"].is_null() { 0.into() } else { rolling["maxUnavailable"].clone() };
        problems.invalid(format!("{path}.maxUnavailable"), &value, "may not be 0 when `maxSurge` is 0");
    }
    not_all(&rolling["maxUnavailable"], &format!("{path}.maxUnavailable"), problems);
}

/// A node has either too few of a DaemonSet's pods for a while or too many.
fn one_way(rolling: &Value, path: &str, problems: &mut Problems) {
    let steps = steps(rolling, path, problems);
    for member in ["maxUnavailable", "maxSurge"] {
        not_all(&rolling[member], &format!("{path}.{member}"), problems);
    }
    match steps {
        [true, true] => problems.required(format!("{path}.maxUnavailable"), "cannot be 0 when maxSurge is 0"),
        [false, false] => {
            let why = "may not be set when maxUnavailable is non-zero";
            problems.invalid(format!("{path}.maxSurge"), &rolling["maxSurge"], why);
        }
        _ => {}
    }
}

/// Whether `maxUnavailable` and `maxSurge` are none.
fn steps(rolling: &Value, path: &str, problems: &mut Problems) -> [bool; 2] {
    ["maxUnavailable", "maxSurge"].map(|member| {
        let value = &rolling[member];
        share(value, &format!("{path}.{member}"), problems);
        value.is_null() || none(value)
    })
}

/// A number or a percentage that is none; what cannot be read counts as none, too.
fn none(value: &Value) -> bool {
    match value.as_str() {
        Some(text) => percent(text).is_none_or(|share| share == 0),
        None => *value == 0,
    }
}

/// The number before the sign, if it is a percentage.
fn percent(text: &str) -> Option<u64> {
    let digits = text.strip_suffix('%').filter(|digits| !digits.is_empty())?;
    let all = digits.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| digits.parse().unwrap_or(u64::MAX))
}

fn not_all(value: &Value, path: &str, problems: &mut Problems) {
    if let Some(text) = value.as_str().filter(|text| percent(text).is_some_and(|share| share > 100)) {
        problems.invalid_text(path, text, "must not be greater than 100%");
    }
}

/// A number of pods, or a percentage of them.
fn share(value: &Value, path: &str, problems: &mut Problems) {
    if let Some(text) = value.as_str() {
        if percent(text).is_none() {
            let why = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', \
                       regex used for validation is '[0-9]+%')";
            problems.invalid_text(path, text, why);
        }
    } else if value.as_i64().is_some_and(|number| number < 0) {
        problems.invalid(path, value, "must be greater than or equal to 0");
    }
}

/// The selector says which pods are its own: it stays.
pub(super) fn change(old: &Value, new: &Value, problems: &mut Problems) {
    if old["selector"] != new["selector"] {
        invalid_shown("spec.selector", &go_selector(&new["selector"]), IMMUTABLE, problems);
    }
}

pub(super) fn stateful_set_change(old: &Value, new: &Value, problems: &mut Problems) {
    let kept = |spec: &Value| {
        let mut spec = spec.clone();
        if let Some(members) = spec.as_object_mut() {
            members.retain(|name, value| !STATEFUL_MAY_CHANGE.contains(&name.as_str()) && !value.is_null());
            let claims = members.get_mut("volumeClaimTemplates").and_then(Value::as_array_mut);
            for claim in claims.into_iter().flatten().filter_map(Value::as_object_mut) {
                claim.remove("status");
            }
        }
        spec
    };
    if kept(old) != kept(new) {
        problems.forbidden(
            "spec",
            "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', \
             'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden",
        );
    }
}
