//! What is to be done for one pod now: desired and observed in, actions out. Pure: it neither does nor remembers anything.
use super::probe::{self, Kind};
use super::restart;
use super::seen::{Attempt, Image, Seen, State};
use super::spec::{Container, Pod, RestartPolicy};
use api::planted::{Bug, planted};
use api::revision::Millis;

/// One thing to be done. Each is named in `Seen::busy` or `Seen::stopping` while it is under way, so it is never begun twice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// Make the pod's volumes.
    Volumes,
    RunSandbox {
        attempt: u32,
    },
    /// See that the container's image is here, by its pull policy.
    Image {
        container: String,
    },
    /// Create and start a container.
    Start {
        container: String,
        attempt: u32,
        level: u32,
    },
    /// Take away what an interrupted start or an old attempt left.
    Discard {
        id: String,
    },
    Probe {
        container: String,
        id: String,
        kind: Kind,
    },
    /// End it: the pre-stop hook, the stop signal, and after `grace` milliseconds the kill.
    Stop {
        container: String,
        id: String,
        grace: u64,
        why: String,
    },
    StopSandbox {
        id: String,
    },
    /// Nothing runs any more: take everything of the pod away and say so.
    Remove,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    pub actions: Vec<Action>,
    /// Look again then, even if nothing happens.
    pub wake_at: Option<u64>,
}

impl Plan {
    fn wake(&mut self, when: u64) {
        self.wake_at = Some(self.wake_at.map_or(when, |earlier| earlier.min(when)));
    }
}

/// How a pod stands, as far as running it goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Course {
    /// To be run.
    Run,
    /// All its containers have ended for good.
    Done { failed: bool },
    /// It may run no longer (`activeDeadlineSeconds`).
    Late,
    /// Deletion has begun.
    Ending,
}

/// The pod's course at `now`.
#[must_use]
pub fn course(pod: &Pod, seen: &Seen, now: u64) -> Course {
    if pod.metadata.deletion_timestamp.is_some() {
        return Course::Ending;
    }
    if let Some(done) = settled(pod) {
        return done;
    }
    if deadline(pod).is_some_and(|deadline| now >= deadline) {
        return Course::Late;
    }
    let policy = pod.spec.restart_policy;
    let last = |container: &Container| seen.newest(&container.name).and_then(Attempt::exit).cloned();
    let begun = pod.spec.containers.iter().any(|container| seen.newest(&container.name).is_some());
    let broken = pod.spec.init_containers.iter().filter(|container| !container.sidecar()).any(|container| {
        !begun && policy == RestartPolicy::Never && last(container).is_some_and(|exit| exit.code != 0)
    });
    if broken {
        return Course::Done { failed: true };
    }
    let ends: Vec<_> = pod.spec.containers.iter().map(last).collect();
    match ends.iter().all(|exit| exit.as_ref().is_some_and(|exit| !restart::again(policy, exit))) {
        true => Course::Done { failed: ends.iter().flatten().any(|exit| exit.code != 0) },
        false => Course::Run,
    }
}

/// A phase that was written to the log as final stays final, whatever is still to be seen here.
fn settled(pod: &Pod) -> Option<Course> {
    match pod.status.get("phase").and_then(serde_json::Value::as_str) {
        Some("Succeeded") => Some(Course::Done { failed: false }),
        Some("Failed") => Some(Course::Done { failed: true }),
        _ => None,
    }
}

fn deadline(pod: &Pod) -> Option<u64> {
    let seconds = pod.spec.active_deadline_seconds?;
    let start = pod.status.get("startTime").and_then(serde_json::Value::as_str).and_then(Millis::parse)?;
    Some(start.0.saturating_add(seconds.saturating_mul(1_000)))
}

/// What to do now, and when to look again.
#[must_use]
pub fn plan(pod: &Pod, seen: &Seen, now: u64) -> Plan {
    let mut plan = Plan::default();
    if seen.busy.contains("remove") {
        return plan;
    }
    match course(pod, seen, now) {
        Course::Ending => {
            if end(pod, seen, now, "the pod is being deleted", &mut plan) && due_now("remove", seen, now, &mut plan) {
                plan.actions.push(Action::Remove);
            }
        }
        Course::Late => _ = end(pod, seen, now, "the pod was active longer than its deadline", &mut plan),
        Course::Done { .. } => _ = end(pod, seen, now, "the pod's containers have ended", &mut plan),
        Course::Run => {
            if let Some(deadline) = deadline(pod) {
                plan.wake(deadline);
            }
            run(pod, seen, now, &mut plan);
            for attempts in seen.containers.values() {
                discard_old(attempts, seen, now, &mut plan);
            }
        }
    }
    plan
}

/// Ends what runs, sidecars last; true once nothing runs and the sandbox is down.
fn end(pod: &Pod, seen: &Seen, now: u64, why: &str, plan: &mut Plan) -> bool {
    let sidecar =
        |name: &str| pod.spec.init_containers.iter().any(|container| container.name == name && container.sidecar());
    let starting = seen.busy.iter().any(|busy| busy.starts_with("start/") || busy == "sandbox" || busy == "volumes");
    let running: Vec<_> = seen.running().collect();
    let mains = running.iter().any(|(name, _)| !sidecar(name));
    for (name, attempt) in &running {
        if !mains || !sidecar(name) {
            stop(pod, seen, name, attempt, why, now, plan);
        }
    }
    if !running.is_empty() || starting {
        return false;
    }
    match &seen.sandbox {
        Some(sandbox) if sandbox.ready => {
            if !seen.busy.contains("sandbox") && due_now("end", seen, now, plan) {
                plan.actions.push(Action::StopSandbox { id: sandbox.id.clone() });
            }
            false
        }
        _ => true,
    }
}

/// Asks a container to stop, unless it was asked already with no more grace than now.
fn stop(pod: &Pod, seen: &Seen, name: &str, attempt: &Attempt, why: &str, now: u64, plan: &mut Plan) {
    let grace = pod.grace_seconds().saturating_mul(1_000);
    let kill_at = now.saturating_add(grace);
    if seen.stopping.get(&attempt.id).is_some_and(|planned| *planned <= kill_at) {
        return;
    }
    let (container, id) = (name.to_owned(), attempt.id.clone());
    if !due_now(&format!("stop/{id}"), seen, now, plan) {
        return;
    }
    plan.actions.push(Action::Stop { container, id, grace, why: why.into() });
}

fn run(pod: &Pod, seen: &Seen, now: u64, plan: &mut Plan) {
    if !seen.volumes_ready {
        if due_now("volumes", seen, now, plan) {
            plan.actions.push(Action::Volumes);
        }
        return;
    }
    let Some(sandbox) = seen.sandbox.as_ref().filter(|sandbox| sandbox.ready) else {
        if due_now("sandbox", seen, now, plan) {
            let attempt = seen.sandbox.as_ref().map_or(0, |sandbox| sandbox.attempt + 1);
            plan.actions.push(Action::RunSandbox { attempt });
        }
        return;
    };
    if !inits(pod, seen, &sandbox.id, now, plan) {
        return;
    }
    for container in &pod.spec.containers {
        keep(pod, seen, container, pod.spec.restart_policy, &sandbox.id, now, plan);
    }
}

/// Runs init containers in their order; true once all have done their part.
fn inits(pod: &Pod, seen: &Seen, sandbox: &str, now: u64, plan: &mut Plan) -> bool {
    let begun =
        pod.spec.containers.iter().any(|c| seen.newest(&c.name).is_some_and(|attempt| attempt.sandbox == sandbox));
    for container in &pod.spec.init_containers {
        let newest = seen.newest(&container.name);
        if container.sidecar() {
            keep(pod, seen, container, RestartPolicy::Always, sandbox, now, plan);
            let up = newest.is_some_and(Attempt::runs) && probe::started(container, seen.probes.get(&container.name));
            if !up && !begun {
                return false;
            }
            continue;
        }
        let done = newest
            .is_some_and(|attempt| attempt.sandbox == sandbox && attempt.exit().is_some_and(|exit| exit.code == 0));
        if !done && !begun {
            let policy = if pod.spec.restart_policy == RestartPolicy::Never {
                RestartPolicy::Never
            } else {
                RestartPolicy::OnFailure
            };
            keep(pod, seen, container, policy, sandbox, now, plan);
            return false;
        }
    }
    true
}

/// Keeps one container going as its policy asks.
fn keep(
    pod: &Pod,
    seen: &Seen,
    container: &Container,
    policy: RestartPolicy,
    sandbox: &str,
    now: u64,
    plan: &mut Plan,
) {
    let Some(newest) = seen.newest(&container.name) else {
        return start(seen, container, 0, 0, now, plan);
    };
    match &newest.state {
        State::Created => {
            let starting = seen.busy.contains(&format!("start/{}", container.name));
            if !starting && due_now(&format!("discard/{}", newest.id), seen, now, plan) {
                plan.actions.push(Action::Discard { id: newest.id.clone() });
            }
        }
        State::Running { since } => {
            let probes = seen.probes.get(&container.name).filter(|probes| probes.id == newest.id);
            if let Some(why) = probe::sick(container, probes) {
                return stop(pod, seen, &container.name, newest, &why, now, plan);
            }
            let (ask, wake) = probe::schedule(container, probes, *since, now);
            wake.into_iter().for_each(|when| plan.wake(when));
            for kind in ask {
                if !seen.busy.contains(&format!("probe/{}/{}", container.name, kind.name())) {
                    plan.actions.push(Action::Probe { container: container.name.clone(), id: newest.id.clone(), kind });
                }
            }
        }
        State::Exited(exit) => {
            let fresh = newest.sandbox != sandbox
                && policy != RestartPolicy::Never
                && (policy == RestartPolicy::Always || !(exit.code == 0));
            let again = fresh || restart::again(policy, exit) || (newest.sandbox != sandbox && init_of(pod, container));
            let due = if fresh { exit.finished } else { restart::due(newest, exit) };
            if again && due <= now {
                start(seen, container, newest.attempt + 1, restart::level_after(newest, exit), now, plan);
            } else if again {
                plan.wake(due);
            }
        }
    }
}

/// An init container that ended in an older sandbox runs once more in the new one.
fn init_of(pod: &Pod, container: &Container) -> bool {
    pod.spec.init_containers.iter().any(|init| init.name == container.name)
}

fn start(seen: &Seen, container: &Container, attempt: u32, level: u32, now: u64, plan: &mut Plan) {
    let name = &container.name;
    let starting = seen.busy.contains(&format!("start/{name}")) && !planted(Bug::StartsTwice);
    if starting || seen.busy.contains(&format!("image/{name}")) {
        return;
    }
    if let Some(failure) = seen.failure(&format!("container/{name}")) {
        let due = restart::make_due(failure);
        if now < due {
            return plan.wake(due);
        }
    }
    match seen.images.get(name) {
        Some(Image::Here { .. }) => plan.actions.push(Action::Start { container: name.clone(), attempt, level }),
        Some(Image::Failed(failure)) if now < restart::pull_due(failure) => {
            plan.wake(restart::pull_due(failure));
            // The reason turns from "failed" to "waiting" after a moment: a status of its own.
            let turn = failure.at + crate::limits::ERROR_SHOWN;
            if now < turn {
                plan.wake(turn);
            }
        }
        _ => plan.actions.push(Action::Image { container: name.clone() }),
    }
}

/// True if `what` is to be done now: it is not under way, and if it failed it has waited.
fn due_now(what: &str, seen: &Seen, now: u64, plan: &mut Plan) -> bool {
    if seen.busy.contains(what) {
        return false;
    }
    match seen.failure(what).map(restart::make_due) {
        Some(due) if now < due => {
            plan.wake(due);
            false
        }
        _ => true,
    }
}

/// Older ended attempts than are kept for their logs go away.
fn discard_old(attempts: &[Attempt], seen: &Seen, now: u64, plan: &mut Plan) {
    let old = attempts.len().saturating_sub(crate::limits::ATTEMPTS_KEPT);
    for attempt in attempts.iter().take(old) {
        if attempt.exit().is_some() && due_now(&format!("discard/{}", attempt.id), seen, now, plan) {
            plan.actions.push(Action::Discard { id: attempt.id.clone() });
        }
    }
}

#[cfg(test)]
mod tests;
