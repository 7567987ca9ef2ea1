//! Every queue, wait and retry of a running member, in one place.
use std::time::Duration;

/// Bytes of audit events that wait for the disk; more are lost.
pub const AUDIT_BYTES_MAX: usize = 16 * 1024 * 1024;
/// How long audit events gather before they are written together.
pub const AUDIT_GATHER: Duration = Duration::from_millis(20);
/// How often what depends on leadership looks whether it still leads.
pub const LEADING_POLL: Duration = Duration::from_millis(50);
/// Decisions whose commands are on their way at once.
pub const DECISIONS_IN_FLIGHT_MAX: usize = 256;
/// Decisions made in a row before other tasks have their turn.
pub const DECISIONS_BURST: usize = 32;
/// A refused or failed decision is made again after this, doubling, and never later than the other.
pub const RETRY_MIN: Duration = Duration::from_millis(10);
pub const RETRY_MAX: Duration = Duration::from_secs(10);
/// A key whose decision met a defect of its decider rests this long, doubling, and never longer than the other.
pub const DEFECT_REST_MIN: Duration = Duration::from_secs(1);
pub const DEFECT_REST_MAX: Duration = Duration::from_secs(300);
/// How often one key may be decided in a second. More is a controller that answers itself; it is slowed down and named.
pub const DECISIONS_PER_SECOND_MAX: u32 = 200;
/// How long a node may be without a session before it is no longer called Ready.
pub const NODE_GRACE: Duration = Duration::from_secs(10);
/// How often nodes without a session are looked at.
pub const NODE_POLL: Duration = Duration::from_secs(1);
/// How long a peer may take to say what it wants, once it has a session.
pub const HELLO_MAX: Duration = Duration::from_secs(5);
/// Messages that wait to be sent to one node; what its feed has beyond that waits in the log.
pub const NODE_QUEUE_MAX: usize = 256;
/// How often a node's report is tried again when somebody else wrote the object meanwhile.
pub const REPORT_RETRIES: u32 = 10;
/// Reports of one node that are being written at once.
pub const REPORTS_AT_ONCE: usize = 16;
/// How long a question to another member, or the opening of a stream, may take.
pub const ASK_MAX: Duration = Duration::from_secs(5);
/// How long joining, or a change of membership, may take.
pub const ENTER_MAX: Duration = Duration::from_secs(60);
/// Sessions that one member serves.
pub const SESSIONS_MAX: usize = 100_000;
/// How long a join token holds if nobody says otherwise, milliseconds.
pub const TOKEN_MS: u64 = 24 * 3_600 * 1_000;
/// Lines of the log that one call gives.
pub const LOG_LINES_MAX: u64 = 1_000;
/// How often a node to which nothing happens is told how far the log has come, so that it goes on from there.
pub const THROUGH_EVERY: Duration = Duration::from_secs(10);
/// After a failed connection to a member the next is tried no sooner than this.
pub const RECONNECT_PAUSE: Duration = Duration::from_millis(200);
/// Between two tries to be taken in, or to create what every cluster has.
pub const ENTER_PAUSE: Duration = Duration::from_millis(300);
/// Bytes that a segment of the log has at least, however little is to be kept.
pub const SEGMENT_BYTES_MIN: u64 = 64 * 1024;
/// Segments into which what is kept is divided, at least.
pub const KEPT_SEGMENTS_MIN: u64 = 8;
/// How often a running member looks whether it is still well.
pub const HEALTH_POLL: Duration = Duration::from_millis(500);
/// How long a member that starts waits for its port and its directory, if the process before it holds them still; and how often it looks.
pub const HELD_MAX: Duration = Duration::from_secs(3);
pub const HELD_POLL: Duration = Duration::from_millis(20);
