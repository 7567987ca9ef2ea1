//! Objects that are kept and objects that are refused, many as a real API server answered.
use super::{new_object, update};
use crate::kind::Kind;
use crate::status::Status;
use serde_json::{Value, json};

mod jobs;
mod kinds;
mod pods;
mod statuses;

fn kind(name: &str) -> &'static Kind {
    crate::kinds::builtin().iter().find(|kind| &*kind.kind == name).expect("built in")
}

/// As it comes: without what means nothing, with defaults.
fn read(of: &str, mut value: Value) -> Value {
    crate::schema::check_fields(kind(of), &mut value).expect("decodes");
    crate::schema::default(kind(of), &mut value);
    value
}

fn created(of: &str, value: Value) -> Result<(), Status> {
    new_object(kind(of), &read(of, value))
}

fn changed(of: &str, old: &Value, new: &Value) -> Result<(), Status> {
    update(kind(of), &read(of, old.clone()), &read(of, new.clone()), "")
}

fn fields(result: Result<(), Status>) -> Vec<String> {
    result.err().map(|status| status.causes.iter().map(|cause| cause.field.clone()).collect()).unwrap_or_default()
}

fn message(result: Result<(), Status>) -> String {
    result.err().map(|status| status.message.clone()).unwrap_or_default()
}

fn pod(containers: Value) -> Value {
    json!({"metadata": {"name": "p"}, "spec": {"containers": containers}})
}

fn deployment() -> Value {
    json!({"metadata": {"name": "d"}, "spec": {"replicas": 3, "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
}

#[test]
fn names_as_recorded() {
    assert_eq!(
        message(created("ConfigMap", json!({"metadata": {"name": "Bad_Name"}, "data": {"k": "v"}}))),
        "ConfigMap \"Bad_Name\" is invalid: metadata.name: Invalid value: \"Bad_Name\": a lowercase RFC 1123 subdomain must \
         consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character \
         (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"
    );
    assert_eq!(
        message(created("ConfigMap", json!({"metadata": {}}))),
        "ConfigMap \"\" is invalid: metadata.name: Required value: name or generateName is required"
    );
}

#[test]
fn a_deployment_as_recorded() {
    assert_eq!(
        message(created("Deployment", json!({"metadata": {"name": "bad"}, "spec": {"selector": {}, "template": {}}}))),
        "Deployment.apps \"bad\" is invalid: [spec.selector: Invalid value: v1.LabelSelector{MatchLabels:map[string]string(nil), \
         MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: empty selector is invalid for deployment, \
         spec.template.spec.containers: Required value]"
    );
    let old = deployment();
    let mut new = old.clone();
    new["spec"]["selector"]["matchLabels"]["z"] = "z".into();
    assert_eq!(
        message(changed("Deployment", &old, &new)),
        "Deployment.apps \"d\" is invalid: [spec.template.metadata.labels: Invalid value: map[string]string{\"a\":\"b\"}: \
         `selector` does not match template `labels`, spec.selector: Invalid value: v1.LabelSelector{MatchLabels:\
         map[string]string{\"a\":\"b\", \"z\":\"z\"}, MatchExpressions:[]v1.LabelSelectorRequirement(nil)}: field is immutable]"
    );
}

#[test]
fn a_pod_keeps_its_node_as_recorded() {
    let mut old = pod(json!([{"name": "c", "image": "i"}]));
    old["spec"]["nodeName"] = "n9".into();
    let mut new = old.clone();
    new["spec"]["nodeName"] = "q".into();
    let told = message(changed("Pod", &old, &new));
    assert!(
        told.starts_with(
            "Pod \"p\" is invalid: spec: Forbidden: pod updates may not change fields other than `spec.containers[*].image`,\
             `spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing \
             tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)\n"
        ),
        "{told}"
    );
    assert!(told.contains("- \tnodeName: \"n9\"\n+ \tnodeName: \"q\"\n"), "{told}");
}

#[test]
fn what_may_change_of_a_pod() {
    let mut old = pod(json!([{"name": "c", "image": "i"}]));
    old["spec"]["tolerations"] = json!([{"key": "k", "operator": "Exists"}]);
    old["spec"]["schedulingGates"] = json!([{"name": "g"}]);
    let mut new = old.clone();
    new["metadata"]["labels"] = json!({"a": "b"});
    new["spec"]["containers"][0]["image"] = "j:2".into();
    new["spec"]["activeDeadlineSeconds"] = 5.into();
    new["spec"]["tolerations"] = json!([{"key": "k", "operator": "Exists"}, {"key": "l", "operator": "Exists"}]);
    new["spec"]["nodeSelector"] = json!({"a": "b"});
    if let Some(spec) = new["spec"].as_object_mut() {
        spec.remove("schedulingGates");
    }
    // The pull policy is of the creation.
    new["spec"]["containers"][0]["imagePullPolicy"] = "Always".into();
    assert_eq!(message(changed("Pod", &old, &new)), "");
    assert_eq!(fields(changed("Pod", &new, &old)).first().map(String::as_str), Some("spec.activeDeadlineSeconds"));
    let more = pod(json!([{"name": "c", "image": "i"}, {"name": "d", "image": "i"}]));
    assert_eq!(fields(changed("Pod", &old, &more)), ["spec.containers"]);
}

#[test]
fn what_a_pod_may_say() {
    assert_eq!(fields(created("Pod", pod(json!([])))), ["spec.containers"]);
    assert_eq!(
        fields(created(
            "Pod",
            pod(
                json!([{"name": "C", "ports": [{"containerPort": 70000, "protocol": "X"}]}, {"name": "C", "image": "i"}])
            )
        )),
        [
            "spec.containers[0].name",
            "spec.containers[0].image",
            "spec.containers[0].ports[0].containerPort",
            "spec.containers[0].ports[0].protocol",
            "spec.containers[1].name",
            "spec.containers[1].name"
        ]
    );
    let good = json!([{"name": "c", "image": "i", "ports": [{"containerPort": 80, "name": "http"}],
        "env": [{"name": "A", "value": "b"}, {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}}],
        "resources": {"requests": {"cpu": "100m"}, "limits": {"cpu": "1", "memory": "1Gi"}},
        "livenessProbe": {"httpGet": {"port": 80}}, "readinessProbe": {"exec": {"command": ["true"]}, "successThreshold": 2},
        "lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}]);
    assert_eq!(message(created("Pod", pod(good))), "");
    let over = json!([{"name": "c", "image": "i", "resources": {"requests": {"cpu": "2"}, "limits": {"cpu": "1"}}}]);
    assert_eq!(
        message(created("Pod", pod(over))),
        "Pod \"p\" is invalid: spec.containers[0].resources.requests: Invalid value: \"2\": must be less than or equal to cpu limit of 1"
    );
    let lost = json!([{"name": "c", "image": "i", "volumeMounts": [{"name": "v", "mountPath": "/v"}]}]);
    assert_eq!(
        message(created("Pod", pod(lost))),
        "Pod \"p\" is invalid: spec.containers[0].volumeMounts[0].name: Not found: \"v\""
    );
}

#[test]
fn generated_names_and_metadata() {
    let meta = |meta: Value| fields(created("ConfigMap", json!({"metadata": meta})));
    assert!(meta(json!({"generateName": "a-", "name": "a-x"})).is_empty());
    assert_eq!(meta(json!({"generateName": "AB-", "name": "AB-x"})), ["metadata.generateName", "metadata.name"]);
    assert_eq!(meta(json!({"name": "a", "labels": {"-": "b"}})), ["metadata.labels"]);
    assert_eq!(meta(json!({"name": "a", "annotations": {"k": "x".repeat(256 * 1024)}})), ["metadata.annotations"]);
    assert_eq!(meta(json!({"name": "a", "finalizers": ["loose"]})), ["metadata.finalizers"]);
    assert!(meta(json!({"name": "a", "finalizers": ["orphan", "example.com/f"]})).is_empty());
    let owner = json!({"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u", "controller": true});
    assert!(meta(json!({"name": "a", "ownerReferences": [owner]})).is_empty());
    assert_eq!(meta(json!({"name": "a", "ownerReferences": [owner, owner]})), ["metadata.ownerReferences"]);
    assert_eq!(fields(created("Namespace", json!({"metadata": {"name": "a.b"}}))), ["metadata.name"]);
    assert!(created("ClusterRole", json!({"metadata": {"name": "system:a"}})).is_ok());
    let named = |name: &str| json!({"metadata": {"name": name, "uid": "u"}});
    assert_eq!(fields(changed("ConfigMap", &named("a"), &named("b"))), ["metadata.name"]);
}

#[test]
fn workloads() {
    assert_eq!(message(created("Deployment", deployment())), "");
    let mut bad = deployment();
    bad["spec"]["replicas"] = (-1).into();
    bad["spec"]["template"]["spec"]["restartPolicy"] = "Never".into();
    assert_eq!(fields(created("Deployment", bad)), ["spec.replicas", "spec.template.spec.restartPolicy"]);
    let mut none = deployment();
    none["spec"]["selector"] = Value::Null;
    assert_eq!(fields(created("ReplicaSet", none.clone())), ["spec.selector", "spec.template.metadata.labels"]);
    for of in ["ReplicaSet", "DaemonSet", "StatefulSet"] {
        let mut one = deployment();
        if of == "DaemonSet" {
            one["spec"].as_object_mut().expect("a spec").remove("replicas");
        }
        assert_eq!(message(created(of, one)), "", "{of}");
    }
    let mut set = deployment();
    set["spec"]["volumeClaimTemplates"] =
        json!([{"metadata": {"name": "v"}, "spec": {"accessModes": ["ReadWriteOnce"]}}]);
    set["spec"]["template"]["spec"]["containers"][0]["volumeMounts"] = json!([{"name": "v", "mountPath": "/v"}]);
    assert_eq!(message(created("StatefulSet", set.clone())), "");
    let mut scaled = set.clone();
    scaled["spec"]["replicas"] = 5.into();
    assert_eq!(message(changed("StatefulSet", &set, &scaled)), "");
    scaled["spec"]["serviceName"] = "s".into();
    assert_eq!(fields(changed("StatefulSet", &set, &scaled)), ["spec"]);
    let mut job = deployment();
    job["spec"].as_object_mut().expect("a spec").retain(|name, _| name == "template");
    assert_eq!(fields(created("Job", job.clone())), ["spec.template.spec.restartPolicy"]);
    job["spec"]["template"]["spec"]["restartPolicy"] = "Never".into();
    assert_eq!(message(created("Job", job.clone())), "");
    let mut other = job.clone();
    other["spec"]["template"]["spec"]["containers"][0]["image"] = "j".into();
    assert_eq!(fields(changed("Job", &job, &other)), ["spec.template"]);
    let labels = job["spec"]["template"]["metadata"]["labels"].clone();
    job["spec"]["selector"] = json!({"matchLabels": labels});
    assert_eq!(fields(created("Job", job.clone())), ["spec.selector"], "it is not the client's to say");
    job["spec"]["manualSelector"] = true.into();
    assert_eq!(message(created("Job", job.clone())), "");
    job["spec"]["selector"] = json!({"matchLabels": {"other": "label"}});
    assert_eq!(fields(created("Job", job.clone())), ["spec.template.metadata.labels"]);
    job["spec"]["selector"] = Value::Null;
    assert_eq!(fields(created("Job", job)), ["spec.selector"]);
}

#[test]
fn services() {
    let service = |spec: Value| json!({"metadata": {"name": "s"}, "spec": spec});
    assert_eq!(fields(created("Service", service(json!({})))), ["spec.ports"]);
    for good in [
        json!({"ports": [{"port": 80}], "selector": {"a": "b"}}),
        json!({"clusterIP": "None"}),
        json!({"type": "ExternalName", "externalName": "example.com"}),
        json!({"type": "NodePort", "ports": [{"port": 80, "nodePort": 30080}]}),
        json!({"ports": [{"port": 53, "name": "u", "protocol": "UDP"}, {"port": 53, "name": "t", "targetPort": "dns"}]}),
    ] {
        assert_eq!(message(created("Service", service(good))), "");
    }
    let two = json!({"ports": [{"port": 80}, {"port": 80}]});
    assert_eq!(fields(created("Service", service(two))), ["spec.ports[0].name", "spec.ports[1].name", "spec.ports[1]"]);
    let at = |ip: &str| service(json!({"ports": [{"port": 80}], "clusterIP": ip}));
    assert_eq!(
        message(changed("Service", &at("10.0.0.1"), &at("10.0.0.2"))),
        "Service \"s\" is invalid: spec.clusterIPs[0]: Invalid value: \"10.0.0.2\": may not change once set"
    );
    assert_eq!(message(changed("Service", &at("10.0.0.1"), &service(json!({"ports": [{"port": 81}]})))), "");
    assert_eq!(
        fields(created("Service", json!({"metadata": {"name": "1s"}, "spec": {"ports": [{"port": 1}]}}))),
        ["metadata.name"]
    );
}

#[test]
fn what_is_kept_for_others() {
    let map = |data: Value| json!({"metadata": {"name": "m"}, "data": data, "immutable": true});
    assert_eq!(fields(created("ConfigMap", map(json!({"a/b": ""})))), ["data[a/b]"]);
    assert_eq!(fields(created("ConfigMap", map(json!({"a": "x".repeat(1024 * 1024 + 1)})))), ["[]"]);
    assert_eq!(fields(changed("ConfigMap", &map(json!({"a": "b"})), &map(json!({"a": "c"})))), ["data"]);
    let secret = |of: &str, data: Value| json!({"metadata": {"name": "s"}, "type": of, "data": data});
    assert_eq!(fields(created("Secret", secret("kubernetes.io/tls", json!({})))), ["data[tls.crt]", "data[tls.key]"]);
    assert!(created("Secret", secret("Opaque", json!({"a": "Yg=="}))).is_ok());
    assert_eq!(fields(changed("Secret", &secret("Opaque", json!({})), &secret("mine", json!({})))), ["type"]);
    let lease = |seconds: i64| json!({"metadata": {"name": "l"}, "spec": {"leaseDurationSeconds": seconds}});
    assert!(created("Lease", lease(15)).is_ok() && created("Lease", lease(-1)).is_err());
}

#[test]
fn nodes_classes_and_access() {
    let node = |taints: Value| json!({"metadata": {"name": "n"}, "spec": {"taints": taints}});
    assert_eq!(fields(created("Node", node(json!([{"key": "k", "effect": "No"}])))), ["spec.taints[0].effect"]);
    assert!(created("Node", node(json!([{"key": "k", "effect": "NoSchedule"}]))).is_ok());
    let class = |name: &str, value: i64| json!({"metadata": {"name": name}, "value": value});
    assert_eq!(fields(created("PriorityClass", class("a", 1_000_000_001))), ["value"]);
    assert!(created("PriorityClass", class("system-node-critical", 2_000_001_000)).is_ok());
    assert_eq!(fields(changed("PriorityClass", &class("a", 1), &class("a", 2))), ["value"]);
    let binding = |role: &str| {
        json!({"metadata": {"name": "b"}, "roleRef": {"kind": "ClusterRole", "name": role},
        "subjects": [{"kind": "ServiceAccount", "name": "s", "namespace": "n"}, {"kind": "User", "name": "u"}]})
    };
    assert_eq!(message(created("ClusterRoleBinding", binding("a"))), "");
    assert_eq!(
        message(changed("ClusterRoleBinding", &binding("a"), &binding("b"))),
        "ClusterRoleBinding.rbac.authorization.k8s.io \"b\" is invalid: roleRef: Invalid value: \
         rbac.RoleRef{APIGroup:\"rbac.authorization.k8s.io\", Kind:\"ClusterRole\", Name:\"b\"}: cannot change roleRef"
    );
    let role = |rule: Value| json!({"metadata": {"name": "r"}, "rules": [rule]});
    assert!(created("ClusterRole", role(json!({"verbs": ["get"], "nonResourceURLs": ["/x"]}))).is_ok());
    assert_eq!(fields(created("Role", role(json!({"verbs": ["get"], "resources": ["pods"]})))), ["rules[0].apiGroups"]);
    let of_others =
        |selectors: Value| json!({"metadata": {"name": "r"}, "aggregationRule": {"clusterRoleSelectors": selectors}});
    assert!(created("ClusterRole", of_others(json!([{"matchLabels": {"a": "b"}}]))).is_ok());
    assert_eq!(fields(created("ClusterRole", of_others(json!([])))), ["aggregationRule.clusterRoleSelectors"]);
    assert_eq!(
        fields(created("ClusterRole", of_others(json!([{"matchLabels": {"a b": "c"}}])))),
        ["aggregationRule.clusterRoleSelectors[0].matchLabels"]
    );
}

#[test]
fn definitions() {
    let definition = |scope: &str| {
        json!({"metadata": {"name": "ws.example.com"}, "status": {"storedVersions": ["v1"]}, "spec": {"group": "example.com", "scope": scope,
            "names": {"plural": "ws", "kind": "W"}, "versions": [{"name": "v1", "served": true, "storage": true,
                "schema": {"openAPIV3Schema": {"type": "object"}}}]}})
    };
    let of = "CustomResourceDefinition";
    assert_eq!(message(created(of, definition("Namespaced"))), "");
    let mut established = definition("Namespaced");
    established["status"] =
        json!({"storedVersions": ["v1"], "conditions": [{"type": "Established", "status": "True"}]});
    assert_eq!(fields(changed(of, &established, &definition("Cluster"))), ["spec.scope"]);
    let mut bad = definition("Both");
    bad["metadata"]["name"] = "w".into();
    bad["spec"]["versions"][0]["storage"] = false.into();
    assert_eq!(fields(created(of, bad)), ["metadata.name", "spec.scope", "spec.versions"]);
}

#[test]
fn a_status_is_not_judged() {
    let mut new = deployment();
    new["spec"]["replicas"] = (-1).into();
    assert!(update(kind("Deployment"), &deployment(), &new, "status").is_ok());
}
