//! What may be written as the status of a thing.
use super::{fields, kind, message, read, update};
use serde_json::{Value, json};

fn written(of: &str, old: Value, new: Value) -> Vec<String> {
    let whole = |status: Value| json!({"metadata": {"name": "x"}, "spec": {}, "status": status});
    fields(update(kind(of), &read(of, whole(old)), &read(of, whole(new)), "status"))
}

#[test]
fn counts_fit_together() {
    let rows: Vec<(&str, Value, &[&str])> = vec![
        ("ReplicaSet", json!({"replicas": 2, "readyReplicas": 1}), &[]),
        ("ReplicaSet", json!({"replicas": 1, "readyReplicas": 2}), &["status.readyReplicas"]),
        ("ReplicationController", json!({"replicas": 1, "observedGeneration": -1}), &["status.observedGeneration"]),
        ("Deployment", json!({"replicas": 1, "availableReplicas": 1}), &["status.availableReplicas"]),
        ("StatefulSet", json!({"replicas": 1, "currentReplicas": 2}), &["status.currentReplicas"]),
        ("DaemonSet", json!({"numberReady": -1}), &["status.numberReady"]),
        ("HorizontalPodAutoscaler", json!({"desiredReplicas": -1}), &["status.desiredReplicas"]),
        ("Service", json!({"loadBalancer": {"ingress": [{"ip": "x"}]}}), &["status.loadBalancer.ingress[0].ip"]),
        ("Namespace", json!({"phase": "Terminating"}), &["status.Phase"]),
        (
            "Node",
            json!({"addresses": [{"type": "InternalIP", "address": "1.1.1.1"}, {"type": "InternalIP", "address": "1.1.1.1"}]}),
            &["status.addresses[1]"],
        ),
        ("ResourceQuota", json!({"used": {"pods": "-1"}}), &["status.used[pods]"]),
    ];
    for (of, status, wanted) in rows {
        assert_eq!(written(of, json!({}), status.clone()), wanted, "{of} {status}");
    }
    assert_eq!(
        written("Deployment", json!({"collisionCount": 2}), json!({"collisionCount": 1})),
        ["status.collisionCount"]
    );
}

#[test]
fn what_has_ended_stays_ended() {
    let pod = |state: Value| {
        json!({"metadata": {"name": "p"}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]},
        "status": {"qosClass": "BestEffort", "containerStatuses": [{"name": "c", "state": state}]}})
    };
    let (ended, runs) = (pod(json!({"terminated": {"exitCode": 1}})), pod(json!({"running": {}})));
    let through =
        |old: &Value, new: &Value| update(kind("Pod"), &read("Pod", old.clone()), &read("Pod", new.clone()), "status");
    assert_eq!(message(through(&runs, &ended)), "");
    assert_eq!(
        message(through(&ended, &runs)),
        "Pod \"p\" is invalid: status.containerStatuses[0].state: Forbidden: may not be transitioned to non-terminated state"
    );
    let mut other = runs.clone();
    other["status"]["qosClass"] = "Burstable".into();
    assert_eq!(fields(through(&runs, &other)), ["status.qosClass"]);
}

#[test]
fn a_job_tells_one_story() {
    let condition =
        |kinds: &[&str]| -> Value { kinds.iter().map(|kind| json!({"type": kind, "status": "True"})).collect() };
    let done = json!({"startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:01Z", "succeeded": 1,
        "conditions": condition(&["SuccessCriteriaMet", "Complete"])});
    let started = json!({"startTime": "2026-01-01T00:00:00Z", "active": 1});
    assert_eq!(written("Job", started.clone(), done.clone()), Vec::<String>::new());
    let rows: Vec<(Value, Value, &[&str])> = vec![
        (
            started.clone(),
            json!({"startTime": "2026-01-01T00:00:00Z", "conditions": condition(&["SuccessCriteriaMet", "Complete"])}),
            &["status.completionTime"],
        ),
        (
            started.clone(),
            json!({"startTime": "2026-01-01T00:00:00Z", "conditions": condition(&["Failed"])}),
            &["status.conditions"],
        ),
        (started.clone(), json!({}), &["status.startTime"]),
        (started.clone(), json!({"startTime": "2026-01-01T00:00:00Z", "ready": 2, "active": 1}), &["status.ready"]),
        (started, json!({"startTime": "2026-01-01T00:00:00Z", "completedIndexes": "1"}), &["status.completedIndexes"]),
        (
            done.clone(),
            json!({"startTime": "2026-01-01T00:00:00Z", "succeeded": 1}),
            &["status.conditions", "status.conditions"],
        ),
        (
            done,
            json!({"startTime": "2026-01-01T00:00:00Z", "completionTime": "2026-01-01T00:00:01Z", "conditions": condition(&["SuccessCriteriaMet", "Complete"])}),
            &["status.succeeded"],
        ),
    ];
    for (old, new, wanted) in rows {
        assert_eq!(written("Job", old, new.clone()), wanted, "{new}");
    }
}

#[test]
fn who_decides_on_certificates() {
    let pem = crate::base64::encode(b"-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE REQUEST-----\n");
    let request = |status: Value| json!({"metadata": {"name": "c"}, "spec": {"request": pem, "usages": ["client auth"], "signerName": "a.b/c"}, "status": status});
    let through = |subresource: &str, old: Value, new: Value| {
        let of = "CertificateSigningRequest";
        fields(update(kind(of), &read(of, request(old)), &read(of, request(new)), subresource))
    };
    let approved = json!({"conditions": [{"type": "Approved", "status": "True"}]});
    let certificate = json!({"certificate": crate::base64::encode(b"-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----\n")});
    assert!(through("approval", json!({}), approved.clone()).is_empty());
    assert_eq!(through("status", json!({}), approved.clone()), ["status.conditions"]);
    assert_eq!(through("approval", approved, json!({})), ["status.conditions"]);
    assert!(through("status", json!({}), certificate.clone()).is_empty());
    assert_eq!(through("approval", json!({}), certificate.clone()), ["status.certificate"]);
    assert_eq!(through("status", certificate, json!({"certificate": "AA=="})), ["status.certificate"]);
}
