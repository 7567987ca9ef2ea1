//! Every limit of a session, in one place.
use std::time::Duration;

/// Bytes of one frame. An entry of the log (16 MiB at most) and the words around it must fit.
pub const FRAME_BYTES_MAX: usize = 24 * 1024 * 1024;
/// Bytes of a frame from a peer that has shown no certificate: a request to join is short.
pub const JOIN_FRAME_BYTES_MAX: usize = 16 * 1024;
/// Streams that a node may have open at once on a member.
pub const NODE_STREAMS_MAX: u32 = 16;
/// Streams that a member may have open at once on a member or on a node: peers' calls, logs, execs, port-forwards.
pub const MEMBER_STREAMS_MAX: u32 = 256;
/// Bytes in flight on one stream, and on one session. They bound what a peer can make us hold.
pub const STREAM_WINDOW_BYTES: u32 = 256 * 1024;
pub const SESSION_WINDOW_BYTES: u32 = 1024 * 1024;
/// How often the dialling side shows that it lives, and how long silence is taken for life.
pub const KEEP_ALIVE: Duration = Duration::from_secs(2);
pub const IDLE_MAX: Duration = Duration::from_secs(7);
/// How long connecting to one address, handshake included, may take.
pub const CONNECT_MAX: Duration = Duration::from_secs(5);
/// Sessions that arrive and have not finished their handshake.
pub const ARRIVING_MAX: usize = 1_024;
/// Days that a certificate holds: the authority's and those of members and nodes; those of API servers and people.
pub const AUTHORITY_DAYS: u64 = 3_650;
pub const SERVER_DAYS: u64 = 825;
/// How long a join token may be valid at most.
pub const TOKEN_MAX: Duration = Duration::from_secs(30 * 24 * 3_600);
/// Bytes of a name that may stand in a certificate.
pub const NAME_BYTES_MAX: usize = 63;
/// The largest datagram that is tried, where the network carries it: an Ethernet jumbo frame without the heads of IP and UDP.
pub(crate) const DATAGRAM_BYTES_MAX: u16 = 9_000 - 28;
