//! A real cluster's past as the beginning of simulated ones: its log, its nodes by name and size, and what of it was not at rest.
//! It reads a log once and shares it between runs; nothing is written to where it came from.
use super::place::{FOUNDER, info};
use super::rest::restless;
use super::size::{NODE_CORES, NODE_MEMORY_BYTES, NODES_MAX};
use crate::clock::WALL_START_MILLIS;
use crate::disk::Files;
use api::quantity::thousandths;
use api::uid::Uid;
use serde_json::Value;
use std::collections::BTreeSet;
use std::fmt;
use std::sync::Arc;
use store::disk::memory::MemoryDisk;
use store::history::History;
use store::log::Log;
use store::state::State;
use store::view::View;

/// Cloning it clones the handle; two are equal if they are the same.
#[derive(Clone)]
pub struct Backup(Arc<Inner>);

struct Inner {
    files: Files,
    /// The state before the log's first entry.
    begun: State,
    view: View,
    nodes: Vec<Seat>,
    restless: BTreeSet<Uid>,
}

/// A node of the real cluster: what its simulated machine is like. It has what any simulated node has beside, for the pods of the clients.
pub(super) struct Seat {
    pub(super) name: String,
    pub(super) cores: u64,
    pub(super) memory_bytes: u64,
}

impl Backup {
    /// What a stopped member's log holds and knows to be committed.
    ///
    /// # Errors
    /// One line: if it cannot be read, or has no nodes or too many.
    pub fn read(log: &Log) -> Result<Self, String> {
        let disk = MemoryDisk::default();
        consensus::transplant(log, &info(FOUNDER), Arc::new(disk.clone())).map_err(|why| why.to_string())?;
        let copy = Log::open(Arc::new(disk.clone()), store::log::Options::default()).map_err(|why| why.to_string())?;
        let base = History::open(copy.reader().clone()).and_then(|history| history.beginning());
        let base = base.map_err(|why| why.to_string())?;
        let begun = base.state.clone();
        let replayed = store::replay::replay(&copy, Some(base), &mut |_| false).map_err(|why| why.to_string())?;
        let view = replayed.state.view();
        let nodes: Vec<Seat> = view.list("nodes", None).map(|node| seat(&node.key.name, &node.value())).collect();
        if nodes.is_empty() || nodes.len() > usize::from(NODES_MAX) {
            return Err(format!("it has {} nodes, and 1 to {NODES_MAX} can be simulated", nodes.len()));
        }
        let restless = restless(&view);
        Ok(Self(Arc::new(Inner { files: disk.contents().into_iter().collect(), begun, view, nodes, restless })))
    }

    /// How many nodes it has.
    #[must_use]
    pub fn count(&self) -> u16 {
        u16::try_from(self.0.nodes.len()).unwrap_or(u16::MAX)
    }

    /// What the first member has on its disk when it starts.
    pub(super) fn files(&self) -> &Files {
        &self.0.files
    }

    /// The state before the log's first entry.
    pub(super) fn begun(&self) -> &State {
        &self.0.begun
    }

    /// The node of this number, from 1 on.
    pub(super) fn seat(&self, number: u16) -> Option<&Seat> {
        self.0.nodes.get(usize::from(number).checked_sub(1)?)
    }

    /// What was not at rest when it was made, by uid: a run need not bring that to rest.
    pub(super) fn restless(&self) -> &BTreeSet<Uid> {
        &self.0.restless
    }

    /// By how much clocks are ahead of where a simulation begins, so that time goes on after the last entry: milliseconds.
    pub(super) fn later_millis(&self) -> u64 {
        let start = u64::try_from(WALL_START_MILLIS).unwrap_or(0);
        (self.0.view.time().0 + 1_000).saturating_sub(start)
    }
}

fn seat(name: &str, node: &Value) -> Seat {
    let capacity = &node["status"]["capacity"];
    let amount = |resource: &str| {
        let thousandths = thousandths(capacity[resource].as_str().unwrap_or("0"));
        u64::try_from(thousandths / 1_000).unwrap_or(0)
    };
    let cores = amount("cpu").saturating_add(NODE_CORES);
    Seat { name: name.to_owned(), cores, memory_bytes: amount("memory").saturating_add(NODE_MEMORY_BYTES) }
}

impl PartialEq for Backup {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Backup {}

impl fmt::Debug for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Inner { view, nodes, restless, .. } = &*self.0;
        let (revision, time, objects) = (view.revision().0, view.time().rfc3339(), view.all().count());
        write!(
            f,
            "revision {revision} of {time}, {objects} objects, {} nodes; not at rest there, and need not come to rest: {}",
            nodes.len(),
            restless.len()
        )
    }
}
