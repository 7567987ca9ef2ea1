//! What the log knows of itself in memory: its segments, its last entry and marks, recent entries, and the batches not yet written.
//! It touches no disk.
use crate::limits::{SEGMENT_INDEXES_MAX, SPARE_BYTES_MAX};
use crate::log::error::LogError;
use crate::log::frame::{self, ALIGN, Chain, Frame, Head, Kind, Position};
use crate::log::segment::{Opening, close};
use api::revision::Millis;
use std::collections::{BTreeMap, VecDeque};

/// A segment file.
#[derive(Clone, Debug)]
pub(crate) struct Segment {
    pub(crate) name: String,
    pub(crate) opening: Opening,
    /// Bytes of whole batches.
    pub(crate) bytes: u64,
    /// Where its entries are; `None` until somebody reads there.
    pub(crate) offsets: Option<Offsets>,
    /// When the offsets were last of use, by `Ledger::clock`.
    pub(crate) used: u64,
}

/// Where entries `first ..` of a segment begin, in units of `ALIGN` bytes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Offsets {
    pub(crate) first: u64,
    pub(crate) at: Vec<u32>,
}

impl Offsets {
    pub(crate) fn push(&mut self, offset: u64) {
        self.at.push(u32::try_from(offset / ALIGN as u64).expect("a segment is far below 64 GiB"));
    }

    /// Drops entries from `next` on.
    pub(crate) fn truncate(&mut self, next: u64) {
        self.at.truncate(usize::try_from(next.saturating_sub(self.first)).unwrap_or(usize::MAX));
    }

    pub(crate) fn get(&self, index: u64) -> Option<u64> {
        let at = self.at.get(usize::try_from(index.checked_sub(self.first)?).ok()?)?;
        Some(u64::from(*at) * ALIGN as u64)
    }
}

/// Frames that are written and flushed together.
#[derive(Debug)]
pub(crate) struct Batch {
    /// The log as it was before the batch: what a segment that begins with it says.
    pub(crate) opening: Opening,
    pub(crate) bytes: Vec<u8>,
    pub(crate) frames: u32,
    pub(crate) operations: Vec<Operation>,
}

/// What a batch does to a segment's offsets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Operation {
    /// An entry at this offset within the batch.
    Entry(usize),
    /// Entries from this index on are void.
    Truncate(u64),
}

#[derive(Clone, Debug)]
pub(crate) struct Recent {
    pub(crate) frame: Frame,
    pub(crate) chain: Chain,
    batch: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pub(crate) segments: Vec<Segment>,
    /// First entry that can be read.
    pub(crate) start: u64,
    /// The log as it stands with all that was appended, flushed or not; `batch` is the number of the next batch.
    pub(crate) now: Opening,
    /// The last batch on disk.
    pub(crate) flushed: u64,
    pub(crate) recent: BTreeMap<u64, Recent>,
    recent_bytes: usize,
    pub(crate) pending: VecDeque<Batch>,
    /// Memory of a batch that is written, for the next.
    spare: Vec<u8>,
    pub(crate) failed: Option<LogError>,
    clock: u64,
}

impl Ledger {
    /// # Errors
    /// The failure after which the log takes nothing more.
    pub(crate) fn healthy(&self) -> Result<(), LogError> {
        self.failed.as_ref().map_or(Ok(()), |why| Err(LogError::Failed(Box::new(why.clone()))))
    }

    /// The batch that is being filled; begins one if there is none, or if `apart`.
    fn batch(&mut self, apart: bool) -> &mut Batch {
        if apart || self.pending.is_empty() {
            let opening = Opening { gap: false, ..self.now.clone() };
            self.now.batch += 1;
            let bytes = std::mem::take(&mut self.spare);
            self.pending.push_back(Batch { opening, bytes, frames: 0, operations: Vec::new() });
        }
        self.pending.back_mut().expect("a batch was just begun if there was none")
    }

    fn put(&mut self, head: Head, payload: &[u8]) {
        let batch = self.batch(false);
        let head = Head { batch: batch.opening.batch, ..head };
        if head.kind.is_entry() {
            batch.operations.push(Operation::Entry(batch.bytes.len()));
        }
        frame::write(&mut batch.bytes, &head, payload);
        batch.frames += 1;
    }

    fn mark(&self, kind: Kind, flags: u8, at: Position) -> Head {
        let Position { index, term, leader } = at;
        Head { length: 0, batch: 0, kind, flags, index, term, leader, time: self.now.time, chain: self.now.chain }
    }

    /// Appends an entry whose order and size were checked.
    pub(crate) fn entry(&mut self, entry: &Frame) {
        let chain = self.now.chain.then(entry);
        let head = Head {
            length: 0,
            batch: 0,
            kind: entry.kind,
            flags: entry.flags,
            index: entry.index,
            term: entry.term,
            leader: entry.leader,
            time: entry.time.0,
            chain,
        };
        self.put(head, &entry.payload);
        self.now.next = entry.index + 1;
        (self.now.term, self.now.leader, self.now.chain) = (entry.term, entry.leader, chain);
        self.now.time = self.now.time.max(entry.time.0);
        self.recent_bytes += entry.payload.len();
        let batch = self.now.batch - 1;
        self.recent.insert(entry.index, Recent { frame: entry.clone(), chain, batch });
    }

    pub(crate) fn vote(&mut self, vote: &[u8]) {
        self.put(self.mark(Kind::Vote, 0, Position::default()), vote);
        self.now.vote = vote.to_vec();
    }

    pub(crate) fn committed(&mut self, committed: Option<Position>) {
        self.put(self.mark(Kind::Committed, u8::from(committed.is_some()), committed.unwrap_or_default()), &[]);
        self.now.committed = committed;
    }

    /// Entries after `last` are void; `time` and `chain` are those of `last`.
    pub(crate) fn truncate(&mut self, last: Option<Position>, time: u64, chain: Chain) {
        let next = last.map_or(0, |last| last.index + 1);
        let Position { term, leader, .. } = last.unwrap_or_default();
        self.now = Opening { next, term, leader, time, chain, ..self.now.clone() };
        self.batch(true).operations.push(Operation::Truncate(next));
        self.put(self.mark(Kind::Truncate, u8::from(last.is_some()), last.unwrap_or_default()), &[]);
        self.forget(next..);
    }

    /// Raft needs nothing up to `upto`; if that lies ahead, the log goes on after it with `chain`.
    pub(crate) fn purge(&mut self, upto: Position, chain: Chain) {
        self.now.purged = self.now.purged.max(Some(upto));
        if upto.index >= self.now.next {
            let Position { index, term, leader } = upto;
            self.now = Opening { next: index + 1, term, leader, chain, ..self.now.clone() };
            self.start = index + 1;
            self.forget(..=index);
            self.batch(true).opening.gap = true;
        }
        self.put(self.mark(Kind::Purge, 0, upto), &[]);
    }

    /// The batch taken next for writing, closed; `None` if all is written.
    pub(crate) fn take(&mut self) -> Option<Batch> {
        let mut batch = self.pending.pop_front()?;
        let mut head = self.mark(Kind::Footer, 0, Position::default());
        head.batch = batch.opening.batch;
        close(&mut batch.bytes, &head, batch.frames);
        Some(batch)
    }

    /// Takes back the memory of a batch that is written.
    pub(crate) fn reuse(&mut self, mut bytes: Vec<u8>) {
        if bytes.capacity() <= SPARE_BYTES_MAX {
            bytes.clear();
            self.spare = bytes;
        }
    }

    /// Notes that `batch` is durable at `offset` of the last segment.
    pub(crate) fn flushed(&mut self, batch: &Batch, offset: u64, cache_bytes: usize) {
        self.flushed = batch.opening.batch;
        if let Some(Segment { offsets: Some(offsets), bytes, .. }) = self.segments.last_mut() {
            for operation in &batch.operations {
                match operation {
                    Operation::Entry(at) => offsets.push(offset + *at as u64),
                    Operation::Truncate(next) => offsets.truncate(*next),
                }
            }
            *bytes = offset + batch.bytes.len() as u64;
        }
        while self.recent_bytes > cache_bytes
            && let Some(oldest) = self.recent.first_entry()
            && oldest.get().batch <= self.flushed
        {
            self.recent_bytes -= oldest.remove().frame.payload.len();
        }
    }

    fn forget(&mut self, range: impl std::ops::RangeBounds<u64>) {
        let indexes: Vec<u64> = self.recent.range(range).map(|(index, _)| *index).collect();
        for index in indexes {
            self.recent_bytes -= self.recent.remove(&index).map_or(0, |recent| recent.frame.payload.len());
        }
    }

    /// The segment that holds `index`, as a position in `segments`.
    pub(crate) fn holder(&self, index: u64) -> Option<usize> {
        if index < self.start || index >= self.now.next {
            return None;
        }
        self.segments.iter().rposition(|segment| segment.opening.next <= index)
    }

    /// Takes note of the offsets of a segment that was read, and drops those least used if there are many.
    pub(crate) fn learn(&mut self, sequence: u64, offsets: Offsets) {
        self.clock += 1;
        let clock = self.clock;
        let active = self.segments.len().saturating_sub(1);
        if let Some(segment) = self.segments[..active].iter_mut().find(|segment| segment.opening.sequence == sequence) {
            (segment.offsets, segment.used) = (Some(offsets), clock);
        }
        let known = self.segments[..active].iter_mut().filter(|segment| segment.offsets.is_some());
        let mut known: Vec<&mut Segment> = known.collect();
        if known.len() > SEGMENT_INDEXES_MAX {
            known.sort_by_key(|segment| segment.used);
            known[0].offsets = None;
        }
    }

    pub(crate) fn touch(&mut self, holder: usize) {
        self.clock += 1;
        self.segments[holder].used = self.clock;
    }

    /// The first entry that can be read, given the segments there are.
    pub(crate) fn first_readable(segments: &[Segment]) -> u64 {
        let gap = segments.iter().rposition(|segment| segment.opening.gap).unwrap_or(0);
        segments[gap..].iter().map(|segment| segment.opening.next).min().unwrap_or(0)
    }

    pub(crate) fn time(&self) -> Millis {
        Millis(self.now.time)
    }
}
