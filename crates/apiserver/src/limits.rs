//! Every limit of what a client may ask for, in one place. A limit is refused with a Status, never met with a panic.
use std::time::Duration;

/// Open connections; more wait in the kernel's queue.
pub const CONNECTIONS_MAX: usize = 16_384;
/// Open watches on one member.
pub const WATCHES_MAX: usize = 65_536;
/// Bytes of request line and headers of one HTTP/1 request.
pub const HEADER_BYTES_MAX: usize = 64 * 1024;
/// Streams of one HTTP/2 connection, as in kube-apiserver.
pub const STREAMS_MAX: u32 = 250;
/// A TLS handshake that takes longer is dropped.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// The header of a request must have come by then.
pub const HEADER_READ_MAX: Duration = Duration::from_secs(30);
/// The body of a request must have come by then.
pub const BODY_READ_MAX: Duration = Duration::from_secs(60);
/// A request that does not last must be answered by then, as `--request-timeout` of kube-apiserver.
pub const REQUEST_MAX: Duration = Duration::from_secs(60);
/// A server that stops waits this long for the requests in flight.
pub const SHUTDOWN_MAX: Duration = Duration::from_secs(5);
/// Bytes of a response chunk: lists and watches are written in pieces of about this size.
pub const CHUNK_BYTES: usize = 64 * 1024;
/// Whole responses of at least this size are compressed for who asks for it, as in kube-apiserver.
pub const GZIP_BYTES_MIN: usize = 128 * 1024;
/// A read-modify-write that loses this many races gives up with 409. Each time it does, another write has had its turn, and no more than some
/// hundreds are in flight at each member.
pub const WRITE_ATTEMPTS: usize = 1_024;
/// A write that loses this many races for a quota gives up with 503. Each time it does, another write has had its turn.
pub const QUOTA_ATTEMPTS: usize = 64;
/// Names that generateName or an address allocation draws before it gives up.
pub const DRAW_ATTEMPTS: usize = 16;
/// Between bookmarks of a quiet watch.
pub const BOOKMARK_EVERY: Duration = Duration::from_secs(60);
/// The last bookmark of a watch comes so long before its end, as in kube-apiserver.
pub const BOOKMARK_BEFORE_END: Duration = Duration::from_secs(2);
/// A watch without timeoutSeconds ends after this and up to as much again, so that clients spread over members.
pub const WATCH_SECONDS_MIN: u64 = 1_800;
/// A continue token reads the past for this long; then the client is told to go on from the present.
pub const CONTINUE_MILLIS_MAX: u64 = 5 * 60 * 1_000;
/// How long a read waits for a revision that this member has not seen yet.
pub const REVISION_WAIT_MAX: Duration = Duration::from_secs(3);
/// Objects that one deletecollection takes away per command.
pub const DELETE_BATCH: usize = 256;
/// Bytes of the `Warning` headers of one response, as in kube-apiserver; what is beyond them is not told.
pub const WARNINGS_BYTES_MAX: usize = 4 * 1024;
/// Bytes of one warning where all together would be more than that.
pub const WARNING_BYTES: usize = 256;
/// Sets of definitions whose kinds and documents are kept: the present one, and those of the pasts that are being read.
pub const SERVED_KEPT: usize = 8;
/// Bytes of the objects that one command of deletecollection takes away, unless it is one alone.
pub const DELETE_BATCH_BYTES: usize = 4 * 1024 * 1024;
/// Parameters of one query string; the rest is refused.
pub const QUERY_PARAMETERS_MAX: usize = 256;
/// Views kept for clients that page through a list; each shares most of its memory with the present.
pub const PAGED_VIEWS_MAX: usize = 128;
/// What is kept of a program's name for itself.
pub const AGENT_BYTES_MAX: usize = 128;
/// A body of YAML that is longer is read where waiting is allowed.
pub const YAML_AT_ONCE_BYTES_MAX: usize = 8 * 1024;
/// Bytes of a body that is no object: options, a review, a Scale.
pub const PLAIN_BYTES_MAX: usize = 64 * 1024;
/// Of a body that is too large, what may still come before the answer, and how long that may take.
pub const PASSED_OVER_BYTES_MAX: usize = 64 * 1024 * 1024;
pub const PASSED_OVER_MAX: Duration = Duration::from_secs(3);
/// Bytes of a bearer token; a longer one is nobody's.
pub const TOKEN_BYTES_MAX: usize = 32 * 1024;
/// Tokens whose signatures are remembered.
pub const TOKENS_KEPT: usize = 4_096;
/// A signature that was checked need not be checked again for so long; whether the token is still good is asked each time.
pub const TOKEN_REMEMBERED: Duration = Duration::from_secs(10 * 60);
/// Clocks may differ by so much, and what a token is bound to may have been on its way out for so long, as in Kubernetes.
pub const TOKEN_LEEWAY: Duration = Duration::from_secs(60);
/// Seconds for which a token is good whose request does not say, as in Kubernetes.
pub const TOKEN_SECONDS: i64 = 3_600;
/// A server that is asked about a token must have answered by then.
pub const ISSUER_ANSWER_MAX: Duration = Duration::from_secs(10);
/// Bytes of such an answer.
pub const ISSUER_ANSWER_BYTES_MAX: usize = 1024 * 1024;
/// An issuer's keys are fetched again after this.
pub const ISSUER_KEYS_KEPT: Duration = Duration::from_secs(60 * 60);
/// An issuer is not asked for its keys more often, whatever tokens come.
pub const ISSUER_ASK_AGAIN: Duration = Duration::from_secs(10);
/// What a webhook says of a token it knows is believed for so long, as in Kubernetes, and of another for less.
pub const WEBHOOK_KNOWN: Duration = Duration::from_secs(2 * 60);
pub const WEBHOOK_UNKNOWN: Duration = Duration::from_secs(10);
/// How often a webhook that fails is asked, and how long between.
pub const WEBHOOK_ATTEMPTS: usize = 3;
pub const WEBHOOK_PAUSE: Duration = Duration::from_millis(500);
/// Bytes of the body of somebody who is not known that may come, unread, before the answer.
pub const STRANGE_BYTES_MAX: usize = 64 * 1024;
/// How long that may take: nobody waits for a stranger.
pub const STRANGE_MAX: Duration = Duration::from_millis(200);
/// Frames in one form that are kept for all who watch in it, as many as a watcher is given at once.
pub const FRAMES_MAX: usize = 1_024;
/// ... and their bytes.
pub const FRAMES_BYTES_MAX: usize = 2 * 1024 * 1024;
/// What happened to a custom kind before its end must have been read from the log by then.
pub const WATCH_END_MAX: Duration = Duration::from_secs(5);
/// Parts of the table of open watches, each with a lock of its own; a power of two.
pub const WATCH_SHARDS: usize = 16;
/// Parts of a table of counters, each with a lock of its own; a power of two.
pub const METRIC_SHARDS: usize = 16;
/// Requests that read and are served at once, as `--max-requests-inflight` of kube-apiserver.
pub const READS_IN_FLIGHT_MAX: usize = 400;
/// Requests that change something and are served at once, as `--max-mutating-requests-inflight` of kube-apiserver.
pub const CHANGES_IN_FLIGHT_MAX: usize = 200;
/// Bytes of the name a client may give its request in the audit stream.
pub const AUDIT_ID_BYTES_MAX: usize = 64;
/// Bytes of a body that an audit event carries; a larger one is left out, and the event says so.
pub const AUDIT_OBJECT_BYTES_MAX: usize = 256 * 1024;
/// The head of a pod's answer through the proxy must have come by then.
pub const PROXY_ANSWER_MAX: Duration = Duration::from_secs(60);
/// Ports of one port-forward over WebSocket channels.
pub const FORWARD_PORTS_MAX: usize = 127;
/// Objects of more bytes are written as a protobuf list where waiting is allowed.
pub const PROTOBUF_AT_ONCE_BYTES_MAX: usize = 256 * 1024;
/// The streams of an exec or attach over SPDY must be open by then, as in Kubernetes.
pub const STREAMS_WAIT_MAX: Duration = Duration::from_secs(30);
/// An exec over SPDY that has ended is closed by its client, or after this.
pub const STREAMS_LINGER: Duration = Duration::from_secs(5);
/// Bytes of a window's size that may wait for their rest.
pub const RESIZE_BYTES_MAX: usize = 4 * 1024;
