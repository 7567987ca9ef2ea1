//! The fold: entry in, outcomes and events out. It checks conditions and writes facts, nothing clever, so that an old log
//! replays to the same bytes under every later binary. It never reads a clock, a random number or a disk.
use crate::state::{Kept, State};
use api::command::{Change, Command, CommandId, Condition, Entry, Outcome, Refusal, Write};
use api::event::{Act, Event};
use api::object::{Object, Uid};
use api::planted::{Bug, planted};
use api::revision::{Millis, Revision};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What one entry did.
#[derive(Debug, Default)]
pub struct Applied {
    /// One for each command, in order.
    pub outcomes: Vec<Outcome>,
    /// One for each revision, in order.
    pub events: Vec<Arc<Event>>,
}

/// Folds the entry at log index `index` into `state`.
pub fn apply(state: &mut State, index: u64, entry: &Entry) -> Applied {
    assert!(index > state.view.index, "the fold goes forward: {index} after {}", state.view.index);
    state.view.index = index;
    state.view.time = state.view.time.max(entry.time);
    let mut applied = Applied::default();
    for (number, command) in entry.commands.iter().enumerate() {
        let outcome = command_once(state, index, number, command, &mut applied.events);
        applied.outcomes.push(outcome);
    }
    applied
}

/// Notes a Raft entry that changes no object (blank, membership).
pub fn skip(state: &mut State, index: u64) {
    state.view.index = state.view.index.max(index);
}

/// What came of the command `id`, if that is remembered; without the objects.
#[must_use]
pub fn outcome(state: &State, id: CommandId) -> Option<Outcome> {
    Some(match state.outcomes.by_id.get(&id)? {
        Kept::Done { first, last } => Outcome::Done { first: *first, last: *last, objects: Vec::new() },
        Kept::Refused { write, refusal } => Outcome::Refused { write: *write, refusal: refusal.clone() },
    })
}

fn command_once(
    state: &mut State,
    index: u64,
    number: usize,
    command: &Command,
    events: &mut Vec<Arc<Event>>,
) -> Outcome {
    if let Some(first) = outcome(state, command.id) {
        return first;
    }
    let outcome = match check(state, command) {
        Err((write, refusal)) => Outcome::Refused { write, refusal },
        Ok(befores) => perform(state, (index, number), command, befores, events),
    };
    let kept = match &outcome {
        Outcome::Done { first, last, .. } => Kept::Done { first: *first, last: *last },
        Outcome::Refused { write, refusal } => Kept::Refused { write: *write, refusal: refusal.clone() },
    };
    state.outcomes.keep(command.id, kept, state.view.time);
    outcome
}

/// What stands now where the command writes, or the first write that may not be.
fn check(state: &State, command: &Command) -> Result<Vec<Option<Arc<Object>>>, (u32, Refusal)> {
    let mut seen = BTreeSet::new();
    let mut befores = Vec::with_capacity(command.writes.len());
    for (number, write) in (0..).zip(&command.writes) {
        if command.writes.len() > 1 && !seen.insert(&write.key) {
            return Err((number, Refusal::Malformed("one command writes one key twice".into())));
        }
        let current = state.view.get_key(&write.key);
        let refusal = match (write.condition, current) {
            (Condition::Absent, Some(_)) if !planted(Bug::CreatesOver) => Some(Refusal::Exists),
            (Condition::Exists | Condition::Revision(_), None) => Some(Refusal::NotFound),
            (Condition::Revision(wanted), Some(object))
                if object.revision != wanted && !planted(Bug::IgnoresRevision) =>
            {
                Some(Refusal::Conflict { current: object.revision })
            }
            _ => None,
        };
        if let Some(refusal) = refusal {
            return Err((number, refusal));
        }
        befores.push(current.cloned());
    }
    Ok(befores)
}

/// Does what `check` has allowed. `befores` stays true meanwhile, for no two writes of a command have one key.
fn perform(
    state: &mut State,
    (index, number): (u64, usize),
    command: &Command,
    befores: Vec<Option<Arc<Object>>>,
    events: &mut Vec<Arc<Event>>,
) -> Outcome {
    let first = state.view.revision.next();
    let mut objects = Vec::with_capacity(command.writes.len());
    for ((position, write), before) in command.writes.iter().enumerate().zip(befores) {
        if let Some(before) = &before
            && unchanged(before, write)
        {
            objects.push(before.clone());
            continue;
        }
        let revision = state.view.revision.next();
        let (act, object) = match &write.change {
            Change::Put(body) => {
                let born = (uid(state.view.time, index, number, position), state.view.time);
                let (uid, created) = before.as_ref().map_or(born, |before| (before.uid, before.created));
                let key = before.as_ref().map_or_else(|| state.shared(&write.key), |before| before.key.clone());
                let object = Arc::new(body.join(key, uid, created, revision));
                state.insert(object.clone(), before.as_ref());
                (if before.is_some() { Act::Modified } else { Act::Added }, object)
            }
            Change::Delete => {
                // `check` saw to it that a deletion has an object, unless it asked for Absent, which is then a no-op.
                let Some(before) = &before else { continue };
                state.remove(before);
                (Act::Deleted, Arc::new(before.at(revision)))
            }
        };
        state.view.revision = revision;
        objects.push(object.clone());
        events.push(Arc::new(Event { act, revision, time: state.view.time, object, before }));
    }
    Outcome::Done { first, last: state.view.revision, objects }
}

/// A put of what is already there takes no revision, as in Kubernetes.
fn unchanged(before: &Object, write: &Write) -> bool {
    let Change::Put(body) = &write.change else { return false };
    let (start, end) = (before.hole.0 as usize, before.hole.1 as usize);
    body.hole == before.hole.0
        && body.text.len() == start + (before.bytes.len() - end)
        && body.text[..start] == before.bytes[..start]
        && body.text[start..] == before.bytes[end..]
}

/// An identity from the log position: the same on every member and in every replay (RFC 9562, version 8).
fn uid(time: Millis, index: u64, number: usize, position: usize) -> Uid {
    let index = if planted(Bug::UidsByTime) { 0 } else { index };
    let mut hasher = blake3::Hasher::new();
    for part in [time.0, index, number as u64, position as u64] {
        hasher.update(&part.to_le_bytes());
    }
    let mut half = [0; 16];
    half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
    let number = u128::from_be_bytes(half);
    Uid(number & !(0xf << 76) & !(0x3 << 62) | (0x8 << 76) | (0x2 << 62))
}

/// The revision a reader of `state` may name.
#[must_use]
pub fn revision(state: &State) -> Revision {
    state.view.revision
}
