//! Sailing the voyage again: a log folded from a directory to a view, its hash chain verified, and its entries as lines to be read.
//! It trusts nothing but the log's bytes, and decides nothing.
use crate::bases::Base;
use crate::disk::Disk;
use crate::history::History;
use crate::limits::DIFFERENCES_MAX;
use crate::log::frame::{Chain, Kind};
use crate::log::{Log, Options};
use crate::state::State;
use crate::walk::{HistoryError, Walk};
use api::command::{Command, CommandId, Outcome, Refusal};
use api::event::{Act, Event};
use api::key::Key;
use api::record;
use api::revision::{Millis, Revision};
use bytes::Bytes;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// What a replay came to.
#[derive(Clone, Debug)]
pub struct Replayed {
    pub state: State,
    /// The log's hash at the last entry folded.
    pub chain: Chain,
    pub entries: u64,
}

/// Opens the log on `disk` for reading only: an unfinished write at its end is passed over, not cut.
///
/// # Errors
/// If it is damaged.
pub fn open(disk: Arc<dyn Disk>) -> Result<Log, HistoryError> {
    Ok(Log::open(disk, Options { read_only: true, ..Options::default() })?)
}

/// Folds the log from its start, or on from `from` (of `History::beginning`), until `done` or the end, and verifies the hash chain at each entry.
///
/// Entries that the log does not know to be committed are folded too; pass `done` to stop earlier.
///
/// # Errors
/// `Before` if the log no longer has its start and no `from` is given; `Chain` if an entry was changed after it was written.
pub fn replay(log: &Log, from: Option<Base>, done: &mut dyn FnMut(&State) -> bool) -> Result<Replayed, HistoryError> {
    let reader = log.reader();
    let (state, mut chain) = match (from, reader.start()) {
        (Some(from), _) => (from.state, from.chain),
        (None, 0) => (State::default(), Chain::default()),
        (None, _) => return Err(HistoryError::Before { oldest: History::open(reader.clone())?.oldest() }),
    };
    let mut walk = Walk::new(reader.clone(), state, u64::MAX);
    let mut entries = 0;
    while !done(walk.state()) {
        let Some(step) = walk.step()? else { break };
        chain = chain.then(&step.frame);
        if chain != step.chain {
            return Err(HistoryError::Chain { index: step.frame.index });
        }
        entries += 1;
    }
    Ok(Replayed { state: walk.state().clone(), chain, entries })
}

/// One entry of the log, to be read by a person or a program.
#[derive(Clone, Debug)]
pub struct Line {
    pub index: u64,
    pub term: u64,
    pub leader: u64,
    pub time: Millis,
    pub kind: Kind,
    pub chain: Chain,
    /// Raft's membership, in consensus' own bytes; empty in entries of other kinds.
    pub membership: Bytes,
    /// The revisions it made: first and last; `None` if it changed nothing.
    pub revisions: Option<(Revision, Revision)>,
    pub commands: Vec<CommandLine>,
}

/// One command and what came of it.
#[derive(Clone, Debug)]
pub struct CommandLine {
    pub id: CommandId,
    pub actor: Box<str>,
    pub agent: Box<str>,
    pub cause: Revision,
    pub read: Revision,
    pub note: Box<str>,
    pub result: LineResult,
    pub changes: Vec<ChangeLine>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LineResult {
    Done,
    /// The write whose condition did not hold, and why.
    Refused {
        write: u32,
        refusal: Refusal,
    },
    /// A retry: the outcome was that of an earlier entry.
    Again,
}

/// One object that a command changed.
#[derive(Clone, Debug)]
pub struct ChangeLine {
    pub act: Act,
    pub key: Key,
    pub revision: Revision,
    /// JSON pointers (RFC 6901) of what differs, at most `DIFFERENCES_MAX`; empty for what was added or deleted.
    pub changed: Vec<String>,
}

/// Goes through the log and gives each entry as a line.
pub struct Lines {
    walk: Walk,
}

impl Lines {
    /// Lines of what `walk` passes.
    #[must_use]
    pub fn new(walk: Walk) -> Self {
        Self { walk }
    }

    /// Lines of the whole log.
    ///
    /// # Errors
    /// `Before` if it no longer has its start: give a walk from a base.
    pub fn of(log: &Log) -> Result<Self, HistoryError> {
        match log.reader().start() {
            0 => Ok(Self::new(Walk::new(log.reader().clone(), State::default(), u64::MAX))),
            _ => Err(HistoryError::Before { oldest: History::open(log.reader().clone())?.oldest() }),
        }
    }

    fn line(&mut self) -> Result<Option<Line>, HistoryError> {
        let before = self.walk.state().clone();
        let Some(step) = self.walk.step()? else { return Ok(None) };
        let mut line = Line {
            index: step.frame.index,
            term: step.frame.term,
            leader: step.frame.leader,
            time: step.frame.time,
            kind: step.frame.kind,
            chain: step.chain,
            membership: if step.frame.kind == Kind::Membership { step.frame.payload.clone() } else { Bytes::new() },
            revisions: step.events.first().zip(step.events.last()).map(|(first, last)| (first.revision, last.revision)),
            commands: Vec::new(),
        };
        if step.frame.kind == Kind::Normal {
            let damaged = |why| HistoryError::Record { index: step.frame.index, why };
            let entry = record::decode(&step.frame.payload).map_err(damaged)?;
            line.time = entry.time;
            // Folded once more, command by command, on the state before it: the same outcomes, told apart.
            let mut state = before;
            let mut here = BTreeSet::new();
            let mut known = |id| state.outcomes.by_id.contains_key(&id) || !here.insert(id);
            let again: Vec<_> = entry.commands.iter().map(|command| known(command.id)).collect();
            let applied = crate::apply::apply(&mut state, step.frame.index, &entry);
            for ((command, outcome), again) in entry.commands.iter().zip(&applied.outcomes).zip(again) {
                line.commands.push(command_line(command, outcome, again, &step.events));
            }
        }
        // Raft's own entries have no stamp: they came no earlier than what was before them.
        line.time = line.time.max(self.walk.state().view.time);
        Ok(Some(line))
    }
}

impl Iterator for Lines {
    type Item = Result<Line, HistoryError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.line().transpose()
    }
}

fn command_line(command: &Command, outcome: &Outcome, again: bool, events: &[Arc<Event>]) -> CommandLine {
    let (result, made) = match outcome {
        _ if again => (LineResult::Again, None),
        Outcome::Done { first, last, .. } => (LineResult::Done, Some(*first..=*last)),
        Outcome::Refused { write, refusal } => (LineResult::Refused { write: *write, refusal: refusal.clone() }, None),
    };
    let made = events.iter().filter(|event| made.as_ref().is_some_and(|made| made.contains(&event.revision)));
    CommandLine {
        id: command.id,
        actor: command.actor.clone(),
        agent: command.agent.clone(),
        cause: command.cause,
        read: command.read,
        note: command.note.clone(),
        result,
        changes: made.map(|event| change_line(event)).collect(),
    }
}

fn change_line(event: &Event) -> ChangeLine {
    let mut changed = Vec::new();
    if let (Act::Modified, Some(before)) = (event.act, &event.before) {
        differences(&before.value(), &event.object.value(), &mut String::new(), &mut changed);
    }
    ChangeLine { act: event.act, key: event.object.key.clone(), revision: event.revision, changed }
}

/// JSON pointers of what differs between two values, the members that the fold itself writes left out.
fn differences(before: &Value, after: &Value, at: &mut String, found: &mut Vec<String>) {
    if before == after || found.len() >= DIFFERENCES_MAX || at == "/metadata/resourceVersion" {
        return;
    }
    let (Value::Object(old), Value::Object(new)) = (before, after) else {
        found.push(at.clone());
        return;
    };
    let gone = old.keys().filter(|member| !new.contains_key(*member));
    for member in new.keys().chain(gone) {
        let length = at.len();
        at.push('/');
        at.push_str(&member.replace('~', "~0").replace('/', "~1"));
        differences(old.get(member).unwrap_or(&Value::Null), new.get(member).unwrap_or(&Value::Null), at, found);
        at.truncate(length);
    }
}
