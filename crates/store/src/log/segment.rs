//! One segment file: its opening frame, and the scan that tells whole batches from a torn end and from damage. Pure: bytes in, findings out.
//!
//! A segment is 16 bytes (magic, format version, zeros), a `Segment` frame, then batches: frames closed by a `Footer`. A batch is one
//! write and one flush, and the next is written only after it. So a bad frame is a torn end only if nothing of a later batch follows it,
//! and if it looks as unfinished writes do (`tear`).
use crate::limits::VOTE_BYTES_MAX;
use crate::log::error::LogError;
use crate::log::frame::{self, ALIGN, Bad, Chain, HEAD, Head, Kind, Position};
use crate::log::tear::unfinished;

const MAGIC: [u8; 8] = *b"RUTTERLG";
const VERSION: u32 = 1;
/// Bytes before the opening frame.
const PREAMBLE: usize = 16;

/// What a segment says of the log before it: enough to open the log from its last segment alone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Opening {
    pub(crate) cluster: u128,
    pub(crate) sequence: u64,
    /// Number of its first batch.
    pub(crate) batch: u64,
    /// Index that the next entry takes: entries of earlier segments from here on are void. A new log begins with 0.
    pub(crate) next: u64,
    /// Entries are missing between the segment before and this one (a snapshot stands for them).
    pub(crate) gap: bool,
    /// Stamp of the newest entry before.
    pub(crate) time: u64,
    /// Term and leader of the entry before `next`.
    pub(crate) term: u64,
    pub(crate) leader: u64,
    /// Chain of the entry before `next`.
    pub(crate) chain: Chain,
    pub(crate) vote: Vec<u8>,
    pub(crate) committed: Option<Position>,
    /// Raft needs nothing up to here.
    pub(crate) purged: Option<Position>,
}

/// The file's name; the order of names is the order of the log.
pub(crate) fn name(sequence: u64) -> String {
    format!("segment-{sequence:016}.log")
}

/// The sequence number in a name; `None` if it is no segment's.
pub(crate) fn sequence(name: &str) -> Option<u64> {
    let digits = name.strip_prefix("segment-")?.strip_suffix(".log")?;
    (digits.len() == 16 && digits.bytes().all(|b| b.is_ascii_digit())).then(|| digits.parse().ok()).flatten()
}

impl Opening {
    pub(crate) fn write(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(512);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&[0; 4]);
        let mut payload = Vec::with_capacity(256);
        payload.extend_from_slice(&self.cluster.to_le_bytes());
        payload.extend_from_slice(&self.sequence.to_le_bytes());
        for mark in [self.committed, self.purged] {
            let Position { index, term, leader } = mark.unwrap_or_default();
            for number in [index, term, leader] {
                payload.extend_from_slice(&number.to_le_bytes());
            }
        }
        payload.extend_from_slice(&self.vote);
        let marks = u8::from(self.committed.is_some()) << 1 | u8::from(self.purged.is_some()) << 2;
        let flags = u8::from(self.gap) | marks;
        let head = Head {
            length: 0,
            batch: self.batch,
            kind: Kind::Segment,
            flags,
            index: self.next,
            term: self.term,
            leader: self.leader,
            time: self.time,
            chain: self.chain,
        };
        frame::write(&mut bytes, &head, &payload);
        bytes
    }

    /// Reads the opening of the file that begins with `bytes`, and where its first batch starts.
    ///
    /// `Ok(None)`: there is no whole opening, as after a crash while the file was begun.
    pub(crate) fn read(segment: &str, bytes: &[u8]) -> Result<Option<(Self, usize)>, LogError> {
        if bytes.len() < PREAMBLE || bytes[..8] != MAGIC {
            return Ok(None);
        }
        let found = frame::u32_at(bytes, 8);
        if found != VERSION {
            return Err(LogError::Version { segment: segment.to_owned(), found });
        }
        let rest = &bytes[PREAMBLE..];
        let Ok(head) = frame::read(rest) else { return Ok(None) };
        let opening = (bytes[12..16] == [0; 4]).then(|| Self::parse(&head, frame::payload(&head, rest))).flatten();
        let damaged =
            || LogError::Damaged { segment: segment.to_owned(), offset: 0, what: "the opening makes no sense".into() };
        Ok(Some((opening.ok_or_else(damaged)?, PREAMBLE + head.size())))
    }

    /// Whether bytes without a whole opening can be what is left of a segment that was never begun.
    pub(crate) fn unfinished(bytes: &[u8]) -> bool {
        let magic = &bytes[..MAGIC.len().min(bytes.len())];
        if MAGIC.starts_with(magic) { unfinished(bytes, 0, PREAMBLE) } else { bytes.iter().take(HEAD).all(|b| *b == 0) }
    }

    fn parse(head: &Head, payload: &[u8]) -> Option<Self> {
        let (fixed, vote) = payload.split_at_checked(72)?;
        if head.kind != Kind::Segment || vote.len() > VOTE_BYTES_MAX {
            return None;
        }
        let position = |at: usize| Position {
            index: frame::u64_at(fixed, at),
            term: frame::u64_at(fixed, at + 8),
            leader: frame::u64_at(fixed, at + 16),
        };
        Some(Self {
            cluster: u128::from_le_bytes(fixed[..16].try_into().ok()?),
            sequence: frame::u64_at(fixed, 16),
            batch: head.batch,
            next: head.index,
            gap: head.flags & 1 != 0,
            time: head.time,
            term: head.term,
            leader: head.leader,
            chain: head.chain,
            vote: vote.to_vec(),
            committed: (head.flags & 2 != 0).then(|| position(24)),
            purged: (head.flags & 4 != 0).then(|| position(48)),
        })
    }

    /// The entry before `next`; `None` at the start of the log.
    pub(crate) fn last(&self) -> Option<Position> {
        self.next.checked_sub(1).map(|index| Position { index, term: self.term, leader: self.leader })
    }
}

/// Where a scan ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Bytes of whole batches.
    pub(crate) whole: usize,
    /// Number of the next batch.
    pub(crate) batch: u64,
    /// What follows `whole` is a write that was never finished.
    pub(crate) torn: bool,
}

/// Goes through the batches of `bytes` from `start` on and gives each frame of each whole batch, with its offset, to `visit`.
///
/// # Errors
/// `Damaged` if a bad frame is followed by one of a later batch, or is all there: it was durable once.
pub(crate) fn scan(
    segment: &str,
    bytes: &[u8],
    start: usize,
    batch: u64,
    visit: &mut dyn FnMut(&Head, usize) -> Result<(), LogError>,
) -> Result<End, LogError> {
    let mut end = End { whole: start, batch, torn: false };
    let mut frames = Vec::new();
    while end.whole < bytes.len() {
        match read_batch(bytes, end.whole, end.batch, &mut frames) {
            Ok(after) => {
                for (head, offset) in &frames {
                    visit(head, *offset)?;
                }
                end.whole = after;
                end.batch += 1;
            }
            Err((offset, what)) => {
                if let Some(later) = later_batch(bytes, offset, end.batch) {
                    let what = format!("{what}, and a later write follows at byte {later}");
                    return Err(LogError::Damaged { segment: segment.to_owned(), offset: offset as u64, what });
                }
                if !unfinished(bytes, end.whole, offset) {
                    let what = format!("{what}, and it is no unfinished write: its bytes are all there");
                    return Err(LogError::Damaged { segment: segment.to_owned(), offset: offset as u64, what });
                }
                end.torn = true;
                break;
            }
        }
    }
    Ok(end)
}

/// The frames of the batch at `start` into `frames`, and where it ends; or where and why it is no whole batch.
fn read_batch(
    bytes: &[u8],
    start: usize,
    batch: u64,
    frames: &mut Vec<(Head, usize)>,
) -> Result<usize, (usize, &'static str)> {
    frames.clear();
    let mut at = start;
    loop {
        let head = frame::read(&bytes[at..]).map_err(|bad| match bad {
            Bad::Short(_) => (at, "the file ends within a frame"),
            Bad::Damaged(what) => (at, what),
        })?;
        if head.batch != batch {
            return Err((at, "a frame of another batch"));
        }
        if head.kind == Kind::Footer {
            let payload = frame::payload(&head, &bytes[at..]);
            let fits = payload.len() == 12
                && frame::u32_at(payload, 0) as usize == frames.len()
                && frame::u64_at(payload, 4) == (at - start) as u64;
            return if fits { Ok(at + head.size()) } else { Err((at, "the footer does not match its batch")) };
        }
        if head.kind == Kind::Segment {
            return Err((at, "an opening within a segment"));
        }
        frames.push((head, at));
        at += head.size();
    }
}

/// Where a valid frame of a batch after `batch` stands at or after `from`.
pub(crate) fn later_batch(bytes: &[u8], from: usize, batch: u64) -> Option<usize> {
    let first = from.next_multiple_of(ALIGN);
    (first..bytes.len().saturating_sub(HEAD - 1)).step_by(ALIGN).find(|&at| {
        // The checksum is computed only where the rest looks like a frame.
        frame::read(&bytes[at..]).is_ok_and(|head| head.batch > batch)
    })
}

/// The footer that closes a batch of `count` frames in `bytes`.
pub(crate) fn close(bytes: &mut Vec<u8>, head: &Head, count: u32) {
    let mut payload = [0; 12];
    payload[..4].copy_from_slice(&count.to_le_bytes());
    payload[4..].copy_from_slice(&(bytes.len() as u64).to_le_bytes());
    frame::write(bytes, head, &payload);
}
