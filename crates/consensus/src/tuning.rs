//! Numbers that a simulation makes small, so that a short run reaches what a real member comes to after hours. It holds no
//! bound that others rely on.
use crate::careless::Careless;
use crate::limits::{ENTRIES_BEHIND_CHECKPOINT, SNAPSHOT_CHUNK_BYTES, SNAPSHOT_ENTRIES};

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
            careless: Careless::default(),
        }
    }
}
