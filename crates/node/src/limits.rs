//! Every limit and pace of a worker, in one place. Durations in milliseconds unless the name says otherwise.

/// First wait after a container ended, and the ceiling of the doubling (kubelet's `MaxContainerBackOff`).
pub const RESTART_WAIT_FIRST: u64 = 10_000;
pub const RESTART_WAIT_MAX: u64 = 300_000;
/// A container that ran this long starts again from the first wait (kubelet: twice the ceiling).
pub const RESTART_FORGIVEN_AFTER: u64 = 600_000;
/// First wait after a failed pull, and its ceiling.
pub const PULL_WAIT_FIRST: u64 = 10_000;
pub const PULL_WAIT_MAX: u64 = 300_000;
/// Wait after a sandbox, a volume or a container could not be made.
pub const MAKE_WAIT_FIRST: u64 = 1_000;
pub const MAKE_WAIT_MAX: u64 = 60_000;
/// Seconds of grace where a pod names none.
pub const GRACE_SECONDS: u64 = 30;
/// Ended attempts of one container that are kept for `logs --previous`.
pub const ATTEMPTS_KEPT: usize = 2;
/// Bytes of a termination message (kubelet: 4096).
pub const TERMINATION_MESSAGE_BYTES: usize = 4_096;
/// Bytes of a config map or secret file tree in one volume.
pub const VOLUME_BYTES_MAX: usize = 8 * 1024 * 1024;
/// Between two attempts to reach a member; doubles to the ceiling.
pub const RECONNECT_WAIT_FIRST: u64 = 200;
pub const RECONNECT_WAIT_MAX: u64 = 10_000;
/// Between two pings of a session, and the silence after which it is given up.
pub const PING_EVERY: u64 = 5_000;
pub const SILENCE_MAX: u64 = 20_000;
/// A status that is not acknowledged in this time is said again.
pub const REPORT_AGAIN_AFTER: u64 = 10_000;
/// A service account token that was refused is asked for again after this.
pub const TOKEN_ASK_AGAIN: u64 = 5_000;
/// A service account token is renewed after this time, however long it is good.
pub const TOKEN_AGE_MAX: u64 = 24 * 3_600_000;
/// Between two looks at the runtime of a pod without any event.
pub const RELIST_EVERY: u64 = 10_000;
/// Between two looks at containers of a runtime that has no events.
pub const RELIST_WITHOUT_EVENTS: u64 = 1_000;
/// Between two refreshes of the node's own conditions.
pub const NODE_STATUS_EVERY: u64 = 60_000;
/// Until the node's own object is said again where the word found no room.
pub const REGISTER_AGAIN: u64 = 1_000;
/// Pods a node takes.
pub const PODS_MAX: u64 = 110;
/// Bytes of one frame of an exec stream.
pub const STREAM_FRAME_MAX: usize = 64 * 1024;
/// Bytes of one line in a log file before it is written as a partial line (CRI: 16 KiB).
pub const LOG_LINE_MAX: usize = 16 * 1024;
/// A log file is rotated beyond this size; one older file is kept (kubelet: 10 MiB).
pub const LOG_FILE_MAX: u64 = 10 * 1024 * 1024;
/// Bytes of a manifest or index of an image, and of a token answer.
pub const MANIFEST_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of one layer, unpacked bytes of one image, and files in it: what a hostile image may cost.
pub const LAYER_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;
pub const IMAGE_FILES_MAX: u64 = 2_000_000;
/// Redirects followed for one blob.
pub const REDIRECTS_MAX: usize = 5;
/// How long one HTTP answer of a registry may take to begin.
pub const REGISTRY_WAIT: u64 = 30_000;
/// How long a shim may take to answer.
pub const SHIM_WAIT: u64 = 15_000;
/// How long a port of a pod may take to accept a forwarded connection.
pub const FORWARD_CONNECT_WAIT: u64 = 5_000;
/// How long a CRI runtime may take for one call; for a pull; and for an exec, which is told when it has ended.
pub const CRI_WAIT: u64 = 120_000;
pub const CRI_PULL_WAIT: u64 = 1_800_000;
pub const CRI_EXEC_MAX: u64 = 600_000;
/// Bytes of one answer of a CRI runtime: the output of an exec comes in one (kubelet: 16 MiB).
pub const CRI_MESSAGE_MAX: usize = 16 * 1024 * 1024;
/// Bytes of one request to a shim.
pub const SHIM_REQUEST_MAX: usize = 1024 * 1024;
/// Changes of services are gathered this long before the rules are written anew.
pub const SERVICE_SETTLE: u64 = 50;
/// How long a failed pull is shown as `ErrImagePull` before it is shown as `ImagePullBackOff`.
pub const ERROR_SHOWN: u64 = 2_000;
/// Bytes of an answer to an HTTP probe that are read.
pub const PROBE_BODY_MAX: usize = 10 * 1024;
/// Words to and from a member that wait to be handled.
pub const WORDS_MAX: usize = 1_024;
/// Seconds for which a client stays with its endpoint where the service does not say (API: three hours).
pub const SERVICE_AFFINITY_SECONDS: u64 = 10_800;
/// Endpoints of a service among which rules choose; among more, a map does.
pub const SERVICE_CHOICES_BY_RULE: usize = 32;
/// Letters of a service's own name in the names of its chains.
pub const SERVICE_NAME_SHOWN: usize = 100;
/// Flows of UDP that are cut after one change of services, at most: each is a process.
pub const SERVICE_FLOWS_CUT_MAX: usize = 256;
/// How long an endpoint may take to accept a forwarded connection before the next is tried.
pub const SERVICE_CONNECT_WAIT: u64 = 3_000;
/// Wait after a port could not accept (no more files).
pub const SERVICE_ACCEPT_WAIT: u64 = 50;
/// Connections forwarded at once without root.
pub const SERVICE_FORWARDS_MAX: usize = 4_096;
/// Streams of members served at once; a session allows a few more, so that the refusal can be said.
pub const STREAMS_MAX: usize = 240;
/// How long the head of a stream may take to arrive, and a refusal to be taken.
pub const STREAM_HEAD_WAIT: u64 = 10_000;
/// A stream on which no byte moves for this long is ended (kubelet's `streamingConnectionIdleTimeout`).
pub const STREAM_IDLE_MAX: u64 = 4 * 3_600_000;
/// How long a client may still send to a port that has said its last word.
pub const STREAM_LINGER: u64 = 10_000;
/// Between two looks at the end of a log that is followed, and between two looks at whether its container still runs.
pub const LOG_FOLLOW_EVERY: u64 = 100;
pub const LOG_STATE_EVERY: u64 = 1_000;
/// Bytes of one line that are held until its last piece comes; what is longer goes out in pieces.
pub const LOG_JOIN_MAX: usize = 1024 * 1024;
