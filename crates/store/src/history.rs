//! The past: the view at any revision or moment in retention, and the events after any revision, by folding the log again from the
//! nearest state that is kept. It keeps a bounded number of states, reads the log through its reader, and changes nothing in it.
use crate::disk::{Disk, DiskError};
use crate::limits::{READ_BYTES, ROOT_EVERY, ROOTS_BYTES_MAX, ROOTS_MAX, VISITED_MAX};
use crate::log::frame::{Chain, Kind};
use crate::log::reader::Reader;
use crate::log::{Log, Retention};
use crate::snapshot;
use crate::state::State;
use crate::view::View;
use crate::walk::{HistoryError, Walk};
use api::event::Event;
use api::revision::{Millis, Revision};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The past of one log. Cloning it clones the handle.
#[derive(Clone)]
pub struct History {
    reader: Reader,
    kept: Arc<Mutex<Kept>>,
}

#[derive(Default)]
struct Kept {
    /// States of the recent past, oldest first, with the bytes that were replaced since the one before.
    roots: VecDeque<(State, usize)>,
    replaced: usize,
    /// The last entry folded: what the log holds after it may not be committed.
    applied: u64,
    /// States that were rebuilt for somebody, the last used first.
    visited: VecDeque<State>,
    /// Log indexes of states on disk, ascending.
    bases: Vec<u64>,
}

impl History {
    /// The past of the log that `reader` reads.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn open(reader: Reader) -> Result<Self, HistoryError> {
        let bases = reader.disk.list()?.iter().filter_map(|name| base_index(name)).collect();
        Ok(Self { reader, kept: Arc::new(Mutex::new(Kept { bases, ..Kept::default() })) })
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Called by the one writer after each entry (or the few of one batch), with what they did. Cheap.
    pub fn note(&self, state: &State, events: &[Arc<Event>]) {
        let mut kept = self.kept();
        kept.applied = state.view.index;
        kept.replaced +=
            events.iter().filter_map(|event| event.before.as_ref()).map(|before| before.bytes.len()).sum::<usize>();
        let due = kept.roots.back().is_none_or(|(newest, _)| newest.view.index + ROOT_EVERY <= state.view.index);
        if due {
            let replaced = std::mem::take(&mut kept.replaced);
            kept.roots.push_back((state.clone(), replaced));
        }
        // What a root holds alive is what was replaced after it.
        let mut alive: usize = kept.roots.iter().skip(1).map(|(_, replaced)| replaced).sum();
        while kept.roots.len() > ROOTS_MAX || (alive > ROOTS_BYTES_MAX && kept.roots.len() > 1) {
            kept.roots.pop_front();
            alive -= kept.roots.front().map_or(0, |(_, replaced)| *replaced);
        }
    }

    /// The state has jumped (a snapshot was installed): what was kept is of another past.
    pub fn forget(&self) {
        let mut kept = self.kept();
        kept.roots.clear();
        kept.visited.clear();
    }

    /// The newest kept state that `fits`, from memory or disk, whose next entry the log still has.
    fn nearest(&self, fits: &dyn Fn(&View) -> bool) -> Result<State, HistoryError> {
        let start = self.reader.start();
        let (bases, best) = {
            let kept = self.kept();
            let kept_states = kept.roots.iter().map(|(state, _)| state).chain(&kept.visited);
            let fitting = kept_states.filter(|state| fits(&state.view) && state.view.index + 1 >= start);
            (kept.bases.clone(), fitting.max_by_key(|state| state.view.index).cloned())
        };
        if let Some(best) = best {
            return Ok(best);
        }
        let mut oldest = None;
        for index in bases.into_iter().rev().filter(|index| index + 1 >= start) {
            let (state, _) = self.read_base(index)?;
            if fits(&state.view) {
                return Ok(state);
            }
            oldest = Some(index);
        }
        if start == 0 { Ok(State::default()) } else { Err(HistoryError::Before { oldest: oldest.unwrap_or(start) }) }
    }

    /// The view after the entry that made `revision`; `None` if no entry has made it yet.
    ///
    /// # Errors
    /// `Before` if it is older than what is retained.
    pub fn view_at(&self, revision: Revision) -> Result<Option<View>, HistoryError> {
        let mut walk = self.walk_from(&|view| view.revision <= revision)?;
        while walk.state().view.revision < revision {
            if walk.step()?.is_none() {
                return Ok(None);
            }
        }
        self.visited(walk.state());
        Ok(Some(walk.state().view()))
    }

    /// The view as it was at `time`: after the last entry whose stamp is not later. The caller sees to it that `time` is past, for
    /// then no entry can still come that belongs before it.
    ///
    /// # Errors
    /// `Before` if it is older than what is retained.
    pub fn view_at_time(&self, time: Millis) -> Result<View, HistoryError> {
        let mut walk = self.walk_from(&|view| view.time <= time)?;
        // Entries of Raft's own change nothing and may have no stamp.
        while walk.peek()?.is_some_and(|frame| frame.kind != Kind::Normal || frame.time <= time) {
            walk.step()?;
        }
        self.visited(walk.state());
        Ok(walk.state().view())
    }

    /// A walk over every event after `revision`, until the last entry applied so far.
    ///
    /// # Errors
    /// `Before` if it is older than what is retained.
    pub fn walk_after(&self, revision: Revision) -> Result<Walk, HistoryError> {
        let mut walk = self.walk_from(&|view| view.revision <= revision)?;
        walk.seek(revision)?;
        Ok(walk)
    }

    /// A walk that has not yet passed the entry that made `revision`, begun as near to it as states are kept.
    ///
    /// # Errors
    /// `Before` if it is older than what is retained.
    pub fn walk_before(&self, revision: Revision) -> Result<Walk, HistoryError> {
        self.walk_from(&|view| view.revision < revision.max(Revision(1)))
    }

    /// The last entry noted: how far a walk may be extended.
    #[must_use]
    pub fn applied(&self) -> u64 {
        self.kept().applied
    }

    fn walk_from(&self, fits: &dyn Fn(&View) -> bool) -> Result<Walk, HistoryError> {
        let state = self.nearest(fits)?;
        Ok(Walk::new(self.reader.clone(), state, self.applied()))
    }

    fn visited(&self, state: &State) {
        let mut kept = self.kept();
        kept.visited.retain(|other| other.view.index != state.view.index);
        kept.visited.push_front(state.clone());
        kept.visited.truncate(VISITED_MAX);
    }

    /// Writes `state` to disk as a place to replay from, so that the log before it may go while what follows can still be read.
    /// Called in the background, where waiting is allowed.
    ///
    /// # Errors
    /// If the disk fails; nothing is then kept.
    pub fn save_base(&self, state: &State) -> Result<(), HistoryError> {
        const UNFINISHED: &str = "base.new";
        let disk = &self.reader.disk;
        match disk.remove(UNFINISHED) {
            Ok(()) | Err(DiskError::Missing(_)) => {}
            Err(why) => return Err(why.into()),
        }
        disk.create(UNFINISHED)?;
        let chain = self.reader.chain_at(state.view.index)?.unwrap_or_default();
        let mut out = DiskStream { disk: disk.clone(), name: UNFINISHED.to_owned(), offset: 0 };
        let written = io::BufWriter::with_capacity(READ_BYTES, &mut out);
        let written = write_all(state, chain, written);
        written.map_err(|why| HistoryError::Snapshot(why.into()))?;
        disk.sync(UNFINISHED)?;
        disk.rename(UNFINISHED, &base_name(state.view.index))?;
        let mut kept = self.kept();
        kept.bases.retain(|index| *index != state.view.index);
        kept.bases.push(state.view.index);
        kept.bases.sort_unstable();
        Ok(())
    }

    fn read_base(&self, index: u64) -> Result<(State, Chain), HistoryError> {
        let stream = DiskStream { disk: self.reader.disk.clone(), name: base_name(index), offset: 0 };
        let mut stream = io::BufReader::with_capacity(READ_BYTES, stream);
        snapshot::read(&mut stream).map_err(HistoryError::Snapshot)
    }

    /// Takes away the oldest of the log as `Log::retire` does, but never what the newest base needs, and then the bases that
    /// nothing can be replayed from.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn retire(&self, log: &Log, retention: &Retention) -> Result<usize, HistoryError> {
        let newest = self.kept().bases.last().map_or(0, |index| index + 1);
        let gone = log.retire(&Retention { needed_from: retention.needed_from.min(newest), ..*retention })?;
        let start = self.reader.start();
        let useless: Vec<u64> = self.kept().bases.iter().copied().filter(|index| index + 1 < start).collect();
        for index in useless {
            self.reader.disk.remove(&base_name(index))?;
            self.kept().bases.retain(|base| *base != index);
        }
        Ok(gone)
    }
}

fn write_all(state: &State, chain: Chain, mut out: impl Write) -> io::Result<()> {
    snapshot::write(state, chain, &mut out)?;
    out.flush()
}

fn base_name(index: u64) -> String {
    format!("base-{index:020}.snap")
}

fn base_index(name: &str) -> Option<u64> {
    name.strip_prefix("base-")?.strip_suffix(".snap")?.parse().ok()
}

/// A file on a `Disk` as a stream.
struct DiskStream {
    disk: Arc<dyn Disk>,
    name: String,
    offset: u64,
}

impl Write for DiskStream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.disk.append(&self.name, bytes).map_err(io::Error::other)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Read for DiskStream {
    fn read(&mut self, bytes: &mut [u8]) -> io::Result<usize> {
        let read = self.disk.read_at(&self.name, self.offset, bytes.len()).map_err(io::Error::other)?;
        bytes[..read.len()].copy_from_slice(&read);
        self.offset += read.len() as u64;
        Ok(read.len())
    }
}
