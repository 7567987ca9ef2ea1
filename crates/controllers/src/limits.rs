//! Every limit of what controllers decide at once, and the periods they wait.

/// Pods that one decision of a ReplicaSet creates or deletes; the next decision goes on (Kubernetes' `BurstReplicas`).
pub const BURST_PODS: usize = 500;
/// Creations or deletions in one decision that are each told by a Kubernetes Event of their own; more share one.
pub const REPORTS_EACH: usize = 16;
/// Pods that one decision of a DaemonSet creates, and as many that it deletes (Kubernetes' `BurstReplicas` of daemons).
pub const BURST_DAEMONS: usize = 250;
/// Milliseconds a DaemonSet waits before it makes a pod anew that failed although it was made anew already; each further one doubles
/// them, to at most as many as these (Kubernetes' back-off of failed daemon pods: a second to a quarter of an hour).
pub const DAEMON_WAIT_FIRST_MILLIS: u64 = 1_000;
pub const DAEMON_WAIT_MAX_MILLIS: u64 = 15 * 60 * 1_000;
/// Writes in one command of a sweep (namespace content, garbage, retention): small, so that one conflict repeats little work.
pub const SWEEP_WRITES: usize = 64;
/// Bytes of the writes of one command, beyond which no more are added to it; the log takes a few times as many, and one object more.
pub const DRAFT_BYTES: usize = 4 * 1024 * 1024;
/// Commands in one decision of a sweep.
pub const SWEEP_DRAFTS: usize = 32;
/// Endpoints in one EndpointSlice (KEP-752's default).
pub const SLICE_ENDPOINTS: usize = 100;
/// Addresses in one Endpoints object, as in Kubernetes; the rest is left out.
pub const ENDPOINTS_ADDRESSES: usize = 1_000;
/// Milliseconds a Kubernetes Event is kept after it last happened (Kubernetes' `--event-ttl`).
pub const EVENT_KEPT_MILLIS: u64 = 60 * 60 * 1_000;
/// Milliseconds between two sweeps of Kubernetes Events, so that they go in batches.
pub const EVENT_SWEEP_MILLIS: u64 = 60 * 1_000;
/// Finished pods kept for their logs and exit codes (Kubernetes' `--terminated-pod-gc-threshold`).
pub const FINISHED_PODS_KEPT: usize = 12_500;
/// Seconds a pod without a toleration of its own stays on a node that is not ready or unreachable
/// (Kubernetes' `DefaultTolerationSeconds` admission).
pub const EVICTION_SECONDS: i64 = 300;
/// Seconds a pod has to stop if it does not say.
pub const GRACE_SECONDS: i64 = 30;
/// Old ReplicaSets a Deployment keeps for rollback if it does not say.
pub const REVISION_HISTORY: usize = 10;
/// Seconds a Deployment may make no progress before it says so, if it does not say.
pub const PROGRESS_SECONDS: i64 = 600;
/// Bytes of the revision-history annotation of a ReplicaSet.
pub const REVISION_HISTORY_BYTES: usize = 2_000;
/// Milliseconds a pod may name a node that is not there (Kubernetes' pod GC quarantine).
pub const GONE_NODE_MILLIS: u64 = 40_000;
/// Milliseconds between two looks at evictions that are held back because no node is ready.
pub const HELD_EVICTION_MILLIS: u64 = 60_000;
/// Milliseconds that an object may be in a namespace that is not there: whoever founds a cluster makes both at once.
pub const LATE_MILLIS: u64 = 60_000;
/// Milliseconds a Job waits after a pod of it has failed; each further one doubles them, to at most as many as these
/// (Kubernetes' documentation of Jobs: ten seconds to six minutes).
pub const JOB_WAIT_FIRST_MILLIS: u64 = 10_000;
pub const JOB_WAIT_MAX_MILLIS: u64 = 360_000;
/// Milliseconds that an eviction which was granted counts as a pod less while the pod does not go (Kubernetes' `DeletionTimeout`).
pub const DISRUPTED_MILLIS: u64 = 2 * 60 * 1_000;
/// Milliseconds after which something is made again for which a quota had no room, unless it is heard of earlier that there is.
pub const QUOTA_RETRY_MILLIS: u64 = 10 * 1_000;
/// Milliseconds until a pod that admission refused is tried again, if nothing happens before.
pub const ADMISSION_RETRY_MILLIS: u64 = 30_000;
/// Milliseconds that a request for a certificate stays after it was answered, and that one stays which nobody answers (Kubernetes' `csrcleaner`).
pub const REQUEST_ANSWERED_MILLIS: u64 = 3_600_000;
pub const REQUEST_OPEN_MILLIS: u64 = 24 * 3_600_000;
