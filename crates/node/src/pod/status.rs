//! What is to be said of a pod: Kubernetes' `PodStatus`, from desired, observed, what was said before, and the time. Pure.
use super::plan::{Course, course};
use super::probe;
use super::quantity;
use super::restart;
use super::seen::{Attempt, Exit, Image, Seen, State};
use super::spec::{Container, Pod};
use crate::limits::ERROR_SHOWN;
use api::revision::Millis;
use serde_json::{Map, Value, json};

/// What the machine adds to every pod's status.
#[derive(Clone, Debug, Default)]
pub struct Host {
    pub ip: String,
    /// The scheme of container ids: `rutter`, `containerd`.
    pub runtime: String,
}

/// The pod's status at `now`; stamps of conditions that did not change are those of `pod.status` or `before`.
#[must_use]
pub fn make(pod: &Pod, seen: &Seen, before: Option<&Value>, host: &Host, now: u64) -> Value {
    let before = before.unwrap_or(&pod.status);
    let course = course(pod, seen, now);
    let phase = phase(pod, seen, course);
    let mut status = Map::new();
    status.insert("phase".into(), phase.into());
    let statuses = |containers: &[Container], init: bool| -> Vec<Value> {
        containers.iter().map(|container| container_status(pod, seen, container, init, course, host, now)).collect()
    };
    let inits = statuses(&pod.spec.init_containers, true);
    let mains = statuses(&pod.spec.containers, false);
    let ready = |statuses: &[Value]| statuses.iter().all(|status| status["ready"] == true);
    let names = |containers: &[Container], statuses: &[Value]| -> String {
        let late: Vec<&str> =
            containers.iter().zip(statuses).filter(|(_, s)| s["ready"] != true).map(|(c, _)| c.name.as_str()).collect();
        late.join(" ")
    };
    let initialized = ready(&inits) || pod.spec.containers.iter().any(|c| seen.newest(&c.name).is_some());
    let sidecars_ready = pod.spec.init_containers.iter().zip(&inits).all(|(c, s)| !c.sidecar() || s["ready"] == true);
    let all_ready = ready(&mains) && sidecars_ready && matches!(course, Course::Run | Course::Ending);
    let why = match (course, all_ready) {
        (_, true) => None,
        (Course::Done { failed: false }, _) => Some(("PodCompleted", String::new())),
        (Course::Done { failed: true }, _) => Some(("PodFailed", String::new())),
        _ => Some((
            "ContainersNotReady",
            format!("containers with unready status: [{}]", names(&pod.spec.containers, &mains)),
        )),
    };
    let late_inits = (!initialized).then(|| {
        (
            "ContainersNotInitialized",
            format!("containers with incomplete status: [{}]", names(&pod.spec.init_containers, &inits)),
        )
    });
    let gates = gates_open(pod);
    let pod_why =
        why.clone().or_else(|| (!gates).then(|| ("ReadinessGatesNotReady", "a readiness gate is not open".to_owned())));
    let mut conditions = vec![
        condition("PodReadyToStartContainers", seen.sandbox.as_ref().is_some_and(|s| s.ready), None, before, now),
        condition("Initialized", initialized, late_inits, before, now),
        condition("Ready", all_ready && gates, pod_why, before, now),
        condition("ContainersReady", all_ready, why, before, now),
        condition("PodScheduled", true, None, before, now),
    ];
    conditions.extend(foreign(before));
    status.insert("conditions".into(), conditions.into());
    status.insert("hostIP".into(), host.ip.clone().into());
    status.insert("hostIPs".into(), json!([{"ip": host.ip}]));
    addresses(pod, seen, host, &mut status);
    let start = before.get("startTime").cloned().unwrap_or_else(|| Millis(now).rfc3339().into());
    status.insert("startTime".into(), start);
    status.insert("qosClass".into(), quantity::qos(pod).name().into());
    if !inits.is_empty() {
        status.insert("initContainerStatuses".into(), inits.into());
    }
    status.insert("containerStatuses".into(), mains.into());
    if course == Course::Late || (before.get("reason").is_some_and(|reason| reason == "DeadlineExceeded")) {
        status.insert("reason".into(), "DeadlineExceeded".into());
        status.insert("message".into(), "Pod was active on the node longer than the specified deadline".into());
    }
    Value::Object(status)
}

/// The status of a pod that cannot be read: it fails with the reason.
#[must_use]
pub fn unreadable(why: &str, host: &Host, now: u64) -> Value {
    json!({"phase": "Failed", "reason": "InvalidPod", "message": why, "hostIP": host.ip, "startTime": Millis(now).rfc3339()})
}

fn phase(pod: &Pod, seen: &Seen, course: Course) -> &'static str {
    match course {
        Course::Done { failed: false } => return "Succeeded",
        Course::Done { failed: true } | Course::Late => return "Failed",
        Course::Run => {}
        Course::Ending => {
            // A pod that is deleted and whose containers have all ended is final, so that its owner may replace it.
            let exits: Vec<_> =
                pod.spec.containers.iter().map(|c| seen.newest(&c.name).and_then(Attempt::exit)).collect();
            if !exits.is_empty() && exits.iter().all(Option::is_some) && seen.running().next().is_none() {
                return if exits.iter().flatten().any(|exit| exit.code != 0) { "Failed" } else { "Succeeded" };
            }
        }
    }
    let started =
        |container: &Container| seen.newest(&container.name).is_some_and(|attempt| attempt.state != State::Created);
    if pod.spec.containers.iter().all(started) { "Running" } else { "Pending" }
}

fn addresses(pod: &Pod, seen: &Seen, host: &Host, status: &mut Map<String, Value>) {
    let ips: Vec<&String> = match &seen.sandbox {
        Some(_) if pod.spec.host_network => vec![&host.ip],
        Some(sandbox) if sandbox.ready => sandbox.ips.iter().collect(),
        _ => Vec::new(),
    };
    if let Some(first) = ips.first() {
        status.insert("podIP".into(), first.as_str().into());
        status.insert("podIPs".into(), ips.iter().map(|ip| json!({"ip": ip})).collect());
    }
}

/// `why`: reason and message when false.
fn condition(kind: &str, value: bool, why: Option<(&str, String)>, before: &Value, now: u64) -> Value {
    let word = if value { "True" } else { "False" };
    let old = before
        .get("conditions")
        .and_then(Value::as_array)
        .and_then(|all| all.iter().find(|old| old["type"] == kind && old["status"] == word));
    let stamp = old.and_then(|old| old.get("lastTransitionTime").filter(|stamp| stamp.is_string()).cloned());
    let mut condition = json!({"type": kind, "status": word, "lastProbeTime": null,
        "lastTransitionTime": stamp.unwrap_or_else(|| Millis(now).rfc3339().into())});
    if let (false, Some((reason, message))) = (value, why) {
        condition["reason"] = reason.into();
        if !message.is_empty() {
            condition["message"] = message.into();
        }
    }
    condition
}

const OURS: [&str; 5] = ["PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"];

/// Conditions that others wrote (readiness gates) are kept.
fn foreign(before: &Value) -> Vec<Value> {
    let all = before.get("conditions").and_then(Value::as_array);
    let other = |condition: &&Value| !condition["type"].as_str().is_some_and(|kind| OURS.contains(&kind));
    all.map(|all| all.iter().filter(other).cloned().collect()).unwrap_or_default()
}

fn gates_open(pod: &Pod) -> bool {
    let conditions = pod.status.get("conditions").and_then(Value::as_array);
    pod.spec.readiness_gates.iter().all(|gate| {
        conditions
            .is_some_and(|all| all.iter().any(|c| c["type"] == gate.condition_type.as_str() && c["status"] == "True"))
    })
}

fn container_status(
    pod: &Pod,
    seen: &Seen,
    container: &Container,
    init: bool,
    course: Course,
    host: &Host,
    now: u64,
) -> Value {
    let attempts = seen.containers.get(&container.name).map(Vec::as_slice).unwrap_or_default();
    let newest = attempts.last();
    let probes = newest.and_then(|newest| seen.probes.get(&container.name).filter(|probes| probes.id == newest.id));
    let runs = newest.is_some_and(Attempt::runs);
    let started = runs && probe::started(container, probes);
    let done = newest.and_then(Attempt::exit).is_some_and(|exit| exit.code == 0);
    let ready = if init && !container.sidecar() { done } else { runs && probe::ready(container, probes) };
    // An ended container that is to run again is shown waiting, with its end as the state before.
    let again = course == Course::Run && waits_again(pod, seen, container, init);
    let waiting = || waiting(pod, seen, container, init, now);
    let previous = attempts
        .len()
        .checked_sub(2)
        .and_then(|at| attempts[at].exit())
        .map(|exit| (exit, &attempts[attempts.len() - 2]));
    let (state, last) = match newest {
        None => (waiting(), None),
        Some(attempt) => match &attempt.state {
            State::Created => (waiting(), previous),
            State::Running { since } => (json!({"running": {"startedAt": Millis(*since).rfc3339()}}), previous),
            State::Exited(exit) if again => (waiting(), Some((exit, attempt))),
            State::Exited(exit) => (terminated(exit, attempt, host), previous),
        },
    };
    let image_id = match (newest, seen.images.get(&container.name)) {
        (Some(attempt), _) => attempt.image_id.clone(),
        (None, Some(Image::Here { id })) => id.clone(),
        _ => String::new(),
    };
    let mut status = json!({"name": container.name, "state": state, "lastState": {}, "ready": ready, "started": started,
        "restartCount": newest.map_or(0, |attempt| attempt.attempt), "image": container.image, "imageID": image_id});
    if let Some((exit, attempt)) = last {
        status["lastState"] = terminated(exit, attempt, host);
    }
    if let Some(attempt) = newest {
        status["containerID"] = id(attempt, host).into();
    }
    status
}

fn id(attempt: &Attempt, host: &Host) -> String {
    format!("{}://{}", host.runtime, attempt.id)
}

fn terminated(exit: &Exit, attempt: &Attempt, host: &Host) -> Value {
    let mut terminated = json!({"exitCode": exit.code, "reason": exit.reason, "containerID": id(attempt, host),
        "startedAt": Millis(exit.started).rfc3339(), "finishedAt": Millis(exit.finished).rfc3339()});
    if exit.signal != 0 {
        terminated["signal"] = exit.signal.into();
    }
    if !exit.message.is_empty() {
        terminated["message"] = exit.message.as_str().into();
    }
    json!({"terminated": terminated})
}

fn waits_again(pod: &Pod, seen: &Seen, container: &Container, init: bool) -> bool {
    use super::spec::RestartPolicy::{Always, Never, OnFailure};
    let policy = match (init, container.sidecar(), pod.spec.restart_policy) {
        (_, true, _) => Always,
        (true, false, Never) => Never,
        (true, false, _) => OnFailure,
        (false, false, policy) => policy,
    };
    seen.newest(&container.name).and_then(Attempt::exit).is_some_and(|exit| restart::again(policy, exit))
}

fn waiting(pod: &Pod, seen: &Seen, container: &Container, init: bool, now: u64) -> Value {
    let say = |reason: &str, message: &str| {
        let mut waiting = json!({"reason": reason});
        if !message.is_empty() {
            waiting["message"] = message.into();
        }
        json!({"waiting": waiting})
    };
    for what in ["volumes", "sandbox"] {
        if let Some(failure) = seen.failure(what) {
            return say("ContainerCreating", &failure.message);
        }
    }
    if let Some(failure) = seen.failure(&format!("container/{}", container.name)) {
        return say(&failure.reason, &failure.message);
    }
    if let Some(Image::Failed(failure)) = seen.images.get(&container.name) {
        let shown = failure.reason != "ErrImagePull"
            || now < failure.at + ERROR_SHOWN
            || seen.busy.contains(&format!("image/{}", container.name));
        return match shown {
            true => say(&failure.reason, &failure.message),
            false => {
                say("ImagePullBackOff", &format!("Back-off pulling image \"{}\": {}", container.image, failure.message))
            }
        };
    }
    let Some(newest) = seen.newest(&container.name) else {
        let before = !init && !pod.spec.init_containers.is_empty();
        return say(if before { "PodInitializing" } else { "ContainerCreating" }, "");
    };
    let due = newest.exit().map(|exit| restart::due(newest, exit).saturating_sub(exit.finished));
    match due.filter(|wait| *wait > 0) {
        Some(wait) => say(
            "CrashLoopBackOff",
            &format!(
                "back-off {}s restarting failed container={} pod={}_{}({})",
                wait / 1_000,
                container.name,
                pod.metadata.name,
                pod.metadata.namespace,
                pod.metadata.uid
            ),
        ),
        None => say("ContainerCreating", ""),
    }
}

#[cfg(test)]
mod tests;
