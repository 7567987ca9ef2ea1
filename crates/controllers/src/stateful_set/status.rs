//! What a StatefulSet says of itself: counts, and between which revisions it stands. kubectl waits for it. It writes nothing else.
use crate::fields::{list, number, set};
use crate::revisions::History;
use serde_json::{Value, json};

/// Its pods, counted. Those that are being deleted are of no revision any more.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counts {
    pub(super) wanted: u64,
    pub(super) replicas: usize,
    pub(super) ready: usize,
    pub(super) available: usize,
    pub(super) current: usize,
    pub(super) updated: usize,
}

/// Puts the status. A rolling update is over when all wanted pods are of its revision and ready: then that one is the current.
pub(super) fn put(value: &mut Value, counts: Counts, history: &History, rolls: bool) {
    let all = usize::try_from(counts.wanted).ok();
    let over = rolls && [counts.updated, counts.ready, counts.replicas].iter().all(|count| Some(*count) == all);
    let (current, count) = if over { (history.update(), counts.updated) } else { (history.current(), counts.current) };
    let mut status = json!({
        "replicas": counts.replicas, "readyReplicas": counts.ready, "availableReplicas": counts.available,
        "currentReplicas": count, "updatedReplicas": counts.updated,
        "currentRevision": current, "updateRevision": history.update(),
        "observedGeneration": number(value, "/metadata/generation").unwrap_or(0),
        "collisionCount": number(value, "/status/collisionCount").unwrap_or(0),
    });
    let conditions = list(value, "/status/conditions");
    if !conditions.is_empty() {
        status["conditions"] = conditions.to_vec().into();
    }
    set(value, &["status"], status);
}
