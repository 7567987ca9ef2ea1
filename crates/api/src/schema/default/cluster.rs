//! Defaults of the kinds by which a cluster is run: webhooks, policies, flow control, devices, autoscalers, outside servers.
use super::parts::{inside, items, missing, set};
use crate::kind::Kind;
use crate::kinds::default_metrics;
use serde_json::{Value, json};

pub(super) fn fill(kind: &Kind, value: &mut Value) {
    match (&*kind.group, &*kind.kind) {
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration" | "MutatingWebhookConfiguration") => {
            webhooks(value);
        }
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => {
            let spec = inside(value, "spec");
            set(spec, "failurePolicy", json!("Fail"));
            if !missing(spec, "matchConstraints") {
                matched(inside(spec, "matchConstraints"));
            }
        }
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding") => {
            let spec = inside(value, "spec");
            if !missing(spec, "matchResources") {
                matched(inside(spec, "matchResources"));
            }
            if !missing(spec, "paramRef") {
                set(inside(spec, "paramRef"), "parameterNotFoundAction", json!("Deny"));
            }
        }
        ("apiregistration.k8s.io", "APIService") => {
            let spec = inside(value, "spec");
            if spec["service"].is_object() {
                set(inside(spec, "service"), "port", json!(443));
            }
        }
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => {
            set(inside(value, "spec"), "matchingPrecedence", json!(1_000));
        }
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => level(inside(value, "spec")),
        ("networking.k8s.io", "IngressClass") => {
            let spec = inside(value, "spec");
            if spec["parameters"].is_object() {
                set(inside(spec, "parameters"), "scope", json!("Cluster"));
            }
        }
        ("resource.k8s.io", "ResourceClaim") => claim(inside(value, "spec")),
        ("resource.k8s.io", "ResourceClaimTemplate") => claim(inside(inside(value, "spec"), "spec")),
        _ => {}
    }
}

/// Which requests a policy is for.
fn matched(matched: &mut Value) {
    set(matched, "matchPolicy", json!("Equivalent"));
    set(matched, "namespaceSelector", json!({}));
    set(matched, "objectSelector", json!({}));
    for list in ["resourceRules", "excludeResourceRules"] {
        for rule in items(matched, list) {
            set(rule, "scope", json!("*"));
        }
    }
}

fn level(spec: &mut Value) {
    if spec["type"] == "Exempt" {
        let exempt = inside(spec, "exempt");
        set(exempt, "nominalConcurrencyShares", json!(0));
        set(exempt, "lendablePercent", json!(0));
    }
    if !spec["limited"].is_object() {
        return;
    }
    let limited = inside(spec, "limited");
    set(limited, "nominalConcurrencyShares", json!(30));
    set(limited, "lendablePercent", json!(0));
    let response = inside(limited, "limitResponse");
    if response["queuing"].is_object() {
        let queuing = inside(response, "queuing");
        for (member, default) in [("handSize", 8), ("queues", 64), ("queueLengthLimit", 50)] {
            set(queuing, member, json!(default));
        }
    }
}

fn claim(spec: &mut Value) {
    for request in items(inside(spec, "devices"), "requests") {
        if request["exactly"].is_object() {
            devices(inside(request, "exactly"));
        }
        for other in items(request, "firstAvailable") {
            devices(other);
        }
    }
}

/// How many devices are asked for.
fn devices(request: &mut Value) {
    set(request, "allocationMode", json!("ExactCount"));
    if request["allocationMode"] == "ExactCount" {
        set(request, "count", json!(1));
    }
    for toleration in items(request, "tolerations") {
        set(toleration, "operator", json!("Equal"));
    }
}

/// What an autoscaler scales by, in the newer form, and how fast.
pub(super) fn autoscaler(kind: &Kind, spec: &mut Value) {
    set(spec, "minReplicas", json!(1));
    if &*kind.version != "v2" {
        return;
    }
    if spec["metrics"].as_array().is_none_or(Vec::is_empty) && spec.is_object() {
        spec["metrics"] = default_metrics();
    }
    if !spec["behavior"].is_object() {
        return;
    }
    let behavior = inside(spec, "behavior");
    let up = inside(behavior, "scaleUp");
    set(up, "stabilizationWindowSeconds", json!(0));
    set(up, "selectPolicy", json!("Max"));
    let fast = json!([{"type": "Pods", "value": 4, "periodSeconds": 15}, {"type": "Percent", "value": 100, "periodSeconds": 15}]);
    set(up, "policies", fast);
    let down = inside(behavior, "scaleDown");
    set(down, "selectPolicy", json!("Max"));
    set(down, "policies", json!([{"type": "Percent", "value": 100, "periodSeconds": 15}]));
}

fn webhooks(value: &mut Value) {
    let mutating = value["kind"] == "MutatingWebhookConfiguration";
    for hook in items(value, "webhooks") {
        set(hook, "failurePolicy", json!("Fail"));
        set(hook, "matchPolicy", json!("Equivalent"));
        set(hook, "timeoutSeconds", json!(10));
        set(hook, "namespaceSelector", json!({}));
        set(hook, "objectSelector", json!({}));
        if mutating {
            set(hook, "reinvocationPolicy", json!("Never"));
        }
        for rule in items(hook, "rules") {
            set(rule, "scope", json!("*"));
        }
        if hook["clientConfig"]["service"].is_object() {
            set(inside(inside(hook, "clientConfig"), "service"), "port", json!(443));
        }
    }
}
