//! Reading entries back, from any thread while the writer appends: recent ones from memory, older ones from the segments.
//! It never waits for a flush, and gives only bytes whose checksum holds.
use crate::disk::{Disk, DiskError};
use crate::limits::{FRAME_BYTES_MAX, READ_BYTES};
use crate::log::error::LogError;
use crate::log::frame::{self, Bad, Chain, Frame, Kind, Position};
use crate::log::ledger::{Ledger, Offsets};
use crate::log::segment::{Opening, scan};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Bytes read for one entry before its length is known.
const GUESS_BYTES: usize = 4096;

/// A handle on what the log holds. Cloning it clones the handle.
#[derive(Clone)]
pub struct Reader {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) ledger: Arc<Mutex<Ledger>>,
}

/// Where an entry is found.
enum Place {
    Memory(Box<(Frame, Chain)>),
    Disk { segment: String, offset: u64 },
}

impl Reader {
    pub(crate) fn ledger(&self) -> MutexGuard<'_, Ledger> {
        self.ledger.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The first entry that can be read; equal to `next` if there is none.
    #[must_use]
    pub fn start(&self) -> u64 {
        self.ledger().start
    }

    /// The index that the next entry takes.
    #[must_use]
    pub fn next(&self) -> u64 {
        self.ledger().now.next
    }

    /// The last entry appended, or the position that stands for it after a purge ahead of the log.
    #[must_use]
    pub fn last(&self) -> Option<Position> {
        self.ledger().now.last()
    }

    /// The cluster that the log belongs to; 0 if it was not told.
    #[must_use]
    pub fn cluster(&self) -> u128 {
        self.ledger().now.cluster
    }

    /// The entry at `index`; `None` if the log has none there yet.
    ///
    /// # Errors
    /// `Gone` if it is older than what is retained, `Damaged` if its bytes are not what was written.
    pub fn entry(&self, index: u64) -> Result<Option<Frame>, LogError> {
        Ok(self.entry_and_chain(index)?.map(|(frame, _)| frame))
    }

    /// The hash of the log up to and including the entry at `index`.
    ///
    /// # Errors
    /// As `entry`.
    pub fn chain_at(&self, index: u64) -> Result<Option<Chain>, LogError> {
        {
            let ledger = self.ledger();
            if ledger.now.next.checked_sub(1) == Some(index) {
                return Ok(Some(ledger.now.chain));
            }
            let floor =
                ledger.segments.iter().rev().find(|segment| segment.opening.gap && segment.opening.next == index + 1);
            if let Some(segment) = floor {
                return Ok(Some(segment.opening.chain));
            }
        }
        Ok(self.entry_and_chain(index)?.map(|(_, chain)| chain))
    }

    /// The entry at `index` and the chain up to it.
    ///
    /// # Errors
    /// As `entry`.
    pub fn entry_and_chain(&self, index: u64) -> Result<Option<(Frame, Chain)>, LogError> {
        Ok(match self.place(index)? {
            None => None,
            Some(Place::Memory(found)) => Some(*found),
            Some(Place::Disk { segment, offset }) => Some(self.read(&segment, offset, index)?),
        })
    }

    /// Entries from `from` up to but without `to`, in order: as many as there are, and after the first only while their payloads stay
    /// within `bytes_max` together.
    ///
    /// # Errors
    /// As `entry`.
    pub fn entries(&self, from: u64, to: u64, bytes_max: usize) -> Result<Vec<(Frame, Chain)>, LogError> {
        let mut found: Vec<(Frame, Chain)> = Vec::new();
        let mut bytes = 0;
        let mut window = Window::default();
        for index in from..to.min(self.next()) {
            let entry = match self.place(index)? {
                None => break,
                Some(Place::Memory(entry)) => *entry,
                Some(Place::Disk { segment, offset }) => match window.get(self, &segment, offset, index)? {
                    Some(entry) => entry,
                    None => self.read(&segment, offset, index)?,
                },
            };
            bytes += entry.0.payload.len();
            if bytes > bytes_max && !found.is_empty() {
                break;
            }
            found.push(entry);
        }
        Ok(found)
    }

    fn place(&self, index: u64) -> Result<Option<Place>, LogError> {
        loop {
            let (sequence, name, bytes, opening) = {
                let mut ledger = self.ledger();
                if let Some(recent) = ledger.recent.get(&index) {
                    return Ok(Some(Place::Memory(Box::new((recent.frame.clone(), recent.chain)))));
                }
                if index < ledger.start {
                    return Err(LogError::Gone { index });
                }
                let Some(holder) = ledger.holder(index) else { return Ok(None) };
                ledger.touch(holder);
                let segment = &ledger.segments[holder];
                match &segment.offsets {
                    Some(offsets) => {
                        let place = |offset| Place::Disk { segment: segment.name.clone(), offset };
                        return Ok(offsets.get(index).map(place));
                    }
                    None => (segment.opening.sequence, segment.name.clone(), segment.bytes, segment.opening.clone()),
                }
            };
            let offsets = self.index_segment(&name, bytes, &opening).map_err(|why| gone(why, index))?;
            self.ledger().learn(sequence, offsets);
        }
    }

    /// Reads a whole sealed segment to learn where its entries are.
    fn index_segment(&self, name: &str, bytes: u64, opening: &Opening) -> Result<Offsets, LogError> {
        let bytes = self.disk.read_at(name, 0, usize::try_from(bytes).unwrap_or(usize::MAX))?;
        let damaged =
            |offset, what: &str| LogError::Damaged { segment: name.to_owned(), offset, what: what.to_owned() };
        let (found, start) = Opening::read(name, &bytes)?.ok_or_else(|| damaged(0, "the opening is damaged"))?;
        if found != *opening {
            return Err(damaged(0, "the opening has changed"));
        }
        let mut offsets = Offsets { first: opening.next, at: Vec::new() };
        let end = scan(name, &bytes, start, opening.batch, &mut |head, offset| {
            if head.kind.is_entry() {
                offsets.push(offset as u64);
            } else if head.kind == Kind::Truncate {
                offsets.truncate(truncated_to(head.flags, head.index));
            }
            Ok(())
        })?;
        if end.torn {
            return Err(damaged(end.whole as u64, "a sealed segment ends within a batch"));
        }
        Ok(offsets)
    }

    fn read(&self, segment: &str, offset: u64, index: u64) -> Result<(Frame, Chain), LogError> {
        let mut length = GUESS_BYTES;
        loop {
            let bytes = self.disk.read_at(segment, offset, length).map_err(|why| gone(why.into(), index))?;
            match frame::read(&bytes) {
                Err(Bad::Short(needed)) if needed > length && needed <= FRAME_BYTES_MAX + 2 * GUESS_BYTES => {
                    length = needed
                }
                other => return checked(segment, offset, index, &bytes, other),
            }
        }
    }
}

/// Where a `Truncate` frame makes the log go on.
pub(crate) fn truncated_to(flags: u8, index: u64) -> u64 {
    if flags & 1 == 0 { 0 } else { index + 1 }
}

/// A stretch of one segment, read at once for entries that follow each other.
#[derive(Default)]
struct Window {
    segment: String,
    offset: u64,
    bytes: Vec<u8>,
}

impl Window {
    /// The entry if the window can hold it whole; `None` if it is too large for one.
    fn get(
        &mut self,
        reader: &Reader,
        segment: &str,
        offset: u64,
        index: u64,
    ) -> Result<Option<(Frame, Chain)>, LogError> {
        for fresh in [false, true] {
            if fresh {
                let bytes = reader.disk.read_at(segment, offset, READ_BYTES).map_err(|why| gone(why.into(), index))?;
                *self = Self { segment: segment.to_owned(), offset, bytes };
            }
            let within = offset.checked_sub(self.offset).and_then(|at| self.bytes.get(usize::try_from(at).ok()?..));
            let Some(bytes) = within.filter(|_| self.segment == segment) else { continue };
            match frame::read(bytes) {
                Err(Bad::Short(_)) => {}
                other => return checked(segment, offset, index, bytes, other).map(Some),
            }
        }
        Ok(None)
    }
}

fn checked(
    segment: &str,
    offset: u64,
    index: u64,
    bytes: &[u8],
    read: Result<frame::Head, Bad>,
) -> Result<(Frame, Chain), LogError> {
    let damaged = |what: &str| LogError::Damaged { segment: segment.to_owned(), offset, what: what.to_owned() };
    match read {
        Ok(head) if head.kind.is_entry() && head.index == index => {
            Ok((head.frame(frame::payload(&head, bytes)), head.chain))
        }
        Ok(_) => Err(damaged("another frame stands there")),
        Err(Bad::Damaged(what)) => Err(damaged(what)),
        Err(Bad::Short(_)) => Err(damaged("the file ends within a frame")),
    }
}

fn gone(why: LogError, index: u64) -> LogError {
    match why {
        // Retention took the segment between the look and the read.
        LogError::Disk(DiskError::Missing(_)) => LogError::Gone { index },
        other => other,
    }
}
