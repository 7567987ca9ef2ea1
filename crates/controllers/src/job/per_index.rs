//! Indexes that fail each by itself (`spec.backoffLimitPerIndex`, KEP-3850). How often an index has failed stands in annotations of its
//! pods: so a failed pod is kept, uncounted, until another takes its place and its count. Nothing is written here.
use super::back_off;
use super::failure_policy::{Meaning, meaning};
use super::own::Own;
use super::spec::Spec;
use crate::fields::{annotation, set};
use api::key::Key;
use api::revision::Millis;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// Annotations of a pod: how often its index failed before it, in ways that count and in ways that do not.
const FAILURES: &str = "batch.kubernetes.io/job-index-failure-count";
const IGNORED: &str = "batch.kubernetes.io/job-index-ignored-failure-count";
/// Annotation of a failed pod: when that was seen, by the stamps of the log. From then its index waits to be tried again.
const FAILED_AT: &str = "rutter.dev/job-index-failed-at";

/// How often an index has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Tries {
    failures: u32,
    ignored: u32,
}

impl Tries {
    /// Before `pod`.
    fn before(pod: &Value) -> Self {
        let count = |name| annotation(pod, name).parse::<i32>().ok().and_then(|count| u32::try_from(count).ok());
        Self { failures: count(FAILURES).unwrap_or(0), ignored: count(IGNORED).unwrap_or(0) }
    }

    /// With the failure of `own`.
    pub(super) fn with(job: &Value, own: &Own) -> Self {
        let Self { failures, ignored } = Self::before(&own.pod.object.value());
        match meaning(job, &own.pod.object) {
            Meaning::Ignored => Self { failures, ignored: ignored.saturating_add(1) },
            _ => Self { failures: failures.saturating_add(1), ignored },
        }
    }

    fn all(self) -> u32 {
        self.failures.saturating_add(self.ignored)
    }

    /// Writes them into the template of the next pod.
    pub(super) fn write(self, template: &mut Value) {
        set(template, &["metadata", "annotations", FAILURES], self.failures.to_string());
        if self.ignored > 0 {
            set(template, &["metadata", "annotations", IGNORED], self.ignored.to_string());
        }
    }
}

/// What the pods that have failed say of their indexes.
#[derive(Debug, Default)]
pub(super) struct Sifted {
    /// Indexes that are not tried again, those known before among them.
    pub(super) failed: BTreeSet<usize>,
    /// Pods to be kept until they are replaced, one an index.
    pub(super) kept: BTreeSet<Key>,
}

/// Sifts the pods that are still to be counted; `done` are the indexes that have succeeded, `failed` those that were given up before.
pub(super) fn sift(job: &Value, spec: &Spec, pods: &[Own], done: &BTreeSet<usize>, failed: BTreeSet<usize>) -> Sifted {
    let mut sifted = Sifted { failed, kept: BTreeSet::new() };
    let (Some(limit), Some(end)) = (spec.per_index, spec.completions) else { return sifted };
    let index = |own: &Own| own.index.filter(|index| *index < end);
    let succeeded = pods.iter().filter(|own| own.tracked && own.succeeded()).filter_map(index);
    let done: BTreeSet<usize> = done.iter().copied().chain(succeeded).collect();
    let active: BTreeSet<usize> = pods.iter().filter(|own| own.pod.active()).filter_map(index).collect();
    let ended = pods.iter().filter(|own| own.tracked && own.failed(spec.only_failed));
    let ended: Vec<(usize, &Own, Value)> = ended
        .filter_map(|own| Some((index(own).filter(|index| !done.contains(index))?, own, own.pod.object.value())))
        .collect();
    for (index, own, value) in &ended {
        let too_often = i64::from(Tries::before(value).failures) >= limit;
        let given_up = match meaning(job, &own.pod.object) {
            Meaning::FailsIndex => true,
            Meaning::Ignored => false,
            Meaning::Counts | Meaning::FailsJob(_) => too_often,
        };
        if given_up {
            sifted.failed.insert(*index);
        }
    }
    let mut last: BTreeMap<usize, (u32, Millis, &Key)> = BTreeMap::new();
    for (index, own, value) in &ended {
        if sifted.failed.contains(index) || active.contains(index) {
            continue;
        }
        let object = &own.pod.object;
        let this = (Tries::before(value).all(), object.created, &object.key);
        last.entry(*index).and_modify(|last| *last = (*last).max(this)).or_insert(this);
    }
    sifted.kept = last.into_values().map(|(_, _, key)| key.clone()).collect();
    sifted
}

/// When the index of a failed pod may be tried again; at `now` it is first seen, if it was not before.
pub(super) fn due(job: &Value, own: &Own, now: Millis) -> Millis {
    let value = own.pod.object.value();
    let since = Millis::parse(annotation(&value, FAILED_AT)).unwrap_or(now);
    Millis(since.0.saturating_add(back_off::wait(Tries::with(job, own).all())))
}

/// The failed pod with the note of when that was seen; `None` if it bears it.
pub(super) fn noted(own: &Own, now: Millis) -> Option<Value> {
    let mut value = own.pod.object.value();
    if Millis::parse(annotation(&value, FAILED_AT)).is_some() {
        return None;
    }
    set(&mut value, &["metadata", "annotations", FAILED_AT], now.rfc3339_micro());
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::object::Uid;
    use api::revision::Revision;
    use serde_json::json;
    use std::sync::Arc;

    /// A pod at an index, of a phase, after so many failures, still to be counted or not.
    fn own(name: &str, index: usize, phase: &str, failures: u32, tracked: bool) -> Own {
        let finalizers = if tracked { json!(["batch.kubernetes.io/job-tracking"]) } else { json!([]) };
        let pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "n", "finalizers": finalizers,
                "labels": {"batch.kubernetes.io/job-completion-index": index.to_string()},
                "annotations": {FAILURES: failures.to_string()}},
            "status": {"phase": phase}});
        let body = api::kinds::body("pods", &pod).expect("a pod");
        Own::read(&Arc::new(body.join(Key::new("pods", "n", name), Uid(1), Millis(0), Revision(1))))
    }

    #[test]
    fn one_failed_pod_is_kept_for_each_index_that_is_tried_again() {
        let job = json!({"spec": {"completionMode": "Indexed", "completions": 9, "backoffLimitPerIndex": 3}});
        let pods = [
            own("succeeded-before", 0, "Failed", 0, true),
            own("succeeded-too", 1, "Failed", 0, true),
            own("succeeds", 1, "Succeeded", 0, true),
            own("last-try", 2, "Failed", 3, true),
            own("given-up-before", 3, "Failed", 0, true),
            own("has-successor", 4, "Failed", 0, true),
            own("successor", 4, "Running", 1, true),
            own("counted", 5, "Failed", 9, false),
            own("older", 6, "Failed", 1, true),
            own("newer", 6, "Failed", 2, true),
            own("outside", 9, "Failed", 9, true),
        ];
        let sifted = sift(&job, &Spec::read(&job), &pods, &BTreeSet::from([0]), BTreeSet::from([3]));
        assert_eq!(sifted.failed, BTreeSet::from([2, 3]));
        assert_eq!(sifted.kept.iter().map(|key| &*key.name).collect::<Vec<_>>(), ["newer"]);
    }

    #[test]
    fn what_cannot_be_read_is_no_failure() {
        for (text, failures) in
            [("2", 2), ("", 0), ("-1", 0), ("x", 0), ("2147483648", 0), ("2147483647", 2_147_483_647)]
        {
            let pod = json!({"metadata": {"annotations": {FAILURES: text}}});
            assert_eq!(Tries::before(&pod), Tries { failures, ignored: 0 }, "{text}");
        }
    }
}
