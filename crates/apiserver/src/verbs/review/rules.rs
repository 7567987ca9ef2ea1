//! What may I do in a namespace: the rules of the roles that I am bound to. What a node may do is not told: it hangs on its pods.
use crate::call::Call;
use crate::read;
use api::access::rule::Rule;
use api::status::Status;
use serde_json::{Value, json};

/// The status of a SelfSubjectRulesReview.
///
/// # Errors
/// 400 without a namespace, 503 without a majority.
pub(super) async fn answer(call: &Call, spec: &Value) -> Result<Value, Status> {
    let namespace = spec["namespace"].as_str().unwrap_or_default();
    if namespace.is_empty() {
        return Err(Status::bad_request("no namespace on request"));
    }
    let view = read::for_write(&call.room).await?;
    let held = call.room.policies.held(&view, &call.user, namespace);
    let of = |wanted: fn(&Rule) -> bool, members: &[&str]| -> Vec<Value> {
        let rules = held.rules.iter().filter(|rule| wanted(rule)).map(Rule::to_value);
        let only = |mut rule: Value| {
            if let Some(object) = rule.as_object_mut() {
                object.retain(|member, _| members.contains(&member.as_str()));
            }
            rule
        };
        rules.map(only).collect()
    };
    let resources = of(|rule| !rule.resources.is_empty(), &["verbs", "apiGroups", "resources", "resourceNames"]);
    let paths = of(|rule| !rule.paths.is_empty(), &["verbs", "nonResourceURLs"]);
    let node = call.user.node().is_some();
    let mut status = json!({"resourceRules": resources, "nonResourceRules": paths, "incomplete": node});
    let mut errors = held.missing;
    if node {
        errors.insert(0, "node authorizer does not support user rule resolution".into());
    }
    match &errors[..] {
        [] => {}
        [one] => status["evaluationError"] = one.as_str().into(),
        many => status["evaluationError"] = format!("[{}]", many.join(", ")).into(),
    }
    Ok(status)
}
