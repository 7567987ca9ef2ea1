//! How long a failed daemon pod stays before it is made anew: a second, doubling to a quarter of an hour. Kubernetes' controller keeps that
//! in memory; here each pod bears how many failed in its place before, and its own time of creation is when the last one went.
use super::kind::hash;
use crate::fields::{annotation, set};
use crate::limits::{DAEMON_WAIT_FIRST_MILLIS, DAEMON_WAIT_MAX_MILLIS};
use crate::pods::Pod;
use api::revision::Millis;
use serde_json::Value;

/// How many pods failed on this node, one after another.
const ANNOTATION: &str = "rutter.dev/daemon-back-off";

/// How many failed before this one, which counts from none when the template changes, or after it held for long.
pub(super) fn before(pod: &Pod, present: &str, now: Millis) -> u32 {
    let held = now.0.saturating_sub(pod.object.created.0) > 2 * DAEMON_WAIT_MAX_MILLIS;
    if held || hash(&pod.object) != present {
        return 0;
    }
    annotation(&pod.object.value(), ANNOTATION).parse().unwrap_or(0)
}

/// When a pod that failed after so many others may go.
pub(super) fn due(pod: &Pod, before: u32) -> Millis {
    Millis(pod.object.created.0.saturating_add(wait(before)))
}

/// Notes in the template of the next pod how many failed.
pub(super) fn note(template: &mut Value, failures: u32) {
    if failures > 0 {
        set(template, &["metadata", "annotations", ANNOTATION], failures.to_string());
    }
}

/// Milliseconds to wait after so many failures.
fn wait(failures: u32) -> u64 {
    match failures {
        0 => 0,
        more => DAEMON_WAIT_FIRST_MILLIS.saturating_mul(1 << (more - 1).min(32)).min(DAEMON_WAIT_MAX_MILLIS),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_a_quarter_of_an_hour() {
        let waits: Vec<u64> = (0..13).map(|failures| wait(failures) / 1_000).collect();
        assert_eq!(waits, [0, 1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 900, 900]);
        assert_eq!(wait(u32::MAX), DAEMON_WAIT_MAX_MILLIS);
    }
}
