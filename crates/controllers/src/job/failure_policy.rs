//! What the failure of a pod means to its Job (`spec.podFailurePolicy`, KEP-3329): the first rule that matches says it. It reads a pod
//! and counts nothing.
use super::own::Own;
use crate::fields::{at, list, text};
use api::object::Object;
use serde_json::Value;

/// Why a Job fails of whose pods one matched such a rule.
pub(super) const REASON: &str = "PodFailurePolicy";

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It counts towards the limits, as without a policy.
    Counts,
    /// It was nobody's fault and does not count.
    Ignored,
    /// Its index has failed, however often it might be tried.
    FailsIndex,
    /// The whole Job has failed; why.
    FailsJob(String),
}

/// What it means to `job` that `pod` has failed.
pub(super) fn meaning(job: &Value, pod: &Object) -> Meaning {
    let rules = list(job, "/spec/podFailurePolicy/rules");
    if rules.is_empty() {
        return Meaning::Counts;
    }
    let value = pod.value();
    let called = format!("{}/{}", pod.key.namespace, pod.key.name);
    let meanings = rules.iter().enumerate().filter_map(|(index, rule)| {
        let why = matched(rule, &value, &called)?;
        match text(rule, "/action") {
            "FailJob" => Some(Meaning::FailsJob(format!("{why} matching FailJob rule at index {index}"))),
            "FailIndex" => Some(Meaning::FailsIndex),
            "Ignore" => Some(Meaning::Ignored),
            "Count" => Some(Meaning::Counts),
            _ => None,
        }
    });
    meanings.into_iter().next().unwrap_or(Meaning::Counts)
}

/// Why the Job fails, if one of its pods has failed in such a way.
pub(super) fn doom(job: &Value, pods: &[Own], only_failed: bool) -> Option<String> {
    if list(job, "/spec/podFailurePolicy/rules").is_empty() {
        return None;
    }
    pods.iter().filter(|own| own.failed(only_failed)).find_map(|own| match meaning(job, &own.pod.object) {
        Meaning::FailsJob(why) => Some(why),
        _ => None,
    })
}

/// How the rule matches the pod, in Kubernetes' words.
fn matched(rule: &Value, pod: &Value, called: &str) -> Option<String> {
    let codes = at(rule, "/onExitCodes");
    if !codes.is_null() {
        let statuses = ["/status/containerStatuses", "/status/initContainerStatuses"];
        let (name, code) =
            statuses.into_iter().flat_map(|statuses| list(pod, statuses)).find_map(|s| exit(codes, s))?;
        return Some(format!("Container {name} for pod {called} failed with exit code {code}"));
    }
    let patterns = list(rule, "/onPodConditions");
    let fits = |condition: &&Value| {
        patterns.iter().any(|pattern| {
            let status = Some(text(pattern, "/status")).filter(|status| !status.is_empty()).unwrap_or("True");
            text(pattern, "/type") == text(condition, "/type") && status == text(condition, "/status")
        })
    };
    let condition = list(pod, "/status/conditions").iter().find(fits)?;
    Some(format!("Pod {called} has condition {}", text(condition, "/type")))
}

/// Name and exit code of a container that has ended, badly, as `codes` ask for it.
fn exit<'a>(codes: &Value, status: &'a Value) -> Option<(&'a str, i64)> {
    let (name, wanted) = (text(status, "/name"), at(codes, "/containerName"));
    let code = at(status, "/state/terminated/exitCode").as_i64().filter(|code| *code != 0)?;
    let listed = list(codes, "/values").iter().any(|value| value.as_i64() == Some(code));
    let fits = match text(codes, "/operator") {
        "In" => listed,
        "NotIn" => !listed,
        _ => false,
    };
    (fits && (wanted.is_null() || wanted == name)).then_some((name, code))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// How a pod `p` matches `rule` whose container `c` ended with 3 and whose init container `i` with 7.
    fn how(rule: Value) -> Option<String> {
        let ended = |name: &str, code: i64| json!({"name": name, "state": {"terminated": {"exitCode": code}}});
        let pod = json!({"status": {
            "containerStatuses": [ended("fine", 0), {"name": "runs", "state": {"running": {}}}, ended("c", 3)],
            "initContainerStatuses": [ended("i", 7)],
            "conditions": [{"type": "Ready", "status": "False"}, {"type": "DisruptionTarget", "status": "True"}]}});
        matched(&rule, &pod, "ns/p")
    }

    #[test]
    fn rules_match_exit_codes_of_all_containers_and_conditions() {
        let codes = |operator: &str, values: Value, container: Option<&str>| {
            let mut codes = json!({"operator": operator, "values": values});
            if let Some(container) = container {
                codes["containerName"] = container.into();
            }
            json!({"onExitCodes": codes})
        };
        let condition = |kind: &str, status: &str| json!({"onPodConditions": [{"type": kind, "status": status}]});
        let main = Some("Container c for pod ns/p failed with exit code 3");
        let init = Some("Container i for pod ns/p failed with exit code 7");
        for (rule, want) in [
            (codes("In", json!([1, 3]), None), main),
            (codes("In", json!([1, 3]), Some("c")), main),
            (codes("In", json!([1, 3]), Some("fine")), None),
            (codes("In", json!([7]), None), init),
            (codes("In", json!([0, 1]), None), None),
            (codes("NotIn", json!([1, 3]), None), init),
            (codes("NotIn", json!([3, 7]), None), None),
            (codes("NotIn", json!([1]), Some("fine")), None),
            (codes("Over", json!([1]), None), None),
            (condition("DisruptionTarget", "True"), Some("Pod ns/p has condition DisruptionTarget")),
            (condition("DisruptionTarget", ""), Some("Pod ns/p has condition DisruptionTarget")),
            (condition("Ready", "False"), Some("Pod ns/p has condition Ready")),
            (condition("Ready", "True"), None),
            (json!({}), None),
        ] {
            assert_eq!(how(rule.clone()).as_deref(), want, "{rule}");
        }
    }
}
