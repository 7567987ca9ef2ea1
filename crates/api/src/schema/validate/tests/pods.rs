//! What single members of a pod may say, and what its small subresources may change.
use super::{created, fields, kind, message, read, update};
use crate::status::Status;
use serde_json::{Value, json};

/// A pod with `spec` beside its container, and with `container` in that.
fn pod(spec: Value, container: Value) -> Value {
    let mut pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    for (name, value) in spec.as_object().into_iter().flatten() {
        pod["spec"][name] = value.clone();
    }
    for (name, value) in container.as_object().into_iter().flatten() {
        pod["spec"]["containers"][0][name] = value.clone();
    }
    pod
}

#[test]
fn specs() {
    let volume = |source: Value| json!({"volumes": [source]});
    let term =
        |term: Value| json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": term}}});
    let rows: Vec<(Value, &[&str])> = vec![
        (json!({"dnsPolicy": "None"}), &["spec.dnsConfig"]),
        (json!({"dnsConfig": {"nameservers": ["x"]}}), &["spec.dnsConfig.nameservers[0]"]),
        (json!({"hostAliases": [{"ip": "x", "hostnames": ["a"]}]}), &["spec.hostAliases[0].ip"]),
        (json!({"readinessGates": [{"conditionType": "a b"}]}), &["spec.readinessGates[0].conditionType"]),
        (json!({"securityContext": {"runAsUser": -1}}), &["spec.securityContext.runAsUser"]),
        (
            json!({"securityContext": {"seccompProfile": {"type": "Localhost"}}}),
            &["spec.securityContext.seccompProfile.localhostProfile"],
        ),
        (
            json!({"securityContext": {"sysctls": [{"name": "a..b", "value": "1"}]}}),
            &["spec.securityContext.sysctls[0].name"],
        ),
        (json!({"securityContext": {"sysctls": [{"name": "kernel.shm_rmid_forced", "value": "1"}]}}), &[]),
        (json!({"hostPID": true, "shareProcessNamespace": true}), &["spec.securityContext.shareProcessNamespace"]),
        (json!({"tolerations": [{"operator": "Equal"}]}), &["spec.tolerations[0].operator"]),
        (
            json!({"topologySpreadConstraints": [{"maxSkew": 0, "topologyKey": "k", "whenUnsatisfiable": "DoNotSchedule"}]}),
            &["spec.topologySpreadConstraints[0].maxSkew"],
        ),
        (json!({"ephemeralContainers": [{"name": "e", "image": "i"}]}), &["spec.ephemeralContainers"]),
        (
            term(json!({})),
            &["spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms"],
        ),
        (
            term(json!({"nodeSelectorTerms": [{"matchExpressions": [{"key": "k", "operator": "In"}]}]})),
            &[
                "spec.affinity.nodeAffinity.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[0].matchExpressions[0].values",
            ],
        ),
        (
            json!({"affinity": {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 0, "podAffinityTerm": {"topologyKey": "k"}}]}}}),
            &["spec.affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight"],
        ),
        (volume(json!({"name": "v", "hostPath": {"path": "/a/../b"}})), &["spec.volumes[0].hostPath.path"]),
        (volume(json!({"name": "v", "emptyDir": {}, "configMap": {"name": "c"}})), &["spec.volumes[0].configMap"]),
        (
            volume(json!({"name": "v", "secret": {"secretName": "s", "defaultMode": 512}})),
            &["spec.volumes[0].secret.defaultMode"],
        ),
        (
            volume(json!({"name": "v", "downwardAPI": {"items": [{"path": "p"}]}})),
            &["spec.volumes[0].downwardAPI.items[0]"],
        ),
        (
            volume(
                json!({"name": "v", "projected": {"sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 5}}]}}),
            ),
            &["spec.volumes[0].projected.sources[0].serviceAccountToken.expirationSeconds"],
        ),
        (volume(json!({"name": "v", "csi": {"driver": "d"}})), &[]),
        (volume(json!({"name": "v", "ephemeral": {}})), &["spec.volumes[0].ephemeral.volumeClaimTemplate"]),
    ];
    for (spec, wanted) in rows {
        assert_eq!(fields(created("Pod", pod(spec.clone(), json!({})))), wanted, "{spec}");
    }
}

#[test]
fn containers() {
    let rows: Vec<(Value, &[&str])> = vec![
        (json!({"env": [{"name": "a=b"}]}), &["spec.containers[0].env[0].name"]),
        (json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['x']"}}}]}), &[]),
        (
            json!({"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.x"}}}]}),
            &["spec.containers[0].env[0].valueFrom.fieldRef.fieldPath"],
        ),
        (json!({"envFrom": [{}]}), &["spec.containers[0].envFrom[0]"]),
        (json!({"livenessProbe": {}}), &["spec.containers[0].livenessProbe"]),
        (json!({"livenessProbe": {"tcpSocket": {"port": 0}}}), &["spec.containers[0].livenessProbe.tcpSocket.port"]),
        (
            json!({"readinessProbe": {"exec": {"command": ["a"]}, "terminationGracePeriodSeconds": 5}}),
            &["spec.containers[0].readinessProbe.terminationGracePeriodSeconds"],
        ),
        (json!({"lifecycle": {"preStop": {}}}), &["spec.containers[0].lifecycle.preStop"]),
        (
            json!({"resources": {"limits": {"bananas": "1"}}}),
            &[
                "spec.containers[0].resources.limits",
                "spec.containers[0].resources.limits",
                "spec.containers[0].resources.requests",
                "spec.containers[0].resources.requests",
            ],
        ),
        (json!({"resources": {"limits": {"example.com/gpu": "1"}}}), &[]),
        (json!({"resources": {"limits": {"hugepages-2Mi": "2Mi"}}}), &["spec.containers[0].resources"]),
        (json!({"resources": {"claims": [{"name": "x"}]}}), &["spec.containers[0].resources.claims[0].name"]),
        (
            json!({"securityContext": {"privileged": true, "allowPrivilegeEscalation": false}}),
            &["spec.containers[0].securityContext"],
        ),
        (
            json!({"ports": [{"containerPort": 1, "hostPort": 5}, {"containerPort": 2, "hostPort": 5}]}),
            &["spec.containers[0].ports[1].hostPort"],
        ),
        (
            json!({"resizePolicy": [{"resourceName": "disk", "restartPolicy": "NotRequired"}]}),
            &["spec.containers[0].resizePolicy[0]"],
        ),
        (
            json!({"restartPolicyRules": [{"action": "x", "exitCodes": {"operator": "Equals"}}, {"action": "Restart"}]}),
            &[
                "spec.containers[0].restartPolicy",
                "spec.containers[0].restartPolicyRules[0].action",
                "spec.containers[0].restartPolicyRules[0].exitCodes.operator",
                "spec.containers[0].restartPolicyRules[1].exitCodes",
            ],
        ),
        (
            json!({"restartPolicy": "Never", "restartPolicyRules":
                [{"action": "Restart", "exitCodes": {"operator": "In", "values": [3]}}]}),
            &[],
        ),
    ];
    for (container, wanted) in rows {
        assert_eq!(fields(created("Pod", pod(json!({}), container.clone()))), wanted, "{container}");
    }
}

fn through(subresource: &str, old: &Value, new: &Value) -> Result<(), Status> {
    update(kind("Pod"), &read("Pod", old.clone()), &read("Pod", new.clone()), subresource)
}

#[test]
fn ephemeral_containers_only_come() {
    let old = pod(json!({"ephemeralContainers": [{"name": "e", "image": "i"}]}), json!({}));
    let mut more = old.clone();
    more["spec"]["ephemeralContainers"] =
        json!([{"name": "e", "image": "i"}, {"name": "f", "image": "i", "targetContainerName": "c"}]);
    assert_eq!(message(through("ephemeralcontainers", &old, &more)), "");
    assert_eq!(
        message(through("ephemeralcontainers", &more, &old)),
        "Pod \"p\" is invalid: spec.ephemeralContainers: Forbidden: existing ephemeral containers \"f\" may not be removed\n"
    );
    let mut bad = old.clone();
    bad["spec"]["ephemeralContainers"] = json!([{"name": "e", "image": "i"}, {"name": "c", "image": "i", "ports": [{"containerPort": 1}], "targetContainerName": "x"}]);
    assert_eq!(
        fields(through("ephemeralcontainers", &old, &bad)),
        [
            "spec.ephemeralContainers[1].name",
            "spec.ephemeralContainers[1].targetContainerName",
            "spec.ephemeralContainers[1].ports"
        ]
    );
}

#[test]
fn a_resize_changes_amounts() {
    let sized =
        |requests: Value, limits: Value| pod(json!({}), json!({"resources": {"requests": requests, "limits": limits}}));
    let old = sized(json!({"cpu": "1", "memory": "1Gi"}), json!({"cpu": "2"}));
    let table: [(Value, &str); 5] = [
        (sized(json!({"cpu": "1500m", "memory": "2Gi"}), json!({"cpu": "2"})), ""),
        (sized(json!({"cpu": "1", "memory": "1Gi"}), json!({})), "resource limits cannot be removed"),
        (sized(json!({"cpu": "1"}), json!({"cpu": "2"})), "resource requests cannot be removed"),
        (
            sized(json!({"cpu": "2", "memory": "1Gi"}), json!({"cpu": "2", "memory": "1Gi"})),
            "Pod QOS Class may not change as a result of resizing",
        ),
        (
            sized(json!({"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"}), json!({"cpu": "2"})),
            "only cpu and memory resources are mutable",
        ),
    ];
    for (new, wanted) in table {
        let told = message(through("resize", &old, &new));
        assert!(told.contains(wanted) && told.is_empty() == wanted.is_empty(), "{wanted}: {told}");
    }
}

#[test]
fn what_variables_and_files_may_hold_of_a_pod() {
    let told = |variable: Value| {
        let told = message(created("Pod", pod(json!({}), json!({"env": [variable]}))));
        told.split_once("is invalid: ").map(|(_, why)| why.replace("spec.containers[0].env[0].valueFrom", "FROM"))
    };
    let of = |path: &str| json!({"name": "V", "valueFrom": {"fieldRef": {"fieldPath": path}}});
    for (variable, want) in [
        (of("status.podIPs"), None),
        (of("metadata.labels['a']"), None),
        (
            of("spec.foo"),
            Some(
                "FROM.fieldRef.fieldPath: Invalid value: \"spec.foo\": error converting fieldPath: field label not supported: spec.foo",
            ),
        ),
        (
            of("spec.x['a']"),
            Some(
                "FROM.fieldRef.fieldPath: Invalid value: \"spec.x['a']\": error converting fieldPath: field label does not support subscript: spec.x['a']",
            ),
        ),
        (
            of("status.phase"),
            Some(
                "FROM.fieldRef.fieldPath: Unsupported value: \"status.phase\": supported values: \"metadata.name\", \"metadata.namespace\", \
                 \"metadata.uid\", \"spec.nodeName\", \"spec.serviceAccountName\", \"status.hostIP\", \"status.hostIPs\", \"status.podIP\", \"status.podIPs\"",
            ),
        ),
        (
            json!({"name": "V", "value": "v", "valueFrom": {"fieldRef": {"fieldPath": "foo"}}}),
            Some(
                "[FROM.fieldRef.fieldPath: Invalid value: \"foo\": error converting fieldPath: field label not supported: foo, \
                 FROM: Invalid value: \"\": may not be specified when `value` is not empty]",
            ),
        ),
        (
            json!({"name": "V", "valueFrom": {"resourceFieldRef": {"resource": "limits.gpu"}}}),
            Some(
                "FROM.resourceFieldRef.resource: Unsupported value: \"limits.gpu\": supported values: \"limits.cpu\", \
                 \"limits.ephemeral-storage\", \"limits.memory\", \"requests.cpu\", \"requests.ephemeral-storage\", \"requests.memory\"",
            ),
        ),
    ] {
        assert_eq!(told(variable.clone()).as_deref(), want, "{variable}");
    }
    let mut files = pod(json!({}), json!({}));
    files["spec"]["volumes"] =
        json!([{"name": "v", "downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "status.podIP"}}]}}]);
    assert_eq!(fields(created("Pod", files.clone())), ["spec.volumes[0].downwardAPI.items[0].fieldRef.fieldPath"]);
    files["spec"]["volumes"][0]["downwardAPI"]["items"][0]["fieldRef"]["fieldPath"] = "metadata.labels".into();
    assert_eq!(message(created("Pod", files)), "");
}
