//! What a Deployment says of itself: counts, and the conditions Available and Progressing in Kubernetes' words.
use super::rollout::Plan;
use crate::conditions::{Wanted, find, put, touch};
use crate::fields::{flag, number, set, text};
use crate::limits::PROGRESS_SECONDS;
use api::revision::Millis;
use serde_json::Value;

/// The sums over its ReplicaSets, as these report them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) replicas: i64,
    pub(crate) updated: i64,
    pub(crate) ready: i64,
    pub(crate) available: i64,
    /// The sum of what the sets shall have.
    pub(crate) wanted: i64,
}

/// What this decision did about the newest ReplicaSet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Newest {
    /// There is none, and none shall be (paused before the first).
    None,
    Created(String),
    Found(String),
}

/// Sets counts and conditions of `deployment`; returns when the progress deadline passes.
pub(crate) fn put_status(
    deployment: &mut Value,
    plan: Plan,
    counts: Counts,
    newest: &Newest,
    now: Millis,
) -> Option<Millis> {
    let old = Counts {
        replicas: number(deployment, "/status/replicas").unwrap_or(0),
        updated: number(deployment, "/status/updatedReplicas").unwrap_or(0),
        ready: number(deployment, "/status/readyReplicas").unwrap_or(0),
        available: number(deployment, "/status/availableReplicas").unwrap_or(0),
        wanted: 0,
    };
    let generation = number(deployment, "/metadata/generation").unwrap_or(0);
    set(deployment, &["status", "observedGeneration"], generation);
    let missing = (counts.wanted - counts.available).max(0);
    let members = [
        ("replicas", counts.replicas),
        ("updatedReplicas", counts.updated),
        ("readyReplicas", counts.ready),
        ("availableReplicas", counts.available),
        ("unavailableReplicas", missing),
    ];
    for (member, count) in members {
        if count > 0 {
            set(deployment, &["status", member], count);
        } else {
            crate::fields::unset(deployment, &["status", member]);
        }
    }
    put_available(deployment, plan, counts, now);
    put_progress(deployment, plan, counts, old, newest, now)
}

fn put_available(deployment: &mut Value, plan: Plan, counts: Counts, now: Millis) {
    let enough = counts.available >= plan.least();
    let wanted = if enough {
        Wanted {
            kind: "Available",
            status: "True",
            reason: "MinimumReplicasAvailable",
            message: "Deployment has minimum availability.",
        }
    } else {
        Wanted {
            kind: "Available",
            status: "False",
            reason: "MinimumReplicasUnavailable",
            message: "Deployment does not have minimum availability.",
        }
    };
    put(deployment, wanted, now, true);
}

/// Whether the rollout has come to its end.
pub(crate) fn complete(plan: Plan, counts: Counts) -> bool {
    counts.updated == plan.desired && counts.replicas == plan.desired && counts.available == plan.desired
}

fn put_progress(
    deployment: &mut Value,
    plan: Plan,
    counts: Counts,
    old: Counts,
    newest: &Newest,
    now: Millis,
) -> Option<Millis> {
    let deadline = number(deployment, "/spec/progressDeadlineSeconds").unwrap_or(PROGRESS_SECONDS);
    if deadline >= i64::from(i32::MAX) {
        return None;
    }
    let current = find(deployment, "Progressing");
    let reason = current.map(|condition| text(condition, "/reason").to_owned());
    let reason = reason.as_deref();
    let progress = |status: &'static str, reason: &'static str, message: String, deployment: &mut Value| {
        put(deployment, Wanted { kind: "Progressing", status, reason, message: &message }, now, true);
    };
    if flag(deployment, "/spec/paused") {
        if reason != Some("ProgressDeadlineExceeded") {
            progress("Unknown", "DeploymentPaused", "Deployment is paused".into(), deployment);
        }
        return None;
    }
    let name = match newest {
        Newest::None => return None,
        Newest::Created(name) => {
            progress("True", "NewReplicaSetCreated", format!("Created new replica set \"{name}\""), deployment);
            return due(deployment, deadline);
        }
        Newest::Found(name) => name,
    };
    match reason {
        None => progress("True", "FoundNewReplicaSet", format!("Found new replica set \"{name}\""), deployment),
        Some("DeploymentPaused") => {
            progress("Unknown", "DeploymentResumed", "Deployment is resumed".into(), deployment)
        }
        _ => {}
    }
    if reason == Some("NewReplicaSetAvailable") && counts.replicas == counts.updated {
        return None;
    }
    let moved = counts.updated > old.updated
        || counts.replicas - counts.updated < old.replicas - old.updated
        || counts.ready > old.ready
        || counts.available > old.available;
    if complete(plan, counts) {
        progress(
            "True",
            "NewReplicaSetAvailable",
            format!("ReplicaSet \"{name}\" has successfully progressed."),
            deployment,
        );
        return None;
    }
    if moved {
        progress("True", "ReplicaSetUpdated", format!("ReplicaSet \"{name}\" is progressing."), deployment);
        touch(deployment, "Progressing", now);
    } else if due(deployment, deadline).is_some_and(|due| due <= now) {
        progress(
            "False",
            "ProgressDeadlineExceeded",
            format!("ReplicaSet \"{name}\" has timed out progressing."),
            deployment,
        );
        return None;
    }
    due(deployment, deadline).filter(|due| *due > now)
}

/// When the deadline passes, counted from the last progress.
fn due(deployment: &Value, seconds: i64) -> Option<Millis> {
    let condition = find(deployment, "Progressing")?;
    if matches!(text(condition, "/reason"), "NewReplicaSetAvailable" | "ProgressDeadlineExceeded") {
        return None;
    }
    let since = Millis::parse(text(condition, "/lastUpdateTime"))?;
    Some(Millis(since.0.saturating_add(u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000))))
}
