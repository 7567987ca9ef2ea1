//! What Kubernetes promises of its verbs, asked of the server without sockets: tables of requests and what must come back.
mod serve;

use serde_json::{Value, json};
use serve::{Reply, alone, ask};

const CM: &str = "/api/v1/namespaces/default/configmaps";

async fn post(server: &apiserver::server::ApiServer, path: &str, body: &Value) -> Reply {
    ask(server, "POST", path, &[], body.to_string()).await
}

fn config_map(name: &str, labels: &Value) -> Value {
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "labels": labels}, "data": {"k": "v"}})
}

/// Code, reason and a part of the message.
fn told(reply: &Reply) -> (u16, String, String) {
    let status = reply.json();
    let text = |member: &str| status[member].as_str().unwrap_or_default().to_owned();
    (reply.code, text("reason"), text("message"))
}

#[tokio::test]
async fn an_object_lives_and_dies() {
    let server = alone().await;
    let made = post(&server, CM, &config_map("c0", &json!({"l": "0"}))).await;
    assert_eq!(made.code, 201, "{}", made.body);
    let object = made.json();
    assert_eq!(object["metadata"]["namespace"], "default");
    assert!(object["metadata"]["uid"].is_string() && object["metadata"]["resourceVersion"].is_string());
    let got = ask(&server, "GET", &format!("{CM}/c0"), &[], "").await;
    assert_eq!((got.code, got.json()), (200, object.clone()));
    let gone = ask(&server, "DELETE", &format!("{CM}/c0"), &[], "").await.json();
    assert_eq!(
        (&gone["kind"], &gone["status"], &gone["details"]["uid"]),
        (&json!("Status"), &json!("Success"), &object["metadata"]["uid"])
    );
    let none = ask(&server, "GET", &format!("{CM}/c0"), &[], "").await;
    assert_eq!(told(&none), (404, "NotFound".into(), "configmaps \"c0\" not found".into()));
}

#[tokio::test]
async fn refusals_are_those_of_kubernetes() {
    let server = alone().await;
    post(&server, CM, &config_map("c0", &json!({}))).await;
    let with = |member: &str, value: &str| {
        let mut object = config_map("c0", &json!({}));
        object["metadata"][member] = value.into();
        object.to_string()
    };
    let one = format!("{CM}/c0");
    let table: Vec<(&str, String, String, u16, &str, &str)> = vec![
        ("POST", CM.into(), with("name", "c0"), 409, "AlreadyExists", "configmaps \"c0\" already exists"),
        (
            "POST",
            CM.into(),
            with("resourceVersion", "5"),
            500,
            "",
            "resourceVersion should not be set on objects to be created",
        ),
        (
            "POST",
            CM.into(),
            with("namespace", "x"),
            400,
            "BadRequest",
            "the namespace of the provided object does not match",
        ),
        ("POST", CM.into(), "{bad".into(), 400, "BadRequest", ""),
        ("POST", CM.into(), "[]".into(), 400, "BadRequest", ""),
        ("POST", CM.into(), "7".into(), 400, "BadRequest", ""),
        ("POST", CM.into(), String::new(), 400, "BadRequest", ""),
        ("POST", CM.into(), r#"{"metadata":7}"#.into(), 400, "BadRequest", ""),
        ("POST", CM.into(), "[".repeat(5_000), 400, "BadRequest", ""),
        (
            "POST",
            format!("{CM}?dryRun=Foo"),
            with("name", "x"),
            422,
            "Invalid",
            "CreateOptions.meta.k8s.io \"\" is invalid: dryRun",
        ),
        ("POST", format!("{CM}?fieldValidation=Foo"), with("name", "x"), 422, "Invalid", "CreateOptions.meta.k8s.io"),
        (
            "POST",
            "/api/v1/namespaces/none/configmaps".into(),
            config_map("x", &json!({})).to_string(),
            404,
            "NotFound",
            "namespaces \"none\" not found",
        ),
        (
            "PUT",
            one.clone(),
            with("resourceVersion", "1"),
            409,
            "Conflict",
            "Operation cannot be fulfilled on configmaps \"c0\": the object has been modified",
        ),
        ("PUT", one.clone(), with("uid", "123"), 409, "Conflict", "Precondition failed: UID in precondition: 123"),
        (
            "PUT",
            one.clone(),
            with("name", "c1"),
            400,
            "BadRequest",
            "the name of the object (c1) does not match the name on the URL (c0)",
        ),
        (
            "PUT",
            one.clone(),
            with("name", ""),
            400,
            "BadRequest",
            "the name of the object (c0 based on URL) was undeterminable: name must be provided",
        ),
        ("PUT", format!("{CM}/none"), with("name", "none"), 404, "NotFound", "configmaps \"none\" not found"),
        ("PUT", CM.into(), with("name", "c0"), 405, "MethodNotAllowed", ""),
        ("POST", one.clone(), with("name", "c0"), 405, "MethodNotAllowed", ""),
        ("PATCH", one.clone(), "{}".into(), 415, "UnsupportedMediaType", "415"),
        (
            "DELETE",
            one.clone(),
            r#"{"preconditions":{"uid":"123"}}"#.into(),
            409,
            "Conflict",
            "Operation cannot be fulfilled on ConfigMap \"c0\": the UID in the precondition (123) does not match",
        ),
        (
            "DELETE",
            one.clone(),
            r#"{"preconditions":{"resourceVersion":"1"}}"#.into(),
            409,
            "Conflict",
            "the ResourceVersion in the precondition (1) does not match",
        ),
        (
            "DELETE",
            format!("{one}?propagationPolicy=Foo"),
            String::new(),
            422,
            "Invalid",
            "DeleteOptions.meta.k8s.io \"\" is invalid: propagationPolicy: Unsupported value: \"Foo\"",
        ),
        ("DELETE", format!("{CM}/none"), String::new(), 404, "NotFound", ""),
        ("DELETE", "/api/v1/namespaces/default".into(), String::new(), 403, "Forbidden", ""),
        (
            "GET",
            format!("{one}?resourceVersion=999999"),
            String::new(),
            504,
            "Timeout",
            "Timeout: Too large resource version: 999999, current:",
        ),
        ("GET", format!("{CM}?resourceVersion=abc"), String::new(), 500, "", "invalid syntax"),
        ("GET", format!("{CM}?labelSelector=%3D%3D"), String::new(), 400, "BadRequest", ""),
        (
            "GET",
            format!("{CM}?fieldSelector=data.k%3Dv"),
            String::new(),
            400,
            "BadRequest",
            "\"data.k\" is not a known field selector",
        ),
        ("GET", format!("{CM}?continue=abc"), String::new(), 400, "BadRequest", "invalid continue token"),
        (
            "GET",
            "/api/v1/namespaces/default/nopes".into(),
            String::new(),
            404,
            "NotFound",
            "the server could not find the requested resource",
        ),
        ("GET", "/api/v1/namespaces/default/nodes".into(), String::new(), 404, "NotFound", ""),
        ("GET", "/asof/yesterday/api/v1/pods".into(), String::new(), 400, "BadRequest", "no moment"),
        ("GET", "/asof/999999/api/v1/pods".into(), String::new(), 400, "BadRequest", "has not come yet"),
        ("POST", "/asof/-1m/api/v1/namespaces".into(), "{}".into(), 405, "MethodNotAllowed", ""),
    ];
    for (method, path, body, code, reason, message) in table {
        let reply = ask(&server, method, &path, &[], body).await;
        let (have, why, text) = told(&reply);
        assert_eq!((have, why.as_str()), (code, reason), "{method} {path}: {text}");
        assert!(text.contains(message), "{method} {path}: {text}");
    }
    for path in ["/foo", "/apis/nope.example.com/v1", "/apis/nope", "/rutter/v1/status"] {
        let reply = ask(&server, "GET", path, &[], "").await;
        assert_eq!((reply.code, reply.body.as_str()), (404, "404 page not found\n"), "{path}");
    }
}

#[tokio::test]
async fn lists_are_paged_over_one_view() {
    let server = alone().await;
    for number in 0..7 {
        post(&server, CM, &config_map(&format!("c{number}"), &json!({"odd": (number % 2).to_string()}))).await;
    }
    let first = ask(&server, "GET", &format!("{CM}?limit=3"), &[], "").await.json();
    assert_eq!(first["metadata"]["remainingItemCount"], 4);
    post(&server, CM, &config_map("c1b", &json!({}))).await;
    let mut names: Vec<Value> =
        first["items"].as_array().expect("items").iter().map(|item| item["metadata"]["name"].clone()).collect();
    let mut token = first["metadata"]["continue"].clone();
    while let Some(text) = token.as_str().map(str::to_owned) {
        let page = ask(&server, "GET", &format!("{CM}?limit=3&continue={text}"), &[], "").await.json();
        assert_eq!(page["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"]);
        names.extend(page["items"].as_array().expect("items").iter().map(|item| item["metadata"]["name"].clone()));
        token = page["metadata"]["continue"].clone();
    }
    assert_eq!(json!(names), json!(["c0", "c1", "c2", "c3", "c4", "c5", "c6"]));
    let odd = ask(&server, "GET", &format!("{CM}?labelSelector=odd%20in%20(1),odd"), &[], "").await.json();
    assert_eq!(odd["items"].as_array().map(Vec::len), Some(3));
    let named = ask(&server, "GET", &format!("{CM}?fieldSelector=metadata.name%3Dc3"), &[], "").await.json();
    assert_eq!(named["items"].as_array().map(Vec::len), Some(1));
    assert_eq!(named["kind"], "ConfigMapList");
}

#[tokio::test]
async fn a_long_list_comes_in_pieces_and_whole() {
    let server = alone().await;
    let filler = "x".repeat(20_000);
    for number in 0..40 {
        let object = json!({"metadata": {"name": format!("c{number:02}")}, "data": {"k": filler}});
        assert_eq!(post(&server, CM, &object).await.code, 201);
    }
    let list = ask(&server, "GET", CM, &[], "").await.json();
    assert_eq!(list["items"].as_array().map(Vec::len), Some(40));
    assert!(list["items"].as_array().expect("items").iter().all(|item| item["data"]["k"] == filler.as_str()));
}

fn frames(reply: &Reply) -> Vec<(String, String)> {
    let lines = reply.body.lines().map(|line| serde_json::from_str::<Value>(line).expect("a frame"));
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    lines.map(|frame| (text(&frame["type"]), text(&frame["object"]["metadata"]["name"]))).collect()
}

fn seen(list: &[(&str, &str)]) -> Vec<(String, String)> {
    list.iter().map(|(kind, name)| ((*kind).to_owned(), (*name).to_owned())).collect()
}

#[tokio::test]
async fn watches_begin_where_they_are_told() {
    let server = alone().await;
    let first = post(&server, CM, &config_map("a", &json!({"x": "1"}))).await.json();
    let since = first["metadata"]["resourceVersion"].as_str().expect("a revision").to_owned();
    post(&server, CM, &config_map("b", &json!({"x": "2"}))).await;
    // Its label changes: for who watches x=1 it goes away, for who watches x=2 it comes.
    ask(&server, "PUT", &format!("{CM}/a"), &[], config_map("a", &json!({"x": "2"})).to_string()).await;
    ask(&server, "DELETE", &format!("{CM}/b"), &[], "").await;
    let watch = |query: &str| format!("{CM}?watch=1&timeoutSeconds=1&{query}");
    let table = [
        (format!("resourceVersion={since}"), vec![("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]),
        (format!("resourceVersion={since}&labelSelector=x%3D1"), vec![("DELETED", "a")]),
        (
            format!("resourceVersion={since}&labelSelector=x%3D2"),
            vec![("ADDED", "b"), ("ADDED", "a"), ("DELETED", "b")],
        ),
        (format!("resourceVersion={since}&fieldSelector=metadata.name%3Db"), vec![("ADDED", "b"), ("DELETED", "b")]),
        (String::new(), vec![("ADDED", "a")]),
        ("resourceVersion=0".to_owned(), vec![("ADDED", "a")]),
        (
            "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true".to_owned(),
            vec![("ADDED", "a"), ("BOOKMARK", "")],
        ),
    ];
    for (query, want) in table {
        let reply = ask(&server, "GET", &watch(&query), &[], "").await;
        assert_eq!(frames(&reply), seen(&want), "{query}");
    }
    let partial = ["Accept: application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"];
    let reply = ask(&server, "GET", &watch(""), &partial, "").await.json();
    assert_eq!(reply["object"]["kind"], "PartialObjectMetadata");
    let table = ["Accept: application/json;as=Table;v=v1;g=meta.k8s.io"];
    let reply = ask(&server, "GET", &watch(""), &table, "").await.json();
    assert_eq!((&reply["object"]["kind"], &reply["object"]["rows"][0]["cells"][0]), (&json!("Table"), &json!("a")));
}

#[tokio::test]
async fn finalizers_hold_and_policies_become_finalizers() {
    let server = alone().await;
    let mut object = config_map("fin", &json!({}));
    object["metadata"]["finalizers"] = json!(["x.example.com/f"]);
    post(&server, CM, &object).await;
    let one = format!("{CM}/fin");
    let begun = ask(&server, "DELETE", &one, &[], "").await.json();
    assert!(begun["metadata"]["deletionTimestamp"].is_string());
    assert_eq!(ask(&server, "DELETE", &one, &[], "").await.json(), begun, "a second delete changes nothing");
    let mut more = begun.clone();
    more["metadata"]["finalizers"] = json!(["x.example.com/f", "y.example.com/g"]);
    assert_eq!(ask(&server, "PUT", &one, &[], more.to_string()).await.code, 422);
    let mut free = begun;
    free["metadata"]["finalizers"] = json!([]);
    let last = ask(&server, "PUT", &one, &[], free.to_string()).await;
    let under = last.json()["metadata"]["resourceVersion"].clone();
    assert_eq!((last.code, under), (200, free["metadata"]["resourceVersion"].clone()), "it never was under another");
    assert_eq!(ask(&server, "GET", &one, &[], "").await.code, 404);
    post(&server, CM, &config_map("fg", &json!({}))).await;
    let held = ask(&server, "DELETE", &format!("{CM}/fg?propagationPolicy=Foreground"), &[], "").await.json();
    assert_eq!(held["metadata"]["finalizers"], json!(["foregroundDeletion"]));
}

#[tokio::test]
async fn a_write_that_changes_nothing_takes_no_revision() {
    let server = alone().await;
    let made = post(&server, CM, &config_map("same", &json!({}))).await.json();
    let again =
        ask(&server, "PUT", &format!("{CM}/same"), &[], config_map("same", &json!({})).to_string()).await.json();
    assert_eq!(again["metadata"]["resourceVersion"], made["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn namespaces_close_and_go() {
    let server = alone().await;
    let made = post(&server, "/api/v1/namespaces", &json!({"metadata": {"name": "g"}})).await.json();
    assert_eq!(made["metadata"]["labels"]["kubernetes.io/metadata.name"], "g");
    assert_eq!((&made["spec"]["finalizers"], &made["status"]["phase"]), (&json!(["kubernetes"]), &json!("Active")));
    let gone = ask(&server, "DELETE", "/api/v1/namespaces/g", &[], "").await.json();
    assert_eq!(gone["status"]["phase"], "Terminating");
    let late = post(&server, "/api/v1/namespaces/g/configmaps", &config_map("late", &json!({}))).await;
    let (code, _, message) = told(&late);
    assert_eq!(code, 403);
    assert!(
        message.contains("unable to create new content in namespace g because it is being terminated"),
        "{message}"
    );
    let mut open = gone;
    open["spec"]["finalizers"] = json!([]);
    let last = ask(&server, "PUT", "/api/v1/namespaces/g/finalize", &[], open.to_string()).await;
    assert_eq!(last.code, 200, "{}", last.body);
    assert_eq!(ask(&server, "GET", "/api/v1/namespaces/g", &[], "").await.code, 404);
}

#[tokio::test]
async fn a_zero_that_was_said_is_no_default() {
    let server = alone().await;
    let template = json!({"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}});
    let selector = json!({"matchLabels": {"a": "b"}});
    let rolling = |kind: &str, member: &str, rolling: &Value| {
        json!({"metadata": {"generateName": "z-"}, "spec": {"selector": selector, "template": template,
            member: {"type": "RollingUpdate", "rollingUpdate": rolling}}, "kind": kind})
    };
    let (deployments, sets) =
        ("/apis/apps/v1/namespaces/default/deployments", "/apis/apps/v1/namespaces/default/daemonsets");
    for (path, kind, member, said) in [
        (deployments, "Deployment", "strategy", json!({"maxSurge": 0, "maxUnavailable": 1})),
        (deployments, "Deployment", "strategy", json!({"maxSurge": 1, "maxUnavailable": 0})),
        (sets, "DaemonSet", "updateStrategy", json!({"maxSurge": 1, "maxUnavailable": 0})),
    ] {
        let made = post(&server, path, &rolling(kind, member, &said)).await;
        assert_eq!(made.json()["spec"][member]["rollingUpdate"], said, "{}", made.body);
    }
    let neither = rolling("Deployment", "strategy", &json!({"maxSurge": 0, "maxUnavailable": 0}));
    let refused = post(&server, deployments, &neither).await;
    assert!(refused.code == 422 && refused.body.contains("may not be 0"), "{}", refused.body);
    let budgets = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
    for said in [json!({"maxUnavailable": 0}), json!({"minAvailable": 0})] {
        let mut spec = said.clone();
        spec["selector"] = selector.clone();
        let made = post(&server, budgets, &json!({"metadata": {"generateName": "z-"}, "spec": spec})).await;
        let kept = made.json()["spec"].clone();
        for member in ["maxUnavailable", "minAvailable"] {
            assert_eq!(kept.get(member), said.get(member), "{}", made.body);
        }
    }
}

#[tokio::test]
async fn addresses_are_claimed_and_freed_with_their_services() {
    let server = alone().await;
    let services = "/api/v1/namespaces/default/services";
    let spec = |extra: Value| {
        let mut spec = json!({"selector": {"a": "b"}, "ports": [{"port": 80, "protocol": "TCP"}]});
        spec.as_object_mut().expect("an object").extend(extra.as_object().cloned().expect("an object"));
        spec
    };
    let service = |name: &str, extra: Value| json!({"metadata": {"name": name}, "spec": spec(extra)});
    let own = ask(&server, "GET", &format!("{services}/kubernetes"), &[], "").await.json();
    assert_eq!(own["spec"]["clusterIP"], "10.96.0.1");
    let made = post(&server, services, &service("s", json!({"type": "NodePort"}))).await.json();
    let address = made["spec"]["clusterIP"].as_str().expect("an address").to_owned();
    let port = made["spec"]["ports"][0]["nodePort"].as_u64().expect("a node port");
    assert!(address.starts_with("10.96.") && (30_000..32_768).contains(&port), "{made}");
    let claim = ask(&server, "GET", &format!("/apis/networking.k8s.io/v1/ipaddresses/{address}"), &[], "").await.json();
    assert_eq!(claim["spec"]["parentRef"]["name"], "s");
    for taken in [
        json!({"clusterIP": address}),
        json!({"type": "NodePort", "ports": [{"port": 1, "protocol": "TCP", "nodePort": port}]}),
    ] {
        let refused = post(&server, services, &service("t", taken)).await;
        assert_eq!(refused.code, 422, "{}", refused.body);
        assert!(refused.body.contains("already allocated"), "{}", refused.body);
    }
    for (asked, why) in [
        (json!({"clusterIP": "192.168.1.1"}), "is not in the valid range. The range of valid IPs is 10.96.0.0/16"),
        (json!({"clusterIP": "10.96.0.1"}), "failed to allocate IP 10.96.0.1: provided IP is already allocated"),
        (
            json!({"type": "NodePort", "ports": [{"port": 1, "protocol": "TCP", "nodePort": 80}]}),
            "Invalid value: 80: provided port is not in the valid range. The range of valid ports is 30000-32767",
        ),
        (
            json!({"ipFamilyPolicy": "RequireDualStack"}),
            "Service \\\"out\\\" is invalid: spec.ipFamilyPolicy: Invalid value: \\\"RequireDualStack\\\": this cluster is not configured for dual-stack services",
        ),
        (
            json!({"ipFamilies": ["IPv6"], "clusterIP": "None"}),
            "spec.ipFamilies[0]: Invalid value: \\\"IPv6\\\": not configured on this cluster",
        ),
    ] {
        let refused = post(&server, services, &service("out", asked)).await;
        assert!(refused.code == 422 && refused.body.contains(why), "{}", refused.body);
    }
    let one = post(&server, services, &service("soft", json!({"ipFamilyPolicy": "PreferDualStack"}))).await.json();
    assert_eq!(one["spec"]["ipFamilies"], json!(["IPv4"]));
    let others = service("others", json!({"clusterIP": "None", "selector": {}}));
    let others = post(&server, services, &others).await.json();
    assert_eq!(others["spec"]["ipFamilies"], json!(["IPv4", "IPv6"]), "{others}");
    assert_eq!(others["spec"]["ipFamilyPolicy"], "RequireDualStack");
    // A PUT that leaves out what was allocated keeps it.
    let kept =
        ask(&server, "PUT", &format!("{services}/s"), &[], service("s", json!({"type": "NodePort"})).to_string())
            .await
            .json();
    assert_eq!((&kept["spec"]["clusterIP"], &kept["spec"]["ports"][0]["nodePort"]), (&json!(address), &json!(port)));
    let narrowed =
        ask(&server, "PUT", &format!("{services}/s"), &[], service("s", json!({"type": "ClusterIP"})).to_string())
            .await
            .json();
    assert!(narrowed["spec"]["ports"][0]["nodePort"].is_null(), "{narrowed}");
    assert_eq!(ask(&server, "DELETE", &format!("{services}/s"), &[], "").await.code, 200);
    assert_eq!(
        ask(&server, "GET", &format!("/apis/networking.k8s.io/v1/ipaddresses/{address}"), &[], "").await.code,
        404
    );
    let again = post(&server, services, &service("u", json!({"clusterIP": address, "type": "NodePort", "ports": [{"port": 1, "protocol": "TCP", "nodePort": port}]}))).await;
    assert_eq!(again.code, 201, "{}", again.body);
}

#[tokio::test]
async fn deletecollection_takes_what_is_selected() {
    let server = alone().await;
    for number in 0..5 {
        post(&server, CM, &config_map(&format!("c{number}"), &json!({"l": (number % 2).to_string()}))).await;
    }
    let gone = ask(&server, "DELETE", &format!("{CM}?labelSelector=l%3D1"), &[], "").await.json();
    assert_eq!((gone["items"].as_array().map(Vec::len), &gone["kind"]), (Some(2), &json!("ConfigMapList")));
    let left = ask(&server, "GET", CM, &[], "").await.json();
    assert_eq!(left["items"].as_array().map(Vec::len), Some(3));
}

#[tokio::test]
async fn anonymous_sees_health_and_nothing_else() {
    let server = alone().await;
    for (path, code) in [
        ("/healthz", 200),
        ("/livez/ping", 200),
        ("/readyz?verbose", 200),
        ("/readyz/etcd?timeout=5s", 200),
        ("/readyz?timeout=soon", 400),
        ("/version", 200),
        ("/api", 401),
        ("/api/v1/pods", 401),
        ("/metrics", 401),
    ] {
        let request = apiserver::request::Request {
            method: hyper::Method::GET,
            uri: path.parse().expect("a path"),
            headers: hyper::HeaderMap::new(),
            body: bytes::Bytes::new(),
            user: None,
            from: None,
        };
        assert_eq!(server.handle(request).await.code.as_u16(), code, "{path}");
    }
}

#[tokio::test]
async fn server_side_apply_creates_merges_conflicts_and_takes_away() {
    let server = alone().await;
    let apply = ["Content-Type: application/apply-patch+yaml"];
    let config = |data: &Value| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}).to_string()
    };
    let path = |manager: &str| format!("/api/v1/namespaces/default/configmaps/c?fieldManager={manager}");
    let made = ask(&server, "PATCH", &path("one"), &apply, config(&json!({"a": "1", "b": "1"}))).await;
    assert_eq!((made.code, &made.json()["data"]), (201, &json!({"a": "1", "b": "1"})));
    let entry = &made.json()["metadata"]["managedFields"][0];
    assert_eq!((&entry["manager"], &entry["operation"]), (&json!("one"), &json!("Apply")));
    assert_eq!(entry["fieldsV1"], json!({"f:data": {"f:a": {}, "f:b": {}}}));
    let again = ask(&server, "PATCH", &path("one"), &apply, config(&json!({"a": "1", "b": "1"}))).await;
    assert_eq!((again.code, again.json()), (200, made.json()), "nothing changes, no revision is taken");
    let taken = ask(&server, "PATCH", &path("two"), &apply, config(&json!({"b": "2"}))).await;
    assert_eq!((taken.code, taken.json()["reason"].as_str().map(str::to_owned)), (409, Some("Conflict".into())));
    assert_eq!(taken.json()["details"]["causes"][0]["field"], ".data.b");
    let forced =
        ask(&server, "PATCH", &format!("{}&force=true", path("two")), &apply, config(&json!({"b": "2"}))).await;
    assert_eq!((forced.code, &forced.json()["data"]), (200, &json!({"a": "1", "b": "2"})));
    let less = ask(&server, "PATCH", &path("one"), &apply, config(&json!({}))).await;
    assert_eq!((less.code, &less.json()["data"]), (200, &json!({"b": "2"})));
    let merge = ["Content-Type: application/merge-patch+json", "User-Agent: kubectl/v1.35"];
    let edited =
        ask(&server, "PATCH", "/api/v1/namespaces/default/configmaps/c", &merge, r#"{"data": {"c": "3"}}"#).await;
    let managers = edited.json()["metadata"]["managedFields"].clone();
    let names: Vec<&str> =
        managers.as_array().into_iter().flatten().filter_map(|entry| entry["manager"].as_str()).collect();
    assert_eq!(names, ["two", "kubectl"], "{managers}");
    let dry = ask(&server, "PATCH", &format!("{}&dryRun=All", path("two")), &apply, config(&json!({"b": "4"}))).await;
    assert_eq!((dry.code, &dry.json()["data"]["b"]), (200, &json!("4")));
    let now = ask(&server, "GET", "/api/v1/namespaces/default/configmaps/c", &[], "").await;
    assert_eq!(now.json()["data"], json!({"b": "2", "c": "3"}));
}

#[tokio::test]
async fn a_node_touches_only_its_own_pods() {
    let (server, _) = serve::with_pod().await;
    let request = |node: &str, method: hyper::Method, path: &str| apiserver::request::Request {
        method,
        uri: format!("/api/v1/namespaces/default/{path}").parse().expect("a path"),
        headers: [(hyper::header::CONTENT_TYPE, "application/merge-patch+json".parse().expect("a type"))]
            .into_iter()
            .collect(),
        body: r#"{"status": {"message": "m"}}"#.into(),
        user: Some(apiserver::identity::User::new(&format!("system:node:{node}"), &["system:nodes"])),
        from: None,
    };
    let (patch, delete) = (hyper::Method::PATCH, hyper::Method::DELETE);
    for (node, method, path, code) in [
        ("n2", &patch, "pods/p/status", 403),
        ("n2", &delete, "pods/p", 403),
        ("n2", &delete, "pods/none", 404),
        ("n1", &patch, "pods/p", 403),
        ("n1", &patch, "pods/p/status", 200),
        ("n1", &delete, "pods/p?gracePeriodSeconds=0", 200),
    ] {
        let mut request = request(node, method.clone(), path);
        if method == delete {
            request.body = bytes::Bytes::new();
        }
        assert_eq!(server.handle(request).await.code.as_u16(), code, "{node} {method} {path}");
    }
}

#[tokio::test]
async fn a_definition_that_goes_takes_nothing_new() {
    let server = alone().await;
    let definition = json!({"metadata": {"name": "boats.rutter.dev"}, "spec": {"group": "rutter.dev", "scope": "Namespaced",
        "names": {"plural": "boats", "kind": "Boat"}, "versions": [{"name": "v1", "served": true, "storage": true,
            "schema": {"openAPIV3Schema": {"type": "object"}}}]}});
    let definitions = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let made = post(&server, definitions, &definition).await;
    assert_eq!(made.code, 201, "{}", made.body);
    assert_eq!(made.json()["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    let boats = "/apis/rutter.dev/v1/namespaces/default/boats";
    let boat = |name: &str| json!({"apiVersion": "rutter.dev/v1", "kind": "Boat", "metadata": {"name": name}});
    assert_eq!(post(&server, boats, &boat("b1")).await.code, 201);
    assert_eq!(ask(&server, "DELETE", &format!("{definitions}/boats.rutter.dev"), &[], "").await.code, 200);
    assert_eq!(ask(&server, "GET", &format!("{boats}/b1"), &[], "").await.code, 200, "its objects are still served");
    assert_eq!(post(&server, boats, &boat("b2")).await.code, 405);
}

#[tokio::test]
async fn warnings_end_somewhere() {
    let server = alone().await;
    let mut map = config_map("w", &json!({}));
    for number in 0..500 {
        map[format!("unknown{number}{}", "x".repeat(500))] = 1.into();
    }
    let made = post(&server, "/api/v1/namespaces/default/configmaps?fieldValidation=Warn", &map).await;
    let told: usize = made.headers.get_all("warning").iter().map(|text| text.len()).sum();
    assert!(made.code == 201 && told > 1_000 && told < 8_000, "{} {told}", made.code);
}
