//! What was seen from outside: calls and what they were told, watches and what they were given, states that members showed.
//! It records; it judges nothing.
use crate::clock::Nanos;
use crate::trace::Node;
use api::command::{Command, Outcome};
use api::key::Key;
use api::object::Object;
use api::revision::Revision;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::view::StateHash;
use store::watch::{Batch, Interest};

/// Everything recorded in one run.
#[derive(Clone, Debug, Default)]
pub struct History {
    pub calls: Vec<Call>,
    pub watches: Vec<Watched>,
    pub sightings: Vec<Sighting>,
    /// The newest sighting by (member, life), so that only changes are recorded.
    newest: BTreeMap<(Node, u32), (u64, Revision, StateHash)>,
}

/// One call of one client, all its retries taken together.
#[derive(Clone, Debug)]
pub struct Call {
    pub client: Node,
    pub begin: Nanos,
    /// `None` if no answer came that says what happened.
    pub end: Option<Nanos>,
    pub asked: Asked,
    pub told: Told,
}

#[derive(Clone, Debug)]
pub enum Asked {
    Write(Command),
    Read(Key),
}

#[derive(Clone, Debug)]
pub enum Told {
    /// No answer, or one that leaves doubt.
    Unknown,
    /// Every attempt was answered with: it did not happen and will not.
    NotDone,
    Outcome(Outcome),
    Read(Found),
}

/// What a linearizable read found.
#[derive(Clone, Debug)]
pub struct Found {
    /// Position of the view read from.
    pub index: u64,
    pub revision: Revision,
    pub hash: StateHash,
    pub object: Option<Arc<Object>>,
}

/// One watcher, over all its reconnections.
#[derive(Clone, Debug)]
pub struct Watched {
    pub client: Node,
    pub interest: Interest,
    pub from: Revision,
    pub batches: Vec<Batch>,
    pub connections: u32,
}

/// The state that a member showed at some moment.
#[derive(Clone, Debug)]
pub struct Sighting {
    pub time: Nanos,
    pub member: Node,
    pub life: u32,
    pub index: u64,
    pub revision: Revision,
    pub hash: StateHash,
}

impl History {
    /// Records what a member shows, if it is not what it showed before.
    pub fn sight(&mut self, sighting: Sighting) {
        let state = (sighting.index, sighting.revision, sighting.hash);
        if self.newest.insert((sighting.member, sighting.life), state) != Some(state) {
            self.sightings.push(sighting);
        }
    }
}

/// A history that several tasks write to.
#[derive(Clone, Default)]
pub struct Recorder(Arc<Mutex<History>>);

impl Recorder {
    /// Reads or extends the history.
    pub fn with<T>(&self, body: impl FnOnce(&mut History) -> T) -> T {
        body(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, History> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
