//! Tests of defaults: what kube-apiserver was recorded to add, and that twice is once.
use super::fill;
use crate::kinds::set::Kinds;
use serde_json::{Value, json};

fn filled(api_version: &str, kind: &str, mut value: Value) -> Value {
    let kinds = Kinds::new([]);
    let kind = kinds.by_api_version(api_version, kind).expect("built in");
    fill(kind, &mut value);
    let once = value.clone();
    fill(kind, &mut value);
    assert_eq!(value, once, "twice is once");
    value
}

#[test]
fn a_pod() {
    let pod = filled(
        "v1",
        "Pod",
        json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i",
        "livenessProbe": {"httpGet": {"port": 80}}, "resources": {"limits": {"cpu": "1"}}}], "volumes": [{"name": "v"}, {"name": "s", "secret": {"secretName": "x"}}]}}),
    );
    assert_eq!(
        pod["spec"],
        json!({"containers": [{"name": "c", "image": "i", "resources": {"limits": {"cpu": "1"}, "requests": {"cpu": "1"}},
                "terminationMessagePath": "/dev/termination-log", "terminationMessagePolicy": "File", "imagePullPolicy": "Always",
                "livenessProbe": {"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}, "timeoutSeconds": 1, "periodSeconds": 10,
                    "successThreshold": 1, "failureThreshold": 3}}],
            "volumes": [{"name": "v", "emptyDir": {}}, {"name": "s", "secret": {"secretName": "x", "defaultMode": 420}}],
            "restartPolicy": "Always", "terminationGracePeriodSeconds": 30, "dnsPolicy": "ClusterFirst", "securityContext": {},
            "schedulerName": "default-scheduler", "enableServiceLinks": true})
    );
}

#[test]
fn images_that_may_move_are_pulled_always() {
    for (image, policy) in [
        ("i", "Always"),
        ("r:5000/i", "Always"),
        ("i:latest", "Always"),
        ("i:1", "IfNotPresent"),
        ("i@sha256:ab", "IfNotPresent"),
    ] {
        let pod = filled("v1", "Pod", json!({"spec": {"containers": [{"image": image}]}}));
        assert_eq!(pod["spec"]["containers"][0]["imagePullPolicy"], policy, "{image}");
    }
}

#[test]
fn a_service() {
    let service = filled("v1", "Service", json!({"spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}}));
    assert_eq!(
        service["spec"],
        json!({"selector": {"a": "b"}, "ports": [{"port": 80, "protocol": "TCP", "targetPort": 80}], "type": "ClusterIP",
            "sessionAffinity": "None", "internalTrafficPolicy": "Cluster", "ipFamilies": ["IPv4"], "ipFamilyPolicy": "SingleStack"})
    );
}

#[test]
fn a_deployment() {
    let deployment =
        filled("apps/v1", "Deployment", json!({"spec": {"template": {"metadata": {"creationTimestamp": null}}}}));
    let spec = &deployment["spec"];
    assert_eq!(
        (&spec["replicas"], &spec["revisionHistoryLimit"], &spec["progressDeadlineSeconds"]),
        (&json!(1), &json!(10), &json!(600))
    );
    assert_eq!(
        spec["strategy"],
        json!({"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}})
    );
    assert_eq!(spec["template"]["spec"]["restartPolicy"], "Always");
    let recreate = filled("apps/v1", "Deployment", json!({"spec": {"replicas": 0, "strategy": {"type": "Recreate"}}}));
    assert_eq!(
        (&recreate["spec"]["replicas"], &recreate["spec"]["strategy"]),
        (&json!(0), &json!({"type": "Recreate"}))
    );
}

#[test]
fn texts_of_a_secret_become_data() {
    let secret = filled("v1", "Secret", json!({"stringData": {"a": "b"}, "data": {"c": "ZA=="}}));
    assert_eq!(secret, json!({"type": "Opaque", "data": {"a": "Yg==", "c": "ZA=="}}));
}

#[test]
fn nonsense_is_left_alone() {
    for kind in crate::kinds::builtin() {
        for mut value in [
            Value::Null,
            json!(7),
            json!([]),
            json!({"spec": 7, "webhooks": 1, "ports": {}, "data": 5, "stringData": {"a": "b"}}),
            json!({"spec": {"template": [], "ports": [1], "containers": [null], "volumes": ["x"]}}),
        ] {
            fill(kind, &mut value);
        }
    }
}
