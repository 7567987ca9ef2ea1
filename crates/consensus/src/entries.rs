//! An entry of Raft, read back from the form in which the store's log keeps it. It reads no log.
use crate::frame::payload_of;
use crate::types::{Entry, log_id};
use std::io;
use store::log::frame::{Frame, Kind};

/// # Errors
/// If the frame's payload is none that Raft wrote.
pub(crate) fn entry_of(frame: Frame) -> io::Result<Entry> {
    let kind = match frame.kind {
        Kind::Normal => 1,
        Kind::Membership => 2,
        _ => 0,
    };
    let payload = payload_of(kind, frame.time, frame.payload).map_err(io::Error::other)?;
    Ok(Entry { log_id: log_id(frame.term, frame.index), payload })
}
