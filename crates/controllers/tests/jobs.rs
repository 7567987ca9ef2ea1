//! Scenarios of Jobs: to the end of their work, with pods that fail, are deleted, suspended, late.
mod cluster;

use cluster::jobs::{JOBS, TRACKING, active, begun, counts, end, end_all, held, indexes, job, name, told, w};
use cluster::{Cluster, condition};
use serde_json::{Value, json};

#[test]
fn a_job_runs_until_it_has_succeeded_often_enough() {
    let mut cluster = begun(json!({"completions": 3, "parallelism": 2}));
    let uid = w(&cluster)["metadata"]["uid"].clone();
    assert_eq!(w(&cluster)["spec"]["selector"], json!({"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}));
    assert_eq!(w(&cluster)["metadata"]["generation"], 1);
    assert_eq!((counts(&cluster), held(&cluster)), ([2, 0, 0], 2));
    assert_eq!(w(&cluster)["status"]["ready"], 2);
    for pod in active(&cluster) {
        let labels = &pod["metadata"]["labels"];
        assert_eq!((&labels["controller-uid"], &labels["job-name"]), (&uid, &json!("w")));
        assert_eq!(
            (&labels["batch.kubernetes.io/controller-uid"], &labels["batch.kubernetes.io/job-name"]),
            (&uid, &json!("w"))
        );
    }
    let first = active(&cluster).remove(0);
    end(&mut cluster, &first, "Succeeded");
    cluster.settle();
    assert_eq!(counts(&cluster), [2, 1, 0]);
    let second = active(&cluster).remove(0);
    end(&mut cluster, &second, "Succeeded");
    cluster.settle();
    assert_eq!(counts(&cluster), [1, 2, 0], "no more than are still needed");
    end_all(&mut cluster, "Succeeded");
    assert_eq!((counts(&cluster), held(&cluster)), ([0, 3, 0], 0));
    let status = w(&cluster)["status"].clone();
    assert_eq!(
        (&status["ready"], &status["terminating"], &status["uncountedTerminatedPods"]),
        (&json!(0), &json!(0), &json!({}))
    );
    assert!(status["startTime"].is_string() && status["completionTime"].is_string());
    for kind in ["SuccessCriteriaMet", "Complete"] {
        assert_eq!(condition(&w(&cluster), kind), ("True", "CompletionsReached"));
    }
    assert_eq!(cluster.list("pods", "default").len(), 3, "they stay for their logs");
    let told = told(&cluster);
    assert!(told.contains(&"SuccessfulCreate".into()) && told.contains(&"Completed".into()), "{told:?}");
    cluster.delete(JOBS, "default", "w", "");
    cluster.settle();
    assert!(cluster.list("pods", "default").is_empty());
}

#[test]
fn a_work_queue_is_done_when_one_pod_succeeded_and_none_is_left() {
    let mut cluster = begun(json!({"parallelism": 3}));
    assert_eq!(counts(&cluster), [3, 0, 0]);
    let pods = active(&cluster);
    end(&mut cluster, &pods[0], "Succeeded");
    end(&mut cluster, &pods[1], "Failed");
    cluster.settle();
    cluster.advance(60);
    assert_eq!(counts(&cluster), [1, 1, 1], "no new ones");
    end_all(&mut cluster, "Succeeded");
    assert_eq!((counts(&cluster), condition(&w(&cluster), "Complete").0), ([0, 2, 1], "True"));
}

#[test]
fn each_index_succeeds_once() {
    let mut cluster = begun(json!({"completions": 4, "parallelism": 2, "completionMode": "Indexed"}));
    assert_eq!(indexes(&cluster), ["0", "1"]);
    for pod in active(&cluster) {
        let index =
            pod["metadata"]["annotations"]["batch.kubernetes.io/job-completion-index"].as_str().expect("an index");
        let stem = format!("w-{index}-");
        assert!(name(&pod).starts_with(&stem) && name(&pod).len() == stem.len() + 5, "{}", name(&pod));
        assert_eq!(pod["spec"]["hostname"], format!("w-{index}"));
        assert_eq!(pod["spec"]["containers"][0]["env"][0]["name"], "JOB_COMPLETION_INDEX");
    }
    let pods = active(&cluster);
    end(&mut cluster, &pods[1], "Succeeded");
    cluster.settle();
    assert_eq!((indexes(&cluster).join(","), &w(&cluster)["status"]["completedIndexes"]), ("0,2".into(), &json!("1")));
    end(&mut cluster, &pods[0], "Failed");
    cluster.settle();
    assert_eq!((indexes(&cluster).join(","), counts(&cluster)), ("2".into(), [1, 1, 1]));
    cluster.advance(10);
    assert_eq!(indexes(&cluster), ["0", "2"]);
    end_all(&mut cluster, "Succeeded");
    end_all(&mut cluster, "Succeeded");
    assert_eq!((counts(&cluster), &w(&cluster)["status"]["completedIndexes"]), ([0, 4, 1], &json!("0-3")));
    assert_eq!(condition(&w(&cluster), "Complete").0, "True");
}

#[test]
fn failures_wait_longer_each_time_and_are_too_many_at_last() {
    let mut cluster = begun(json!({"completions": 2, "parallelism": 1, "backoffLimit": 2}));
    for wait in [10, 20] {
        end_all(&mut cluster, "Failed");
        cluster.advance(wait - 1);
        assert_eq!(counts(&cluster)[0], 0, "{wait} seconds are not over");
        cluster.advance(1);
        assert_eq!(counts(&cluster)[0], 1, "{wait} seconds are over");
    }
    end_all(&mut cluster, "Failed");
    assert_eq!(counts(&cluster), [0, 0, 3]);
    for kind in ["FailureTarget", "Failed"] {
        assert_eq!(condition(&w(&cluster), kind), ("True", "BackoffLimitExceeded"));
    }
    assert!(
        told(&cluster).contains(&"BackoffLimitExceeded".into()) && w(&cluster)["status"]["completionTime"].is_null()
    );
    cluster.advance(1_000);
    assert_eq!(active(&cluster).len(), 0);
}

#[test]
fn containers_that_are_run_again_in_their_pod_count_as_failures() {
    let mut cluster = begun(json!({"backoffLimit": 3}));
    cluster.update(JOBS, "default", "w", |job| job["spec"]["template"]["spec"]["restartPolicy"] = "OnFailure".into());
    for restarts in 1..=3 {
        let pod = active(&cluster).remove(0);
        cluster.update("pods", "default", &name(&pod), |pod| {
            pod["status"]["containerStatuses"] = json!([{"name": "c", "restartCount": restarts}]);
        });
        cluster.settle();
        assert_eq!(counts(&cluster)[0], i64::from(restarts < 3), "{restarts} restarts");
    }
    assert_eq!(condition(&w(&cluster), "Failed"), ("True", "BackoffLimitExceeded"));
    assert!(cluster.list("pods", "default").is_empty());
}

#[test]
fn a_suspended_job_has_no_pods_and_goes_on_where_it_was() {
    let mut cluster = begun(json!({"completions": 3, "parallelism": 2, "activeDeadlineSeconds": 60}));
    let first = active(&cluster).remove(0);
    end(&mut cluster, &first, "Succeeded");
    cluster.settle();
    cluster.update(JOBS, "default", "w", |job| job["spec"]["suspend"] = true.into());
    cluster.settle();
    assert_eq!((counts(&cluster), active(&cluster).len(), held(&cluster)), ([0, 1, 0], 0, 0));
    assert_eq!(condition(&w(&cluster), "Suspended"), ("True", "JobSuspended"));
    cluster.advance(1_800);
    cluster.update(JOBS, "default", "w", |job| job["spec"]["suspend"] = false.into());
    cluster.settle();
    assert_eq!(condition(&w(&cluster), "Suspended"), ("False", "JobResumed"));
    assert_eq!(counts(&cluster), [2, 1, 0]);
    cluster.advance(59);
    end_all(&mut cluster, "Succeeded");
    assert_eq!((counts(&cluster), condition(&w(&cluster), "Complete").0), ([0, 3, 0], "True"));
    let told = told(&cluster);
    for reason in ["Suspended", "Resumed", "SuccessfulDelete"] {
        assert!(told.contains(&reason.into()), "{reason} in {told:?}");
    }
}

#[test]
fn a_job_that_is_late_fails_with_what_it_has() {
    let mut cluster = begun(json!({"completions": 3, "parallelism": 2, "activeDeadlineSeconds": 30}));
    let first = active(&cluster).remove(0);
    end(&mut cluster, &first, "Succeeded");
    cluster.settle();
    cluster.advance(29);
    assert_eq!(counts(&cluster), [2, 1, 0]);
    cluster.lost.insert("n1".into());
    cluster.advance(2);
    assert_eq!((counts(&cluster), &w(&cluster)["status"]["terminating"]), ([0, 1, 2], &json!(2)));
    assert_eq!(condition(&w(&cluster), "FailureTarget"), ("True", "DeadlineExceeded"));
    assert_eq!(condition(&w(&cluster), "Failed").0, "", "not before its pods have ended");
    cluster.lost.clear();
    cluster.settle();
    assert_eq!(condition(&w(&cluster), "Failed"), ("True", "DeadlineExceeded"));
    assert_eq!((counts(&cluster), &w(&cluster)["status"]["terminating"]), ([0, 1, 2], &json!(0)));
}

#[test]
fn a_finished_job_goes_in_time_with_its_pods() {
    let mut cluster = begun(json!({"ttlSecondsAfterFinished": 100}));
    end_all(&mut cluster, "Succeeded");
    cluster.advance(99);
    assert_eq!(counts(&cluster), [0, 1, 0]);
    cluster.advance(2);
    assert!(cluster.get(JOBS, "default", "w").is_none() && cluster.list("pods", "default").is_empty());
}

#[test]
fn a_job_of_another_controller_is_left_to_it() {
    for (manager, ours) in [("kubernetes.io/job-controller", true), ("example.com/multi", false)] {
        let mut cluster = Cluster::new(1);
        cluster.create("pods", cluster::pod("early", json!({"app": "w"})));
        let mut value = job(json!({"managedBy": manager, "completions": 1, "ttlSecondsAfterFinished": 100,
            "manualSelector": true, "selector": {"matchLabels": {"app": "w"}}}));
        value["spec"]["template"]["metadata"] = json!({"labels": {"app": "w"}});
        cluster.create(JOBS, value);
        cluster.new_leader();
        cluster.settle();
        assert_eq!((counts(&cluster)[0], held(&cluster)), if ours { (1, 1) } else { (0, 0) }, "{manager}");
        assert_eq!(w(&cluster)["status"] == json!({}), !ours);
        // Its controller says how it ended; then it goes as every Job does.
        if ours {
            end_all(&mut cluster, "Succeeded");
        } else {
            let since = cluster.now.rfc3339();
            cluster.update(JOBS, "default", "w", |job| {
                job["status"]["conditions"] =
                    json!([{"type": "Failed", "status": "True", "lastTransitionTime": since}]);
            });
        }
        cluster.advance(99);
        assert!(cluster.get(JOBS, "default", "w").is_some());
        cluster.advance(2);
        assert!(cluster.get(JOBS, "default", "w").is_none(), "{manager}");
    }
    // What its pods are known by it gets all the same: that is no controller's matter.
    let cluster = begun(json!({"managedBy": "example.com/multi"}));
    assert!(w(&cluster)["spec"]["selector"]["matchLabels"]["batch.kubernetes.io/controller-uid"].is_string());
    assert!(cluster.list("pods", "default").is_empty());
}

#[test]
fn a_pod_that_is_deleted_after_it_succeeded_is_counted_once() {
    let mut cluster = begun(json!({"completions": 2, "parallelism": 1}));
    let pod = active(&cluster).remove(0);
    end(&mut cluster, &pod, "Succeeded");
    cluster.delete("pods", "default", &name(&pod), TRACKING);
    cluster.settle();
    assert_eq!(counts(&cluster), [1, 1, 0]);
    let pod = active(&cluster).remove(0);
    end(&mut cluster, &pod, "Succeeded");
    cluster.settle();
    cluster.delete("pods", "default", &name(&pod), "");
    cluster.settle();
    assert_eq!((counts(&cluster), condition(&w(&cluster), "Complete").0), ([0, 2, 0], "True"));
}

#[test]
fn a_pod_that_is_deleted_while_it_runs_has_failed() {
    let mut cluster = begun(json!({"completions": 1}));
    let pod = active(&cluster).remove(0);
    cluster.delete("pods", "default", &name(&pod), TRACKING);
    cluster.settle();
    cluster.advance(10);
    assert_eq!(counts(&cluster), [1, 0, 1]);
    // Who would rather wait says so: the pod is neither counted nor replaced before it has ended.
    let mut cluster = begun(json!({"completions": 1, "podReplacementPolicy": "Failed"}));
    let pod = active(&cluster).remove(0);
    cluster.delete("pods", "default", &name(&pod), TRACKING);
    cluster.settle();
    cluster.advance(20);
    assert_eq!((counts(&cluster), &w(&cluster)["status"]["terminating"]), ([0, 0, 0], &json!(1)));
    end(&mut cluster, &pod, "Succeeded");
    cluster.settle();
    assert_eq!((counts(&cluster), condition(&w(&cluster), "Complete").0), ([0, 1, 0], "True"));
}

#[test]
fn a_new_leader_goes_on_in_the_middle() {
    let mut cluster = begun(json!({"completions": 3, "parallelism": 2}));
    let pods = active(&cluster);
    end(&mut cluster, &pods[0], "Succeeded");
    end(&mut cluster, &pods[1], "Failed");
    cluster.new_leader();
    cluster.settle();
    assert_eq!(counts(&cluster), [0, 1, 1]);
    cluster.advance(5);
    cluster.new_leader();
    cluster.settle();
    assert_eq!(counts(&cluster), [0, 1, 1], "it waits as long as it would have");
    cluster.advance(5);
    assert_eq!(counts(&cluster), [2, 1, 1]);
    cluster.new_leader();
    end_all(&mut cluster, "Succeeded");
    cluster.new_leader();
    cluster.settle();
    assert_eq!((counts(&cluster), condition(&w(&cluster), "Complete").0), ([0, 3, 1], "True"));
}

#[test]
fn parallelism_may_change_and_what_it_ends_does_not_count() {
    let mut cluster = begun(json!({"completions": 9, "parallelism": 4}));
    for parallelism in [1, 6, 0, 2] {
        cluster.update(JOBS, "default", "w", |job| job["spec"]["parallelism"] = parallelism.into());
        cluster.settle();
        assert_eq!(counts(&cluster), [parallelism, 0, 0]);
    }
}

#[test]
fn pods_are_let_go_whose_job_is_gone() {
    for finalizer in ["", "orphan", "foregroundDeletion"] {
        let mut cluster = begun(json!({"completions": 2, "parallelism": 2}));
        cluster.delete(JOBS, "default", "w", finalizer);
        cluster.settle();
        assert!(cluster.get(JOBS, "default", "w").is_none());
        assert_eq!(
            (cluster.list("pods", "default").len(), held(&cluster)),
            (if finalizer == "orphan" { 2 } else { 0 }, 0)
        );
    }
}

#[test]
fn a_job_with_a_selector_of_its_own_takes_what_is_nobodys() {
    let mut cluster = Cluster::new(1);
    cluster.create("pods", cluster::pod("early", json!({"app": "w"})));
    let mut value = job(json!({"completions": 2, "parallelism": 2, "manualSelector": true,
        "selector": {"matchLabels": {"app": "w"}}}));
    value["spec"]["template"]["metadata"] = json!({"labels": {"app": "w"}});
    cluster.create(JOBS, value);
    cluster.new_leader();
    cluster.settle();
    assert_eq!((counts(&cluster), held(&cluster)), ([2, 0, 0], 2));
    assert!(active(&cluster).iter().any(|pod| name(pod) == "early"));
    cluster.update("pods", "default", "early", |pod| pod["metadata"]["labels"] = json!({"app": "x"}));
    cluster.settle();
    assert_eq!((active(&cluster).len(), held(&cluster)), (3, 2), "it is let go, and replaced");
}

/// A CronJob `n` that is due every five minutes.
fn nightly(spec: Value) -> Cluster {
    let mut cluster = Cluster::new(1);
    let mut cron = json!({"apiVersion": "batch/v1", "kind": "CronJob",
        "metadata": {"name": "n", "namespace": "default", "generation": 1},
        "spec": {"schedule": "*/5 * * * *", "jobTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": job(json!({}))["spec"]}}});
    for (member, value) in spec.as_object().expect("members of the spec") {
        cron["spec"][member] = value.clone();
    }
    let kind = api::kinds::builtin().iter().find(|kind| &*kind.resource == "cronjobs.batch").expect("cron jobs");
    api::schema::default(kind, &mut cron);
    cluster.create("cronjobs.batch", cron);
    cluster.settle();
    cluster
}

fn at_work(cluster: &Cluster) -> usize {
    cluster.get("cronjobs.batch", "default", "n").expect("it is there")["status"]["active"]
        .as_array()
        .map_or(0, Vec::len)
}

#[test]
fn a_cron_job_makes_a_job_each_time_it_is_due() {
    let mut cluster = nightly(json!({}));
    assert_eq!(cluster.list(JOBS, "default").len(), 0);
    cluster.advance(5 * 60);
    let made = cluster.list(JOBS, "default");
    assert_eq!((made.len(), at_work(&cluster), &made[0]["metadata"]["labels"]["a"]), (1, 1, &json!("b")));
    assert_eq!(made[0]["metadata"]["name"], format!("n-{}", cluster.now.0 / 300_000 * 5));
    for _ in 0..5 {
        end_all(&mut cluster, "Succeeded");
        assert_eq!(at_work(&cluster), 0);
        cluster.advance(5 * 60);
    }
    assert_eq!(cluster.list(JOBS, "default").len(), 4, "three that are done, and one at work");
    let cron = cluster.get("cronjobs.batch", "default", "n").expect("it is there");
    assert!(cron["status"]["lastSuccessfulTime"].is_string() && cron["status"]["lastScheduleTime"].is_string());
    cluster.delete("cronjobs.batch", "default", "n", "");
    cluster.settle();
    assert!(cluster.list(JOBS, "default").is_empty() && cluster.list("pods", "default").is_empty());
}

#[test]
fn a_cron_job_goes_by_the_clocks_of_its_zone_or_by_an_interval() {
    // Three quarters of an hour off everybody else: what is due there at 0 is due here at 15.
    let mut cluster = nightly(json!({"schedule": "0 * * * *", "timeZone": "Asia/Kathmandu"}));
    cluster.advance(60 * 60);
    let made = cluster.list(JOBS, "default");
    let due = made[0]["metadata"]["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"].as_str();
    assert!(due.is_some_and(|due| due.ends_with(":00:00+05:45")), "{due:?}");
    let number = made[0]["metadata"]["name"].as_str().and_then(|name| name.strip_prefix("n-")?.parse::<u64>().ok());
    assert_eq!((made.len(), number.map(|minutes| minutes % 60)), (1, Some(15)));

    let mut cluster = nightly(json!({"schedule": "@every 7m"}));
    cluster.advance(7 * 60 - 2);
    assert!(cluster.list(JOBS, "default").is_empty());
    cluster.advance(2 * 7 * 60 + 2);
    assert_eq!(cluster.list(JOBS, "default").len(), 3);
}

#[test]
fn jobs_at_the_same_time_are_made_as_the_policy_says() {
    for (policy, made) in [("Allow", 3), ("Forbid", 1), ("Replace", 1)] {
        let mut cluster = nightly(json!({"concurrencyPolicy": policy}));
        cluster.advance(15 * 60);
        assert_eq!((cluster.list(JOBS, "default").len(), at_work(&cluster)), (made, made), "{policy}");
        let newest = cluster.list(JOBS, "default").remove(made - 1);
        let first = newest["metadata"]["name"] == format!("n-{}", cluster.now.0 / 300_000 * 5 - 10);
        assert_eq!(first, policy == "Forbid");
    }
}

#[test]
fn a_suspended_or_late_cron_job_makes_none() {
    let mut cluster = nightly(json!({"suspend": true, "startingDeadlineSeconds": 30}));
    cluster.advance(60 * 60);
    assert!(cluster.list(JOBS, "default").is_empty());
    let since_due = cluster.now.0 / 1_000 % 300;
    cluster.advance(300 - since_due + 60);
    cluster.update("cronjobs.batch", "default", "n", |cron| cron["spec"]["suspend"] = false.into());
    cluster.settle();
    assert!(cluster.list(JOBS, "default").is_empty(), "a minute late, and thirty seconds are allowed");
    cluster.advance(5 * 60);
    assert_eq!(cluster.list(JOBS, "default").len(), 1);
    for (member, bad, reason) in
        [("schedule", "x", "UnparseableSchedule"), ("timeZone", "Europe/Nowhere", "UnknownTimeZone")]
    {
        let mut cluster = nightly(json!({member: bad}));
        cluster.advance(60 * 60 / 2);
        let events = cluster.list("events", "default");
        assert!(events.iter().any(|event| event["reason"] == reason && event["count"] == 1), "{events:?}");
    }
}
