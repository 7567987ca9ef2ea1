//! The log: Raft's entries, votes and marks, and the whole history, in one ordered stream of frames in segment files. Written once.
//! One owner appends and flushes, from outside; there are no threads and no timers here, and it never says that is durable what is not.
use crate::disk::Disk;
use crate::limits::{FRAME_BYTES_MAX, LOG_CACHE_BYTES, SEGMENT_BYTES, VOTE_BYTES_MAX};
use crate::log::error::LogError;
use crate::log::frame::{Chain, Frame, Position};
use crate::log::ledger::{Batch, Offsets, Segment};
use crate::log::reader::Reader;
use api::revision::Millis;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

pub mod error;
pub mod frame;
mod ledger;
pub mod reader;
mod recovery;
mod segment;
mod tear;

/// How a log is kept.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Refuses a log of another cluster; a new log is marked with it. `None`: any, as for a reader of old logs.
    pub cluster: Option<u128>,
    /// Bytes after which a segment is closed.
    pub segment_bytes: u64,
    /// Bytes of recent payloads kept in memory.
    pub cache_bytes: usize,
    /// Only look: cut nothing, write nothing.
    pub read_only: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { cluster: None, segment_bytes: SEGMENT_BYTES, cache_bytes: LOG_CACHE_BYTES, read_only: false }
    }
}

/// What may be taken away of the history. Segments go whole, the oldest first; what neither bound asks for stays.
#[derive(Clone, Copy, Debug, Default)]
pub struct Retention {
    /// Entries from here on are needed whatever the bounds say (a checkpoint's tail).
    pub needed_from: u64,
    /// Older segments go while all together have more bytes.
    pub bytes_max: Option<u64>,
    /// Segments whose entries are all older go.
    pub since: Option<Millis>,
}

/// The log. Cloning it clones the handle: appending and reading may go on from other threads while one flushes.
#[derive(Clone)]
pub struct Log {
    reader: Reader,
    options: Options,
    /// Held while a flush goes on: there is one writer of files.
    writing: Arc<Mutex<()>>,
    /// Held while segments are taken away, which never touches the last, and so holds up no flush.
    retiring: Arc<Mutex<()>>,
}

impl Log {
    /// Opens the log on `disk`, or begins one.
    ///
    /// # Errors
    /// If it is damaged, has a hole, or belongs to another cluster. An unfinished write at its end is cut off, not an error.
    pub fn open(disk: Arc<dyn Disk>, options: Options) -> Result<Self, LogError> {
        let ledger = recovery::recover(&*disk, options.cluster, !options.read_only)?;
        let reader = Reader { disk, ledger: Arc::new(Mutex::new(ledger)) };
        Ok(Self { reader, options, writing: Arc::default(), retiring: Arc::default() })
    }

    /// A handle for reading only.
    #[must_use]
    pub fn reader(&self) -> &Reader {
        &self.reader
    }

    /// The last vote saved; empty if none.
    #[must_use]
    pub fn vote(&self) -> Vec<u8> {
        self.reader.ledger().now.vote.clone()
    }

    #[must_use]
    pub fn committed(&self) -> Option<Position> {
        self.reader.ledger().now.committed
    }

    #[must_use]
    pub fn purged(&self) -> Option<Position> {
        self.reader.ledger().now.purged
    }

    /// Stamp of the newest entry.
    #[must_use]
    pub fn time(&self) -> Millis {
        self.reader.ledger().time()
    }

    /// Appends entries that follow the last: readable at once, durable after `flush`. All or none.
    ///
    /// # Errors
    /// `Order` if they do not follow, `TooLarge`, or `Failed` after an earlier error.
    pub fn append(&self, entries: &[Frame]) -> Result<(), LogError> {
        let mut ledger = self.reader.ledger();
        ledger.healthy()?;
        for (wanted, entry) in (ledger.now.next..).zip(entries) {
            if entry.index != wanted || !entry.kind.is_entry() {
                return Err(LogError::Order { wanted, given: entry.index });
            }
            if entry.payload.len() > FRAME_BYTES_MAX {
                return Err(LogError::TooLarge { bytes: entry.payload.len() });
            }
        }
        for entry in entries {
            ledger.entry(entry);
        }
        Ok(())
    }

    /// Saves a vote, in order with the entries. Durable after `flush`.
    ///
    /// # Errors
    /// `TooLarge`, or `Failed` after an earlier error.
    pub fn save_vote(&self, vote: &[u8]) -> Result<(), LogError> {
        let mut ledger = self.reader.ledger();
        ledger.healthy()?;
        if vote.len() > VOTE_BYTES_MAX {
            return Err(LogError::TooLarge { bytes: vote.len() });
        }
        ledger.vote(vote);
        Ok(())
    }

    /// Saves how far entries are committed. It need not be flushed at once: the next flush takes it along.
    ///
    /// # Errors
    /// `Failed` after an earlier error.
    pub fn save_committed(&self, committed: Option<Position>) -> Result<(), LogError> {
        let mut ledger = self.reader.ledger();
        ledger.healthy()?;
        ledger.committed(committed);
        Ok(())
    }

    /// Makes all entries after `last` void (`None`: all entries). Durable after `flush`.
    ///
    /// # Errors
    /// `Order` if `last` is not there or purged entries would go.
    pub fn truncate_after(&self, last: Option<u64>) -> Result<(), LogError> {
        let next = last.map_or(0, |last| last + 1);
        let before = match last {
            // Read before the lock is taken; the one owner appends and truncates, so it cannot change in between.
            Some(last) if next < self.reader.next() => self.before_cut(last)?,
            _ => None,
        };
        let mut ledger = self.reader.ledger();
        ledger.healthy()?;
        let floor = ledger.now.purged.map_or(0, |purged| purged.index + 1);
        if next > ledger.now.next || next < floor {
            return Err(LogError::Order { wanted: ledger.now.next, given: next });
        }
        if next < ledger.now.next {
            let (last, time, chain) =
                before.map_or((None, 0, Chain::default()), |(last, time, chain)| (Some(last), time, chain));
            ledger.truncate(last, time, chain);
        }
        Ok(())
    }

    /// Position, stamp and chain of the entry that a truncation leaves last.
    fn before_cut(&self, last: u64) -> Result<Option<(Position, u64, Chain)>, LogError> {
        {
            let ledger = self.reader.ledger();
            let floor = ledger.segments.iter().rev().find(|segment| segment.opening.next == last + 1);
            if let Some(opening) = floor.map(|segment| &segment.opening)
                && last < ledger.start
            {
                return Ok(opening.last().map(|last| (last, opening.time, opening.chain)));
            }
        }
        let found = self.reader.entry_and_chain(last)?;
        Ok(found.map(|(entry, chain)| (entry.position(), entry.time.0, chain)))
    }

    /// Raft needs nothing up to `upto` any more. The entries stay as history, until `retire`. If `upto` lies ahead of the log (a
    /// snapshot was installed), the log goes on after it, and `chain` is that of the entry at `upto`.
    ///
    /// # Errors
    /// `Failed` after an earlier error.
    pub fn purge(&self, upto: Position, chain: Option<Chain>) -> Result<(), LogError> {
        let mut ledger = self.reader.ledger();
        ledger.healthy()?;
        ledger.purge(upto, chain.unwrap_or_default());
        Ok(())
    }

    /// Whether something waits for a flush.
    #[must_use]
    pub fn dirty(&self) -> bool {
        !self.reader.ledger().pending.is_empty()
    }

    /// Makes everything durable that was appended, saved, truncated or purged before the call: one write and one sync (a truncation
    /// takes its own). What is appended meanwhile waits for the next flush.
    ///
    /// # Errors
    /// Any error of the disk; nothing is then known of what was not flushed before, and the log takes nothing more.
    pub fn flush(&self) -> Result<(), LogError> {
        let _writing = lock(&self.writing);
        let mut left = self.reader.ledger().pending.len();
        while left > 0 {
            let batch = {
                let mut ledger = self.reader.ledger();
                ledger.healthy()?;
                ledger.take()
            };
            let Some(batch) = batch else { break };
            if let Err(why) = self.write(&batch) {
                tracing::error!(%why, "the log takes no more writes");
                self.reader.ledger().failed = Some(why.clone());
                return Err(why);
            }
            self.reader.ledger().reuse(batch.bytes);
            left -= 1;
        }
        Ok(())
    }

    fn write(&self, batch: &Batch) -> Result<(), LogError> {
        if self.options.read_only {
            return Err(LogError::Disk(crate::disk::DiskError::ReadOnly));
        }
        let active = {
            let ledger = self.reader.ledger();
            ledger.segments.last().map(|segment| (segment.name.clone(), segment.bytes, segment.opening.clone()))
        };
        let size = batch.bytes.len() as u64;
        if let Some((name, bytes, opening)) = &active
            && !batch.opening.gap
            && batch.opening.next >= opening.next
            && bytes + size <= self.options.segment_bytes
        {
            self.reader.disk.append(name, &batch.bytes)?;
            self.reader.disk.sync(name)?;
            self.reader.ledger().flushed(batch, *bytes, self.options.cache_bytes);
            return Ok(());
        }
        let sequence = active.map_or(1, |(_, _, opening)| opening.sequence + 1);
        let opening = segment::Opening { sequence, ..batch.opening.clone() };
        let name = segment::name(sequence);
        let mut bytes = opening.write();
        let start = bytes.len() as u64;
        bytes.extend_from_slice(&batch.bytes);
        self.reader.disk.create(&name)?;
        self.reader.disk.append(&name, &bytes)?;
        self.reader.disk.sync(&name)?;
        let offsets = Some(Offsets { first: opening.next, at: Vec::new() });
        let mut ledger = self.reader.ledger();
        ledger.now.sequence = sequence;
        ledger.segments.push(Segment { name, opening, bytes: start, offsets, used: 0 });
        ledger.flushed(batch, start, self.options.cache_bytes);
        Ok(())
    }

    /// Time that a simulated disk is owed for the calls so far (see `Disk::owed`).
    #[must_use]
    pub fn owed(&self) -> Duration {
        self.reader.disk.owed()
    }

    /// Bytes of all segments.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.reader.ledger().segments.iter().map(|segment| segment.bytes).sum()
    }

    /// Takes away the oldest segments that `retention` lets go, and that Raft does not need. Returns how many went.
    ///
    /// # Errors
    /// If the disk fails; what was taken away until then is gone.
    pub fn retire(&self, retention: &Retention) -> Result<usize, LogError> {
        let _retiring = lock(&self.retiring);
        // What is counted here stays so: others only append, and Raft needs ever less.
        let going = {
            let ledger = self.reader.ledger();
            let purged = ledger.now.purged.map_or(0, |purged| purged.index + 1);
            let needed_from = purged.min(retention.needed_from);
            retention.going(&ledger.segments).take_while(|(end, _)| *end <= needed_from).count()
        };
        for _ in 0..going {
            let name = {
                let mut ledger = self.reader.ledger();
                let first = ledger.segments.remove(0);
                ledger.start = ledger::Ledger::first_readable(&ledger.segments).max(ledger.start);
                first.name
            };
            self.reader.disk.remove(&name)?;
        }
        Ok(going)
    }

    /// What `retention` would have go if nobody needed it: the index at which the log would then begin, and the bytes of it.
    /// `None` if it is content.
    #[must_use]
    pub fn surplus(&self, retention: &Retention) -> Option<(u64, u64)> {
        let ledger = self.reader.ledger();
        let going = retention.going(&ledger.segments).take_while(|(end, _)| *end <= retention.needed_from);
        going.reduce(|(_, sum), (end, bytes)| (end, sum + bytes))
    }
}

impl Retention {
    /// The segments that the bounds have go, oldest first: where the log would begin without each, and its bytes. Never the last.
    fn going<'s>(&'s self, segments: &'s [Segment]) -> impl Iterator<Item = (u64, u64)> + 's {
        let mut left: u64 = segments.iter().map(|segment| segment.bytes).sum();
        // What lies before a gap cannot be replayed from.
        let void = segments.iter().rposition(|segment| segment.opening.gap).unwrap_or(0);
        segments.windows(2).enumerate().map_while(move |(at, pair)| {
            // Entries of the first segment end where any later one begins, or lower.
            let [Segment { bytes, .. }, Segment { opening: second, .. }] = pair else { return None };
            let large = self.bytes_max.is_some_and(|max| left > max);
            let old = self.since.is_some_and(|since| second.time < since.0);
            left -= bytes;
            (large || old || at < void).then_some((second.next, *bytes))
        })
    }
}

fn lock(writing: &Mutex<()>) -> MutexGuard<'_, ()> {
    writing.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
