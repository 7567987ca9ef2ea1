//! What Kubernetes' own tests and its Go client do that no other test here does, step by step as they do it.
mod serve;

use api::codec::protobuf::encode::Printer;
use apiserver::server::ApiServer;
use serde_json::{Value, json};
use serve::{Reply, alone, ask, with_pod};

const CM: &str = "/api/v1/namespaces/default/configmaps";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const REQUESTS: &str = "/apis/certificates.k8s.io/v1/certificatesigningrequests";
const SERVICES: &str = "/api/v1/namespaces/default/services";
const CLAIMS: &str = "/apis/resource.k8s.io/v1/namespaces/default";
const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";

async fn send(server: &ApiServer, method: &str, path: &str, media: &str, body: Value) -> Reply {
    ask(server, method, path, &[&format!("Content-Type: application/{media}")], body.to_string()).await
}

async fn made(server: &ApiServer, path: &str, body: Value) -> Value {
    let reply = send(server, "POST", path, "json", body).await;
    assert_eq!(reply.code, 201, "{}", reply.body);
    reply.json()
}

fn definition() -> Value {
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "boats.sea.io"},
        "spec": {"group": "sea.io", "scope": "Namespaced", "names": {"plural": "boats", "singular": "boat", "kind": "Boat", "listKind": "BoatList"},
            "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object",
                "properties": {"spec": {"type": "object", "properties": {"masts": {"type": "integer", "default": 0}}}}}}}]}})
}

#[tokio::test]
async fn a_condition_without_its_key_is_no_reason_to_refuse() {
    let server = alone().await;
    made(&server, DEFINITIONS, definition()).await;
    let patch = json!([{"op": "add", "path": "/status/conditions", "value": [{"message": "patched"}]}]);
    let patched = send(&server, "PATCH", &format!("{DEFINITIONS}/boats.sea.io/status"), "json-patch+json", patch).await;
    assert_eq!(patched.code, 200, "{}", patched.body);
    assert_eq!(patched.json()["status"]["conditions"][0]["message"], "patched");
    // What lacks a key is for validation to refuse, with its causes.
    let pod = json!({"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i", "ports": [{"name": "x"}]}]}});
    let refused = send(&server, "POST", "/api/v1/namespaces/default/pods", "json", pod).await;
    assert!(refused.code == 422 && refused.body.contains("containers[0].ports[0].containerPort"), "{}", refused.body);
}

#[tokio::test]
async fn claims_and_their_templates_are_objects_as_any() {
    let server = alone().await;
    let spec = json!({"devices": {"requests": [{"name": "r", "exactly": {"deviceClassName": "c"}}]}});
    let template = json!({"apiVersion": "resource.k8s.io/v1", "kind": "ResourceClaimTemplate", "metadata": {"name": "t"},
        "spec": {"metadata": {"labels": {"a": "b"}}, "spec": spec}});
    let path = format!("{CLAIMS}/resourceclaimtemplates");
    made(&server, &format!("{path}?fieldValidation=Strict"), template.clone()).await;
    let labels = json!({"metadata": {"labels": {"x": "y"}}});
    let patched = send(&server, "PATCH", &format!("{path}/t"), "strategic-merge-patch+json", labels).await;
    assert_eq!(patched.code, 200, "{}", patched.body);
    let applied =
        send(&server, "PATCH", &format!("{path}/t?fieldManager=m&force=true"), "apply-patch+yaml", template).await;
    assert_eq!(applied.code, 200, "{}", applied.body);
    // Of the four keys of a device's status one may be left out.
    made(&server, &format!("{CLAIMS}/resourceclaims"), json!({"metadata": {"name": "c"}, "spec": spec})).await;
    let device = json!({"driver": "d.io", "pool": "p", "device": "dev"});
    let result = json!({"driver": "d.io", "pool": "p", "device": "dev", "request": "r"});
    let status = json!({"status": {"allocation": {"devices": {"results": [result]}}, "devices": [device]}});
    let patched =
        send(&server, "PATCH", &format!("{CLAIMS}/resourceclaims/c/status"), "merge-patch+json", status).await;
    assert_eq!(patched.code, 200, "{}", patched.body);
    assert_eq!(patched.json()["status"]["devices"][0]["device"], "dev");
}

#[tokio::test]
async fn approving_and_status_bring_metadata_along() {
    let server = alone().await;
    let key = rcgen::KeyPair::generate().expect("a key");
    let pem = rcgen::CertificateParams::default().serialize_request(&key).expect("a request").pem().expect("PEM");
    let body = json!({"metadata": {"name": "r"}, "spec": {"request": api::base64::encode(pem.as_bytes()),
        "signerName": "example.com/any", "usages": ["client auth"]}});
    made(&server, REQUESTS, body).await;
    // What is decided is true: nothing else is a decision.
    let decision = |kind: &str, status: &str| json!({"type": kind, "status": status, "reason": "r"});
    for (conditions, why) in [
        (json!([decision("Approved", "False")]), "status.conditions[0].status: Unsupported value: \\\"False\\\""),
        (json!([decision("Denied", "Unknown")]), "status.conditions[0].status: Unsupported value: \\\"Unknown\\\""),
        (json!([decision("", "True")]), "status.conditions[0].type: Required value"),
        (json!([decision("Approved", "True"), decision("Denied", "True")]), "mutually exclusive"),
    ] {
        let patch = json!({"status": {"conditions": conditions}});
        let refused = send(&server, "PATCH", &format!("{REQUESTS}/r/approval"), "merge-patch+json", patch).await;
        assert!(refused.code == 422 && refused.body.contains(why), "{}: {}", refused.code, refused.body);
    }
    let condition = json!({"type": "ApprovalPatch", "status": "True", "reason": "e2e"});
    let patch =
        json!({"metadata": {"annotations": {"c": "d"}, "labels": {"a": "b"}}, "status": {"conditions": [condition]}});
    let patched = send(&server, "PATCH", &format!("{REQUESTS}/r/approval"), "merge-patch+json", patch).await.json();
    assert_eq!(
        (&patched["metadata"]["labels"]["a"], &patched["metadata"]["annotations"]["c"]),
        (&json!("b"), &json!("d"))
    );
    assert_eq!(patched["status"]["conditions"][0]["type"], "ApprovalPatch");
    let held = json!({"metadata": {"name": "n"}, "spec": {"finalizers": ["e.com/mine"]}});
    let held = made(&server, "/api/v1/namespaces", held).await;
    assert_eq!(held["spec"]["finalizers"], json!(["e.com/mine", "kubernetes"]));
    let both = json!({"metadata": {"labels": {"a": "b"}, "annotations": {"c": "d"}}, "status": {"phase": "Active"}});
    let patched = send(&server, "PATCH", "/api/v1/namespaces/n/status", "merge-patch+json", both).await.json();
    assert_eq!(
        (&patched["metadata"]["labels"]["a"], &patched["metadata"]["annotations"]["c"]),
        (&json!("b"), &json!("d"))
    );
}

#[tokio::test]
async fn a_service_that_becomes_external_gives_its_address_back() {
    let server = alone().await;
    for (name, kind) in [("inner", "ClusterIP"), ("outer", "NodePort")] {
        let ports = json!([{"port": 80, "protocol": "TCP"}]);
        let mut service =
            made(&server, SERVICES, json!({"metadata": {"name": name}, "spec": {"type": kind, "ports": ports}})).await;
        assert!(service["spec"]["clusterIP"].is_string());
        service["spec"]["type"] = "ExternalName".into();
        service["spec"]["externalName"] = "example.com".into();
        if kind == "NodePort" {
            service["spec"]["clusterIP"] = "".into();
        }
        let reply = send(&server, "PUT", &format!("{SERVICES}/{name}"), "json", service).await;
        assert_eq!(reply.code, 200, "{}", reply.body);
        let spec = &reply.json()["spec"];
        for member in ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy", "externalTrafficPolicy"] {
            assert!(spec[member].is_null(), "{member}: {spec}");
        }
        assert!(spec["ports"][0]["nodePort"].is_null(), "{spec}");
    }
}

#[tokio::test]
async fn events_are_selected_by_the_names_of_their_group() {
    let server = alone().await;
    let events = "/apis/events.k8s.io/v1/namespaces/default/events";
    let event = json!({"metadata": {"name": "e"}, "eventTime": "2026-01-01T00:00:00.000000Z", "action": "a", "reason": "r", "type": "Normal",
        "reportingController": "test-controller", "reportingInstance": "i", "regarding": {"kind": "Pod", "name": "p", "namespace": "default"}});
    made(&server, events, event).await;
    for (path, selector, found) in [
        (events, "reportingController=test-controller", 1),
        (events, "reportingController!=test-controller", 0),
        (events, "regarding.kind=Pod,regarding.name=p,reason=r,type=Normal", 1),
        ("/api/v1/namespaces/default/events", "reportingComponent=test-controller,involvedObject.name=p", 1),
    ] {
        let list = ask(&server, "GET", &format!("{path}?fieldSelector={selector}"), &[], "").await;
        assert_eq!(list.json()["items"].as_array().map(Vec::len), Some(found), "{selector}: {}", list.body);
    }
    for (path, selector) in [(events, "involvedObject.name=p"), ("/api/v1/events", "regarding.name=p")] {
        assert_eq!(ask(&server, "GET", &format!("{path}?fieldSelector={selector}"), &[], "").await.code, 400);
    }
}

#[tokio::test]
async fn what_depends_on_a_job_stays_unless_it_is_said() {
    let server = alone().await;
    let (jobs, controllers) =
        ("/apis/batch/v1/namespaces/default/jobs", "/api/v1/namespaces/default/replicationcontrollers");
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": "i"}]}});
    let mut always = template.clone();
    always["spec"]["restartPolicy"] = "Always".into();
    for (path, spec, warned) in
        [(jobs, json!({"template": template}), true), (controllers, json!({"template": always}), false)]
    {
        made(&server, path, json!({"metadata": {"name": "x"}, "spec": spec})).await;
        let gone = ask(&server, "DELETE", &format!("{path}/x"), &[], "").await;
        assert_eq!(gone.headers.get("warning").is_some(), warned, "{}", gone.body);
        let held = ask(&server, "GET", &format!("{path}/x"), &[], "").await.json();
        assert_eq!(held["metadata"]["finalizers"], json!(["orphan"]), "{held}");
        made(&server, path, json!({"metadata": {"name": "y"}, "spec": spec})).await;
        let gone = ask(&server, "DELETE", &format!("{path}/y?propagationPolicy=Background"), &[], "").await;
        assert!(gone.headers.get("warning").is_none());
        assert_eq!(ask(&server, "GET", &format!("{path}/y"), &[], "").await.code, 404);
    }
}

#[tokio::test]
async fn users_of_what_is_deprecated_are_warned() {
    let server = alone().await;
    for (path, warned) in
        [("/api/v1/endpoints", true), ("/api/v1/componentstatuses", true), ("/api/v1/services", false)]
    {
        let reply = ask(&server, "GET", path, &[], "").await;
        let warning = reply.headers.get("warning").and_then(|value| value.to_str().ok()).unwrap_or_default();
        assert_eq!((reply.code, warning.contains("is deprecated in v1.")), (200, warned), "{path}: {warning}");
    }
}

#[tokio::test]
async fn a_pod_that_stands_nowhere_has_said_nothing() {
    let (server, _) = with_pod().await;
    let pod = json!({"metadata": {"name": "nowhere"}, "spec": {"terminationGracePeriodSeconds": -1, "containers": [{"name": "c", "image": "i"}]}});
    let pod = made(&server, "/api/v1/namespaces/default/pods", pod).await;
    assert_eq!(pod["spec"]["terminationGracePeriodSeconds"], 1);
    let log = ask(&server, "GET", "/api/v1/namespaces/default/pods/nowhere/log", &[], "").await;
    assert_eq!((log.code, &*log.body), (204, ""));
}

#[tokio::test]
async fn a_patch_that_makes_no_object_is_unprocessable() {
    let server = alone().await;
    made(&server, CM, json!({"metadata": {"name": "a"}, "data": {"k": "v"}})).await;
    for (media, shown) in [("merge-patch+json", "\\\"data\\\":5"), ("strategic-merge-patch+json", "map[data:5]")] {
        let reply = send(&server, "PATCH", &format!("{CM}/a"), media, json!({"data": 5})).await;
        let status = reply.json();
        assert_eq!(
            (reply.code, &status["reason"], &status["details"]["causes"][0]["field"]),
            (422, &json!("Invalid"), &json!("patch"))
        );
        assert!(
            status["message"].as_str().is_some_and(|text| text.starts_with(" \"\" is invalid: patch: ")),
            "{}",
            reply.body
        );
        assert!(
            reply.body.contains(shown) || status["message"].as_str().is_some_and(|text| text.contains(shown)),
            "{}",
            reply.body
        );
    }
}

/// A field of a message on the wire.
fn field(number: u8, payload: &[u8]) -> Vec<u8> {
    [&[number << 3 | 2, u8::try_from(payload.len()).expect("short")], payload].concat()
}

#[tokio::test]
async fn empty_texts_that_go_sends_are_kept_where_they_say_something() {
    let server = alone().await;
    // A Lease that nobody holds any more, as client-go's leader election lets go of it: a pointer to an empty text.
    let meta = field(1, b"l");
    let lease = [field(1, &meta), field(2, &field(1, b""))].concat();
    let kind = [field(1, b"coordination.k8s.io/v1"), field(2, b"Lease")].concat();
    let body = [b"k8s\0".to_vec(), field(1, &kind), field(2, &lease)].concat();
    let path = "/apis/coordination.k8s.io/v1/namespaces/default/leases";
    let reply = ask(&server, "POST", path, &[&format!("Content-Type: {PROTOBUF}")], body).await;
    assert_eq!(reply.code, 201, "{}", reply.body);
    let lease = ask(&server, "GET", &format!("{path}/l"), &[], "").await.json();
    assert_eq!(lease["spec"], json!({"holderIdentity": ""}));
    // An empty text that Go would not print is none.
    let pod = json!({"metadata": {"name": "p"}, "spec": {"hostname": "", "containers": [{"name": "c", "image": "i", "workingDir": "", "env": [{"name": "A", "value": ""}]}]}});
    let pod = made(&server, "/api/v1/namespaces/default/pods", pod).await;
    assert!(pod["spec"]["hostname"].is_null() && pod["spec"]["containers"][0]["workingDir"].is_null(), "{pod}");
    assert_eq!(pod["spec"]["containers"][0]["env"], json!([{"name": "A"}]));
}

#[tokio::test]
async fn a_default_of_zero_is_a_default_in_every_form() {
    let server = alone().await;
    let definition = definition();
    let printer = Printer::of_kind("apiextensions.k8s.io/v1", "CustomResourceDefinition").expect("it is known");
    let json = serde_json::to_vec(&definition).expect("JSON");
    let body = printer.object("apiextensions.k8s.io/v1", "CustomResourceDefinition", &json).expect("protobuf");
    let reply = ask(&server, "POST", DEFINITIONS, &[&format!("Content-Type: {PROTOBUF}")], body).await;
    assert_eq!(reply.code, 201, "{}", reply.body);
    let boat = r#"{"apiVersion":"sea.io/v1","kind":"Boat","metadata":{"name":"b"},"spec":{"masts":3.0}}"#;
    let boats = "/apis/sea.io/v1/namespaces/default/boats";
    let boat = ask(&server, "POST", boats, &["Content-Type: application/json"], boat).await;
    assert!(boat.code == 201 && boat.body.contains("\"masts\":3}"), "typed clients read no 3.0: {}", boat.body);
    let kept = &reply.json()["spec"]["versions"][0]["schema"];
    assert_eq!(*kept, definition["spec"]["versions"][0]["schema"]);
}
