//! What a run of a whole cluster leaves behind for its invariants: what members alone leave, and what watchers were given, how containers
//! ran in fact, and what calm brought.
use crate::clock::Nanos;
use crate::evidence::Evidence;
use crate::machine::Life;
use crate::whole::deeds::Deed;
use crate::whole::spoken::Spoken;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long nothing may be written once all is at rest.
pub(super) const SILENCE: Duration = Duration::from_secs(60);

/// One watch of the API, over all its connections.
#[derive(Clone, Debug, Default)]
pub struct Watched {
    pub resource: &'static str,
    /// Only objects with this label.
    pub label: Option<(&'static str, &'static str)>,
    /// Only objects of this namespace.
    pub namespace: Option<&'static str>,
    /// The revision after which it began.
    pub from: u64,
    pub seen: Vec<Seen>,
    pub connections: u32,
    /// The client left it when it had been told of this revision, by an event or a bookmark; `None`: it never did.
    pub left: Option<u64>,
    /// It was told in the end that what it wants is no longer kept (410).
    pub expired: bool,
}

/// One event as a client read it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// `ADDED`, `MODIFIED`, `DELETED`.
    pub what: String,
    pub uid: String,
    pub revision: u64,
}

/// Watches that several tasks write to.
#[derive(Clone, Default)]
pub struct Watches(Arc<Mutex<Vec<Watched>>>);

impl Watches {
    /// Begins one; its number.
    pub fn begin(&self, watched: Watched) -> usize {
        let mut all = self.lock();
        all.push(watched);
        all.len() - 1
    }

    /// Reads or extends all.
    pub fn with<T>(&self, body: impl FnOnce(&mut Vec<Watched>) -> T) -> T {
        body(&mut self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Watched>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What becomes of a process, seen from outside.
#[derive(Clone, Debug)]
pub struct Mark {
    pub time: Nanos,
    /// `m1`, `n2`, or `storm` itself.
    pub who: String,
    pub what: Marked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marked {
    Up,
    Down,
    /// It leads, in this term.
    Leads(u64),
    Follows,
}

/// All that invariants are given.
#[derive(Clone, Debug, Default)]
pub struct Whole {
    /// Members alone: their logs, what they showed, the fold.
    pub members: Evidence,
    /// What each command did, in the order of the log.
    pub deeds: Vec<Deed>,
    pub watches: Vec<Watched>,
    /// Some member keeps little of the past, and may say so to a watch.
    pub forgets: bool,
    /// What clients were told, by end of the exchange.
    pub spoken: Vec<Spoken>,
    pub lives: Vec<Life>,
    /// How processes came and went, who led, and when the storm began (`Up`) and was over (`Down`).
    pub marks: Vec<Mark>,
    /// Why the cluster did not come to rest in time, if it did not.
    pub unrest: Option<String>,
    /// What was written while nothing was to be done.
    pub noise: Vec<String>,
    /// Commands that clients were told of.
    pub answered: u64,
    pub unanswered: u64,
}
