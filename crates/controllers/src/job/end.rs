//! How a Job ends. First it is said that it will (`SuccessCriteriaMet`, `FailureTarget`) and its pods are ended; that it has is said
//! when none of them runs any more (`Complete`, `Failed`). Nothing is counted after that.
use super::own::{Own, TRACKING};
use super::turn::Turn;
use crate::conditions::{Wanted, find, is_true, put};
use crate::fields::{set, text};
use crate::writes::{begin_deletion, drop_finalizer};
use api::decision::Decision;
use api::revision::Millis;
use serde_json::Value;

const MET: &str = "SuccessCriteriaMet";
const TARGET: &str = "FailureTarget";
const FOREGROUND: &str = "foregroundDeletion";

/// Whether it has ended, and whether well.
fn ended(job: &Value) -> Option<&Value> {
    ["Complete", "Failed"].into_iter().filter(|kind| is_true(job, kind)).find_map(|kind| find(job, kind))
}

pub(super) fn finished(job: &Value) -> bool {
    ended(job).is_some()
}

/// The reason and message with which it was decided that it fails.
pub(super) fn failing(job: &Value) -> Option<(String, String)> {
    decided(job, TARGET)
}

/// The reason and message with which it was decided that it has succeeded.
pub(super) fn succeeding(job: &Value) -> Option<(String, String)> {
    decided(job, MET)
}

fn decided(job: &Value, kind: &str) -> Option<(String, String)> {
    let condition = find(job, kind).filter(|condition| text(condition, "/status") == "True")?;
    Some((text(condition, "/reason").to_owned(), text(condition, "/message").to_owned()))
}

/// Decides that it fails: its pods are ended next.
pub(super) fn doom(turn: &mut Turn<'_>, reason: &str, message: &str) {
    if succeeding(&turn.next).is_none() && failing(&turn.next).is_none() {
        say(turn, TARGET, reason, message);
    }
}

/// All pods go and count as failed; when they are gone the Job has failed.
pub(super) fn fail(turn: &mut Turn<'_>, reason: &str, message: &str) {
    say(turn, TARGET, reason, message);
    if end_all(turn, true) {
        say(turn, "Failed", reason, message);
        turn.tell(true, reason, message);
    }
}

/// The pods that are left go and do not count; when they are gone the Job is complete.
pub(super) fn succeed(turn: &mut Turn<'_>, reason: &str, message: &str) {
    say(turn, MET, reason, message);
    if end_all(turn, false) {
        say(turn, "Complete", reason, message);
        let now = turn.now.rfc3339();
        set(&mut turn.next, &["status", "completionTime"], now);
        turn.tell(false, "Completed", "Job completed");
    }
}

fn say(turn: &mut Turn<'_>, kind: &str, reason: &str, message: &str) {
    put(&mut turn.next, Wanted { kind, status: "True", reason, message }, turn.now, false);
}

/// Ends what is active; whether no pod is left that may run.
fn end_all(turn: &mut Turn<'_>, failed: bool) -> bool {
    turn.settle_all();
    let mut names = Vec::new();
    while !turn.full() {
        let Some(own) = turn.active.pop() else { break };
        turn.end(&own, failed);
        names.push(own.pod.object.key.name.to_string());
    }
    turn.tell_each("SuccessfulDelete", "Deleted pod", &names);
    turn.active.is_empty() && turn.ending.is_empty() && turn.waiting.is_empty()
}

/// What is left to do about a Job of ours that has ended: no pod is held for it, and in time it goes itself.
pub(super) fn tidy(mut turn: Turn<'_>, pods: &[Own]) -> Decision {
    for own in pods.iter().filter(|own| own.tracked) {
        turn.put(drop_finalizer(&own.pod.object, TRACKING));
        if turn.full() {
            break;
        }
    }
    if turn.begun() {
        return turn.only("nothing is counted any more");
    }
    expire(&turn)
}

/// A Job that has ended goes in time, whoever decided about it.
pub(super) fn expire(turn: &Turn<'_>) -> Decision {
    let (object, kept) = (turn.object, turn.spec.ttl_seconds);
    if object.facet.deleting.is_some() {
        return Decision::idle();
    }
    let since = ended(&turn.next).and_then(|ended| Millis::parse(text(ended, "/lastTransitionTime")));
    let (Some(since), Some(kept)) = (since, kept) else { return Decision::idle() };
    let due = Millis(since.0.saturating_add(kept.saturating_mul(1_000)));
    if due > turn.now {
        return Decision { wake_at: Some(due), ..Decision::idle() };
    }
    // Its pods first, as Kubernetes does: a Job of the same name made next then meets none of them.
    Decision::one(begin_deletion(object, FOREGROUND, turn.now).into_iter().collect(), "kept for long enough")
}
