//! Scenarios of Jobs that say what the failure of a pod means to them.
mod cluster;

use cluster::jobs::{TRACKING, active, at_index, begun, counts, end, exit, held, indexes, message, name, told, w};
use cluster::{Cluster, condition, node};
use serde_json::{Value, json};

fn codes(action: &str, values: Value) -> Value {
    json!({"action": action, "onExitCodes": {"operator": "In", "values": values}})
}

fn with_rules(mut spec: Value, rules: Value) -> Value {
    spec["podFailurePolicy"] = json!({"rules": rules});
    spec
}

fn terminating(cluster: &Cluster) -> Value {
    w(cluster)["status"]["terminating"].clone()
}

#[test]
fn a_job_fails_at_once_with_a_pod_that_must_not_be_tried_again() {
    let rules = json!([codes("Count", json!([2])), codes("FailJob", json!([1]))]);
    let mut cluster = begun(with_rules(json!({"completions": 4, "parallelism": 3}), rules));
    let pods = active(&cluster);
    exit(&mut cluster, &pods[0], 2);
    cluster.settle();
    assert_eq!((counts(&cluster), condition(&w(&cluster), "FailureTarget")), ([2, 0, 1], ("", "")));
    cluster.lost.insert("n1".into());
    exit(&mut cluster, &pods[1], 1);
    cluster.settle();
    let why = format!(
        "Container c for pod default/{} failed with exit code 1 matching FailJob rule at index 1",
        name(&pods[1])
    );
    assert_eq!(condition(&w(&cluster), "FailureTarget"), ("True", "PodFailurePolicy"));
    assert_eq!(message(&cluster, "FailureTarget"), why);
    assert_eq!((counts(&cluster), terminating(&cluster)), ([0, 0, 3], json!(1)), "the last pod counts as failed");
    assert_eq!(condition(&w(&cluster), "Failed").0, "", "not before its pods have ended");
    cluster.lost.clear();
    cluster.settle();
    assert_eq!(condition(&w(&cluster), "Failed"), ("True", "PodFailurePolicy"));
    assert_eq!((message(&cluster, "Failed"), counts(&cluster), held(&cluster)), (why, [0, 0, 3], 0));
    assert!(told(&cluster).contains(&"PodFailurePolicy".into()));
    cluster.advance(1_000);
    assert!(active(&cluster).is_empty());
}

#[test]
fn what_is_ignored_does_not_count_but_is_waited_for() {
    let rules = json!([codes("Ignore", json!([42]))]);
    let indexed = json!({"completions": 3, "parallelism": 3, "completionMode": "Indexed", "backoffLimit": 2});
    let mut cluster = begun(with_rules(indexed, rules));
    for pod in active(&cluster) {
        exit(&mut cluster, &pod, 42);
    }
    cluster.settle();
    assert_eq!((counts(&cluster), held(&cluster)), ([0, 0, 0], 0));
    cluster.advance(10 + 20 + 40 - 31);
    assert_eq!(counts(&cluster), [0, 0, 0], "three failures: forty seconds");
    cluster.advance(1);
    assert_eq!(indexes(&cluster), ["0", "1", "2"]);
    let pod = at_index(&cluster, "1");
    exit(&mut cluster, &pod, 7);
    cluster.settle();
    assert_eq!(counts(&cluster), [2, 0, 1], "another code counts");
    cluster.advance(360);
    for pod in active(&cluster) {
        exit(&mut cluster, &pod, 0);
    }
    cluster.settle();
    assert_eq!((counts(&cluster), condition(&w(&cluster), "Complete")), ([0, 3, 1], ("True", "CompletionsReached")));
}

#[test]
fn a_disrupted_pod_is_replaced_when_it_has_ended_and_does_not_count() {
    let rules = json!([{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]);
    let mut cluster = begun(with_rules(json!({"completions": 1, "backoffLimit": 0}), rules));
    assert_eq!(w(&cluster)["spec"]["podReplacementPolicy"], "Failed");
    let pod = active(&cluster).remove(0);
    cluster.delete("pods", "default", &name(&pod), TRACKING);
    cluster.settle();
    cluster.advance(60);
    assert_eq!((counts(&cluster), terminating(&cluster)), ([0, 0, 0], json!(1)), "it has not ended");
    end(&mut cluster, &pod, "Failed");
    cluster.update("pods", "default", &name(&pod), |pod| {
        pod["status"]["conditions"] = json!([{"type": "DisruptionTarget", "status": "True"}]);
    });
    cluster.settle();
    cluster.advance(10);
    assert_eq!((counts(&cluster), terminating(&cluster)), ([1, 0, 0], json!(0)));
    let pod = active(&cluster).remove(0);
    exit(&mut cluster, &pod, 1);
    cluster.settle();
    assert_eq!(condition(&w(&cluster), "Failed"), ("True", "BackoffLimitExceeded"), "one that counts is too many");
}

#[test]
fn pods_of_a_node_that_is_lost_say_that_they_were_disrupted() {
    let rules = json!([{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]}]);
    let mut cluster = begun(with_rules(json!({"completions": 1, "backoffLimit": 0}), rules));
    cluster.create("nodes", node("n2"));
    cluster.lost.insert("n1".into());
    cluster.update("nodes", "", "n1", |value| {
        value["spec"]["taints"] = json!([{"key": "drain", "value": "now", "effect": "NoExecute"}])
    });
    cluster.settle();
    let pod = cluster.list("pods", "default").remove(0);
    assert_eq!(condition(&pod, "DisruptionTarget"), ("True", "DeletionByTaintManager"));
    assert_eq!((counts(&cluster), terminating(&cluster)), ([0, 0, 0], json!(1)));
    cluster.delete("nodes", "", "n1", "");
    cluster.settle();
    cluster.advance(10);
    assert_eq!(
        (counts(&cluster), terminating(&cluster)),
        ([1, 0, 0], json!(0)),
        "ended with its node, and not counted"
    );

    let rules = json!([{"action": "FailJob", "onPodConditions": [{"type": "DisruptionTarget"}]}]);
    let mut cluster = begun(with_rules(json!({"completions": 1}), rules));
    cluster.delete("nodes", "", "n1", "");
    cluster.advance(60);
    let job = w(&cluster);
    assert_eq!(condition(&job, "Failed"), ("True", "PodFailurePolicy"), "{job}");
}

#[test]
fn a_condition_may_fail_the_job() {
    let rules = json!([{"action": "FailJob", "onPodConditions": [{"type": "ConfigIssue", "status": "True"}]}]);
    let mut cluster = begun(with_rules(json!({"completions": 1}), rules));
    let pod = active(&cluster).remove(0);
    end(&mut cluster, &pod, "Failed");
    cluster.update("pods", "default", &name(&pod), |pod| {
        pod["status"]["conditions"] = json!([{"type": "ConfigIssue", "status": "True"}]);
    });
    cluster.settle();
    assert_eq!(condition(&w(&cluster), "Failed"), ("True", "PodFailurePolicy"));
    let why = format!("Pod default/{} has condition ConfigIssue matching FailJob rule at index 0", name(&pod));
    assert_eq!(message(&cluster, "Failed"), why);
}
