//! How long a Job waits after its pods have failed: 10 s, doubling to six minutes, anew after each success. Kubernetes' controller keeps
//! that in memory; here it stands in an annotation of the Job, by the stamps of the log, and no clock of a node counts.
use crate::fields::{annotation, set, unset};
use crate::limits::{JOB_WAIT_FIRST_MILLIS, JOB_WAIT_MAX_MILLIS};
use api::revision::Millis;
use serde_json::Value;

/// How many pods failed since one succeeded, and when the last was counted.
const ANNOTATION: &str = "rutter.dev/job-back-off";

fn read(job: &Value) -> Option<(u32, Millis)> {
    let (count, last) = annotation(job, ANNOTATION).split_once(' ')?;
    Some((count.parse().ok()?, Millis::parse(last)?))
}

/// Notes what was counted at `now`.
pub(super) fn note(job: &mut Value, succeeded: usize, failed: usize, now: Millis) {
    if succeeded > 0 && read(job).is_some() {
        unset(job, &["metadata", "annotations", ANNOTATION]);
        if job["metadata"]["annotations"].as_object().is_some_and(serde_json::Map::is_empty) {
            unset(job, &["metadata", "annotations"]);
        }
    }
    if failed > 0 {
        let before = read(job).map_or(0, |(count, _)| count);
        let count = before.saturating_add(u32::try_from(failed).unwrap_or(u32::MAX));
        set(job, &["metadata", "annotations", ANNOTATION], format!("{count} {}", now.rfc3339_micro()));
    }
}

/// When the next pod may be made.
pub(super) fn due(job: &Value) -> Option<Millis> {
    let (count, last) = read(job)?;
    Some(Millis(last.0.saturating_add(wait(count))))
}

/// Milliseconds to wait after so many failures.
pub(super) fn wait(failures: u32) -> u64 {
    let doubled = JOB_WAIT_FIRST_MILLIS.saturating_mul(1 << failures.saturating_sub(1).min(32));
    doubled.min(JOB_WAIT_MAX_MILLIS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn waits_double_to_six_minutes_and_end_with_a_success() {
        let mut job = json!({"metadata": {"name": "j"}});
        assert_eq!(due(&job), None);
        let waits: Vec<u64> = (0..8)
            .map(|_| {
                note(&mut job, 0, 1, Millis(1_500));
                due(&job).expect("it failed").0 - 1_500
            })
            .collect();
        assert_eq!(waits, [10_000, 20_000, 40_000, 80_000, 160_000, 320_000, 360_000, 360_000]);
        note(&mut job, 1, 1, Millis(9_000));
        assert_eq!(due(&job), Some(Millis(19_000)));
        note(&mut job, 1, 0, Millis(9_000));
        assert_eq!(job, json!({"metadata": {"name": "j"}}));
    }
}
