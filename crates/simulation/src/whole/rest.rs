//! What a view itself says of rest: whether nodes are ready and workloads have what they want. Of the machines it knows nothing.
use api::object::Object;
use api::uid::Uid;
use serde_json::Value;
use std::collections::BTreeSet;
use store::view::View;

/// What a view says itself is not at rest, by uid: nodes that are tainted, namespaces that end, workloads and pods that are not ready.
pub(super) fn restless(view: &View) -> BTreeSet<Uid> {
    let unready = |pod: &Object| {
        if ended(pod) {
            return false;
        }
        let value = pod.value();
        let mut conditions = value["status"]["conditions"].as_array().into_iter().flatten();
        let ready = conditions.any(|one| one["type"] == "Ready" && one["status"] == "True");
        !ready || pod.facet.deleting.is_some() || value["status"]["phase"] != "Running"
    };
    let restless = |object: &&Object| match &*object.key.resource {
        "nodes" => !ready(object),
        "namespaces" => object.facet.deleting.is_some(),
        "deployments.apps" => rolled_out(&object.value()).is_err(),
        "replicasets.apps" => filled(&object.value()).is_err(),
        "jobs.batch" => worked_off(&object.value()).is_err(),
        "statefulsets.apps" => lined_up(view, object).is_err(),
        "pods" => unready(object),
        _ => stray(view, object),
    };
    view.all().map(|object| &**object).filter(restless).map(|object| object.uid).collect()
}

/// In a namespace that is gone.
pub(super) fn stray(view: &View, object: &Object) -> bool {
    !object.key.namespace.is_empty() && view.get("namespaces", "", &object.key.namespace).is_none()
}

/// Whether a node is ready and takes pods.
pub(super) fn ready(node: &Object) -> bool {
    let value = node.value();
    let mut conditions = value["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|one| one["type"] == "Ready" && one["status"] == "True")
        && value["spec"]["taints"].as_array().is_none_or(Vec::is_empty)
}

/// Whether a Deployment has what it wants.
pub(super) fn rolled_out(deployment: &Value) -> Result<(), String> {
    let (meta, spec, status) = (&deployment["metadata"], &deployment["spec"], &deployment["status"]);
    let wanted = spec["replicas"].as_u64().unwrap_or(1);
    let is = |member: &str| status[member].as_u64().unwrap_or(0);
    let all = ["replicas", "updatedReplicas", "readyReplicas", "availableReplicas"];
    let current = status["observedGeneration"] == meta["generation"] && meta["deletionTimestamp"].is_null();
    if current && all.iter().all(|member| is(member) == wanted) && is("unavailableReplicas") == 0 {
        return Ok(());
    }
    Err(format!("deployment {}/{} wants {wanted}: {status}", meta["namespace"], meta["name"]))
}

/// Whether a ReplicaSet has what it wants.
pub(super) fn filled(set: &Value) -> Result<(), String> {
    let wanted = set["spec"]["replicas"].as_u64().unwrap_or(1);
    let is = |member: &str| set["status"][member].as_u64().unwrap_or(0);
    if ["replicas", "readyReplicas", "availableReplicas"].iter().all(|member| is(member) == wanted) {
        return Ok(());
    }
    Err(format!(
        "replica set {}/{} wants {wanted}: {}",
        set["metadata"]["namespace"], set["metadata"]["name"], set["status"]
    ))
}

/// Whether a pod has done its work and is kept for its logs: nobody is to count it, and its address is given back. One that must run
/// for ever never has.
pub(super) fn ended(pod: &Object) -> bool {
    let ended = matches!(pod.facet.field("status.phase"), Some("Succeeded" | "Failed"));
    let works_on = pod.facet.field("spec.restartPolicy") == Some("Always");
    let left = pod.facet.field("status.podIP").is_none();
    ended && left && !works_on && pod.facet.deleting.is_none() && !pod.facet.finalizers
}

/// Whether a Job has ended for good, is suspended, or has all pods at work that it wants for as long as they run.
pub(super) fn worked_off(job: &Value) -> Result<(), String> {
    let (meta, spec, status) = (&job["metadata"], &job["spec"], &job["status"]);
    let is = |member: &str| status[member].as_u64().unwrap_or(0);
    let holds = |kind: &str| {
        let mut conditions = status["conditions"].as_array().into_iter().flatten();
        conditions.any(|one| one["type"] == kind && one["status"] == "True")
    };
    let parallelism = spec["parallelism"].as_u64().unwrap_or(1);
    let wanted = match spec["completions"].as_u64() {
        Some(completions) => completions.saturating_sub(is("succeeded")).min(parallelism),
        None if is("succeeded") > 0 => is("active"),
        None => parallelism,
    };
    let rests = if holds("Complete") || holds("Failed") {
        spec["ttlSecondsAfterFinished"].is_null() && is("active") == 0
    } else if spec["suspend"] == true {
        holds("Suspended") && is("active") == 0
    } else {
        is("active") == wanted && is("ready") == wanted && spec["activeDeadlineSeconds"].is_null()
    };
    match rests && is("terminating") == 0 && meta["deletionTimestamp"].is_null() {
        true => Ok(()),
        false => Err(format!("job {}/{} wants {wanted}: {spec} {status}", meta["namespace"], meta["name"])),
    }
}

/// Whether a StatefulSet has its pods, all ready, and of the revision that its strategy wants.
pub(super) fn lined_up(view: &View, set: &Object) -> Result<(), String> {
    let value = set.value();
    let (spec, status) = (&value["spec"], &value["status"]);
    let wanted = spec["replicas"].as_u64().unwrap_or(1);
    let start = spec["ordinals"]["start"].as_u64().unwrap_or(0);
    let differs = |why: &str| Err(format!("{} wants {wanted} from {start} on, {why}: {status}", set.key));
    let is = |member: &str| status[member].as_u64().unwrap_or(0);
    let current = status["observedGeneration"] == value["metadata"]["generation"] && set.facet.deleting.is_none();
    if !current || !["replicas", "readyReplicas", "availableReplicas"].iter().all(|member| is(member) == wanted) {
        return differs("it says otherwise");
    }
    let rolls = spec["updateStrategy"]["type"] != "OnDelete";
    let partition = spec["updateStrategy"]["rollingUpdate"]["partition"].as_u64().unwrap_or(0);
    if rolls && partition == 0 && status["currentRevision"] != status["updateRevision"] {
        return differs("and its rolling update has not ended");
    }
    for ordinal in start..start + wanted {
        let name = format!("{}-{ordinal}", set.key.name);
        let pod = view.get("pods", &set.key.namespace, &name);
        let ours = |pod: &&std::sync::Arc<Object>| pod.facet.controller().is_some_and(|owner| owner.uid == set.uid.0);
        let Some(pod) = pod.filter(ours) else { return differs(&format!("{name} is missing")) };
        let updated = pod.facet.label("controller-revision-hash") == status["updateRevision"].as_str();
        if rolls && ordinal >= start + partition && !updated {
            return differs(&format!("{name} is not updated"));
        }
    }
    Ok(())
}
