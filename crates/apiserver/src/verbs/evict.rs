//! POST of an Eviction: a delete that a disruption budget allows. What it spends of the budget and the end of the pod are one command, so
//! that nothing is spent for a pod that stays, and no two evictions spend the same. How much there is to spend is a controller's to say.
use crate::body;
use crate::call::{Call, MODIFIED};
use crate::limits::WRITE_ATTEMPTS;
use crate::query::{DeleteOptions, delete_options, write_options};
use crate::read;
use crate::request::Response;
use crate::submit::submit;
use crate::verbs::bind::created;
use crate::verbs::delete::{Plan, plan, preconditions};
use api::command::{Change, Condition, Refusal, Write};
use api::object::Object;
use api::revision::Millis;
use api::selector::Labels;
use api::status::{Cause, Status};
use serde_json::{Value, json};
use std::sync::Arc;
use store::view::View;

const BUDGETS: &str = "poddisruptionbudgets.policy";

/// # Errors
/// 404; 429 while a budget does not allow it.
pub async fn evict(call: &Call) -> Result<Response, Status> {
    let validation = write_options("CreateOptions", &call.query)?.validation;
    let decoded = body::other(&call.request, "api.policy.v1.Eviction", validation)?;
    let (eviction, warnings) = decoded.map(|decoded| (decoded.value, decoded.warnings)).unwrap_or_default();
    let named = crate::draft::text(&eviction, "name");
    if !named.is_empty() && named != call.target.name {
        return Err(Status::bad_request("name in URL does not match name in Eviction object"));
    }
    let options = delete_options(&call.query, eviction.get("deleteOptions"))?;
    for _ in 0..WRITE_ATTEMPTS {
        let view = read::newest(&call.room).await?;
        let pod = view.get_key(&call.key(&call.target.name)).cloned().ok_or_else(|| call.not_found())?;
        preconditions(call, &options, &pod)?;
        let mut writes = ended(call, &view, &options, &pod)?;
        writes.extend(spent(call, &view, &pod)?);
        if writes.is_empty() || options.dry_run {
            return created(call).map(|answer| answer.warn(&warnings));
        }
        match submit(call, view.revision(), writes).await? {
            Ok(_) => return created(call).map(|answer| answer.warn(&warnings)),
            Err(refused) if refused.write == 0 && refused.refusal == Refusal::NotFound => return Err(call.not_found()),
            Err(_) => {}
        }
    }
    Err(call.conflict(MODIFIED))
}

/// The writes that end the pod, or begin to.
fn ended(call: &Call, view: &View, options: &DeleteOptions, pod: &Arc<Object>) -> Result<Vec<Write>, Status> {
    let key = pod.key.clone();
    Ok(match plan(call, view, options, pod)? {
        Plan::Nothing => Vec::new(),
        Plan::Gone(writes) => writes,
        Plan::Begin(mut value) => {
            disrupt(&mut value);
            let change = Change::Put(body::stored(call, &value)?);
            vec![Write { key, condition: Condition::Revision(pod.revision), change }]
        }
    })
}

/// The pod says why it ends, so that its owner knows that it is not the pod's fault (KEP-3329).
fn disrupt(pod: &mut Value) {
    let mut conditions = pod["status"]["conditions"].as_array().cloned().unwrap_or_default();
    if conditions.iter().any(|condition| condition["type"] == "DisruptionTarget" && condition["status"] == "True") {
        return;
    }
    conditions.retain(|condition| condition["type"] != "DisruptionTarget");
    conditions.push(json!({"type": "DisruptionTarget", "status": "True", "lastProbeTime": null,
        "lastTransitionTime": Millis(rt::wall()).rfc3339(), "reason": "EvictionByEvictionAPI",
        "message": "Eviction API: evicting"}));
    pod["status"]["conditions"] = conditions.into();
}

/// The write that takes the eviction from the pod's budget; `None` where it costs nothing.
fn spent(call: &Call, view: &View, pod: &Arc<Object>) -> Result<Option<Write>, Status> {
    let phase = pod.facet.field("status.phase").unwrap_or_default();
    if matches!(phase, "Succeeded" | "Failed" | "Pending") || pod.facet.deleting.is_some() {
        return Ok(None);
    }
    let budgets = budgets(call, view, pod);
    let [budget] = &budgets[..] else {
        let many = "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support.";
        return if budgets.is_empty() { Ok(None) } else { Err(Status::internal(many)) };
    };
    let mut value = budget.value();
    let healthy = healthy(view, &value, &call.target.namespace);
    let desired = number(&value, "desiredHealthy");
    if !ready(pod) {
        let policy = value["spec"]["unhealthyPodEvictionPolicy"].as_str().unwrap_or("IfHealthyBudget");
        let enough = healthy.min(number(&value, "currentHealthy")) >= desired && desired > 0;
        if policy == "AlwaysAllow" || enough {
            return Ok(None);
        }
    }
    if number(&value, "observedGeneration") < value["metadata"]["generation"].as_i64().unwrap_or(0) {
        let why = format!("The disruption budget {} is still being processed by the server.", budget.key.name);
        return Err(refused(why, 10));
    }
    let allowed = number(&value, "disruptionsAllowed");
    // What a pod has lost since the budget was counted is seen here already.
    if allowed.min(healthy - desired) <= 0 {
        let (name, current) = (&budget.key.name, healthy.min(number(&value, "currentHealthy")));
        let why = format!("The disruption budget {name} needs {desired} healthy pods and has {current} currently");
        return Err(refused(why, 0));
    }
    take(&mut value, allowed - 1, &pod.key.name);
    let body = api::kinds::body(BUDGETS, &value).map_err(|why| Status::internal(why.to_string()))?;
    let condition = Condition::Revision(budget.revision);
    Ok(Some(Write { key: budget.key.clone(), condition, change: Change::Put(body) }))
}

fn number(budget: &Value, member: &str) -> i64 {
    budget["status"][member].as_i64().unwrap_or(0)
}

fn refused(why: String, seconds: u32) -> Status {
    let mut status =
        Status::new(429, "TooManyRequests", "Cannot evict pod as it would violate the pod's disruption budget.");
    status.causes = vec![Cause { reason: "DisruptionBudget", message: why, field: String::new() }];
    status.retry_after_seconds = seconds;
    status
}

/// Notes the eviction of `pod`, after which so many more are allowed.
fn take(budget: &mut Value, left: i64, pod: &str) {
    let now = Millis(rt::wall()).rfc3339();
    let status = &mut budget["status"];
    status["disruptionsAllowed"] = left.into();
    status["disruptedPods"][pod] = now.into();
    let conditions = status.get_mut("conditions").and_then(Value::as_array_mut).into_iter().flatten();
    for condition in conditions.filter(|condition| left == 0 && condition["type"] == "DisruptionAllowed") {
        condition["status"] = "False".into();
        condition["reason"] = "InsufficientPods".into();
        condition["lastTransitionTime"] = Millis(rt::wall()).rfc3339().into();
    }
}

fn selector(budget: &Value) -> Option<Labels> {
    Labels::of(&budget["spec"]["selector"]).ok()
}

/// The budgets that speak of the pod.
fn budgets(call: &Call, view: &View, pod: &Object) -> Vec<Arc<Object>> {
    let speaks = |budget: &&Arc<Object>| selector(&budget.value()).is_some_and(|labels| labels.matches(&pod.facet));
    view.list(BUDGETS, Some(&call.target.namespace)).filter(speaks).cloned().collect()
}

/// How many pods of the budget are healthy in this view.
fn healthy(view: &View, budget: &Value, namespace: &str) -> i64 {
    let Some(labels) = selector(budget) else { return 0 };
    let counts = |pod: &&Arc<Object>| {
        let noted = budget["status"]["disruptedPods"].get(&*pod.key.name).is_some();
        pod.facet.deleting.is_none() && !noted && labels.matches(&pod.facet) && ready(pod)
    };
    i64::try_from(view.list("pods", Some(namespace)).filter(counts).count()).unwrap_or(i64::MAX)
}

fn ready(pod: &Object) -> bool {
    let value = pod.value();
    let mut conditions = value["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}
