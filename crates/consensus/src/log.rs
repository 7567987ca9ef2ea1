//! Raft's log and vote over the store's one ordered stream. It hands writes to the writer and never waits for a disk
//! itself, save for a vote: a vote given must be a vote kept.
mod frame;
mod shelf;
mod tape;
mod writer;

use crate::limits::{APPEND_BYTES_MAX, SHELF_ENTRIES_MAX};
use crate::types::{Entry, LogId, Types, Vote};
use frame::Frame;
use futures::Stream;
use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use shelf::Shelf;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;
use writer::{Done, Job, Queue};

pub use tape::Tape;

/// The log, shared by openraft's core, its readers and the writer.
#[derive(Clone)]
pub(crate) struct Log {
    shared: Arc<Shared>,
}

struct Shared {
    shelf: Arc<Mutex<Shelf>>,
    queue: Arc<Queue>,
    tape: Tape,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue.close();
    }
}

impl Log {
    /// Opens the log and starts its writer. `broken` is told once if the disk fails.
    pub(crate) fn open(tape: Tape, broken: impl Fn(&str) + Send + 'static) -> io::Result<Self> {
        let found = tape.found()?;
        let mut shelf = Shelf::default();
        (shelf.vote, shelf.committed) = (found.vote, found.committed);
        if let Some(purged) = found.purged {
            shelf.purge(purged);
        }
        for entry in found.entries {
            shelf.durable = entry.log_id.index;
            shelf.push(entry);
            shelf.trim();
        }
        let shelf = Arc::new(Mutex::new(shelf));
        let queue = Arc::new(Queue::default());
        let durable = {
            let shelf = shelf.clone();
            move |index| lock(&shelf).durable = index
        };
        let writer = writer::run(queue.clone(), tape.clone(), Box::new(durable), Box::new(broken));
        rt::spawn_thread("log", writer);
        Ok(Self { shared: Arc::new(Shared { shelf, queue, tape }) })
    }

    /// The index of the last entry.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.shelf().last
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        lock(&self.shared.shelf)
    }

    fn push(&self, frame: Frame, done: Done) {
        self.shared.queue.push(Job { frame, done });
    }

    /// Entries from `start`, fewer than asked for only at a limit or at the end of the log.
    pub(crate) fn read(&self, start: u64, end: u64, entries_max: usize, bytes_max: usize) -> io::Result<Vec<Entry>> {
        let first = {
            let shelf = self.shelf();
            let start = start.max(shelf.purged.map_or(0, |purged| purged.index + 1));
            if start >= shelf.first() {
                return Ok(shelf.read(start, end, entries_max, bytes_max));
            }
            shelf.first()
        };
        // What left the shelf is durable, so the disk has it, and no truncation reaches down there.
        self.shared.tape.read(start, end.min(first), entries_max)
    }
}

fn lock(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

fn bounds(range: &impl RangeBounds<u64>) -> (u64, u64) {
    let start = match range.start_bound() {
        Bound::Included(start) => *start,
        Bound::Excluded(before) => before.saturating_add(1),
        Bound::Unbounded => 0,
    };
    let end = match range.end_bound() {
        Bound::Included(last) => last.saturating_add(1),
        Bound::Excluded(end) => *end,
        Bound::Unbounded => u64::MAX,
    };
    (start, end)
}

impl RaftLogReader<Types> for Log {
    async fn try_get_log_entries<R: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: R,
    ) -> Result<Vec<Entry>, io::Error> {
        let (mut start, end) = bounds(&range);
        let mut entries = Vec::new();
        loop {
            let more = self.read(start, end, usize::MAX, usize::MAX)?;
            let Some(last) = more.last() else { return Ok(entries) };
            start = last.log_id.index + 1;
            entries.extend(more);
        }
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        Ok(self.shelf().vote)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        self.read(start, end, SHELF_ENTRIES_MAX, APPEND_BYTES_MAX)
    }

    /// A part at a time: after a restart this is the whole log since the checkpoint.
    async fn entries_stream<R>(&mut self, range: R) -> impl Stream<Item = Result<Entry, io::Error>> + OptionalSend
    where
        R: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds(&range);
        let log = self.clone();
        let part = Vec::new().into_iter();
        futures::stream::unfold((log, start, part), move |(log, mut start, mut part)| async move {
            if part.len() == 0 && start < end {
                match log.read(start, end, SHELF_ENTRIES_MAX, APPEND_BYTES_MAX) {
                    Ok(entries) => part = entries.into_iter(),
                    Err(why) => return Some((Err(why), (log, end, part))),
                }
            }
            let entry = part.next()?;
            start = start.max(entry.log_id.index + 1);
            Some((Ok(entry), (log, start, part)))
        })
    }
}

impl RaftLogStorage<Types> for Log {
    type LogReader = Self;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, io::Error> {
        let shelf = self.shelf();
        Ok(LogState { last_purged_log_id: shelf.purged, last_log_id: shelf.last })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        let (sender, receiver) = oneshot::channel();
        self.push(Frame::Vote(*vote), Done::Caller(sender));
        receiver.await.map_err(|_| io::Error::other("the log's writer has stopped"))??;
        self.shelf().vote = Some(*vote);
        Ok(())
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        self.shelf().committed = committed;
        // It rides along with the next sync: an older one only means that more is applied again.
        self.push(Frame::Committed(committed), Done::Nobody);
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.shelf().committed)
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<_> = entries.into_iter().collect();
        {
            let mut shelf = self.shelf();
            entries.iter().cloned().for_each(|entry| shelf.push(entry));
            shelf.trim();
        }
        self.push(Frame::Entries(entries), Done::Append(callback));
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        self.shelf().truncate(last);
        // In order with the appends that follow: whoever finds those on the disk finds this too.
        self.push(Frame::Truncate(last), Done::Nobody);
        Ok(())
    }

    async fn purge(&mut self, until: LogId) -> Result<(), io::Error> {
        self.shelf().purge(until);
        self.push(Frame::Purge(until), Done::Nobody);
        Ok(())
    }
}
