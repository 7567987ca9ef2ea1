//! Whatever becomes of its pods, a Job with limits and policies comes to an end, and has counted each pod once.
mod cluster;

use cluster::jobs::{TRACKING, active, begun, counts, end, exit, held, name, w};
use cluster::{Cluster, condition};
use proptest::prelude::*;
use serde_json::{Value, json};

/// Codes at which the rules fail an index, ignore the pod, and fail the Job.
const FAIL_INDEX: i64 = 1;
const IGNORE: i64 = 2;
const FAIL_JOB: i64 = 3;

#[derive(Clone, Debug)]
enum Step {
    /// One of the active pods ends with this code.
    Exit(usize, i64),
    /// One of the active pods is deleted, and ends.
    Delete(usize),
    Advance(u64),
    NewLeader,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        5 => (0..3_usize, prop_oneof![3 => Just(4), 2 => Just(0), 2 => Just(IGNORE), 1 => Just(FAIL_INDEX), 1 => Just(FAIL_JOB)])
            .prop_map(|(place, code)| Step::Exit(place, code)),
        1 => (0..3_usize).prop_map(Step::Delete),
        3 => (1..30_u64).prop_map(Step::Advance),
        1 => Just(Step::NewLeader),
    ];
    prop::collection::vec(step, 0..25)
}

fn spec(rules: bool, limit: Option<u64>, most: Option<u64>, succeeds: bool) -> Value {
    let mut spec = json!({"completions": 4, "parallelism": 3, "completionMode": "Indexed", "backoffLimit": 9});
    if rules {
        let rule =
            |action: &str, code: i64| json!({"action": action, "onExitCodes": {"operator": "In", "values": [code]}});
        let index = if limit.is_some() { "FailIndex" } else { "Count" };
        spec["podFailurePolicy"] =
            json!({"rules": [rule(index, FAIL_INDEX), rule("Ignore", IGNORE), rule("FailJob", FAIL_JOB)]});
    }
    if let Some(limit) = limit {
        spec["backoffLimitPerIndex"] = limit.into();
        spec["maxFailedIndexes"] = most.into();
    }
    if succeeds {
        spec["successPolicy"] = json!({"rules": [{"succeededIndexes": "1-3", "succeededCount": 2}]});
    }
    spec
}

fn has(cluster: &Cluster, kind: &str) -> bool {
    condition(&w(cluster), kind).0 == "True"
}

/// Takes a step; how many pods have failed in it that count.
fn take(cluster: &mut Cluster, step: &Step, rules: bool) -> i64 {
    let pods = active(cluster);
    let mut failed = 0;
    match step {
        Step::Exit(place, code) => {
            if let Some(pod) = pods.get(*place) {
                exit(cluster, pod, *code);
                failed = i64::from(*code != 0 && !(rules && *code == IGNORE));
            }
        }
        Step::Delete(place) => {
            if let Some(pod) = pods.get(*place) {
                cluster.delete("pods", "default", &name(pod), TRACKING);
                end(cluster, pod, "Failed");
                failed = 1;
            }
        }
        Step::Advance(seconds) => cluster.advance(*seconds),
        Step::NewLeader => cluster.new_leader(),
    }
    let doomed = has(cluster, "FailureTarget");
    let others =
        pods.len() - usize::from(matches!(step, Step::Exit(place, _) | Step::Delete(place) if *place < pods.len()));
    cluster.settle();
    // Pods that the Job ends because it fails count as failed.
    let ended = if !doomed && has(cluster, "FailureTarget") { others } else { 0 };
    failed + i64::try_from(ended).expect("few")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_job_ends_and_has_counted_each_pod_once(
        rules: bool,
        limit in proptest::option::of(0..3_u64),
        most in proptest::option::of(0..3_u64),
        succeeds: bool,
        steps in steps(),
    ) {
        let mut cluster = begun(spec(rules, limit, most, succeeds));
        let mut failed = 0;
        for step in &steps {
            failed += take(&mut cluster, step, rules);
            prop_assert!(active(&cluster).len() <= 3);
            prop_assert!(counts(&cluster)[2] <= failed, "{} of {failed} at {step:?}", counts(&cluster)[2]);
        }
        for _ in 0..8 {
            if has(&cluster, "Complete") || has(&cluster, "Failed") {
                break;
            }
            failed += take(&mut cluster, &Step::Advance(400), rules);
            failed += take(&mut cluster, &Step::Exit(0, 0), rules);
        }
        let job = w(&cluster);
        let (complete, lost) = (has(&cluster, "Complete"), has(&cluster, "Failed"));
        prop_assert!(complete != lost, "{job}");
        prop_assert_eq!((counts(&cluster)[0], counts(&cluster)[2], held(&cluster)), (0, failed, 0), "{}", job);
        let given_up = !job["status"]["failedIndexes"].as_str().unwrap_or("").is_empty();
        prop_assert!(lost || succeeds || !given_up, "{job}");
    }
}
