//! Scenarios of Jobs whose indexes fail each by itself, or that have succeeded when some of their indexes have.
mod cluster;

use cluster::jobs::{JOBS, TRACKING, active, at_index, begun, counts, exit, held, indexes, message, name, told, w};
use cluster::{Cluster, condition};
use serde_json::{Value, json};

/// An Indexed Job with a limit of failures for each index.
fn limited(completions: u64, parallelism: u64, limit: u64, more: Value) -> Cluster {
    let mut spec = json!({"completions": completions, "parallelism": parallelism, "completionMode": "Indexed",
        "backoffLimitPerIndex": limit});
    for (member, value) in more.as_object().expect("members of the spec") {
        spec[member] = value.clone();
    }
    begun(spec)
}

fn end_at(cluster: &mut Cluster, index: &str, code: i64) {
    let pod = at_index(cluster, index);
    exit(cluster, &pod, code);
    cluster.settle();
}

/// `completedIndexes` and `failedIndexes`.
fn settled(cluster: &Cluster) -> [String; 2] {
    let status = w(cluster)["status"].clone();
    ["completedIndexes", "failedIndexes"].map(|member| status[member].as_str().unwrap_or("-").to_owned())
}

/// What the active pod at `index` says of the failures before it: counted, and ignored.
fn before(cluster: &Cluster, index: &str) -> [String; 2] {
    let pod = at_index(cluster, index);
    ["job-index-failure-count", "job-index-ignored-failure-count"].map(|name| {
        let annotation = &pod["metadata"]["annotations"][format!("batch.kubernetes.io/{name}")];
        annotation.as_str().unwrap_or("").to_owned()
    })
}

#[test]
fn each_index_has_tries_of_its_own() {
    let mut cluster = limited(4, 2, 1, json!({}));
    assert_eq!(w(&cluster)["spec"]["backoffLimit"], 2_147_483_647);
    assert_eq!((settled(&cluster), before(&cluster, "0")), (["-".into(), String::new()], ["0".into(), String::new()]));
    end_at(&mut cluster, "1", 1);
    assert_eq!((indexes(&cluster).join(","), counts(&cluster), held(&cluster)), ("0".into(), [1, 0, 0], 2));
    end_at(&mut cluster, "0", 0);
    assert_eq!(indexes(&cluster).join(","), "2", "it takes one place, and 1 the other");
    cluster.advance(9);
    assert_eq!(indexes(&cluster).join(","), "2");
    cluster.advance(1);
    assert_eq!((indexes(&cluster).join(","), counts(&cluster)), ("1,2".into(), [2, 1, 1]));
    assert_eq!(before(&cluster, "1"), ["1", ""]);
    end_at(&mut cluster, "1", 1);
    assert_eq!((indexes(&cluster).join(","), counts(&cluster)), ("2,3".into(), [2, 1, 2]));
    assert_eq!(settled(&cluster), ["0", "1"]);
    end_at(&mut cluster, "3", 1);
    end_at(&mut cluster, "2", 0);
    assert_eq!(condition(&w(&cluster), "FailureTarget"), ("", ""), "one has a try left");
    cluster.advance(10);
    end_at(&mut cluster, "3", 1);
    assert_eq!((settled(&cluster), counts(&cluster), held(&cluster)), (["0,2".into(), "1,3".into()], [0, 2, 4], 0));
    for kind in ["FailureTarget", "Failed"] {
        assert_eq!(condition(&w(&cluster), kind), ("True", "FailedIndexes"));
        assert_eq!(message(&cluster, kind), "Job has failed indexes");
    }
    assert!(told(&cluster).contains(&"FailedIndexes".into()));
}

#[test]
fn too_many_failed_indexes_end_the_job() {
    let mut cluster = limited(4, 2, 0, json!({"maxFailedIndexes": 1}));
    end_at(&mut cluster, "1", 1);
    assert_eq!((settled(&cluster), counts(&cluster)), (["-".into(), "1".into()], [2, 0, 1]));
    assert_eq!(indexes(&cluster), ["0", "2"], "others go on at once");
    end_at(&mut cluster, "0", 1);
    assert_eq!((settled(&cluster)[1].as_str(), counts(&cluster), held(&cluster)), ("0,1", [0, 0, 3], 0));
    for kind in ["FailureTarget", "Failed"] {
        assert_eq!(condition(&w(&cluster), kind), ("True", "MaxFailedIndexesExceeded"));
        assert_eq!(message(&cluster, kind), "Job has exceeded the specified maximal number of failed indexes");
    }
}

#[test]
fn rules_about_failures_hold_for_each_index() {
    let rule = |action: &str, code: u64| json!({"action": action, "onExitCodes": {"operator": "In", "values": [code]}});
    let rules = json!({"rules": [rule("FailIndex", 1), rule("Ignore", 42)]});
    let mut cluster = limited(2, 2, 1, json!({"podFailurePolicy": rules}));
    for (wait, ignored) in [(10, "1"), (20, "2")] {
        end_at(&mut cluster, "0", 42);
        cluster.advance(wait - 1);
        assert_eq!(indexes(&cluster), ["1"]);
        cluster.advance(1);
        assert_eq!((before(&cluster, "0"), counts(&cluster)), (["0".into(), ignored.into()], [2, 0, 0]));
    }
    end_at(&mut cluster, "1", 1);
    assert_eq!((settled(&cluster)[1].as_str(), counts(&cluster)), ("1", [1, 0, 1]), "though a try was left");
    end_at(&mut cluster, "0", 3);
    cluster.advance(40);
    assert_eq!((before(&cluster, "0"), counts(&cluster)), (["1".into(), "2".into()], [1, 0, 2]));
    end_at(&mut cluster, "0", 0);
    assert_eq!(
        (settled(&cluster), condition(&w(&cluster), "Failed")),
        (["0".into(), "1".into()], ("True", "FailedIndexes"))
    );
}

#[test]
fn what_an_index_has_failed_outlasts_leaders_and_deletes() {
    let mut cluster = limited(1, 1, 5, json!({}));
    let first = at_index(&cluster, "0");
    end_at(&mut cluster, "0", 1);
    cluster.advance(4);
    cluster.delete("pods", "default", &name(&first), TRACKING);
    cluster.new_leader();
    cluster.settle();
    assert_eq!((counts(&cluster), held(&cluster)), ([0, 0, 0], 1));
    cluster.advance(5);
    assert_eq!(counts(&cluster), [0, 0, 0]);
    cluster.advance(1);
    assert_eq!((before(&cluster, "0"), counts(&cluster), held(&cluster)), (["1".into(), String::new()], [1, 0, 1], 1));
    // A job that rests goes on where it was; one that is deleted waits for nothing.
    end_at(&mut cluster, "0", 1);
    cluster.update(JOBS, "default", "w", |job| job["spec"]["suspend"] = true.into());
    cluster.settle();
    assert_eq!((counts(&cluster), held(&cluster)), ([0, 0, 1], 1));
    cluster.advance(600);
    cluster.update(JOBS, "default", "w", |job| job["spec"]["suspend"] = false.into());
    cluster.settle();
    assert_eq!((before(&cluster, "0"), counts(&cluster)), (["2".into(), String::new()], [1, 0, 2]));
    end_at(&mut cluster, "0", 1);
    cluster.delete(JOBS, "default", "w", "foregroundDeletion");
    cluster.settle();
    assert!(active(&cluster).is_empty() && cluster.get(JOBS, "default", "w").is_none());
}

#[test]
fn the_limit_of_all_holds_too() {
    let mut cluster = limited(3, 3, 5, json!({"backoffLimit": 1}));
    end_at(&mut cluster, "0", 1);
    assert_eq!(condition(&w(&cluster), "FailureTarget").0, "");
    end_at(&mut cluster, "1", 1);
    assert_eq!((condition(&w(&cluster), "Failed"), counts(&cluster)), (("True", "BackoffLimitExceeded"), [0, 0, 3]));
    assert_eq!(settled(&cluster), ["-", ""]);
}

/// An Indexed Job with a rule by which it has succeeded.
fn succeeding(completions: u64, parallelism: u64, rule: Value) -> Cluster {
    begun(json!({"completions": completions, "parallelism": parallelism, "completionMode": "Indexed",
        "successPolicy": {"rules": [{"succeededIndexes": "4"}, rule]}}))
}

#[test]
fn a_job_has_succeeded_when_its_policy_says_so() {
    for rule in [json!({"succeededIndexes": "0"}), json!({"succeededCount": 1})] {
        let mut cluster = succeeding(5, 3, rule);
        end_at(&mut cluster, "1", 1);
        assert_eq!(condition(&w(&cluster), "SuccessCriteriaMet").0, "");
        cluster.lost.insert("n1".into());
        end_at(&mut cluster, "0", 0);
        assert_eq!(condition(&w(&cluster), "SuccessCriteriaMet"), ("True", "SuccessPolicy"));
        assert_eq!((message(&cluster, "SuccessCriteriaMet"), held(&cluster)), ("Matched rules at index 1".into(), 0));
        assert_eq!((condition(&w(&cluster), "Complete").0, counts(&cluster)), ("", [0, 1, 1]), "one pod still ends");
        assert_eq!(w(&cluster)["status"]["terminating"], 1);
        cluster.new_leader();
        cluster.lost.clear();
        cluster.settle();
        assert_eq!(condition(&w(&cluster), "Complete"), ("True", "SuccessPolicy"));
        assert_eq!((message(&cluster, "Complete"), counts(&cluster)), ("Matched rules at index 1".into(), [0, 1, 1]));
        let status = w(&cluster)["status"].clone();
        assert_eq!((&status["completedIndexes"], &status["terminating"]), (&json!("0"), &json!(0)));
        assert!(status["completionTime"].is_string() && told(&cluster).contains(&"Completed".into()));
        cluster.advance(600);
        assert!(active(&cluster).is_empty());
    }
}

#[test]
fn the_policy_is_named_even_where_all_have_succeeded_and_a_failure_weighs_more() {
    let mut cluster = succeeding(2, 2, json!({"succeededCount": 2}));
    for pod in active(&cluster) {
        exit(&mut cluster, &pod, 0);
    }
    cluster.settle();
    assert_eq!((condition(&w(&cluster), "Complete"), counts(&cluster)), (("True", "SuccessPolicy"), [0, 2, 0]));

    let mut cluster = limited(2, 2, 0, json!({"successPolicy": {"rules": [{"succeededCount": 1}]}}));
    let pods = active(&cluster);
    exit(&mut cluster, &pods[0], 0);
    exit(&mut cluster, &pods[1], 1);
    cluster.settle();
    assert_eq!(condition(&w(&cluster), "Failed"), ("True", "FailedIndexes"));
}
