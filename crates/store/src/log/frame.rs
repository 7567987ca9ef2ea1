//! The bytes of one frame. A change here is a change of the log's format: a recorded log must replay for ever.
//!
//! Little endian, padded with zeros to 16 bytes:
//! `0 payload length u32 | 4 crc32c u32 | 8 batch u48 | 14 kind u8 | 15 flags u8 | 16 index u64 | 24 term u64 | 32 leader u64 |
//! 40 time u64 | 48 chain [16] | 64 payload`. The checksum is over everything but itself, the padding included.
use crate::limits::FRAME_BYTES_MAX;
use api::revision::Millis;
use bytes::Bytes;

/// Bytes before the payload.
pub const HEAD: usize = 64;
/// Frames begin at multiples of this.
pub const ALIGN: usize = 16;

/// What a frame is. Entries take an index; marks say something of the log itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// An entry of commands: `api::record`.
    Normal = 1,
    /// Raft's empty entry at the start of a term.
    Blank = 2,
    /// Raft's membership, in consensus' own bytes.
    Membership = 3,
    Vote = 16,
    Committed = 17,
    /// Entries after `index` are void.
    Truncate = 18,
    /// Raft needs nothing up to `index` any more.
    Purge = 19,
    /// Closes a batch: payload is the number of frames (u32) and bytes (u64) before it.
    Footer = 32,
    /// Opens a segment.
    Segment = 33,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        let kinds = [
            Self::Normal,
            Self::Blank,
            Self::Membership,
            Self::Vote,
            Self::Committed,
            Self::Truncate,
            Self::Purge,
            Self::Footer,
            Self::Segment,
        ];
        kinds.into_iter().find(|kind| *kind as u8 == byte)
    }

    /// Whether it takes an index of its own.
    #[must_use]
    pub fn is_entry(self) -> bool {
        matches!(self, Self::Normal | Self::Blank | Self::Membership)
    }
}

/// The hash of everything up to an entry: BLAKE3, cut to 128 bits, over the chain before it, what the entry is, and its payload.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chain(pub [u8; 16]);

impl std::fmt::Display for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl Chain {
    /// The chain after `frame`.
    #[must_use]
    pub fn then(self, frame: &Frame) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0);
        for number in [frame.index, frame.term, frame.leader, frame.time.0] {
            hasher.update(&number.to_le_bytes());
        }
        hasher.update(&[frame.kind as u8, frame.flags]);
        hasher.update(&frame.payload);
        let mut half = [0; 16];
        half.copy_from_slice(&hasher.finalize().as_bytes()[..16]);
        Self(half)
    }
}

/// Raft's log id: an entry's index, and the term and leader that put it there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    pub index: u64,
    pub term: u64,
    pub leader: u64,
}

/// One entry as it is handed to the log and read back from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub index: u64,
    /// Term and leader are Raft's log id.
    pub term: u64,
    pub leader: u64,
    /// The entry's stamp; 0 for what has none.
    pub time: Millis,
    pub kind: Kind,
    pub flags: u8,
    pub payload: Bytes,
}

impl Frame {
    #[must_use]
    pub fn position(&self) -> Position {
        Position { index: self.index, term: self.term, leader: self.leader }
    }
}

/// A frame without its payload, as it stands on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    pub(crate) length: u32,
    pub(crate) batch: u64,
    pub(crate) kind: Kind,
    pub(crate) flags: u8,
    pub(crate) index: u64,
    pub(crate) term: u64,
    pub(crate) leader: u64,
    pub(crate) time: u64,
    pub(crate) chain: Chain,
}

impl Head {
    /// Bytes of the whole frame on disk.
    pub(crate) fn size(&self) -> usize {
        (HEAD + self.length as usize).next_multiple_of(ALIGN)
    }

    /// Bytes of the frame that begins `bytes`, if what its head says can be; its checksum need not hold.
    pub(crate) fn claimed(bytes: &[u8]) -> Option<usize> {
        let raw = bytes.get(..HEAD)?;
        let length = u32_at(raw, 0) as usize;
        (Kind::of(raw[14]).is_some() && length <= FRAME_BYTES_MAX).then(|| (HEAD + length).next_multiple_of(ALIGN))
    }

    pub(crate) fn frame(&self, payload: &[u8]) -> Frame {
        Frame {
            index: self.index,
            term: self.term,
            leader: self.leader,
            time: Millis(self.time),
            kind: self.kind,
            flags: self.flags,
            payload: Bytes::copy_from_slice(payload),
        }
    }
}

/// Why bytes are no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bad {
    /// It would go on past the bytes there are: this many are needed.
    Short(usize),
    Damaged(&'static str),
}

/// Writes a frame at the end of `bytes`; `head.length` is set from `payload`.
pub(crate) fn write(bytes: &mut Vec<u8>, head: &Head, payload: &[u8]) {
    let start = bytes.len();
    let length = u32::try_from(payload.len()).expect("payloads are bounded by FRAME_BYTES_MAX");
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&head.batch.to_le_bytes()[..6]);
    bytes.extend_from_slice(&[head.kind as u8, head.flags]);
    for number in [head.index, head.term, head.leader, head.time] {
        bytes.extend_from_slice(&number.to_le_bytes());
    }
    bytes.extend_from_slice(&head.chain.0);
    bytes.extend_from_slice(payload);
    bytes.resize(start + (HEAD + payload.len()).next_multiple_of(ALIGN), 0);
    let sum = checksum(&bytes[start..]);
    bytes[start + 4..start + 8].copy_from_slice(&sum.to_le_bytes());
}

/// Reads the frame at the start of `bytes`; its payload is `bytes[HEAD..HEAD + head.length]`.
pub(crate) fn read(bytes: &[u8]) -> Result<Head, Bad> {
    let Some(raw) = bytes.get(..HEAD) else { return Err(Bad::Short(HEAD)) };
    let head = Head {
        length: u32_at(raw, 0),
        batch: u64_at(raw, 8) & 0xffff_ffff_ffff,
        kind: Kind::of(raw[14]).ok_or(Bad::Damaged("no such kind of frame"))?,
        flags: raw[15],
        index: u64_at(raw, 16),
        term: u64_at(raw, 24),
        leader: u64_at(raw, 32),
        time: u64_at(raw, 40),
        chain: Chain(raw[48..64].try_into().expect("sixteen bytes were taken")),
    };
    if head.length as usize > FRAME_BYTES_MAX {
        return Err(Bad::Damaged("longer than a frame may be"));
    }
    let Some(whole) = bytes.get(..head.size()) else { return Err(Bad::Short(head.size())) };
    if checksum(whole) != u32_at(raw, 4) {
        return Err(Bad::Damaged("the checksum does not match"));
    }
    Ok(head)
}

/// The payload of the frame that `read` found at the start of `bytes`.
pub(crate) fn payload<'a>(head: &Head, bytes: &'a [u8]) -> &'a [u8] {
    &bytes[HEAD..HEAD + head.length as usize]
}

fn checksum(frame: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(&frame[..4]), &frame[8..])
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes were taken"))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes were taken"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn head() -> Head {
        Head {
            length: 5,
            batch: 0x1234_5678_9abc,
            kind: Kind::Normal,
            flags: 3,
            index: 7,
            term: 2,
            leader: 9,
            time: 1_000,
            chain: Chain([6; 16]),
        }
    }

    #[test]
    fn frame_reads_back() {
        let mut bytes = Vec::new();
        write(&mut bytes, &head(), b"hello");
        assert_eq!(bytes.len(), 80);
        assert_eq!(read(&bytes), Ok(head()));
        assert_eq!(payload(&head(), &bytes), b"hello");
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_seen() {
        let mut bytes = Vec::new();
        write(&mut bytes, &head(), b"hello");
        for at in 0..bytes.len() {
            assert!(matches!(read(&bytes[..at]), Err(Bad::Short(_))), "cut at {at}");
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[at] ^= 1 << bit;
                assert!(read(&bad).is_err(), "bit {bit} of byte {at}");
            }
        }
        assert!(read(&[0; 128]).is_err(), "zeros are no frame");
    }
}
