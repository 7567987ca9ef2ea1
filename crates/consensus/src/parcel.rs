//! A whole state with what Raft must know of it: what a checkpoint file holds and what a new member is sent.
//!
//! `RUTTERRS`, version u32, then a note (length u32, crc32c u32, JSON: place in the log, members), then `store::snapshot`.
use crate::types::SnapshotMeta;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};
use store::log::frame::Chain;
use store::snapshot;
use store::state::State;

const MAGIC: [u8; 8] = *b"RUTTERRS";
const VERSION: u32 = 1;
/// Bytes of a note: a few hundred a member.
const NOTE_BYTES_MAX: u32 = 1024 * 1024;

/// A snapshot as it is kept and handed about. Cloning it is cheap.
#[derive(Clone, Default)]
pub(crate) struct Parcel {
    pub(crate) meta: SnapshotMeta,
    pub(crate) state: State,
    /// The hash of the log up to the entry that the state stands at.
    pub(crate) chain: Chain,
    /// The highest member id that was ever given.
    pub(crate) highest_member: u64,
}

#[derive(Serialize, Deserialize)]
struct Note {
    meta: SnapshotMeta,
    highest_member: u64,
}

fn bad(why: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

impl Parcel {
    /// What Raft must know of the state, as bytes.
    pub(crate) fn note(&self) -> io::Result<Vec<u8>> {
        let note = Note { meta: self.meta.clone(), highest_member: self.highest_member };
        Ok(serde_json::to_vec(&note)?)
    }

    /// # Errors
    /// If the note is none, or of another state.
    pub(crate) fn of(state: State, chain: Chain, note: &[u8]) -> io::Result<Self> {
        let note: Note = serde_json::from_slice(note).map_err(bad)?;
        if note.meta.last_log_id.map_or(0, |last| last.index) != state.view().index() {
            return Err(bad("the snapshot's note is of another state"));
        }
        Ok(Self { meta: note.meta, state, chain, highest_member: note.highest_member })
    }

    pub(crate) fn write(&self, out: &mut dyn Write) -> io::Result<()> {
        let note = self.note()?;
        out.write_all(&MAGIC)?;
        out.write_all(&VERSION.to_le_bytes())?;
        out.write_all(&u32::try_from(note.len()).map_err(bad)?.to_le_bytes())?;
        out.write_all(&crc32c::crc32c(&note).to_le_bytes())?;
        out.write_all(&note)?;
        snapshot::write(&self.state, self.chain, out)
    }

    /// # Errors
    /// If a byte is not what was written, or a later Rutter wrote it.
    pub(crate) fn read(input: &mut dyn Read) -> io::Result<Self> {
        let mut lead = [0; 12];
        input.read_exact(&mut lead)?;
        if lead[..8] != MAGIC || lead[8..] != VERSION.to_le_bytes() {
            return Err(bad("this is no snapshot of a member that this binary reads"));
        }
        let (mut length, mut sum) = ([0; 4], [0; 4]);
        input.read_exact(&mut length)?;
        input.read_exact(&mut sum)?;
        let length = u32::from_le_bytes(length);
        if length > NOTE_BYTES_MAX {
            return Err(bad("the snapshot's note has an impossible length"));
        }
        let mut note = Vec::new();
        input.take(u64::from(length)).read_to_end(&mut note)?;
        if crc32c::crc32c(&note).to_le_bytes() != sum {
            return Err(bad("the snapshot's note is damaged"));
        }
        let (state, chain) = snapshot::read(input).map_err(|why| bad(why.to_string()))?;
        Self::of(state, chain, &note)
    }
}
