//! The newest entries in memory, with vote and bounds: what is read without a disk. It never touches one.
use crate::limits::{SHELF_BYTES_MAX, SHELF_ENTRIES_MAX};
use crate::types::{Entry, LogId, Payload, Vote};
use openraft::entry::RaftEntry;
use std::collections::VecDeque;

#[derive(Default)]
pub(super) struct Shelf {
    pub(super) vote: Option<Vote>,
    pub(super) committed: Option<LogId>,
    /// Everything up to here may be gone.
    pub(super) purged: Option<LogId>,
    pub(super) last: Option<LogId>,
    entries: VecDeque<Entry>,
    bytes: usize,
    /// Entries up to here are durable, so memory may forget them.
    pub(super) durable: u64,
}

impl Shelf {
    pub(super) fn push(&mut self, entry: Entry) {
        let index = entry.log_id.index;
        debug_assert!(self.entries.back().is_none_or(|last| last.log_id.index + 1 == index), "the log has no holes");
        self.bytes += size(&entry);
        self.last = Some(entry.log_id());
        self.entries.push_back(entry);
    }

    /// Forgets the oldest durable entries beyond the limits.
    pub(super) fn trim(&mut self) {
        while self.entries.len() > SHELF_ENTRIES_MAX || (self.bytes > SHELF_BYTES_MAX && self.entries.len() > 1) {
            match self.entries.front() {
                Some(front) if front.log_id.index <= self.durable => self.bytes -= size(front),
                _ => return,
            }
            self.entries.pop_front();
        }
    }

    /// Takes away what comes after `last`.
    pub(super) fn truncate(&mut self, last: Option<LogId>) {
        let next = last.map_or(0, |last| last.index + 1);
        while let Some(back) = self.entries.back()
            && back.log_id.index >= next
        {
            self.bytes -= size(back);
            self.entries.pop_back();
        }
        self.last = last.max(self.purged);
        self.durable = self.durable.min(next.saturating_sub(1));
    }

    pub(super) fn purge(&mut self, until: LogId) {
        while let Some(front) = self.entries.front()
            && front.log_id.index <= until.index
        {
            self.bytes -= size(front);
            self.entries.pop_front();
        }
        self.purged = self.purged.max(Some(until));
        self.last = self.last.max(Some(until));
    }

    /// The index after the last entry.
    pub(super) fn end(&self) -> u64 {
        self.last.map_or(0, |last| last.index + 1)
    }

    /// The oldest index that is here; `end()` if none is.
    pub(super) fn first(&self) -> u64 {
        self.entries.front().map_or(self.end(), |front| front.log_id.index)
    }

    /// The entries from `start` (which is here or is the end), until `end`, a count or a number of bytes is reached.
    pub(super) fn read(&self, start: u64, end: u64, entries_max: usize, bytes_max: usize) -> Vec<Entry> {
        let skip = usize::try_from(start.saturating_sub(self.first())).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let wanted = self.entries.iter().skip(skip).take(entries_max);
        wanted
            .take_while(|entry| {
                let fits = bytes == 0 || bytes + size(entry) <= bytes_max;
                bytes += size(entry);
                fits && entry.log_id.index < end
            })
            .cloned()
            .collect()
    }
}

/// What an entry weighs in memory and on the wire, about.
pub(super) fn size(entry: &Entry) -> usize {
    const HEAD: usize = 64;
    HEAD + match &entry.payload {
        Payload::Normal(record) => record.0.len(),
        Payload::Blank | Payload::Membership(_) => 0,
    }
}
