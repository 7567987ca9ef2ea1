//! Tests of tables: rows as kubectl shows them, for each state a pod can be in.
use super::{TABLES, cells, columns};
use crate::kinds::set::Kinds;
use crate::revision::Millis;
use serde_json::{Value, json};

const NOW: Millis = Millis(1_000_000);

fn row(api_version: &str, kind: &str, mut value: Value) -> Value {
    let kinds = Kinds::new([]);
    let kind = kinds.by_api_version(api_version, kind).expect("built in");
    value["metadata"]["name"] = "x".into();
    value["metadata"]["creationTimestamp"] = "1970-01-01T00:15:40Z".into();
    let row = cells(kind, &value, NOW);
    assert_eq!(row.as_array().map(Vec::len), columns(kind).as_array().map(Vec::len));
    row
}

#[test]
fn every_table_is_of_a_kind() {
    let kinds = Kinds::new([]);
    for (resource, columns) in &*TABLES {
        assert!(kinds.by_resource(resource).is_some(), "{resource}");
        assert!(columns.iter().all(|column| column.source.starts_with(['.', '@'])), "{resource}");
        assert!(columns.iter().all(|column| !column.description.is_empty()), "{resource}");
    }
    for kind in crate::kinds::builtin() {
        for value in [json!({}), json!(7), json!({"spec": 1, "status": [], "metadata": "x"})] {
            let _ = cells(kind, &value, NOW);
        }
    }
}

#[test]
fn pods_in_all_their_states() {
    let spec = json!({"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}]});
    let running = json!({"name": "a", "ready": true, "restartCount": 0, "state": {"running": {}}});
    let waiting = json!({"name": "b", "ready": false, "restartCount": 3, "state": {"waiting": {"reason": "CrashLoopBackOff"}},
        "lastState": {"terminated": {"finishedAt": "1970-01-01T00:16:00Z"}}});
    let table = [
        (json!({"phase": "Pending"}), ["0/2", "Pending", "0"]),
        (
            json!({"phase": "Running", "containerStatuses": [running, waiting]}),
            ["1/2", "CrashLoopBackOff", "3 (40s ago)"],
        ),
        (json!({"phase": "Running", "containerStatuses": [running, running]}), ["2/2", "Running", "0"]),
        (
            json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"running": {}}}]}),
            ["0/2", "Init:0/1", "0"],
        ),
        (
            json!({"phase": "Pending", "initContainerStatuses": [{"name": "i", "state": {"terminated": {"exitCode": 2}}}]}),
            ["0/2", "Init:ExitCode:2", "0"],
        ),
        (json!({"phase": "Failed", "reason": "Evicted"}), ["0/2", "Evicted", "0"]),
        (
            json!({"phase": "Succeeded", "containerStatuses": [{"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}]}),
            ["0/2", "Completed", "0"],
        ),
        (
            json!({"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 137, "signal": 9}}}]}),
            ["0/2", "Signal:9", "0"],
        ),
        (
            json!({"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}]}),
            ["0/2", "SchedulingGated", "0"],
        ),
    ];
    for (status, expected) in table {
        let row = row("v1", "Pod", json!({"spec": spec, "status": status}));
        assert_eq!(json!([row[1], row[2], row[3]]), json!(expected), "{status}");
        assert_eq!((&row[0], &row[4]), (&json!("x"), &json!("60s")));
    }
    let going = row(
        "v1",
        "Pod",
        json!({"metadata": {"deletionTimestamp": "1970-01-01T00:16:00Z"}, "spec": spec, "status": {"phase": "Running"}}),
    );
    assert_eq!(going[2], "Terminating");
}

#[test]
fn other_kinds() {
    let service = json!({"spec": {"type": "LoadBalancer", "clusterIP": "10.0.0.1", "ports": [{"port": 80, "nodePort": 30_080, "protocol": "TCP"}], "selector": {"a": "b"}}});
    assert_eq!(
        row("v1", "Service", service),
        json!(["x", "LoadBalancer", "10.0.0.1", "<pending>", "80:30080/TCP", "60s", "a=b"])
    );
    let deployment = json!({"spec": {"replicas": 3, "selector": {"matchLabels": {"a": "b"}}, "template": {"spec": {"containers": [{"name": "c", "image": "i"}]}}},
        "status": {"readyReplicas": 2, "updatedReplicas": 3, "availableReplicas": 2}});
    assert_eq!(row("apps/v1", "Deployment", deployment), json!(["x", "2/3", 3, 2, "60s", "c", "i", "a=b"]));
    let node = json!({"metadata": {"labels": {"node-role.kubernetes.io/control-plane": ""}}, "spec": {"unschedulable": true},
        "status": {"conditions": [{"type": "Ready", "status": "True"}], "addresses": [{"type": "InternalIP", "address": "10.1.1.1"}], "nodeInfo": {"kubeletVersion": "v1"}}});
    let node = row("v1", "Node", node);
    assert_eq!(
        json!([node[1], node[2], node[4], node[5], node[6]]),
        json!(["Ready,SchedulingDisabled", "control-plane", "v1", "10.1.1.1", "<none>"])
    );
    assert_eq!(row("v1", "ConfigMap", json!({"data": {"k": "v"}, "binaryData": {"b": ""}})), json!(["x", 2, "60s"]));
    let event = json!({"note": "hi", "regarding": {"kind": "Pod", "name": "p"}, "type": "Normal", "reason": "Made", "eventTime": "1970-01-01T00:16:00.000000Z"});
    let event = row("events.k8s.io/v1", "Event", event);
    assert_eq!(json!([event[0], event[3], event[6], event[8]]), json!(["40s", "pod/p", "hi", "1"]));
    assert_eq!(row("rbac.authorization.k8s.io/v1", "Role", json!({})), json!(["x", "1970-01-01T00:15:40Z"]));
}
