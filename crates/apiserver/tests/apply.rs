//! Server-side apply through its endpoints: what an applied document must say, who owns a Scale, what a client may say of owners.
mod serve;

use serde_json::{Value, json};
use serve::{Reply, ask};

const APPLY: [&str; 1] = ["Content-Type: application/apply-patch+yaml"];
const MERGE: [&str; 1] = ["Content-Type: application/merge-patch+json"];
const MAP: &str = "/api/v1/namespaces/default/configmaps/m";
const WEB: &str = "/apis/apps/v1/namespaces/default/deployments/web";

async fn apply(server: &apiserver::server::ApiServer, path: &str, manager: &str, body: &Value) -> Reply {
    ask(server, "PATCH", &format!("{path}?fieldManager={manager}"), &APPLY, body.to_string()).await
}

fn web(env: &Value) -> Value {
    let container = json!({"name": "c", "image": "i", "env": env});
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "spec": {"replicas": 1, "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [container]}}}})
}

#[tokio::test]
async fn a_document_says_what_it_is_and_each_item_once() {
    let server = serve::alone().await;
    let one = json!([{"name": "A", "value": "1"}]);
    let twice = json!([{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]);
    let without = json!([{"value": "1"}]);
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"uid": "zz"}});
    for (path, body, code, told) in [
        (
            WEB,
            web(&twice),
            500,
            r#"failed to create typed patch object (default/web; apps/v1, Kind=Deployment): .spec.template.spec.containers[name=\"c\"].env: duplicate entries for key [name=\"A\"]"#,
        ),
        (
            WEB,
            web(&without),
            500,
            r#".env: element 0: associative list with keys has an element that omits all key fields [\"name\"]"#,
        ),
        (WEB, web(&one), 201, ""),
        (WEB, web(&twice), 500, "duplicate entries"),
        (
            MAP,
            json!({"kind": "ConfigMap", "data": {"a": "b"}}),
            400,
            "Incorrect version specified in apply patch. Specified patch version: , expected: v1",
        ),
        (MAP, json!({"apiVersion": "v2", "kind": "ConfigMap"}), 400, "Specified patch version: v2, expected: v1"),
        (
            MAP,
            json!({"apiVersion": "v1", "kind": "ConfigMap", "x": 1}),
            500,
            "(default/m; /v1, Kind=ConfigMap): .x: field not declared in schema",
        ),
        (MAP, map, 409, "uid mismatch: the provided object specified uid zz, and no existing object was found"),
    ] {
        let reply = apply(&server, path, "a", &body).await;
        assert!(reply.code == code && reply.body.contains(told), "{body}: {} {}", reply.code, reply.body);
    }
}

#[tokio::test]
async fn who_applies_a_scale_owns_the_replicas() {
    let server = serve::alone().await;
    let scale = format!("{WEB}/scale");
    assert_eq!(apply(&server, WEB, "a", &web(&json!([]))).await.code, 201);
    let three = json!({"metadata": {"name": "web"}, "spec": {"replicas": 3}});
    let put = ask(&server, "PUT", &format!("{scale}?fieldManager=sc"), &[], three.to_string()).await;
    assert_eq!(put.code, 200, "{}", put.body);
    let two = json!({"apiVersion": "autoscaling/v1", "kind": "Scale", "spec": {"replicas": 2}});
    let refused = apply(&server, &scale, "sa", &two).await;
    assert_eq!(refused.code, 409, "{}", refused.body);
    assert!(refused.body.contains(r#"conflict with \"sc\" with subresource \"scale\""#), "{}", refused.body);
    let forced = apply(&server, &scale, "sa&force=true", &two).await;
    assert_eq!((forced.code, &forced.json()["spec"]["replicas"]), (200, &json!(2)), "{}", forced.body);
    let object = ask(&server, "GET", WEB, &[], "").await.json();
    let owners: Vec<&Value> = object["metadata"]["managedFields"].as_array().expect("managers").iter().collect();
    let of = |name: &str| owners.iter().find(|owner| owner["manager"] == name);
    assert_eq!(of("sa").map(|owner| &owner["fieldsV1"]), Some(&json!({"f:spec": {"f:replicas": {}}})), "{object}");
    assert!(of("sc").is_none(), "whoever lost all is gone: {object}");
    assert!(object["spec"]["template"]["spec"]["containers"].is_array(), "all else is as it was");
}

#[tokio::test]
async fn what_nobody_owns_is_owned_again_once_somebody_applies() {
    let server = serve::alone().await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}});
    assert_eq!(apply(&server, MAP, "a", &map).await.code, 201);
    let moved = ask(&server, "PATCH", MAP, &MERGE, r#"{"metadata":{"uid":"123"}}"#).await;
    assert_eq!(moved.code, 422, "{}", moved.body);
    assert!(moved.body.contains("metadata.uid: Invalid value: \\\"123\\\": field is immutable"), "{}", moved.body);
    let cleared = ask(&server, "PATCH", MAP, &MERGE, r#"{"metadata":{"managedFields":[{}]}}"#).await;
    assert!(cleared.json()["metadata"]["managedFields"].is_null(), "{}", cleared.body);
    let updated = ask(&server, "PATCH", &format!("{MAP}?fieldManager=z"), &MERGE, r#"{"data":{"c":"d"}}"#).await;
    assert!(updated.json()["metadata"]["managedFields"].is_null(), "{}", updated.body);
    let owners = apply(&server, MAP, "a", &map).await.json()["metadata"]["managedFields"].clone();
    let names: Vec<&Value> = owners.as_array().expect("managers").iter().map(|owner| &owner["manager"]).collect();
    assert_eq!(names, ["a", "before-first-apply"], "{owners}");
}

#[tokio::test]
async fn kubectl_goes_from_its_own_apply_to_the_servers() {
    const LAST: &str = "kubectl.kubernetes.io/last-applied-configuration";
    let server = serve::alone().await;
    let config = |a: &str| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m", "namespace": "default"}, "data": {"a": a, "b": "1"}});
    let mut made = config("1");
    made["metadata"]["annotations"] = json!({LAST: config("1").to_string()});
    let maps = "/api/v1/namespaces/default/configmaps";
    let path = format!("{maps}/m");
    let reply =
        ask(&server, "POST", &format!("{maps}?fieldManager=kubectl-client-side-apply"), &[], made.to_string()).await;
    assert_eq!(reply.code, 201, "{}", reply.body);
    // Another name is another one.
    let other = apply(&server, &path, "other", &config("2")).await;
    assert_eq!(other.code, 409, "{}", other.body);
    let applied = apply(&server, &path, "kubectl", &config("2")).await;
    assert_eq!((applied.code, &applied.json()["data"]["a"]), (200, &json!("2")), "{}", applied.body);
    let last = applied.json()["metadata"]["annotations"][LAST].as_str().map(str::to_owned).expect("it is kept");
    assert_eq!(serde_json::from_str::<Value>(&last).expect("JSON"), config("2"));
    // What somebody else has changed since is theirs.
    let changed = ask(&server, "PATCH", &format!("{path}?fieldManager=editor"), &MERGE, r#"{"data":{"a":"9"}}"#).await;
    assert_eq!(changed.code, 200, "{}", changed.body);
    let refused = apply(&server, &path, "kubectl", &config("3")).await;
    assert!(
        refused.code == 409 && refused.body.contains("editor") && !refused.body.contains(".data.b"),
        "{}",
        refused.body
    );
}

#[tokio::test]
async fn owners_that_cannot_be_read_are_not_taken_over() {
    let server = serve::alone().await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"a": "b"}});
    assert_eq!(apply(&server, MAP, "a", &map).await.code, 201);
    let good = json!({"manager": "x", "operation": "Update", "apiVersion": "v1", "fieldsType": "FieldsV1", "fieldsV1": {"f:data": {"f:a": {}}}});
    let without = |member: &str, value: Value| {
        let mut entry = good.clone();
        entry[member] = value;
        entry
    };
    for entry in [
        without("operation", "Foo".into()),
        without("apiVersion", "".into()),
        without("fieldsType", "Foo".into()),
        without("fieldsV1", json!({"data": {}})),
        without("fieldsV1", Value::Null),
    ] {
        let body = json!({"metadata": {"managedFields": [entry]}}).to_string();
        let reply = ask(&server, "PATCH", MAP, &MERGE, body.clone()).await;
        assert_eq!(reply.code, 200, "{body}: {}", reply.body);
        let owners = &reply.json()["metadata"]["managedFields"];
        assert!(owners.as_array().map(Vec::len) == Some(1) && owners[0]["manager"] == "a", "{body}: {owners}");
    }
    let body = json!({"metadata": {"managedFields": [good]}}).to_string();
    let taken = ask(&server, "PATCH", MAP, &MERGE, body).await.json();
    assert_eq!(taken["metadata"]["managedFields"][0]["manager"], "x", "what can be read is believed: {taken}");
    let cleared = ask(&server, "PATCH", MAP, &MERGE, r#"{"metadata": {"managedFields": [{}]}}"#).await.json();
    assert!(cleared["metadata"].get("managedFields").is_none(), "{cleared}");
}

#[tokio::test]
async fn writers_who_name_no_revision_all_get_their_turn() {
    let server = serve::alone().await;
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "m"}, "data": {"k": "v"}});
    let each = |number: usize| {
        let (server, map) = (&server, &map);
        async move {
            let applied = apply(server, MAP, &format!("m{number}"), map).await;
            let patched =
                ask(server, "PATCH", MAP, &MERGE, json!({"data": {format!("k{number}"): "v"}}).to_string()).await;
            (applied.code, patched.code)
        }
    };
    let codes = futures::future::join_all((0..64).map(each)).await;
    assert!(codes.iter().all(|(applied, patched)| matches!(applied, 200 | 201) && *patched == 200), "{codes:?}");
    assert_eq!(codes.iter().filter(|(applied, _)| *applied == 201).count(), 1, "one of them made it: {codes:?}");
    let data = ask(&server, "GET", MAP, &[], "").await.json()["data"].clone();
    assert_eq!(data.as_object().map(serde_json::Map::len), Some(65), "{data}");
}
