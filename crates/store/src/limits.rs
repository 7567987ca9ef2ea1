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
/// ... and the bytes of the objects they brought: large objects push out earlier ones.
pub const RING_BYTES_MAX: usize = 64 * 1024 * 1024;
/// Bytes of the objects that a watcher is given at once, and holds while it is slow; one event is given in any case.
pub const WATCH_BATCH_BYTES: usize = 1024 * 1024;
/// Topics that each publishing relieves of events which the ring of all has dropped.
pub const TOPICS_SWEPT: usize = 4;
/// Bytes of one block of a snapshot: the largest object, its facet, and a full block before it.
pub const SNAPSHOT_BLOCK_BYTES_MAX: usize = 2 * api::limits::ENTRY_BYTES_MAX;
/// Entries between two views that are kept for time travel.
pub const ROOT_EVERY: u64 = 16;
/// Bytes of what consensus notes beside a base: its members.
pub const BASE_NOTE_BYTES_MAX: u32 = 1024 * 1024;
/// Views kept for time travel.
pub const ROOTS_MAX: usize = 1_024;
/// Bytes of replaced objects that kept views may hold alive, all together.
pub const ROOTS_BYTES_MAX: usize = 64 * 1024 * 1024;
/// States rebuilt for old revisions that are kept, since who reads the past reads on there.
pub const VISITED_MAX: usize = 4;
/// Differences named for one change in the listing of a log.
pub const DIFFERENCES_MAX: usize = 16;
/// Bytes written to a checkpoint at once.
pub const CHECKPOINT_BATCH_BYTES: usize = 8 * 1024 * 1024;
/// Bytes of RocksDB's block cache, and of each of its write buffers.
pub const CHECKPOINT_CACHE_BYTES: usize = 8 * 1024 * 1024;
/// A batch's memory is kept for the next up to this size.
pub const SPARE_BYTES_MAX: usize = 4 << 20;
