//! Every limit of what the scheduler decides at once.

/// Commands in one decision; the next decision goes on with the rest of the queue.
pub const DRAFTS_MAX: usize = 512;
/// Nodes named in an explanation by refusal, and by score.
pub const EXPLAINED_NODES: usize = 5;
/// Milliseconds before a pod's message is written again when only its counts have changed.
pub const MESSAGE_MILLIS: u64 = 10_000;
/// The best score a scorer gives.
pub const SCORE_MAX: i64 = 100;
/// CPU that scorers count for a pod that requests none, in thousandths (Kubernetes' `DefaultMilliCPURequest`).
pub const SCORED_CPU: i64 = 100;
/// Memory that scorers count for a pod that requests none, in thousandths of a byte (Kubernetes' `DefaultMemoryRequest`, 200 MB).
pub const SCORED_MEMORY: i64 = 200 * 1024 * 1024 * 1_000;
