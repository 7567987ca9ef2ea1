//! What is to become of a Job: it works, waits, ends well or fails. In each decision first all that has ended is counted.
use super::failure_policy::{Meaning, meaning};
use super::spec::{completed, foreign};
use super::turn::Turn;
use super::{end, failure_policy, run, success_policy};
use crate::fields::at;
use crate::selectors;
use crate::writes::replace;
use api::decision::Decision;
use api::object::Object;
use api::revision::Millis;
use serde_json::Value;
use std::sync::Arc;
use store::view::View;

/// Whether the Job wants to have a pod that is nobody's.
pub(super) fn takes(job: &Value, pod: &Object) -> bool {
    let selects = || selectors::read(at(job, "/spec/selector")).is_some_and(|selector| selector.matches(&pod.facet));
    !foreign(job) && !end::finished(job) && selects()
}

pub(super) fn decide(view: &View, object: &Arc<Object>, now: Millis) -> Decision {
    let mut turn = Turn::new(view, object, now);
    let deleting = object.facet.deleting.is_some();
    if let Some(completed) = completed(object).filter(|_| !deleting) {
        return Decision::one(replace(object, &completed).into_iter().collect(), "what its pods are known by");
    }
    if foreign(&turn.next) {
        return end::expire(&turn);
    }
    let Some(selector) = selectors::read(at(&turn.next, "/spec/selector")) else { return Decision::idle() };
    let pods = turn.own(&selector);
    if end::finished(&turn.next) {
        return end::tidy(turn, &pods);
    }
    if let Some(message) = failure_policy::doom(&turn.next, &pods, turn.spec.only_failed).filter(|_| !deleting) {
        end::doom(&mut turn, failure_policy::REASON, &message);
    }
    if !turn.count(pods) {
        return turn.report("counts pods, some first");
    }
    if deleting {
        turn.settle_all();
        return turn.report("counts pods while it is deleted");
    }
    if let Some((reason, message)) = end::failing(&turn.next) {
        end::fail(&mut turn, &reason, &message);
        return turn.report(reason);
    }
    if let Some((reason, message)) = end::succeeding(&turn.next) {
        end::succeed(&mut turn, &reason, &message);
        return turn.report(reason);
    }
    run::begin(&mut turn);
    if let Some((reason, message)) = failure(&mut turn) {
        end::fail(&mut turn, reason, message);
        return turn.report(reason);
    }
    if let Some((reason, message)) = success(&turn) {
        end::succeed(&mut turn, reason, &message);
        return turn.report(reason);
    }
    let note = run::go_on(&mut turn);
    turn.report(note)
}

/// Why it fails, if it does; else it is looked at again when its time is up.
fn failure(turn: &mut Turn<'_>) -> Option<(&'static str, &'static str)> {
    let limit = turn.spec.backoff_limit;
    let waiting = turn.waiting.values().filter(|own| meaning(&turn.next, &own.pod.object) != Meaning::Ignored).count();
    let failed = i64::try_from(turn.failed + waiting).unwrap_or(i64::MAX);
    // Where containers are run again in their pod, that is counted instead.
    let restarts: i64 = if turn.spec.on_failure { turn.active.iter().map(super::own::Own::restarts).sum() } else { 0 };
    if failed > limit || (restarts > 0 && restarts >= limit) {
        return Some(("BackoffLimitExceeded", "Job has reached the specified backoff limit"));
    }
    match run::deadline(turn) {
        Some(due) if due <= turn.now => Some(("DeadlineExceeded", "Job was active longer than specified deadline")),
        due => {
            if let Some(due) = due {
                turn.wake(due);
            }
            failed_indexes(turn)
        }
    }
}

/// Why it fails by what became of its indexes: too many have failed, or all are settled and some not well.
fn failed_indexes(turn: &Turn<'_>) -> Option<(&'static str, &'static str)> {
    let failed = turn.lost.len();
    if failed == 0 || turn.spec.per_index.is_none() {
        return None;
    }
    if turn.spec.max_failed_indexes.is_some_and(|most| failed > most) {
        let why = "Job has exceeded the specified maximal number of failed indexes";
        return Some(("MaxFailedIndexesExceeded", why));
    }
    let settled = failed + turn.done.len();
    turn.spec.completions.is_some_and(|all| settled >= all).then_some(("FailedIndexes", "Job has failed indexes"))
}

/// Why it has succeeded, if it has.
fn success(turn: &Turn<'_>) -> Option<(&'static str, String)> {
    let enough = match turn.spec.completions {
        Some(completions) => turn.succeeded >= completions,
        None => turn.succeeded > 0 && turn.active.is_empty(),
    };
    let end = turn.spec.completions.filter(|_| turn.spec.indexed);
    let by_policy = end.and_then(|end| success_policy::met(&turn.next, &turn.done, end));
    let reached = || enough.then(|| ("CompletionsReached", "Reached expected number of succeeded pods".to_owned()));
    by_policy.map(|why| (success_policy::REASON, why)).or_else(reached)
}
