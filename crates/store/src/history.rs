//! The past: the view at any revision or moment in retention, and the events after any revision, by folding the log again from the
//! nearest state that is kept. It keeps a bounded number of states, reads the log through its reader, and changes nothing in it.
use crate::bases::{self, Base, Place};
use crate::limits::{ROOT_EVERY, ROOTS_BYTES_MAX, ROOTS_MAX, VISITED_MAX};
use crate::log::frame::Kind;
use crate::log::reader::Reader;
use crate::log::{Log, Retention};
use crate::state::State;
use crate::view::View;
use crate::walk::{HistoryError, Walk};
use api::event::Event;
use api::revision::{Millis, Revision};
use std::collections::VecDeque;
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
    /// States on disk, ascending.
    bases: Vec<Place>,
}

impl History {
    /// The past of the log that `reader` reads.
    ///
    /// # Errors
    /// If the directory cannot be read.
    pub fn open(reader: Reader) -> Result<Self, HistoryError> {
        let bases = bases::list(&*reader.disk)?;
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
        for place in bases.into_iter().rev().filter(|place| place.index + 1 >= start) {
            let Base { state, .. } = bases::read(&self.reader.disk, place)?;
            if fits(&state.view) {
                return Ok(state);
            }
        }
        if start == 0 { Ok(State::default()) } else { Err(HistoryError::Before { oldest: self.oldest() }) }
    }

    /// The first revision whose view can still be had.
    #[must_use]
    pub fn oldest(&self) -> Revision {
        let start = self.reader.start();
        if start == 0 {
            return Revision(0);
        }
        let kept = self.kept();
        let base = kept.bases.iter().find(|place| place.index + 1 >= start).map(|place| place.revision);
        let root = kept.roots.front().map(|(state, _)| state.view.revision);
        base.or(root).unwrap_or_default()
    }

    /// Where a replay of everything that is kept begins: the empty state, or the oldest on disk that the log goes on from.
    ///
    /// # Errors
    /// `Rootless` if there is neither.
    pub fn beginning(&self) -> Result<Base, HistoryError> {
        let start = self.reader.start();
        if start == 0 {
            return Ok(Base::default());
        }
        let place = self.kept().bases.iter().copied().find(|place| place.index + 1 >= start);
        let place = place.ok_or(HistoryError::Rootless)?;
        bases::read(&self.reader.disk, place)
    }

    /// The newest state on disk that stands no later than at `index` and that the log goes on from.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn base_before(&self, index: u64) -> Result<Option<Base>, HistoryError> {
        let start = self.reader.start();
        let fits = |place: &&Place| place.index <= index && place.index + 1 >= start;
        let place = self.kept().bases.iter().rev().find(fits).copied();
        place.map(|place| bases::read(&self.reader.disk, place)).transpose()
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

    /// Writes a state to disk as a place to replay from, so that the log before it may go while what follows can still be read.
    /// Called where waiting is allowed.
    ///
    /// # Errors
    /// If the disk fails; nothing is then kept.
    pub fn save_base(&self, base: &Base) -> Result<(), HistoryError> {
        let place = bases::save(&self.reader.disk, base)?;
        let mut kept = self.kept();
        kept.bases.retain(|other| *other != place);
        kept.bases.push(place);
        kept.bases.sort_unstable();
        Ok(())
    }

    /// Bytes of the newest state on disk; 0 if there is none.
    ///
    /// # Errors
    /// If it cannot be looked at.
    pub fn base_bytes(&self) -> Result<u64, HistoryError> {
        let newest = self.kept().bases.last().copied();
        Ok(newest.map_or(Ok(0), |place| bases::bytes(&*self.reader.disk, place))?)
    }

    /// Takes away the oldest of the log as `Log::retire` does, but never what the newest base needs, and then the bases that
    /// nothing can be replayed from.
    ///
    /// # Errors
    /// If the disk fails.
    pub fn retire(&self, log: &Log, retention: &Retention) -> Result<usize, HistoryError> {
        let newest = self.kept().bases.last().map_or(0, |place| place.index + 1);
        let gone = log.retire(&Retention { needed_from: retention.needed_from.min(newest), ..*retention })?;
        let start = self.reader.start();
        let mut useless = self.kept().bases.clone();
        useless.retain(|place| place.index + 1 < start);
        for place in useless {
            bases::remove(&*self.reader.disk, place)?;
            self.kept().bases.retain(|base| *base != place);
        }
        Ok(gone)
    }
}
