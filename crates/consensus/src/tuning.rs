//! Numbers that a simulation makes small, so that a short run reaches what a real member comes to after hours. It holds no
//! bound that others rely on.
use crate::careless::Careless;
use crate::limits::{
    ENTRIES_BEHIND_CHECKPOINT, KEEP_AGE, KEEP_BYTES, KEEP_EVERY, SNAPSHOT_CHUNK_BYTES, SNAPSHOT_ENTRIES,
};

use std::time::Duration;

/// How much of the past is kept. Segments of the log go whole, and what neither bound asks for stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keep {
    /// Entries older than this, by the stamp of the newest, may go.
    pub age: Option<Duration>,
    /// The oldest go while the log has more bytes.
    pub bytes: Option<u64>,
    /// How often a member looks.
    pub every: Duration,
}

impl Default for Keep {
    fn default() -> Self {
        Self { age: Some(KEEP_AGE), bytes: Some(KEEP_BYTES), every: KEEP_EVERY }
    }
}

/// After how much a member does what it seldom does. The default is what a member in production has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tuning {
    /// Entries after which a new checkpoint is made, if there are no more objects than that.
    pub checkpoint_entries: u64,
    /// Entries that Raft keeps behind a checkpoint, for followers that were away; more is sent as a snapshot.
    pub entries_behind: u64,
    /// Events kept in memory for watchers; what lies before is read from the log.
    pub ring_events: usize,
    /// Bytes of a snapshot in one message.
    pub snapshot_part_bytes: usize,
    pub keep: Keep,
    /// Nothing, save where a simulation looks whether it would be seen.
    pub careless: Careless,
}

impl Default for Tuning {
    fn default() -> Self {
        Self {
            checkpoint_entries: SNAPSHOT_ENTRIES,
            entries_behind: ENTRIES_BEHIND_CHECKPOINT,
            ring_events: store::limits::RING_EVENTS_MAX,
            snapshot_part_bytes: SNAPSHOT_CHUNK_BYTES,
            keep: Keep::default(),
            careless: Careless::default(),
        }
    }
}
