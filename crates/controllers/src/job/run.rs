//! A Job at work: as many pods as it may have and still needs, made, ended, and made again after a while when they failed.
use super::back_off;
use super::make;
use super::own::Own;
use super::per_index::{self, Tries};
use super::turn::Turn;
use crate::conditions::{Wanted, is_true, put};
use crate::fields::{set, text};
use crate::limits::BURST_PODS;
use crate::writes::{create, replace};
use api::revision::Millis;
use std::collections::BTreeSet;

const SUSPENDED: &str = "Suspended";

/// Begins, or goes on after a rest: from then on its time counts.
pub(super) fn begin(turn: &mut Turn<'_>) {
    if turn.spec.suspended {
        return;
    }
    let resumes = is_true(&turn.next, SUSPENDED);
    if resumes {
        let wanted = Wanted { kind: SUSPENDED, status: "False", reason: "JobResumed", message: "Job resumed" };
        put(&mut turn.next, wanted, turn.now, false);
        turn.tell(false, "Resumed", "Job resumed");
    }
    if resumes || text(&turn.next, "/status/startTime").is_empty() {
        let now = turn.now.rfc3339();
        set(&mut turn.next, &["status", "startTime"], now);
    }
}

/// When its time is up.
pub(super) fn deadline(turn: &Turn<'_>) -> Option<Millis> {
    let seconds = turn.spec.deadline_seconds.filter(|_| !turn.spec.suspended)?;
    let since = Millis::parse(text(&turn.next, "/status/startTime"))?;
    Some(Millis(since.0.saturating_add(seconds.saturating_mul(1_000))))
}

/// Makes and ends pods until as many are active as shall be.
pub(super) fn go_on(turn: &mut Turn<'_>) -> String {
    note_failures(turn);
    if turn.spec.suspended {
        let wanted = Wanted { kind: SUSPENDED, status: "True", reason: "JobSuspended", message: "Job suspended" };
        if !is_true(&turn.next, SUSPENDED) {
            turn.tell(false, "Suspended", "Job suspended");
        }
        put(&mut turn.next, wanted, turn.now, false);
        return shed(turn, 0);
    }
    let parallelism = turn.spec.parallelism;
    let wanted = match turn.spec.completions {
        Some(completions) => completions.saturating_sub(turn.succeeded).min(parallelism),
        // Where one pod found the queue empty the others find it so too.
        None if turn.succeeded > 0 => turn.active.len().min(parallelism),
        None => parallelism,
    };
    let ended = shed(turn, wanted);
    let there = turn.active.len() + if turn.spec.only_failed { turn.ending.len() } else { 0 };
    if !ended.is_empty() || there >= wanted {
        return ended;
    }
    // Where each index has a limit of its own, each waits by itself.
    match back_off::due(&turn.next).filter(|_| turn.spec.per_index.is_none()) {
        Some(due) if due > turn.now => {
            turn.wake(due);
            String::new()
        }
        _ => format!("create {} of {wanted}", make(turn, (wanted - there).min(BURST_PODS))),
    }
}

/// From now on the indexes of pods that have failed wait.
fn note_failures(turn: &mut Turn<'_>) {
    let noted: Vec<_> = turn
        .waiting
        .values()
        .filter_map(|own| replace(&own.pod.object, &per_index::noted(own, turn.now)?))
        .take(BURST_PODS)
        .collect();
    noted.into_iter().for_each(|write| turn.put(Some(write)));
}

/// Ends pods until `wanted` are left, and every pod that works at an index that another works at, or that is none.
fn shed(turn: &mut Turn<'_>, wanted: usize) -> String {
    let mut pods = std::mem::take(&mut turn.active);
    pods.sort_by_cached_key(|own| std::cmp::Reverse(own.standing()));
    let mut taken = BTreeSet::new();
    let mut names = Vec::new();
    for own in pods {
        let useful = useful(turn, &own) && own.index.is_none_or(|index| taken.insert(index));
        if (useful && turn.active.len() < wanted) || turn.full() {
            turn.active.push(own);
        } else {
            turn.end(&own, false);
            names.push(own.pod.object.key.name.to_string());
        }
    }
    turn.tell_each("SuccessfulDelete", "Deleted pod", &names);
    if names.is_empty() { String::new() } else { format!("delete {}, keep {wanted}", names.len()) }
}

fn useful(turn: &Turn<'_>, own: &Own) -> bool {
    let wants = |index| turn.spec.completions.is_some_and(|end| index < end) && !settled(turn, index);
    !turn.spec.indexed || own.index.is_some_and(wants)
}

/// Whether nothing is to be tried at the index any more.
fn settled(turn: &Turn<'_>, index: usize) -> bool {
    turn.done.contains(&index) || turn.lost.contains(&index)
}

/// Makes as many of `count` pods as fit into one command; gives how many.
fn make(turn: &mut Turn<'_>, count: usize) -> usize {
    let namespace = turn.view.get("namespaces", "", &turn.object.key.namespace);
    if namespace.is_some_and(|namespace| namespace.facet.deleting.is_some()) {
        return 0;
    }
    let mut indexes = free_indexes(turn, count).into_iter();
    let (mut names, mut number): (Vec<String>, u64) = (Vec::new(), 0);
    for _ in 0..count {
        let index = indexes.next();
        if turn.full() || (turn.spec.indexed && index.is_none()) {
            break;
        }
        let replaced = index.and_then(|index| turn.waiting.get(&index).cloned());
        let tries = replaced.as_ref().map(|own| Tries::with(&turn.next, own)).unwrap_or_default();
        let tries = turn.spec.per_index.map(|_| tries);
        let index = index.map(|index| (index, tries));
        let (name, pod) = match make::pod(turn.view, turn.object, &turn.next, index, &mut number) {
            Ok(made) => made,
            Err(why) => {
                turn.refused(&why);
                break;
            }
        };
        if !names.contains(&name) {
            turn.put(create("pods", &pod));
            if let Some(replaced) = replaced {
                turn.settle(&replaced);
            }
            names.push(name);
        }
    }
    turn.made = names.len();
    turn.tell_each("SuccessfulCreate", "Created pod", &names);
    names.len()
}

/// The lowest indexes at which nobody works, of these those that need not wait.
fn free_indexes(turn: &mut Turn<'_>, count: usize) -> Vec<usize> {
    let end = turn.spec.completions.filter(|_| turn.spec.indexed).unwrap_or(0);
    let ending = turn.ending.iter().filter(|_| turn.spec.only_failed).copied();
    let taken: BTreeSet<usize> = turn.active.iter().map(|own| own.index).chain(ending).flatten().collect();
    let mut free: Vec<usize> =
        (0..end).filter(|index| !settled(turn, *index) && !taken.contains(index)).take(count).collect();
    free.retain(|index| {
        let due = turn.waiting.get(index).map(|own| per_index::due(&turn.next, own, turn.now));
        let later = due.filter(|due| *due > turn.now);
        later.into_iter().for_each(|due| turn.wake(due));
        later.is_none()
    });
    free
}
