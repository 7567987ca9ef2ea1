//! For each kind an object that is kept, and changes of it that are refused, each with the exact fields and words.
use super::{changed, created, fields, message};
use serde_json::{Value, json};

/// A kind, a good object, and per bad one: a place, what stands there instead, what is complained of.
type Row = (&'static str, Value, Vec<(&'static str, Value, &'static [&'static str])>);

fn put(object: &Value, place: &str, value: &Value) -> Value {
    let mut new = object.clone();
    let (parent, member) = place.rsplit_once('/').expect("a pointer");
    let parent = new.pointer_mut(parent).unwrap_or_else(|| panic!("{place}"));
    match parent {
        Value::Array(items) => items[member.parse::<usize>().expect("a place")] = value.clone(),
        parent if value.is_null() => drop(parent.as_object_mut().expect("an object").remove(member)),
        parent => parent[member] = value.clone(),
    }
    new
}

fn check(rows: Vec<Row>) {
    for (kind, good, bad) in rows {
        assert_eq!(message(created(kind, good.clone())), "", "{kind}");
        assert_eq!(message(changed(kind, &good, &good)), "", "{kind}: no change");
        for (place, value, wanted) in bad {
            let found = fields(created(kind, put(&good, place, &value)));
            assert_eq!(found, wanted, "{kind} {place} {value}");
        }
    }
}

#[test]
fn core() {
    check(vec![
        (
            "Endpoints",
            json!({"metadata": {"name": "e"}, "subsets": [{"addresses": [{"ip": "10.1.0.1"}], "ports": [{"port": 80}]}]}),
            vec![
                ("/subsets/0", json!({"ports": [{"port": 80}]}), &["subsets[0]"]),
                ("/subsets/0/addresses/0/ip", json!("127.0.0.1"), &["subsets[0].addresses[0].ip"]),
                ("/subsets/0/addresses/0/ip", json!("x"), &["subsets[0].addresses[0].ip"]),
                ("/subsets/0/ports/0/port", json!(70_000), &["subsets[0].ports[0].port"]),
                ("/subsets/0/ports/0/protocol", json!("ICMP"), &["subsets[0].ports[0].protocol"]),
            ],
        ),
        (
            "LimitRange",
            json!({"metadata": {"name": "l"}, "spec": {"limits": [{"type": "Container", "max": {"cpu": "2"}, "min": {"cpu": "1"}}]}}),
            vec![
                ("/spec/limits/0/type", json!("Thing"), &["spec.limits[0].type"]),
                (
                    "/spec/limits/0/min/cpu",
                    json!("3"),
                    &["spec.limits[0].min[cpu]", "spec.limits[0].defaultRequest[cpu]", "spec.limits[0].default[cpu]"],
                ),
                (
                    "/spec/limits/0/max",
                    json!({"bananas": "1"}),
                    &[
                        "spec.limits[0].max[bananas]",
                        "spec.limits[0].max[bananas]",
                        "spec.limits[0].default[bananas]",
                        "spec.limits[0].default[bananas]",
                        "spec.limits[0].defaultRequest[bananas]",
                        "spec.limits[0].defaultRequest[bananas]",
                    ],
                ),
            ],
        ),
        (
            "ResourceQuota",
            json!({"metadata": {"name": "q"}, "spec": {"hard": {"pods": "3", "cpu": "1500m"}}}),
            vec![
                ("/spec/hard", json!({"bananas": "1"}), &["spec.hard[bananas]"]),
                ("/spec/hard/pods", json!("1500m"), &["spec.hard[pods]"]),
                ("/spec/hard/cpu", json!("-1"), &["spec.hard[cpu]"]),
                ("/spec/scopes", json!(["Mine"]), &["spec.scopes"]),
                ("/spec/scopes", json!(["Terminating", "NotTerminating"]), &["spec.scopes"]),
            ],
        ),
        (
            "PersistentVolume",
            json!({"metadata": {"name": "v"}, "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"], "hostPath": {"path": "/d"}}}),
            vec![
                ("/spec/hostPath", Value::Null, &["spec"]),
                ("/spec/nfs", json!({"server": "s", "path": "/p"}), &["spec.nfs"]),
                ("/spec/hostPath/path", json!("/a/../b"), &["spec.hostPath.path"]),
                ("/spec/capacity", json!({"cpu": "1"}), &["spec.capacity"]),
                ("/spec/accessModes", json!(["Mine"]), &["spec.accessModes"]),
            ],
        ),
        (
            "Namespace",
            json!({"metadata": {"name": "n"}, "spec": {"finalizers": ["kubernetes", "a.b/c"]}}),
            vec![("/spec/finalizers", json!(["loose"]), &["spec.finalizers[0]"])],
        ),
    ]);
    let event = |group: &str| {
        json!({"apiVersion": group, "metadata": {"name": "e", "namespace": "n"},
        "involvedObject": {"kind": "Pod", "name": "p", "namespace": "n"}, "reason": "R", "message": "m"})
    };
    assert_eq!(message(created("Event", event("v1"))), "");
    let other = put(&event("v1"), "/involvedObject/namespace", &json!("x"));
    assert_eq!(
        message(created("Event", other)),
        "Event \"e\" is invalid: involvedObject.namespace: Invalid value: \"x\": does not match event.namespace"
    );
}

#[test]
fn network() {
    check(vec![
        (
            "EndpointSlice",
            json!({"metadata": {"name": "s"}, "addressType": "IPv4", "endpoints": [{"addresses": ["10.1.0.1"]}], "ports": [{"port": 80}]}),
            vec![
                ("/addressType", json!("IP"), &["addressType"]),
                ("/endpoints/0/addresses", json!([]), &["endpoints[0].addresses"]),
                ("/endpoints/0/addresses", json!(["::1:2"]), &["endpoints[0].addresses[0]"]),
                ("/endpoints/0/hostname", json!("A"), &["endpoints[0].hostname"]),
                ("/ports", json!([{"name": "a"}, {"name": "a"}]), &["ports[1].name"]),
            ],
        ),
        (
            "NetworkPolicy",
            json!({"metadata": {"name": "p"}, "spec": {"podSelector": {}, "ingress": [{"ports": [{"port": 80}],
                "from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}]}}),
            vec![
                ("/spec/ingress/0/from/0", json!({}), &["spec.ingress[0].from[0]"]),
                ("/spec/ingress/0/from/0/podSelector", json!({}), &["spec.ingress[0].from[0]"]),
                (
                    "/spec/ingress/0/from/0/ipBlock/except/0",
                    json!("11.0.0.0/16"),
                    &["spec.ingress[0].from[0].ipBlock.except[0]"],
                ),
                ("/spec/ingress/0/ports/0/endPort", json!(79), &["spec.ingress[0].ports[0].endPort"]),
                ("/spec/ingress/0/ports/0/protocol", json!("ICMP"), &["spec.ingress[0].ports[0].protocol"]),
                ("/spec/policyTypes", json!(["Sideways"]), &["spec.policyTypes[0]"]),
            ],
        ),
        (
            "Ingress",
            json!({"metadata": {"name": "i"}, "spec": {"rules": [{"host": "a.example.com", "http": {"paths": [{"path": "/", "pathType": "Prefix",
                "backend": {"service": {"name": "s", "port": {"number": 80}}}}]}}], "tls": [{"hosts": ["*.example.com"]}]}}),
            vec![
                ("/spec/rules", json!([]), &["spec"]),
                ("/spec/rules/0/host", json!("10.0.0.1"), &["spec.rules[0].host"]),
                ("/spec/rules/0/host", json!("*a.b"), &["spec.rules[0].host"]),
                ("/spec/rules/0/http/paths/0/path", json!("/a//b"), &["spec.rules[0].http.paths[0].path"]),
                ("/spec/rules/0/http/paths/0/pathType", Value::Null, &["spec.rules[0].http.paths[0].pathType"]),
                ("/spec/rules/0/http/paths/0/backend", json!({}), &["spec.rules[0].http.paths[0].backend"]),
                (
                    "/spec/rules/0/http/paths/0/backend/service/port",
                    json!({"name": "--"}),
                    &[
                        "spec.rules[0].http.paths[0].backend.service.port.name",
                        "spec.rules[0].http.paths[0].backend.service.port.name",
                        "spec.rules[0].http.paths[0].backend.service.port.name",
                    ],
                ),
                ("/spec/tls/0/hosts/0", json!("B"), &["spec.tls[0].hosts[0]"]),
            ],
        ),
        (
            "IngressClass",
            json!({"metadata": {"name": "c"}, "spec": {"controller": "example.com/c"}}),
            vec![
                ("/spec/controller", json!("c"), &["spec.controller"]),
                (
                    "/spec/parameters",
                    json!({"kind": "K", "name": "n", "scope": "Namespace"}),
                    &["spec.parameters.namespace"],
                ),
            ],
        ),
        (
            "IPAddress",
            json!({"metadata": {"name": "10.96.0.9"}, "spec": {"parentRef": {"resource": "services", "name": "s"}}}),
            vec![
                ("/metadata/name", json!("010.96.0.9"), &["metadata.name"]),
                ("/spec/parentRef", Value::Null, &["spec.parentRef"]),
                ("/spec/parentRef/name", json!(""), &["spec.parentRef.name"]),
            ],
        ),
        (
            "ServiceCIDR",
            json!({"metadata": {"name": "c"}, "spec": {"cidrs": ["10.0.0.0/24"]}}),
            vec![
                ("/spec/cidrs", json!([]), &["spec.cidrs"]),
                ("/spec/cidrs", json!(["10.0.0.1/24"]), &["spec.cidrs[0]"]),
                ("/spec/cidrs", json!(["10.0.0.0/24", "10.1.0.0/24"]), &["spec.cidrs"]),
            ],
        ),
        (
            "Service",
            json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}]}}),
            vec![
                ("/spec/externalTrafficPolicy", json!("Local"), &["spec.externalTrafficPolicy"]),
                ("/spec/loadBalancerClass", json!("a.b/c"), &["spec.loadBalancerClass"]),
                ("/spec/externalIPs", json!(["127.0.0.1"]), &["spec.externalIPs[0]"]),
                ("/spec/ipFamilyPolicy", json!("Both"), &["spec.ipFamilyPolicy"]),
                ("/spec/trafficDistribution", json!("Far"), &["spec.trafficDistribution"]),
            ],
        ),
    ]);
}

#[test]
fn what_runs_a_cluster() {
    let hook = json!({"name": "a.example.com", "sideEffects": "None", "admissionReviewVersions": ["v1"],
        "clientConfig": {"service": {"name": "s", "namespace": "n"}},
        "rules": [{"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["pods"]}]});
    let hooks: Vec<(&str, Value, &[&str])> = vec![
        ("/webhooks/0/name", json!("a.b"), &["webhooks[0].name"]),
        ("/webhooks/0/sideEffects", json!("Some"), &["webhooks[0].sideEffects"]),
        ("/webhooks/0/admissionReviewVersions", json!(["v9"]), &["webhooks[0].admissionReviewVersions"]),
        ("/webhooks/0/timeoutSeconds", json!(31), &["webhooks[0].timeoutSeconds"]),
        ("/webhooks/0/clientConfig", json!({}), &["webhooks[0].clientConfig"]),
        ("/webhooks/0/clientConfig", json!({"url": "http://x"}), &["webhooks[0].clientConfig.url"]),
        ("/webhooks/0/rules/0/operations", json!(["*", "CREATE"]), &["webhooks[0].rules[0].operations"]),
        ("/webhooks/0/rules/0/resources", json!(["*", "pods"]), &["webhooks[0].rules[0].resources"]),
        ("/webhooks/0/matchConditions", json!([{"name": "a"}]), &["webhooks[0].matchConditions[0].expression"]),
    ];
    let policy = json!({"metadata": {"name": "p.example.com"}, "spec": {"matchConstraints": {"resourceRules": [
        {"operations": ["*"], "apiGroups": ["*"], "apiVersions": ["*"], "resources": ["*"]}]}, "validations": [{"expression": "true"}]}});
    check(vec![
        ("MutatingWebhookConfiguration", json!({"metadata": {"name": "h"}, "webhooks": [hook]}), hooks.clone()),
        ("ValidatingWebhookConfiguration", json!({"metadata": {"name": "h"}, "webhooks": [hook]}), hooks),
        (
            "ValidatingAdmissionPolicy",
            policy,
            vec![
                ("/spec/matchConstraints", Value::Null, &["spec.matchConstraints"]),
                ("/spec/validations", json!([]), &["spec.validations", "spec.auditAnnotations"]),
                ("/spec/validations/0/expression", json!(" "), &["spec.validations[0].expression"]),
                ("/spec/validations/0/reason", json!("No"), &["spec.validations[0].reason"]),
                ("/spec/paramKind", json!({"apiVersion": "v1"}), &["spec.paramKind.kind"]),
            ],
        ),
        (
            "ValidatingAdmissionPolicyBinding",
            json!({"metadata": {"name": "b"}, "spec": {"policyName": "p", "validationActions": ["Deny"]}}),
            vec![
                ("/spec/policyName", json!(""), &["spec.policyName"]),
                ("/spec/validationActions", json!([]), &["spec.validationActions"]),
                ("/spec/validationActions", json!(["Deny", "Warn"]), &["spec.validationActions"]),
                ("/spec/paramRef", json!({}), &["spec.paramRef"]),
            ],
        ),
        (
            "APIService",
            json!({"metadata": {"name": "v1.a.example.com"}, "spec": {"group": "a.example.com", "version": "v1",
                "groupPriorityMinimum": 10, "versionPriority": 10, "service": {"name": "s", "namespace": "n"}}}),
            vec![
                ("/metadata/name", json!("x"), &["metadata.name"]),
                ("/spec/groupPriorityMinimum", json!(0), &["spec.groupPriorityMinimum"]),
                ("/spec/service", json!({"name": "s"}), &["spec.service.namespace"]),
            ],
        ),
        (
            "FlowSchema",
            json!({"metadata": {"name": "f"}, "spec": {"priorityLevelConfiguration": {"name": "p"}, "rules": [{"subjects": [{"kind": "User",
                "user": {"name": "u"}}], "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["/x/*"]}]}]}}),
            vec![
                ("/spec/matchingPrecedence", json!(10_001), &["spec.matchingPrecedence"]),
                ("/spec/rules/0/subjects/0/kind", json!("Dog"), &["spec.rules[0].subjects[0].kind"]),
                (
                    "/spec/rules/0/nonResourceRules/0/verbs",
                    json!(["fly"]),
                    &["spec.rules[0].nonResourceRules[0].verbs"],
                ),
                (
                    "/spec/rules/0/nonResourceRules/0/nonResourceURLs",
                    json!(["x"]),
                    &["spec.rules[0].nonResourceRules[0].nonResourceURLs[0]"],
                ),
            ],
        ),
        (
            "PriorityLevelConfiguration",
            json!({"metadata": {"name": "l"}, "spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Queue", "queuing": {}}}}}),
            vec![
                ("/spec/type", json!("Exempt"), &["spec.type", "spec.limited"]),
                ("/spec/limited", Value::Null, &["spec.limited"]),
                ("/spec/limited/limitResponse/type", json!("Reject"), &["spec.limited.limitResponse.queuing"]),
                (
                    "/spec/limited/limitResponse/queuing/handSize",
                    json!(99),
                    &["spec.limited.limitResponse.queuing.handSize"],
                ),
                ("/spec/limited/lendablePercent", json!(101), &["spec.limited.lendablePercent"]),
            ],
        ),
    ]);
}

#[test]
fn storage_and_devices() {
    check(vec![
        (
            "StorageClass",
            json!({"metadata": {"name": "c"}, "provisioner": "a.b/c"}),
            vec![
                ("/provisioner", json!(""), &["provisioner"]),
                ("/reclaimPolicy", json!("Recycle"), &["reclaimPolicy"]),
                (
                    "/allowedTopologies",
                    json!([{"matchLabelExpressions": [{"key": "k"}]}]),
                    &["allowedTopologies[0].matchLabelExpressions[0].values"],
                ),
            ],
        ),
        (
            "VolumeAttributesClass",
            json!({"metadata": {"name": "c"}, "driverName": "d", "parameters": {"a": "b"}}),
            vec![("/parameters", json!({}), &["parameters"]), ("/driverName", json!(""), &["driverName"])],
        ),
        (
            "CSIDriver",
            json!({"metadata": {"name": "d"}}),
            vec![
                ("/spec", json!({"fsGroupPolicy": "Any"}), &["spec.fsGroupPolicy"]),
                ("/spec", json!({"volumeLifecycleModes": ["Long"]}), &["spec.volumeLifecycleModes"]),
            ],
        ),
        (
            "CSINode",
            json!({"metadata": {"name": "n"}, "spec": {"drivers": [{"name": "d", "nodeID": "n"}]}}),
            vec![
                ("/spec/drivers/0/nodeID", json!(""), &["spec.drivers[0].nodeID"]),
                ("/spec/drivers/0/name", json!("-"), &["spec.drivers[0].name"]),
            ],
        ),
        (
            "CSIStorageCapacity",
            json!({"metadata": {"name": "c"}, "storageClassName": "s"}),
            vec![("/storageClassName", json!(""), &["storageClassName"]), ("/capacity", json!("-1"), &["capacity"])],
        ),
        (
            "VolumeAttachment",
            json!({"metadata": {"name": "a"}, "spec": {"attacher": "d", "nodeName": "n", "source": {"persistentVolumeName": "v"}}}),
            vec![("/spec/source", json!({}), &["spec.source"]), ("/spec/nodeName", json!("N"), &["spec.nodeName"])],
        ),
        (
            "RuntimeClass",
            json!({"metadata": {"name": "r"}, "handler": "h"}),
            vec![("/handler", json!("H"), &["handler"])],
        ),
        (
            "DeviceClass",
            json!({"metadata": {"name": "c"}, "spec": {"selectors": [{"cel": {"expression": "true"}}]}}),
            vec![("/spec/selectors/0", json!({}), &["spec.selectors[0].cel"])],
        ),
        (
            "ResourceClaim",
            json!({"metadata": {"name": "c"}, "spec": {"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "c"}}]}}}),
            vec![
                ("/spec/devices/requests/0/exactly", Value::Null, &["spec.devices.requests[0]"]),
                ("/spec/devices/requests/0/exactly/count", json!(-1), &["spec.devices.requests[0].exactly.count"]),
                (
                    "/spec/devices/requests/0/exactly/deviceClassName",
                    json!(""),
                    &["spec.devices.requests[0].exactly.deviceClassName"],
                ),
                (
                    "/spec/devices/constraints",
                    json!([{"requests": ["x"], "matchAttribute": "a/b"}]),
                    &["spec.devices.constraints[0].requests[0]"],
                ),
            ],
        ),
        (
            "ResourceSlice",
            json!({"metadata": {"name": "s"}, "spec": {"driver": "d", "nodeName": "n", "pool": {"name": "p", "resourceSliceCount": 1}}}),
            vec![
                ("/spec/nodeName", Value::Null, &["spec"]),
                ("/spec/allNodes", json!(true), &["spec"]),
                ("/spec/pool/resourceSliceCount", json!(0), &["spec.pool.resourceSliceCount"]),
            ],
        ),
    ]);
}

#[test]
fn scaling_and_budgets() {
    check(vec![
        (
            "HorizontalPodAutoscaler",
            json!({"metadata": {"name": "h"}, "spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "d"},
                "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 50}}}]}}),
            vec![
                ("/spec/minReplicas", json!(0), &["spec.minReplicas", "spec.metrics"]),
                ("/spec/maxReplicas", json!(0), &["spec.maxReplicas", "spec.maxReplicas"]),
                ("/spec/metrics/0/type", json!("Pods"), &["spec.metrics[0].pods"]),
                (
                    "/spec/metrics/0/resource/target",
                    json!({"type": "Value"}),
                    &["spec.metrics[0].resource.target.averageUtilization"],
                ),
                (
                    "/spec/behavior",
                    json!({"scaleUp": {"policies": [{"type": "Pods", "value": 0, "periodSeconds": 1}]}}),
                    &["spec.behavior.scaleUp.policies[0].value"],
                ),
            ],
        ),
        (
            "PodDisruptionBudget",
            json!({"metadata": {"name": "b"}, "spec": {"minAvailable": "50%"}}),
            vec![
                ("/spec/minAvailable", json!("101%"), &["spec.minAvailable"]),
                ("/spec/minAvailable", json!("x"), &["spec.minAvailable"]),
                ("/spec/unhealthyPodEvictionPolicy", json!("Never"), &["spec.unhealthyPodEvictionPolicy"]),
            ],
        ),
        (
            "ControllerRevision",
            json!({"metadata": {"name": "r"}, "data": {"a": 1}, "revision": 1}),
            vec![("/data", Value::Null, &["data"]), ("/revision", json!(-1), &["revision"])],
        ),
    ]);
}

#[test]
fn certificates() {
    let pem = crate::base64::encode(b"-----BEGIN CERTIFICATE REQUEST-----\nAA==\n-----END CERTIFICATE REQUEST-----\n");
    check(vec![(
        "CertificateSigningRequest",
        json!({"metadata": {"name": "a:b"}, "spec": {"request": pem, "usages": ["client auth"], "signerName": "example.com/s"}}),
        vec![
            ("/spec/request", json!("AA=="), &["spec.request"]),
            ("/spec/usages", json!([]), &["spec.usages"]),
            ("/spec/usages", json!(["fly"]), &["spec.usages[0]"]),
            ("/spec/signerName", json!("s"), &["spec.signerName"]),
            ("/spec/expirationSeconds", json!(599), &["spec.expirationSeconds"]),
        ],
    )]);
}

#[test]
fn what_stays() {
    let rows: Vec<(&str, Value, &str, Value, &str)> = vec![
        (
            "EndpointSlice",
            json!({"metadata": {"name": "s"}, "addressType": "IPv4"}),
            "/addressType",
            json!("IPv6"),
            "addressType: Invalid value: \"IPv6\": field is immutable",
        ),
        (
            "IngressClass",
            json!({"metadata": {"name": "c"}, "spec": {"controller": "a.b/c"}}),
            "/spec/controller",
            json!("a.b/d"),
            "spec.controller: Invalid value: \"a.b/d\": field is immutable",
        ),
        (
            "RuntimeClass",
            json!({"metadata": {"name": "r"}, "handler": "h"}),
            "/handler",
            json!("i"),
            "handler: Invalid value: \"i\": field is immutable",
        ),
        (
            "StorageClass",
            json!({"metadata": {"name": "c"}, "provisioner": "p"}),
            "/provisioner",
            json!("q"),
            "provisioner: Forbidden: updates to provisioner are forbidden.",
        ),
        (
            "ServiceCIDR",
            json!({"metadata": {"name": "c"}, "spec": {"cidrs": ["10.0.0.0/24"]}}),
            "/spec/cidrs",
            json!(["10.1.0.0/24"]),
            "spec.cidrs[0]: Invalid value: \"10.1.0.0/24\": field is immutable",
        ),
        (
            "ControllerRevision",
            json!({"metadata": {"name": "r"}, "data": {"a": 1}}),
            "/data",
            json!({"a": 2}),
            "data: Invalid value: {\"a\":2}: field is immutable",
        ),
        (
            "ResourceQuota",
            json!({"metadata": {"name": "q"}, "spec": {"scopes": ["Terminating"]}}),
            "/spec/scopes",
            json!(["BestEffort"]),
            "spec.scopes: Invalid value: [\"BestEffort\"]: field is immutable",
        ),
    ];
    for (kind, good, place, value, wanted) in rows {
        let told = message(changed(kind, &good, &put(&good, place, &value)));
        assert!(told.ends_with(wanted), "{kind}: {told}");
    }
    let both = json!({"metadata": {"name": "c"}, "spec": {"cidrs": ["10.0.0.0/24", "2001:db8::/64"]}});
    let one = json!({"metadata": {"name": "c"}, "spec": {"cidrs": ["10.0.0.0/24"]}});
    assert_eq!(message(changed("ServiceCIDR", &one, &both)), "");
}
