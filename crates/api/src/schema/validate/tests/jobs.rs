//! Jobs and the shares of rolling updates: what is kept, and what is refused in which words.
use super::{changed, created, deployment, fields, message};
use serde_json::{Value, json};

/// A Job of those members besides its template.
fn job(members: Value) -> Value {
    let mut spec = members;
    spec["template"] = json!({"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
    json!({"metadata": {"name": "j"}, "spec": spec})
}

fn of_cron(job: &Value) -> Value {
    json!({"metadata": {"name": "j"}, "spec": {"schedule": "@daily", "jobTemplate": {"spec": job["spec"]}}})
}

/// Each as a Job and as a CronJob's; the words stand after `JOB.spec.`.
fn told(members: Value) -> Vec<String> {
    let job = job(members);
    let words = |result: Result<(), super::Status>, prefix: &str| -> Vec<String> {
        let causes = result.err().map(|status| status.causes.clone()).unwrap_or_default();
        causes.into_iter().map(|cause| format!("{}: {}", cause.field.replacen(prefix, "", 1), cause.message)).collect()
    };
    let own = words(created("Job", job.clone()), "spec.");
    assert_eq!(own, words(created("CronJob", of_cron(&job)), "spec.jobTemplate.spec."));
    own
}

#[test]
fn what_a_job_may_say_of_failures() {
    let rule = |rule: Value| json!({"podFailurePolicy": {"rules": [rule]}});
    let codes = |codes: Value| rule(json!({"action": "FailJob", "onExitCodes": codes}));
    let rows: Vec<(Value, &[&str])> = vec![
        (codes(json!({"containerName": "c", "operator": "In", "values": [1, 2]})), &[]),
        (rule(json!({"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget"}]})), &[]),
        (
            rule(json!({"action": "Foo", "onPodConditions": [{"type": "A", "status": "No"}]})),
            &[
                "podFailurePolicy.rules[0].action: Unsupported value: \"Foo\": supported values: \"Count\", \"FailIndex\", \"FailJob\", \"Ignore\"",
                "podFailurePolicy.rules[0].onPodConditions[0].status: Unsupported value: \"No\": supported values: \"False\", \"True\", \"Unknown\"",
            ],
        ),
        (
            rule(json!({})),
            &[
                "podFailurePolicy.rules[0].action: Required value: valid values: [\"Count\" \"FailIndex\" \"FailJob\" \"Ignore\"]",
                "podFailurePolicy.rules[0]: Invalid value: specifying one of OnExitCodes and OnPodConditions is required",
            ],
        ),
        (
            rule(json!({"action": "FailIndex", "onPodConditions": [{"type": "A"}]})),
            &[
                "podFailurePolicy.rules[0].action: Invalid value: \"FailIndex\": requires the backoffLimitPerIndex to be set",
            ],
        ),
        (
            codes(json!({"containerName": "d", "operator": "Is", "values": [3, 1, 1]})),
            &[
                "podFailurePolicy.rules[0].onExitCodes.operator: Unsupported value: \"Is\": supported values: \"In\", \"NotIn\"",
                "podFailurePolicy.rules[0].onExitCodes.containerName: Invalid value: \"d\": must be one of the container or initContainer names in the pod template",
                "podFailurePolicy.rules[0].onExitCodes.values[2]: Duplicate value: 1",
                "podFailurePolicy.rules[0].onExitCodes.values: Invalid value: [3,1,1]: must be ordered",
            ],
        ),
        (
            codes(json!({"operator": "In", "values": [0]})),
            &["podFailurePolicy.rules[0].onExitCodes.values[0]: Invalid value: 0: must not be 0 for the In operator"],
        ),
        (
            codes(json!({"operator": "In", "values": []})),
            &["podFailurePolicy.rules[0].onExitCodes.values: Invalid value: []: at least one value is required"],
        ),
        (
            json!({"podReplacementPolicy": "Foo"}),
            &[
                "podReplacementPolicy: Unsupported value: \"Foo\": supported values: \"Failed\", \"TerminatingOrFailed\"",
            ],
        ),
        (
            json!({"podReplacementPolicy": "TerminatingOrFailed", "podFailurePolicy": {"rules": []}}),
            &["podReplacementPolicy: Unsupported value: \"TerminatingOrFailed\": supported values: \"Failed\""],
        ),
    ];
    for (members, wanted) in rows {
        assert_eq!(told(members.clone()), wanted, "{members}");
    }
    let mut policy = job(codes(json!({"operator": "In", "values": [1]})));
    policy["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure".into();
    assert_eq!(
        message(created("Job", policy)),
        "Job.batch \"j\" is invalid: spec.template.spec.restartPolicy: Invalid value: \"OnFailure\": only \"Never\" is \
         supported when podFailurePolicy is specified"
    );
}

#[test]
fn what_a_job_may_say_of_success_and_its_manager() {
    let success =
        |rules: Value| json!({"completionMode": "Indexed", "completions": 5, "successPolicy": {"rules": rules}});
    let rows: Vec<(Value, &[&str])> = vec![
        (success(json!([{"succeededIndexes": "0,2-3", "succeededCount": 3}])), &[]),
        (success(json!([{"succeededCount": 5}])), &[]),
        (
            json!({"successPolicy": {"rules": [{"succeededCount": 1}]}}),
            &["successPolicy: Invalid value: {\"rules\":[{\"succeededCount\":1}]}: requires indexed completion mode"],
        ),
        (
            success(json!([])),
            &[
                "successPolicy.rules: Required value: at least one rules must be specified when the successPolicy is specified",
            ],
        ),
        (
            success(json!([{}])),
            &[
                "successPolicy.rules[0]: Required value: at least one of succeededCount or succeededIndexes must be specified",
            ],
        ),
        (
            success(json!([{"succeededIndexes": "0,7"}])),
            &[
                "successPolicy.rules[0].succeededIndexes: Invalid value: \"0,7\": error parsing succeededIndexes: too large index: \"7\"",
            ],
        ),
        (
            success(json!([{"succeededIndexes": "1-1"}, {"succeededIndexes": "2,1"}, {"succeededIndexes": "1-2-3"}])),
            &[
                "successPolicy.rules[0].succeededIndexes: Invalid value: \"1-1\": error parsing succeededIndexes: non-increasing order, previous: 1, current: 1",
                "successPolicy.rules[1].succeededIndexes: Invalid value: \"2,1\": error parsing succeededIndexes: non-increasing order, previous: 2, current: 1",
                "successPolicy.rules[2].succeededIndexes: Invalid value: \"1-2-3\": error parsing succeededIndexes: the fragment \"1-2-3\" violates the requirement that an index interval can have at most two parts separated by '-'",
            ],
        ),
        (
            success(json!([{"succeededIndexes": "0-2", "succeededCount": 6}])),
            &[
                "successPolicy.rules[0].succeededCount: Invalid value: 6: must be less than or equal to 5 (the number of specified completions)",
                "successPolicy.rules[0].succeededCount: Invalid value: 6: must be less than or equal to 3 (the number of indexes in the specified succeededIndexes field)",
            ],
        ),
        (json!({"managedBy": "acme.io/foo"}), &[]),
        (
            json!({"managedBy": "bad name"}),
            &["managedBy: Invalid value: \"bad name\": must be a domain-prefixed path (such as \"acme.io/foo\")"],
        ),
        (
            json!({"managedBy": format!("acme.io/{}", "x".repeat(60))}),
            &["managedBy: Too long: may not be more than 63 bytes"],
        ),
        (
            json!({"maxFailedIndexes": 1, "completionMode": "Indexed", "completions": 5}),
            &["backoffLimitPerIndex: Required value: when maxFailedIndexes is specified"],
        ),
        (
            json!({"maxFailedIndexes": 6, "backoffLimitPerIndex": 1, "completionMode": "Indexed", "completions": 5}),
            &["maxFailedIndexes: Invalid value: 6: must be less than or equal to completions"],
        ),
        (
            json!({"backoffLimitPerIndex": 1, "completionMode": "Indexed", "completions": 100_001}),
            &["maxFailedIndexes: Required value: must be specified when completions is above 100000"],
        ),
        (
            json!({"backoffLimitPerIndex": 1}),
            &["backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"],
        ),
        (
            json!({"completionMode": "Indexed", "completions": 1, "parallelism": 100_001}),
            &[
                "parallelism: Invalid value: 100001: must be less than or equal to 100000 when completion mode is Indexed",
            ],
        ),
    ];
    for (members, wanted) in rows {
        assert_eq!(told(members.clone()), wanted, "{members}");
    }
}

#[test]
fn what_may_change_of_a_job() {
    let indexed = |completions: u32, parallelism: u32| {
        job(json!({"completionMode": "Indexed", "completions": completions, "parallelism": parallelism}))
    };
    assert_eq!(message(changed("Job", &indexed(3, 3), &indexed(4, 4))), "");
    assert_eq!(
        message(changed("Job", &indexed(3, 3), &indexed(4, 3))),
        "Job.batch \"j\" is invalid: spec.completions: Invalid value: 4: can only be modified in tandem with spec.parallelism"
    );
    let managed = |by: &str| job(json!({"managedBy": by}));
    assert_eq!(fields(changed("Job", &managed("a.b/c"), &managed("a.b/d"))), ["spec.managedBy"]);
    let waits = job(json!({"suspend": true}));
    let mut moved = waits.clone();
    moved["spec"]["template"]["metadata"] = json!({"labels": {"a": "b"}});
    moved["spec"]["template"]["spec"]["nodeSelector"] = json!({"a": "b"});
    assert_eq!(message(changed("Job", &waits, &moved)), "");
    moved["spec"]["template"]["spec"]["containers"][0]["image"] = "j".into();
    assert_eq!(fields(changed("Job", &waits, &moved)), ["spec.template"]);
    let long = "j".repeat(62);
    let mut named = indexed(11, 1);
    named["metadata"]["name"] = long.as_str().into();
    assert_eq!(fields(created("Job", named)), ["metadata.name"]);
    let cron = |zone: &str| json!({"metadata": {"name": "j"}, "spec": {"schedule": "@daily", "timeZone": zone, "jobTemplate": {"spec": job(json!({}))["spec"]}}});
    assert_eq!(message(created("CronJob", cron("Asia/Tokyo"))), "");
    assert_eq!(fields(created("CronJob", cron("Local"))), ["spec.timeZone"]);
    let mut later = cron("Gone/Zone");
    later["spec"]["suspend"] = true.into();
    assert_eq!(message(changed("CronJob", &cron("Gone/Zone"), &later)), "", "only a new zone is judged");
    assert_eq!(fields(changed("CronJob", &cron("UTC"), &later)), ["spec.timeZone"]);
}

#[test]
fn shares_of_rolling_updates() {
    let rolled = |of: &str, strategy: &str, rolling: Value| {
        let mut one = deployment();
        if of == "DaemonSet" {
            one["spec"].as_object_mut().expect("a spec").remove("replicas");
        }
        one["spec"][strategy] = json!({"type": "RollingUpdate", "rollingUpdate": rolling});
        let told = message(created(of, one));
        told.split_once("is invalid: ").map(|(_, why)| why.to_owned()).unwrap_or_default()
    };
    for (of, rolling, wanted) in [
        ("Deployment", json!({"maxUnavailable": "100%", "maxSurge": "300%"}), ""),
        (
            "Deployment",
            json!({"maxUnavailable": "200%"}),
            "spec.strategy.rollingUpdate.maxUnavailable: Invalid value: \"200%\": must not be greater than 100%",
        ),
        ("DaemonSet", json!({"maxUnavailable": "50%", "maxSurge": 0}), ""),
        (
            "DaemonSet",
            json!({"maxUnavailable": "101%", "maxSurge": 0}),
            "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%",
        ),
        (
            "DaemonSet",
            json!({"maxUnavailable": 0, "maxSurge": "101%"}),
            "spec.updateStrategy.rollingUpdate.maxSurge: Invalid value: \"101%\": must not be greater than 100%",
        ),
        ("StatefulSet", json!({"maxUnavailable": "30%"}), ""),
        (
            "StatefulSet",
            json!({"maxUnavailable": 0}),
            "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: 0: cannot be 0",
        ),
        (
            "StatefulSet",
            json!({"maxUnavailable": "101%"}),
            "spec.updateStrategy.rollingUpdate.maxUnavailable: Invalid value: \"101%\": must not be greater than 100%",
        ),
    ] {
        let strategy = if of == "Deployment" { "strategy" } else { "updateStrategy" };
        assert_eq!(rolled(of, strategy, rolling.clone()), wanted, "{of} {rolling}");
    }
    let budget = json!({"metadata": {"name": "b"}, "spec": {"minAvailable": "101%"}});
    assert_eq!(
        message(created("PodDisruptionBudget", budget)),
        "PodDisruptionBudget.policy \"b\" is invalid: spec.minAvailable: Invalid value: \"101%\": must not be greater than 100%"
    );
}
