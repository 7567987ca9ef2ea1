//! Every bound of this room, in one place.

/// Bytes of one log segment before the next is begun.
pub const SEGMENT_BYTES: u64 = 64 * 1024 * 1024;
/// Bytes of recent entries kept in memory, for followers and watchers that lag a little.
pub const LOG_CACHE_BYTES: usize = 16 * 1024 * 1024;
/// Bytes of the payload of one frame: an entry, with room for what consensus wraps around it.
pub const FRAME_BYTES_MAX: usize = api::limits::ENTRY_BYTES_MAX + 1024 * 1024;
/// Bytes of a vote.
pub const VOTE_BYTES_MAX: usize = 1024;
/// Segments whose offsets are kept in memory: 4 bytes an entry.
pub const SEGMENT_INDEXES_MAX: usize = 64;
/// Bytes read at once when entries are read in order.
pub const READ_BYTES: usize = 1024 * 1024;
/// Events kept in memory for watchers.
pub const RING_EVENTS_MAX: usize = 65_536;
/// Topics that each publishing relieves of events which the ring of all has dropped.
pub const TOPICS_SWEPT: usize = 4;
