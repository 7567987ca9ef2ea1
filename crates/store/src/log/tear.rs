//! Tells an unfinished write from damage, where the last batch of a log is not whole. Pure: it looks at bytes and guesses nothing.
//!
//! A device writes sectors whole or not at all, in any order, and what it never wrote of a file that grew reads as zeros. So an
//! unfinished write leaves a file that ends too early, or sectors of zeros. A frame whose bytes are all there and wrong was whole
//! once, perhaps acknowledged, and must not be cut off silently. What stays in doubt: a last batch that lost whole sectors or its
//! end after it was synced looks like one that was never finished.
use crate::log::frame::{self, ALIGN, Bad, HEAD, Head, Kind};

/// The least that a device writes at once.
const SECTOR_BYTES: usize = 512;
/// Bytes of a footer: its head and 12 bytes of payload, padded.
const FOOTER_BYTES: usize = (HEAD + 12).next_multiple_of(ALIGN);

/// Whether the bad frame at `at`, of a write that began at `start`, can be what an unfinished write left behind.
pub(crate) fn unfinished(bytes: &[u8], start: usize, at: usize) -> bool {
    let frame = &bytes[at.min(bytes.len())..];
    if frame.len() < HEAD {
        return true;
    }
    let extent = match frame::read(frame) {
        // Its checksum holds: it was written like this, or put here.
        Ok(_) => return false,
        // A footer's length is known; and if the write's own footer is there, the file does not end too early.
        Err(Bad::Short(_)) if is_footer(frame) => FOOTER_BYTES,
        Err(Bad::Short(_)) if closed(bytes, at) => HEAD,
        Err(Bad::Short(_)) => return true,
        Err(Bad::Damaged(_)) => Head::claimed(frame).unwrap_or(HEAD).min(frame.len()),
    };
    hole(bytes, start, at, at + extent)
}

fn is_footer(frame: &[u8]) -> bool {
    frame.len() >= FOOTER_BYTES && frame[14] == Kind::Footer as u8
}

/// Whether a whole footer ends the file.
fn closed(bytes: &[u8], from: usize) -> bool {
    let footer = bytes.len().checked_sub(FOOTER_BYTES).filter(|at| *at > from);
    footer.is_some_and(|at| frame::read(&bytes[at..]).is_ok_and(|head| head.kind == Kind::Footer))
}

/// Whether a sector that has a part in `from..to` holds nothing of the write that began at `start`.
fn hole(bytes: &[u8], start: usize, from: usize, to: usize) -> bool {
    (from / SECTOR_BYTES..to.div_ceil(SECTOR_BYTES)).any(|sector| {
        let (first, end) = (sector * SECTOR_BYTES, (sector + 1) * SECTOR_BYTES);
        bytes[first.max(start)..end.min(bytes.len())].iter().all(|byte| *byte == 0)
    })
}
