//! Where the writer writes to: frames in one ordered stream.
use super::frame::Frame;
use crate::types::{Entry, LogId, Vote};
use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// A log in memory. Clones share it, so that a member can be started on it again.
#[derive(Clone, Default)]
pub struct Tape {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Clone, Default)]
struct Inner {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    entries: BTreeMap<u64, Entry>,
}

/// What a log holds when it is opened.
pub(super) struct Found {
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    pub(super) purged: Option<LogId>,
    pub(super) entries: Vec<Entry>,
}

impl Tape {
    pub(super) fn found(&self) -> io::Result<Found> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let entries = inner.entries.into_values().collect();
        Ok(Found { vote: inner.vote, committed: inner.committed, purged: inner.purged, entries })
    }

    pub(super) fn write(&self, frame: &Frame) -> io::Result<()> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        match frame {
            Frame::Vote(vote) => inner.vote = Some(*vote),
            Frame::Committed(committed) => inner.committed = *committed,
            Frame::Entries(entries) => {
                inner.entries.extend(entries.iter().map(|entry| (entry.log_id.index, entry.clone())));
            }
            Frame::Truncate(last) => {
                let next = last.map_or(0, |last| last.index + 1);
                inner.entries.split_off(&next);
            }
            Frame::Purge(until) => {
                inner.entries = inner.entries.split_off(&(until.index + 1));
                inner.purged = Some(*until);
            }
        }
        Ok(())
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    pub(super) fn owed(&self) -> Duration {
        Duration::ZERO
    }

    pub(super) fn read(&self, start: u64, end: u64, entries_max: usize) -> io::Result<Vec<Entry>> {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(inner.entries.range(start..end).take(entries_max).map(|(_, entry)| entry.clone()).collect())
    }
}
