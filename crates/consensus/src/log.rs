//! Raft's log and vote over the store's one ordered stream. It appends to the store's log and leaves the flush to the
//! writer, and never waits for a disk itself, save for a vote: a vote given must be a vote kept.
mod writer;

use crate::careless::Careless;
use crate::entries::entry_of;
use crate::frame::{vote_bytes, vote_of};
use crate::limits::{APPEND_BYTES_MAX, READ_BYTES_MAX};
use crate::machine::Shelf;
use crate::room::{Health, Room};
use crate::types::{Entry, LogId, Payload, Types, Vote, log_id, term_of};
use futures::Stream;
use openraft::OptionalSend;
use openraft::storage::{IOFlushed, LogState, RaftLogReader, RaftLogStorage};
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, RangeBounds};
use std::sync::Arc;
use store::log::error::LogError;
use store::log::frame::{Frame, Kind, Position};
use tokio::sync::oneshot;
use writer::{Queue, Waiting, wait};

/// The log, shared by openraft's core, its readers and the writer.
#[derive(Clone)]
pub(crate) struct Log {
    inner: store::log::Log,
    /// Knows the hash of the log where a snapshot jumped ahead of it.
    shelf: Shelf,
    queue: Arc<Closing>,
    careless: Careless,
    /// Is told of what cannot be read.
    room: Arc<Room>,
}

/// Closes the queue with the last handle, which ends the writer.
struct Closing(Arc<Queue>);

impl Drop for Closing {
    fn drop(&mut self) {
        self.0.close();
    }
}

impl Log {
    /// Takes the log over and starts its writer. The room is told once if the disk fails, and of what cannot be read.
    pub(crate) fn new(inner: store::log::Log, shelf: Shelf, careless: Careless, room: Arc<Room>) -> Self {
        let broken = {
            let room = room.clone();
            move |why: &str| room.fall_ill(Health::Disk(why.to_owned()))
        };
        let queue = Arc::new(Queue::default());
        rt::spawn_thread("log", writer::run(queue.clone(), inner.clone(), Box::new(broken)));
        Self { inner, shelf, queue: Arc::new(Closing(queue)), careless, room }
    }

    /// Its last entry, or what stands for it.
    pub(crate) fn last(&self) -> Option<LogId> {
        self.inner.reader().last().and_then(id_of)
    }

    fn purged(&self) -> Option<LogId> {
        self.inner.purged().and_then(id_of)
    }

    pub(crate) fn store(&self) -> &store::log::Log {
        &self.inner
    }

    /// Entries from `start` that Raft may still see: at least one if there is one, and no more than about `bytes_max`.
    pub(crate) fn read(&self, start: u64, end: u64, bytes_max: usize) -> io::Result<Vec<Entry>> {
        let start = start.max(self.inner.purged().map_or(0, |purged| purged.index + 1));
        let found = self.inner.reader().entries(start, end, bytes_max);
        let found = found.inspect_err(|why| self.room.met(why)).map_err(failed)?;
        found.into_iter().map(|(frame, _)| entry_of(frame)).collect()
    }
}

fn failed(why: LogError) -> io::Error {
    io::Error::other(why)
}

/// The leader of a place where no entry ever was: before the first entry of a log that does not begin at 0.
const NOBODY: u64 = u64::MAX;

fn id_of(position: Position) -> Option<LogId> {
    (position.leader != NOBODY).then(|| log_id(position.term, position.index))
}

fn position_of(id: LogId) -> Position {
    Position { index: id.index, term: term_of(&id), leader: 0 }
}

fn frame_of(entry: Entry) -> Frame {
    let (kind, time, payload) = match entry.payload {
        Payload::Normal(record) => (Kind::Normal, record.time, record.bytes),
        Payload::Blank => (Kind::Blank, api::revision::Millis(0), bytes::Bytes::new()),
        Payload::Membership(_) => {
            let (_, time, bytes) = crate::frame::payload_bytes(&entry.payload);
            (Kind::Membership, time, bytes)
        }
    };
    let (index, term) = (entry.log_id.index, term_of(&entry.log_id));
    Frame { index, term, leader: 0, time, kind, flags: 0, payload }
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
            let more = self.read(start, end, READ_BYTES_MAX)?;
            let Some(last) = more.last() else { return Ok(entries) };
            start = last.log_id.index + 1;
            entries.extend(more);
        }
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, io::Error> {
        let bytes = self.inner.vote();
        if bytes.is_empty() {
            return Ok(None);
        }
        vote_of(bytes.into()).map(Some).map_err(io::Error::other)
    }

    async fn limited_get_log_entries(&mut self, start: u64, end: u64) -> Result<Vec<Entry>, io::Error> {
        self.read(start, end, APPEND_BYTES_MAX)
    }

    /// A part at a time: after a restart this is the whole log since the checkpoint.
    async fn entries_stream<R>(&mut self, range: R) -> impl Stream<Item = Result<Entry, io::Error>> + OptionalSend
    where
        R: RangeBounds<u64> + Clone + Debug + OptionalSend,
    {
        let (start, end) = bounds(&range);
        let part = Vec::new().into_iter();
        futures::stream::unfold((self.clone(), start, part), move |(log, mut start, mut part)| async move {
            if part.len() == 0 && start < end {
                match log.read(start, end, READ_BYTES_MAX) {
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
        let purged = self.purged();
        Ok(LogState { last_purged_log_id: purged, last_log_id: self.last().max(purged) })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), io::Error> {
        if self.careless.forgets_votes {
            return Ok(());
        }
        self.inner.save_vote(&vote_bytes(vote)).map_err(failed)?;
        let (sender, receiver) = oneshot::channel();
        wait(&self.queue.0, Waiting::Caller(sender));
        receiver.await.map_err(|_| io::Error::other("the log's writer has stopped"))?
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), io::Error> {
        // It rides along with the next flush: an older one only means that more is applied again.
        self.inner.save_committed(committed.map(position_of)).map_err(failed)
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, io::Error> {
        Ok(self.inner.committed().and_then(id_of))
    }

    async fn append<I>(&mut self, entries: I, callback: IOFlushed<Types>) -> Result<(), io::Error>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let frames: Vec<_> = entries.into_iter().map(frame_of).collect();
        if let Some(first) = frames.first()
            && first.index > 0
            && self.inner.reader().last().is_none()
        {
            // The store's log begins at 0 unless it is told otherwise.
            let before = Position { index: first.index - 1, term: 0, leader: NOBODY };
            self.inner.purge(before, None).map_err(failed)?;
        }
        self.inner.append(&frames).map_err(failed)?;
        if self.careless.acknowledges_before_flush {
            callback.io_completed(Ok(()));
            wait(&self.queue.0, Waiting::Nobody);
        } else {
            wait(&self.queue.0, Waiting::Append(callback));
        }
        Ok(())
    }

    async fn truncate_after(&mut self, last: Option<LogId>) -> Result<(), io::Error> {
        // What lies beyond the end leaves nothing to cut.
        if last.is_some_and(|last| last.index >= self.inner.reader().next()) {
            return Ok(());
        }
        // In order with the appends that follow: whoever finds those on the disk finds this too.
        self.inner.truncate_after(last.map(|last| last.index)).map_err(failed)
    }

    async fn purge(&mut self, until: LogId) -> Result<(), io::Error> {
        self.inner.purge(position_of(until), self.shelf.chain_at(until.index)).map_err(failed)
    }
}

#[cfg(test)]
mod tests;
