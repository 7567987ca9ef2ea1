//! A whole state as one stream of bytes, checked and versioned: what a new member is sent, and what old views are replayed from.
//! It reads and writes streams it is handed, and believes nothing that it did not check.
//!
//! `RUTTERSN`, version u32, zeros u32, then blocks: length u32, crc32c u32, payload. The first block is the summary (index, revision,
//! time, state hash, chain, objects, outcomes, outcomes gone), then come blocks of objects, then of outcomes, each filled in order.
use crate::at_rest::{self, Malformed, Parts};
use crate::limits::SNAPSHOT_BLOCK_BYTES_MAX;
use crate::log::frame::Chain;
use crate::state::State;
use crate::view::StateHash;
use api::command::CommandId;
use api::revision::{Millis, Revision};
use std::io::{self, Read, Write};
use std::sync::Arc;

const MAGIC: [u8; 8] = *b"RUTTERSN";
/// Version 1 had no times of outcomes: they count as new.
const VERSION: u32 = 2;
const FIRST_VERSION: u32 = 1;
/// Bytes after which a block is closed.
const BLOCK_BYTES: usize = 256 * 1024;

/// Why a stream is no snapshot.
#[derive(Debug)]
pub enum SnapshotError {
    Io(io::Error),
    /// Written by a later Rutter, or no snapshot at all.
    Version,
    Damaged(&'static str),
    /// All bytes are whole, but the state is not the one whose hash was written.
    Hash {
        wanted: StateHash,
        found: StateHash,
    },
}

impl std::fmt::Display for SnapshotError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(why) => write!(f, "the snapshot cannot be read: {why}; ask for it again"),
            Self::Version => {
                f.write_str("this is no snapshot that this binary reads (versions 1 and 2): use a later Rutter")
            }
            Self::Damaged(what) => write!(f, "the snapshot is damaged ({what}): ask for it again"),
            Self::Hash { wanted, found } => {
                write!(f, "the snapshot's state has hash {found} where {wanted} was written: ask another member for it")
            }
        }
    }
}

impl std::error::Error for SnapshotError {}

impl From<io::Error> for SnapshotError {
    fn from(why: io::Error) -> Self {
        match why.kind() {
            io::ErrorKind::UnexpectedEof => Self::Damaged("it ends too early"),
            _ => Self::Io(why),
        }
    }
}

impl From<Malformed> for SnapshotError {
    fn from(_: Malformed) -> Self {
        Self::Damaged("a block makes no sense")
    }
}

/// Writes `state`, and the chain of the log entry it stands at.
///
/// # Errors
/// Those of `out`.
pub fn write(state: &State, chain: Chain, out: &mut dyn Write) -> io::Result<()> {
    out.write_all(&MAGIC)?;
    out.write_all(&VERSION.to_le_bytes())?;
    out.write_all(&[0; 4])?;
    let view = &state.view;
    let objects: usize = view.kinds.values().map(|kind| kind.objects.len()).sum();
    let mut summary = Vec::new();
    for number in [view.index, view.revision.0, view.time.0] {
        summary.extend_from_slice(&number.to_le_bytes());
    }
    summary.extend_from_slice(&view.hash.0.to_le_bytes());
    summary.extend_from_slice(&chain.0);
    for number in [objects as u64, state.outcomes.order.len() as u64, state.outcomes.gone] {
        summary.extend_from_slice(&number.to_le_bytes());
    }
    write_block(out, &summary)?;
    let mut block = Vec::with_capacity(BLOCK_BYTES * 2);
    for object in view.all() {
        at_rest::put_object(&mut block, object);
        flush_block(out, &mut block, BLOCK_BYTES)?;
    }
    flush_block(out, &mut block, 1)?;
    for (id, time) in &state.outcomes.order {
        block.extend_from_slice(&id.0.to_le_bytes());
        block.extend_from_slice(&time.0.to_le_bytes());
        let kept = state.outcomes.by_id.get(id).expect("each id in order has its outcome");
        at_rest::put_kept(&mut block, kept);
        flush_block(out, &mut block, BLOCK_BYTES)?;
    }
    flush_block(out, &mut block, 1)
}

fn flush_block(out: &mut dyn Write, block: &mut Vec<u8>, at: usize) -> io::Result<()> {
    if block.len() >= at {
        write_block(out, block)?;
        block.clear();
    }
    Ok(())
}

fn write_block(out: &mut dyn Write, block: &[u8]) -> io::Result<()> {
    let length = u32::try_from(block.len()).map_err(io::Error::other)?;
    out.write_all(&length.to_le_bytes())?;
    out.write_all(&crc32c::crc32c(block).to_le_bytes())?;
    out.write_all(block)
}

/// Reads a state and the chain of the log entry it stands at; the state's hash is computed anew and compared.
///
/// # Errors
/// If a byte is not what was written.
pub fn read(input: &mut dyn Read) -> Result<(State, Chain), SnapshotError> {
    let mut lead = [0; 16];
    input.read_exact(&mut lead)?;
    let timed = lead[8..12] == VERSION.to_le_bytes();
    if lead[..8] != MAGIC || !timed && lead[8..12] != FIRST_VERSION.to_le_bytes() || lead[12..] != [0; 4] {
        return Err(SnapshotError::Version);
    }
    let summary = read_block(input)?;
    let mut parts = Parts(&summary);
    let (index, revision, time) = (parts.u64()?, Revision(parts.u64()?), Millis(parts.u64()?));
    let wanted = StateHash(parts.u128()?);
    let chain = Chain(parts.u128()?.to_le_bytes());
    let (objects, outcomes, gone) = (parts.u64()?, parts.u64()?, parts.u64()?);
    parts.end()?;
    let mut state = State::default();
    read_items(input, objects, &mut |parts| {
        let object = at_rest::object(parts)?;
        let key = state.shared(&object.key);
        state.insert(Arc::new(api::object::Object { key, ..object }), None);
        Ok(())
    })?;
    if state.view.all().count() as u64 != objects {
        return Err(SnapshotError::Damaged("one object twice"));
    }
    read_items(input, outcomes, &mut |parts| {
        let id = CommandId(parts.u128()?);
        let kept_at = if timed { Millis(parts.u64()?) } else { time };
        state.outcomes.restore(id, at_rest::kept(parts)?, kept_at);
        Ok(())
    })?;
    state.outcomes.gone = gone;
    state.view.restored(index, revision, time);
    let found = state.view.hash;
    if found != wanted {
        return Err(SnapshotError::Hash { wanted, found });
    }
    Ok((state, chain))
}

fn read_items(
    input: &mut dyn Read,
    count: u64,
    item: &mut dyn FnMut(&mut Parts<'_>) -> Result<(), Malformed>,
) -> Result<(), SnapshotError> {
    let mut left = count;
    while left > 0 {
        let block = read_block(input)?;
        let mut parts = Parts(&block);
        while !parts.0.is_empty() {
            left = left.checked_sub(1).ok_or(SnapshotError::Damaged("more than it says"))?;
            item(&mut parts)?;
        }
    }
    Ok(())
}

fn read_block(input: &mut dyn Read) -> Result<Vec<u8>, SnapshotError> {
    let mut head = [0; 8];
    input.read_exact(&mut head)?;
    let (length, sum) = head.split_at(4);
    let length = u32::from_le_bytes(length.try_into().expect("four bytes were taken"));
    if length == 0 || length as usize > SNAPSHOT_BLOCK_BYTES_MAX {
        return Err(SnapshotError::Damaged("a block has an impossible length"));
    }
    let mut block = Vec::new();
    // Grows with what comes, not with what is claimed.
    input.take(u64::from(length)).read_to_end(&mut block)?;
    if block.len() != length as usize {
        return Err(SnapshotError::Damaged("it ends too early"));
    }
    if crc32c::crc32c(&block).to_le_bytes() != sum {
        return Err(SnapshotError::Damaged("a checksum does not match"));
    }
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::state::Kept;

    /// As version 1 wrote it: outcomes without their times.
    #[test]
    fn the_first_version_is_still_read() {
        let mut state = State::default();
        state.view.restored(5, Revision(3), Millis(70));
        state.outcomes.restore(CommandId(9), Kept::Done { first: Revision(1), last: Revision(3) }, Millis(70));
        let mut bytes = Vec::new();
        write(&state, Chain([3; 16]), &mut bytes).expect("writes");
        let same = |(read, _): (State, Chain)| assert_eq!(read.outcomes, state.outcomes);
        same(read(&mut &bytes[..]).expect("reads"));
        // The last block holds the one outcome: its id, then its time, which is taken out.
        let item = bytes.len() - (16 + 8 + 1 + 4 + 8 + 8 + 4);
        let mut old = bytes[..item - 8].to_vec();
        old[8..12].copy_from_slice(&FIRST_VERSION.to_le_bytes());
        let outcome = [&bytes[item..item + 16], &bytes[item + 24..]].concat();
        write_block(&mut old, &outcome).expect("writes");
        same(read(&mut &old[..]).expect("reads"));
    }
}
