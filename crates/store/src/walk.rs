//! Going forward through the log from some state, folding each entry: the one way in which the past is read. It changes no log.
use crate::apply::{apply, skip};
use crate::disk::DiskError;
use crate::limits::READ_BYTES;
use crate::log::error::LogError;
use crate::log::frame::{Chain, Frame, Kind};
use crate::log::reader::Reader;
use crate::snapshot::SnapshotError;
use crate::state::State;
use api::event::Event;
use api::record::{self, RecordError};
use api::revision::Revision;
use std::collections::VecDeque;
use std::sync::Arc;

/// Why the past cannot be read.
#[derive(Debug)]
pub enum HistoryError {
    /// It is older than what is retained: the oldest view that can be had is the one at this revision.
    Before {
        oldest: Revision,
    },
    /// The log does not have its beginning, and no state is kept beside it that it goes on from: something was lost.
    Rootless,
    /// A state kept beside the log cannot be read.
    Base {
        name: String,
        why: SnapshotError,
    },
    Log(LogError),
    /// The entry at `index` is whole, but no record that this binary reads.
    Record {
        index: u64,
        why: RecordError,
    },
    Snapshot(SnapshotError),
    /// The entry's chain is not what the entries before it make: something was changed after it was written.
    Chain {
        index: u64,
    },
}

impl HistoryError {
    /// Bytes are there and are not what was written. What is missing may have been taken away by retention meanwhile, and says nothing.
    #[must_use]
    pub fn damaged(&self) -> bool {
        match self {
            Self::Log(why) => why.damaged(),
            Self::Base { why, .. } | Self::Snapshot(why) => matches!(why, SnapshotError::Damaged(_)),
            Self::Record { why, .. } => !matches!(why, RecordError::Version(_)),
            Self::Chain { .. } => true,
            Self::Rootless | Self::Before { .. } => false,
        }
    }
}

impl std::fmt::Display for HistoryError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Before { oldest } => {
                write!(f, "that is older than what is retained: the first revision that is kept is {oldest}")
            }
            Self::Rootless => f.write_str(
                "the log does not have its beginning, and no state beside it takes the place of what is missing",
            ),
            Self::Base { name, why } => write!(f, "the state in {name}, from which the log goes on: {why}"),
            Self::Log(why) => why.fmt(f),
            Self::Record { index, why } => write!(f, "log entry {index}: {why}"),
            Self::Snapshot(why) => why.fmt(f),
            Self::Chain { index } => {
                write!(
                    f,
                    "log entry {index} does not continue the hash chain: the log was changed; compare with another member's"
                )
            }
        }
    }
}

impl std::error::Error for HistoryError {}

impl From<LogError> for HistoryError {
    fn from(why: LogError) -> Self {
        Self::Log(why)
    }
}

impl From<DiskError> for HistoryError {
    fn from(why: DiskError) -> Self {
        Self::Log(LogError::Disk(why))
    }
}

/// Folds one entry of the log as it was stored.
///
/// # Errors
/// If a normal entry is no record.
pub fn fold(state: &mut State, frame: &Frame) -> Result<Vec<Arc<Event>>, HistoryError> {
    if frame.kind != Kind::Normal {
        skip(state, frame.index);
        return Ok(Vec::new());
    }
    if frame.index <= state.view.index {
        // The first entry of a log is Raft's own; a log in which it is not was made by something else.
        let why = RecordError::Damaged("it does not come after the entries folded so far".into());
        return Err(HistoryError::Record { index: frame.index, why });
    }
    let entry = record::decode(&frame.payload).map_err(|why| HistoryError::Record { index: frame.index, why })?;
    Ok(apply(state, frame.index, &entry).events)
}

/// A walk through the log: a state, and the entries that come next.
pub struct Walk {
    reader: Reader,
    state: State,
    next: u64,
    /// The last entry to be folded: what is not committed is nobody's past.
    through: u64,
    ahead: VecDeque<(Frame, Chain)>,
    /// Events of the entry folded last that are to be given yet.
    pending: Vec<Arc<Event>>,
}

/// One entry that was folded.
pub struct Step {
    pub frame: Frame,
    /// The log's hash up to and including it, as it was written.
    pub chain: Chain,
    pub events: Vec<Arc<Event>>,
}

impl Walk {
    /// A walk on from `state`, up to and including the entry at `through`.
    #[must_use]
    pub fn new(reader: Reader, state: State, through: u64) -> Self {
        // Only a state before or after Raft's own first entry has index 0, and folding that entry again changes nothing.
        let next = if state.view.index == 0 { 0 } else { state.view.index + 1 };
        Self { reader, state, next, through, ahead: VecDeque::new(), pending: Vec::new() }
    }

    /// The state after the last step.
    #[must_use]
    pub fn state(&self) -> &State {
        &self.state
    }

    /// Lets the walk go on to the entry at `through`, which is committed by now.
    pub fn extend(&mut self, through: u64) {
        self.through = self.through.max(through);
    }

    /// The entry that the next step folds.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn peek(&mut self) -> Result<Option<&Frame>, HistoryError> {
        if self.ahead.is_empty() && self.next <= self.through {
            self.ahead = self.reader.entries(self.next, self.through.saturating_add(1), READ_BYTES)?.into();
        }
        Ok(self.ahead.front().map(|(frame, _)| frame))
    }

    /// Folds the next entry; `None` at the end.
    ///
    /// # Errors
    /// If the log cannot be read, or the entry is no record.
    pub fn step(&mut self) -> Result<Option<Step>, HistoryError> {
        self.peek()?;
        let Some((frame, chain)) = self.ahead.pop_front() else { return Ok(None) };
        let events = fold(&mut self.state, &frame)?;
        self.next = frame.index + 1;
        Ok(Some(Step { frame, chain, events }))
    }

    /// Goes on until the state has an event after `revision`; what comes next from `events` is then the first after it.
    ///
    /// # Errors
    /// As `step`.
    pub fn seek(&mut self, revision: Revision) -> Result<(), HistoryError> {
        while self.pending.is_empty()
            && let Some(step) = self.step()?
        {
            self.pending = step.events;
            self.pending.retain(|event| event.revision > revision);
        }
        Ok(())
    }

    /// The next events, at least `least` of them unless the end comes first, and how far they go: whole entries.
    ///
    /// # Errors
    /// As `step`.
    pub fn events(&mut self, least: usize) -> Result<(Vec<Arc<Event>>, Revision), HistoryError> {
        let mut events = std::mem::take(&mut self.pending);
        while events.len() < least
            && let Some(step) = self.step()?
        {
            events.extend(step.events);
        }
        Ok((events, self.state.view.revision))
    }
}
