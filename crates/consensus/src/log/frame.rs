//! What is written to the log, one after the other.
use crate::types::{Entry, LogId, Vote};

/// One thing to be written, in order.
pub(super) enum Frame {
    Vote(Vote),
    Entries(Vec<Entry>),
    Committed(Option<LogId>),
    /// What comes after is void.
    Truncate(Option<LogId>),
    Purge(LogId),
}
