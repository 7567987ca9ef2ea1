//! What is asked of the log, and what came of it. Whole objects under conditions: facts, never code to be run again.
use crate::key::Key;
use crate::object::{Body, Object};
use crate::revision::{Millis, Revision};
use std::sync::Arc;

/// Chosen by the author, so that a retry after a lost reply returns the first outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct CommandId(pub u128);

/// One atomic change of any number of objects: all its writes happen, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command {
    pub id: CommandId,
    /// Who: a user name, `system:node:n1`, `system:controller:deployment`.
    pub actor: Box<str>,
    /// With what: a user agent, or the decider's name.
    pub agent: Box<str>,
    /// Why: the revision that provoked it; 0 when it came from outside.
    pub cause: Revision,
    /// The revision of the view its author had read; 0 if none.
    pub read: Revision,
    /// What the author wants remembered of the decision (the scheduler's explanation); may be empty.
    pub note: Box<str>,
    pub writes: Vec<Write>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Write {
    pub key: Key,
    pub condition: Condition,
    pub change: Change,
}

/// What must hold of the key for the command to happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Condition {
    Absent,
    Exists,
    Revision(Revision),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    Put(Body),
    Delete,
}

/// What one frame of the log holds: commands, stamped by the leader that ordered them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Never before the entry before it.
    pub time: Millis,
    /// The leader's term.
    pub epoch: u64,
    pub commands: Vec<Command>,
}

/// What came of a command. The same on every member, and on a retry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It happened: its writes took the revisions `first ..= last`, in order (a write that changed nothing takes none).
    Done { first: Revision, last: Revision, objects: Vec<Arc<Object>> },
    /// It did not: the condition of write `write` did not hold. Nothing was changed.
    Refused { write: u32, refusal: Refusal },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// `Absent` was asked and the object is there.
    Exists,
    /// `Exists` or `Revision` was asked and there is no object.
    NotFound,
    /// `Revision` was asked and the object has another.
    Conflict { current: Revision },
    /// The command was made by a deposed leader's clock or is malformed.
    Malformed(Box<str>),
}
