//! One member without others: the fold over a log in memory. What it says has happened is gone with the process.
use crate::lines::{LogLine, lines};
use crate::read::Unavailable;
use crate::room::Room;
use crate::submit::SubmitError;
use api::command::{Command, Entry, Outcome};
use api::record;
use api::revision::Millis;
use std::sync::{Arc, Mutex, PoisonError};
use store::apply::apply;
use store::disk::memory::MemoryDisk;
use store::history::History;
use store::log::frame::{Frame, Kind};
use store::log::{Log, Options};
use store::state::State;

pub(crate) struct Alone {
    state: Mutex<State>,
    log: Option<Log>,
}

impl Default for Alone {
    fn default() -> Self {
        // A disk in memory never fails; a member alone can do without its past.
        Self { state: Mutex::default(), log: Log::open(Arc::new(MemoryDisk::default()), Options::default()).ok() }
    }
}

impl Alone {
    pub(crate) fn history(&self) -> Option<History> {
        History::open(self.log.as_ref()?.reader().clone()).ok()
    }

    pub(crate) fn submit(&self, room: &Room, command: Command) -> Result<Outcome, SubmitError> {
        let unknown = |why: &dyn std::fmt::Display| SubmitError::Unknown(why.to_string());
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        let time = Millis(rt::wall()).max(state.view().time());
        let entry = Entry { time, epoch: 1, commands: vec![command] };
        let index = self.log.as_ref().map_or(state.view().index() + 1, |log| log.reader().next());
        if let Some(log) = &self.log {
            let payload = record::encode(&entry).map_err(|why| SubmitError::TooLarge(why.to_string()))?;
            let frame = |index, kind, payload| Frame { index, term: 1, leader: 0, time, kind, flags: 0, payload };
            if index == 0 {
                log.append(&[frame(0, Kind::Blank, bytes::Bytes::new())]).map_err(|why| unknown(&why))?;
            }
            let place = index.max(1);
            log.append(&[frame(place, Kind::Normal, payload)])
                .and_then(|()| log.flush())
                .map_err(|why| unknown(&why))?;
        }
        let mut applied = apply(&mut state, index.max(1), &entry);
        if let Some(history) = room.history() {
            history.note(&state, &applied.events);
        }
        let view = state.view();
        let (index, revision) = (view.index(), view.revision());
        room.published.publish(view);
        room.hub.publish(&applied.events, revision);
        room.applied.raise(index);
        room.revision.raise(revision.0);
        applied.outcomes.pop().ok_or_else(|| unknown(&"no outcome"))
    }

    pub(crate) fn log(&self, from: u64, to: u64) -> Result<Vec<LogLine>, Unavailable> {
        self.log.as_ref().map_or_else(
            || Ok(Vec::new()),
            |log| lines(log.reader(), from, to).map_err(|why| Unavailable(why.to_string())),
        )
    }
}
