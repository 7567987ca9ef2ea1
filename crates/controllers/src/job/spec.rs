//! What a Job asks for, and the selector and labels by which its pods are known. It reads; of pods it knows nothing.
use crate::fields::{at, flag, number, set, text};
use api::object::Object;
use serde_json::{Value, json};

/// Labels that Kubernetes gives to the pods of a Job: by its uid and by its name, each also as it was called before 1.27.
const UID: [&str; 2] = ["batch.kubernetes.io/controller-uid", "controller-uid"];
const NAME: [&str; 2] = ["batch.kubernetes.io/job-name", "job-name"];
/// Who decides about a Job that does not say.
const OURS: &str = "kubernetes.io/job-controller";

/// The numbers of a Job's spec.
#[derive(Clone, Copy, Debug)]
pub(super) struct Spec {
    pub(super) parallelism: usize,
    /// `None`: a work queue, which is done when one pod has succeeded and none is left.
    pub(super) completions: Option<usize>,
    pub(super) backoff_limit: i64,
    /// How often an index may fail; `None`: indexes have no limits of their own.
    pub(super) per_index: Option<i64>,
    /// So many indexes may fail before the Job does.
    pub(super) max_failed_indexes: Option<usize>,
    pub(super) deadline_seconds: Option<u64>,
    pub(super) ttl_seconds: Option<u64>,
    pub(super) indexed: bool,
    pub(super) suspended: bool,
    /// A pod is replaced, and counted, when it has failed and not yet when it begins to end.
    pub(super) only_failed: bool,
    /// Containers that fail are run again in their pod.
    pub(super) on_failure: bool,
}

impl Spec {
    pub(super) fn read(job: &Value) -> Self {
        let count = |pointer: &str| number(job, pointer).and_then(|count| usize::try_from(count).ok());
        let seconds = |pointer: &str| number(job, pointer).and_then(|count| u64::try_from(count).ok());
        let (parallelism, completions) = (count("/spec/parallelism"), count("/spec/completions"));
        let indexed = text(job, "/spec/completionMode") == "Indexed";
        let per_index = number(job, "/spec/backoffLimitPerIndex").filter(|_| indexed);
        // Where each index has a limit of its own, none is meant for all.
        let limit = if per_index.is_some() { i64::from(i32::MAX) } else { 6 };
        Self {
            parallelism: parallelism.unwrap_or(1),
            completions: completions.or_else(|| parallelism.is_none().then_some(1)),
            backoff_limit: number(job, "/spec/backoffLimit").unwrap_or(limit),
            per_index,
            max_failed_indexes: count("/spec/maxFailedIndexes"),
            deadline_seconds: seconds("/spec/activeDeadlineSeconds"),
            ttl_seconds: seconds("/spec/ttlSecondsAfterFinished"),
            indexed,
            suspended: flag(job, "/spec/suspend"),
            // With a policy about failures one must know how a pod ended, whatever else the Job says.
            only_failed: text(job, "/spec/podReplacementPolicy") == "Failed"
                || !at(job, "/spec/podFailurePolicy").is_null(),
            on_failure: text(job, "/spec/template/spec/restartPolicy") == "OnFailure",
        }
    }
}

/// Whether another controller decides about this Job.
pub(super) fn foreign(job: &Value) -> bool {
    !matches!(text(job, "/spec/managedBy"), "" | OURS)
}

/// The Job with the selector and the labels that nobody chose. They name its uid, which the fold gave when the Job was made: so they
/// are the first word about it, whoever is its controller, and not admission's.
pub(super) fn completed(job: &Object) -> Option<Value> {
    let mut value = job.value();
    if flag(&value, "/spec/manualSelector") || !value["spec"]["selector"].is_null() {
        return None;
    }
    let uid = job.uid.to_string();
    set(&mut value, &["spec", "selector"], json!({"matchLabels": {UID[0]: uid}}));
    for label in UID {
        set(&mut value, &["spec", "template", "metadata", "labels", label], &*uid);
    }
    for label in NAME {
        set(&mut value, &["spec", "template", "metadata", "labels", label], &*job.key.name);
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_completions_it_is_a_work_queue_unless_nothing_is_said() {
        let spec = |spec: Value| Spec::read(&json!({"spec": spec}));
        assert_eq!(spec(json!({})).completions, Some(1));
        assert_eq!(spec(json!({"parallelism": 2})).completions, None);
        assert_eq!(spec(json!({"parallelism": 2, "completions": 5})).completions, Some(5));
        assert_eq!((spec(json!({})).parallelism, spec(json!({"parallelism": -1})).parallelism), (1, 1));
    }
}
