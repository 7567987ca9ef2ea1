//! What a run leaves behind for the invariants: the history seen from outside, the logs found on the disks, and the fold of
//! the committed log, made anew, with which everything is compared.
use crate::history::History;
use crate::trace::Node;
use crate::world::Panicked;
use api::command::{CommandId, Entry, Outcome};
use api::event::{Act, Event};
use api::object::Object;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use store::apply::apply;
use store::state::State;
use store::view::{StateHash, View};

/// A property that did not hold.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Violation {
    /// Which.
    pub invariant: String,
    /// What was found instead.
    pub found: String,
}

impl Violation {
    #[must_use]
    pub fn new(invariant: &str, found: impl Into<String>) -> Self {
        Self { invariant: invariant.into(), found: found.into() }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.invariant, self.found)
    }
}

/// One record as a log holds it.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    pub index: u64,
    pub term: u64,
    /// `None`: Raft's own (blank, membership).
    pub entry: Option<Entry>,
}

/// The committed part of one member's log, as its disk held it at the end.
#[derive(Clone, Debug)]
pub struct MemberLog {
    pub member: Node,
    pub records: Vec<Record>,
}

/// How a member was, when calm had come.
#[derive(Clone, Debug)]
pub struct Afterwards {
    pub member: Node,
    pub index: u64,
    pub revision: u64,
    pub hash: StateHash,
    /// Why it serves nothing, if it does not.
    pub illness: Option<String>,
}

/// What calm brought, after the last fault.
#[derive(Clone, Debug, Default)]
pub struct Calm {
    pub leader: bool,
    pub wrote: bool,
    pub members: Vec<Afterwards>,
}

/// All that invariants are given.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    pub history: History,
    pub logs: Vec<MemberLog>,
    pub calm: Calm,
    pub panics: Vec<Panicked>,
    /// The task that went round in a circle.
    pub livelock: Option<String>,
    /// Members that said that their state differs from the others'.
    pub diverged: Vec<String>,
    /// The state before the first record that any log has: an empty one, or that of a backup.
    pub begun: State,
    pub reference: Reference,
}

/// The fold of the committed log.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    /// The view after each index that holds an entry.
    pub views: BTreeMap<u64, View>,
    pub events: Vec<Arc<Event>>,
    /// Where each command stands, and what came of it: more than once if it was retried.
    pub commands: BTreeMap<CommandId, Vec<(u64, Outcome)>>,
    pub last: u64,
    /// How many of the events stand for what was there at the beginning, and its revision.
    pub begun: (usize, u64),
}

/// What was there at the beginning, as if it had been made as it is.
fn found(begun: &View) -> Vec<Arc<Event>> {
    let added = |object: &Arc<Object>| {
        let (revision, time) = (object.revision, begun.time());
        Arc::new(Event { act: Act::Added, revision, time, object: object.clone(), before: None })
    };
    let mut events: Vec<Arc<Event>> = begun.all().map(added).collect();
    events.sort_by_key(|event| event.revision);
    events
}

impl Reference {
    /// Folds a log from its first record, upon what was there before.
    #[must_use]
    pub fn fold(begun: &State, records: &[Record]) -> Self {
        let (mut state, view) = (begun.clone(), begun.view());
        let events = found(&view);
        let begun = (events.len(), view.revision().0);
        let mut reference = Self { events, begun, last: view.index(), ..Self::default() };
        reference.views.insert(view.index(), view);
        for record in records {
            reference.last = record.index;
            let Some(entry) = &record.entry else { continue };
            let applied = apply(&mut state, record.index, entry);
            for (command, outcome) in entry.commands.iter().zip(applied.outcomes) {
                reference.commands.entry(command.id).or_default().push((record.index, outcome));
            }
            reference.events.extend(applied.events);
            reference.views.insert(record.index, state.view());
        }
        reference
    }

    /// The view that a member at `index` must show.
    #[must_use]
    pub fn at(&self, index: u64) -> View {
        self.views.range(..=index).next_back().map(|(_, view)| view.clone()).unwrap_or_default()
    }
}

impl Evidence {
    /// Folds the longest log, which the others must be prefixes of.
    pub fn fold(&mut self) {
        if let Some(longest) = self.logs.iter().max_by_key(|log| log.records.len()) {
            self.reference = Reference::fold(&self.begun, &longest.records);
        }
    }
}
