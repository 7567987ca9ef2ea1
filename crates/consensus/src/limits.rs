//! Every queue, batch, window and wait of this crate, in one place.
use std::time::Duration;

/// Commands that wait for the submit task; more are refused as unavailable.
pub(crate) const QUEUE_COMMANDS_MAX: usize = 65_536;
/// Bytes of one command, so that its entry stays under `api::limits::ENTRY_BYTES_MAX`.
pub(crate) const COMMAND_BYTES_MAX: usize = api::limits::ENTRY_BYTES_MAX - 64 * 1024;
/// Bytes of commands put into one entry, unless one command alone is larger.
pub(crate) const BATCH_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Entries (or forwarded batches) on their way at once; what comes meanwhile is batched.
pub(crate) const BATCHES_IN_FLIGHT_MAX: usize = 2;
/// How long `submit` tries again with the same id before it gives up.
pub(crate) const SUBMIT_PATIENCE: Duration = Duration::from_secs(10);
/// How long a linearizable read waits for a leader and for its own view to catch up.
pub(crate) const READ_PATIENCE: Duration = Duration::from_secs(5);
/// Pause before the next try when nothing else tells that one makes sense.
pub(crate) const RETRY_PAUSE: Duration = Duration::from_millis(20);
/// How long a forwarded batch may take; the leader's own limit is `SUBMIT_PATIENCE`.
pub(crate) const FORWARD_WAIT_MAX: Duration = Duration::from_secs(5);
/// How long a leader may take to confirm a read index.
pub(crate) const READ_ROUND_MAX: Duration = Duration::from_secs(2);
/// How long an append may take on the wire and on the follower's disk, beside the time for its bytes and those on their way before them.
pub(crate) const APPEND_WAIT_MAX: Duration = Duration::from_secs(1);
/// Bytes a second that a way to a member must carry at least, for it to catch up.
pub(crate) const APPEND_BYTES_A_SECOND_MIN: u64 = 64 * 1024;

/// Heartbeats of the leader, milliseconds.
pub(crate) const HEARTBEAT_MS: u64 = 50;
/// A follower that hears nothing for the greater of these, and then for a time between them, stands for election, milliseconds.
/// With one round of pre-vote, one of votes and one blank entry, writing goes on again within 500 ms.
pub(crate) const ELECTION_MS: (u64, u64) = (120, 220);
/// Entries in one append to a follower.
pub(crate) const APPEND_ENTRIES_MAX: u64 = 512;
/// Appends on their way to one follower at once.
pub(crate) const APPENDS_IN_FLIGHT_MAX: usize = 8;
/// Lanes of appends that are known at once, of all members.
pub(crate) const LANES_MAX: usize = 1_024;
/// How long an append waits for one that it has overtaken.
pub(crate) const LANE_WAIT_MAX: Duration = Duration::from_millis(200);
/// Bytes of entries in one append to a follower, unless one entry alone is larger.
pub(crate) const APPEND_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of entries read at once where nobody else sets a limit.
pub(crate) const READ_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Entries after which a new checkpoint is made, if there are no more objects than that.
pub(crate) const SNAPSHOT_ENTRIES: u64 = 50_000;
/// Entries folded before the view is published: bounds how long the first of them waits.
pub(crate) const RUN_ENTRIES_MAX: usize = 64;
/// Entries that Raft keeps behind a checkpoint, for followers that were away; more is sent as a snapshot.
pub(crate) const ENTRIES_BEHIND_CHECKPOINT: u64 = 100_000;
/// Checkpoints on the disk: the newest, and one more in case that it is damaged.
pub(crate) const CHECKPOINTS_KEPT: usize = 2;
/// Events read from the history at once for a watch that began in the past.
pub(crate) const WALK_EVENTS: usize = 1_024;
/// Bytes of a snapshot in one message.
pub(crate) const SNAPSHOT_CHUNK_BYTES: usize = 1024 * 1024;
/// Bytes of a snapshot that a member accepts from another.
pub(crate) const SNAPSHOT_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;
/// How long one chunk of a snapshot may take.
pub(crate) const SNAPSHOT_CHUNK_WAIT_MAX: Duration = Duration::from_secs(10);
/// How long a member keeps the past by itself, and how many bytes of it.
pub(crate) const KEEP_AGE: Duration = Duration::from_secs(30 * 24 * 3_600);
pub(crate) const KEEP_BYTES: u64 = 32 * 1024 * 1024 * 1024;
/// How often a member looks whether it keeps more than that.
pub(crate) const KEEP_EVERY: Duration = Duration::from_secs(10);
/// State hashes remembered for comparison, one per entry.
pub(crate) const HASHES_KEPT: usize = 4_096;
/// How often the leader compares state hashes with the other members.
pub(crate) const COMPARE_EVERY: Duration = Duration::from_secs(1);
/// How long a change of membership waits for another that is under way, before it looks again.
pub(crate) const CHANGE_AGAIN: Duration = Duration::from_millis(50);
/// How long a change of membership may take before its caller is told that the outcome is unknown.
pub(crate) const MEMBERSHIP_WAIT_MAX: Duration = Duration::from_secs(30);
/// Lines that `Member::log` gives at once.
pub(crate) const LOG_LINES_MAX: usize = 10_000;
/// Events handed to a watch at once.
pub(crate) const WATCH_BATCH_EVENTS_MAX: usize = 1_024;
