//! Pods, deployments and what is asked of them: generations, status, scale, bindings, graceful deletion, eviction, patches.
mod serve;

use apiserver::server::ApiServer;
use serde_json::{Value, json};
use serve::{Reply, alone, ask};

const PODS: &str = "/api/v1/namespaces/default/pods";
const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";

fn pod(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "a"}},
        "spec": {"containers": [{"name": "c", "image": "i"}]}})
}

fn deployment(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {"replicas": 2,
        "selector": {"matchLabels": {"app": "a"}},
        "template": {"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}}})
}

async fn send(server: &ApiServer, method: &str, path: &str, body: Value) -> Reply {
    let kind = match method {
        "PATCH" if body.is_array() => "Content-Type: application/json-patch+json",
        "PATCH" => "Content-Type: application/merge-patch+json",
        _ => "Content-Type: application/json",
    };
    ask(server, method, path, &[kind], body.to_string()).await
}

async fn get(server: &ApiServer, path: &str) -> Value {
    ask(server, "GET", path, &[], "").await.json()
}

async fn bind(server: &ApiServer, name: &str) {
    let binding = json!({"metadata": {"name": name}, "target": {"kind": "Node", "name": "n1"}});
    assert_eq!(send(server, "POST", &format!("{PODS}/{name}/binding"), binding).await.code, 201);
}

#[tokio::test]
async fn generation_counts_what_is_desired_and_status_stands_apart() {
    let server = alone().await;
    let mut made = deployment("d");
    made["status"] = json!({"replicas": 7});
    let made = send(&server, "POST", DEPLOYMENTS, made).await.json();
    assert_eq!((&made["metadata"]["generation"], &made["status"]["replicas"]), (&json!(1), &Value::Null));
    let one = format!("{DEPLOYMENTS}/d");
    let labeled = send(&server, "PATCH", &one, json!({"metadata": {"labels": {"x": "y"}}})).await.json();
    assert_eq!(labeled["metadata"]["generation"], 1);
    let scaled = send(&server, "PATCH", &one, json!({"spec": {"replicas": 3}, "status": {"replicas": 9}})).await.json();
    assert_eq!((&scaled["metadata"]["generation"], &scaled["status"]["replicas"]), (&json!(2), &Value::Null));
    let status =
        send(&server, "PATCH", &format!("{one}/status"), json!({"spec": {"replicas": 8}, "status": {"replicas": 3}}))
            .await
            .json();
    assert_eq!(
        (&status["spec"]["replicas"], &status["status"]["replicas"], &status["metadata"]["generation"]),
        (&json!(3), &json!(3), &json!(2))
    );
    let same = send(&server, "PATCH", &one, json!({"spec": {"replicas": 3}})).await.json();
    assert_eq!(same["metadata"]["resourceVersion"], status["metadata"]["resourceVersion"]);
}

#[tokio::test]
async fn patches_of_every_kind() {
    let server = alone().await;
    send(&server, "POST", DEPLOYMENTS, deployment("d")).await;
    let one = format!("{DEPLOYMENTS}/d");
    let strategic = json!({"spec": {"template": {"spec": {"containers": [{"name": "side", "image": "s"}]}}}});
    let merged =
        ask(&server, "PATCH", &one, &["Content-Type: application/strategic-merge-patch+json"], strategic.to_string())
            .await
            .json();
    assert_eq!(merged["spec"]["template"]["spec"]["containers"].as_array().map(Vec::len), Some(2), "{merged}");
    let json_patch = json!([{"op": "replace", "path": "/spec/replicas", "value": 5}]);
    assert_eq!(send(&server, "PATCH", &one, json_patch).await.json()["spec"]["replicas"], 5);
    let table = [
        (json!([{"op": "test", "path": "/spec/replicas", "value": 1}]), 422),
        (json!([{"op": "remove", "path": "/spec/none"}]), 422),
        (json!({"metadata": {"resourceVersion": "1"}, "spec": {"replicas": 1}}), 409),
        (json!({"metadata": {"name": "other"}}), 400),
        (json!({"spec": {"replicas": "many"}}), 422),
        (json!([{"op": "replace", "path": "/metadata", "value": 7}]), 400),
        (json!([{"op": "replace", "path": "/spec", "value": "x"}]), 422),
        (json!([{"op": "replace", "path": "", "value": []}]), 400),
    ];
    for (patch, code) in table {
        let reply = send(&server, "PATCH", &one, patch.clone()).await;
        assert_eq!(reply.code, code, "{patch}: {}", reply.body);
    }
    let forced = send(&server, "PATCH", &format!("{one}?force=true"), json!({})).await;
    assert_eq!(forced.code, 422, "{}", forced.body);
    let dry = send(&server, "PATCH", &format!("{one}?dryRun=All"), json!({"spec": {"replicas": 9}})).await.json();
    assert_eq!((&dry["spec"]["replicas"], &get(&server, &one).await["spec"]["replicas"]), (&json!(9), &json!(5)));
}

#[tokio::test]
async fn scale_shows_and_sets_replicas() {
    let server = alone().await;
    send(&server, "POST", DEPLOYMENTS, deployment("d")).await;
    let path = format!("{DEPLOYMENTS}/d/scale");
    let mut scale = get(&server, &path).await;
    assert_eq!(
        (&scale["kind"], &scale["spec"]["replicas"], &scale["status"]["selector"]),
        (&json!("Scale"), &json!(2), &json!("app=a"))
    );
    let table = ask(&server, "GET", &path, &["Accept: application/json;as=Table;v=v1;g=meta.k8s.io"], "").await.json();
    let names: Vec<&Value> =
        table["columnDefinitions"].as_array().expect("columns").iter().map(|column| &column["name"]).collect();
    assert_eq!(names, ["Name", "Desired", "Available", "Age"]);
    assert_eq!((&table["rows"][0]["cells"][0], &table["rows"][0]["cells"][1]), (&json!("d"), &json!(2)));
    scale["spec"]["replicas"] = json!(4);
    let mut other = scale.clone();
    other["metadata"]["name"] = json!("other");
    assert_eq!(send(&server, "PUT", &path, other).await.code, 400, "it is the scale of another");
    assert_eq!(send(&server, "PUT", &path, scale.clone()).await.json()["spec"]["replicas"], 4);
    assert_eq!(send(&server, "PUT", &path, scale).await.code, 409, "its resourceVersion is stale now");
    let patched = send(&server, "PATCH", &path, json!({"spec": {"replicas": 6}})).await.json();
    assert_eq!((&patched["kind"], &patched["spec"]["replicas"]), (&json!("Scale"), &json!(6)));
    let object = get(&server, &format!("{DEPLOYMENTS}/d")).await;
    assert_eq!((&object["spec"]["replicas"], &object["metadata"]["generation"]), (&json!(6), &json!(3)));
    assert_eq!(send(&server, "PATCH", &path, json!({"spec": {"replicas": -1}})).await.code, 422);
    assert_eq!(send(&server, "PATCH", &path, json!({"spec": {"replicas": 5_000_000_000_u64}})).await.code, 400);
    assert_eq!(send(&server, "PATCH", &path, json!({"spec": {"replicas": "x"}})).await.code, 400);
}

#[tokio::test]
async fn pods_are_given_time_to_end_where_they_run() {
    let server = alone().await;
    let made = send(&server, "POST", PODS, pod("free")).await.json();
    assert_eq!((&made["status"]["phase"], &made["status"]["qosClass"]), (&json!("Pending"), &json!("BestEffort")));
    assert_eq!(made["spec"]["serviceAccountName"], "default");
    assert_eq!(ask(&server, "DELETE", &format!("{PODS}/free"), &[], "").await.json()["kind"], "Pod");
    assert_eq!(
        ask(&server, "GET", &format!("{PODS}/free"), &[], "").await.code,
        404,
        "an unscheduled pod goes at once"
    );
    send(&server, "POST", PODS, pod("p")).await;
    bind(&server, "p").await;
    let one = format!("{PODS}/p");
    let begun = ask(&server, "DELETE", &one, &[], "").await.json();
    assert_eq!(begun["metadata"]["deletionGracePeriodSeconds"], 30);
    let shorter = ask(&server, "DELETE", &format!("{one}?gracePeriodSeconds=5"), &[], "").await.json();
    assert_eq!(shorter["metadata"]["deletionGracePeriodSeconds"], 5);
    let longer = ask(&server, "DELETE", &format!("{one}?gracePeriodSeconds=50"), &[], "").await.json();
    assert_eq!(longer["metadata"]["deletionGracePeriodSeconds"], 5, "grace is never made longer");
    // A status written meanwhile does not end it: only its node does.
    let phase = send(&server, "PATCH", &format!("{one}/status"), json!({"status": {"phase": "Running"}})).await;
    assert_eq!(phase.code, 200, "{}", phase.body);
    assert_eq!(ask(&server, "DELETE", &format!("{one}?gracePeriodSeconds=0"), &[], "").await.code, 200);
    assert_eq!(ask(&server, "GET", &one, &[], "").await.code, 404);
}

#[tokio::test]
async fn unknown_fields_are_refused_warned_of_or_ignored() {
    let server = alone().await;
    let path = "/api/v1/namespaces/default/configmaps";
    let bad = r#"{"metadata":{"name":"st","foo":1},"dta":{"a":"b"},"data":{"a":"1","a":"2"}}"#;
    let strict = ask(&server, "POST", &format!("{path}?fieldValidation=Strict"), &[], bad).await;
    let want = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: strict decoding error: unknown field \"metadata.foo\", unknown field \"dta\", duplicate field \"data.a\"";
    assert_eq!((strict.code, strict.json()["message"].as_str()), (400, Some(want)));
    let warned = ask(&server, "POST", path, &[], bad).await;
    let warnings: Vec<&str> =
        warned.headers.get_all("warning").iter().filter_map(|value| value.to_str().ok()).collect();
    assert_eq!((warned.code, warnings.len(), warnings[0]), (201, 3, "299 - \"unknown field \\\"metadata.foo\\\"\""));
    let ignored = ask(&server, "PUT", &format!("{path}/st?fieldValidation=Ignore"), &[], bad).await;
    assert_eq!((ignored.code, ignored.headers.get_all("warning").iter().count()), (200, 0));
    assert!(ignored.json().get("dta").is_none());
    let wrong = ask(&server, "POST", path, &[], r#"{"metadata":{"name":"wt"},"data":{"a":1}}"#).await;
    let want = "ConfigMap in version \"v1\" cannot be handled as a ConfigMap: json: cannot unmarshal number into Go struct field ConfigMap.data of type string";
    assert_eq!((wrong.code, wrong.json()["message"].as_str()), (400, Some(want)));
}

#[tokio::test]
async fn bodies_come_in_three_forms_and_names_can_be_drawn() {
    let server = alone().await;
    let path = "/api/v1/namespaces/default/configmaps";
    let yaml =
        ask(&server, "POST", path, &["Content-Type: application/yaml"], "metadata: {name: y1}\ndata: {a: b}\n").await;
    assert_eq!(yaml.code, 201, "{}", yaml.body);
    // An envelope: TypeMeta {v1, ConfigMap}, raw: metadata.name = "pb".
    let raw = [&b"\x0a\x04\x0a\x02pb"[..]].concat();
    let meta = b"\x0a\x02v1\x12\x09ConfigMap";
    let body = [b"k8s\0\x0a", &[meta.len() as u8][..], meta, b"\x12", &[raw.len() as u8][..], &raw].concat();
    let protobuf = ask(&server, "POST", path, &["Content-Type: application/vnd.kubernetes.protobuf"], body).await;
    assert_eq!((protobuf.code, protobuf.json()["metadata"]["name"].as_str()), (201, Some("pb")), "{}", protobuf.body);
    let text = ask(&server, "POST", path, &["Content-Type: text/plain"], "x").await;
    assert_eq!(text.code, 415);
    let drawn = send(&server, "POST", path, json!({"metadata": {"generateName": "gn-"}})).await.json();
    let name = drawn["metadata"]["name"].as_str().expect("a name");
    assert!(name.starts_with("gn-") && name.len() == 8, "{name}");
    let out = ask(&server, "GET", &format!("{path}/y1"), &["Accept: application/yaml"], "").await;
    assert!(out.body.contains("kind: ConfigMap") && out.headers["content-type"] == "application/yaml", "{}", out.body);
}

#[tokio::test]
async fn reviews_answer_from_the_same_rules() {
    let server = alone().await;
    let path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews";
    let review = json!({"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}});
    let mine = send(&server, "POST", path, review.clone()).await;
    assert_eq!((mine.code, &mine.json()["status"]["allowed"]), (201, &json!(true)));
    let bob = ask(&server, "POST", path, &["Impersonate-User: bob"], review.to_string()).await;
    assert_eq!((bob.code, &bob.json()["status"]["allowed"]), (201, &json!(false)));
    let refused = ask(&server, "GET", "/api/v1/namespaces", &["Impersonate-User: bob"], "").await;
    let want = "namespaces is forbidden: User \"bob\" cannot list resource \"namespaces\" in API group \"\" at the cluster scope";
    assert_eq!((refused.code, refused.json()["message"].as_str()), (403, Some(want)));
    let table =
        ask(&server, "POST", path, &["Accept: application/json;as=Table;v=v1;g=meta.k8s.io"], review.to_string()).await;
    assert_eq!(table.code, 406);
}

#[tokio::test]
async fn discovery_in_both_forms_with_a_tag() {
    let server = alone().await;
    let v2 = "Accept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/json";
    let whole = ask(&server, "GET", "/apis", &[v2], "").await;
    assert_eq!(whole.json()["kind"], "APIGroupDiscoveryList");
    let tag = whole.headers["etag"].to_str().expect("text").to_owned();
    let again = ask(&server, "GET", "/apis", &[v2, &format!("If-None-Match: {tag}")], "").await;
    assert_eq!((again.code, again.body.as_str()), (304, ""));
    assert_eq!(get(&server, "/apis").await["kind"], "APIGroupList");
    assert_eq!(get(&server, "/apis/apps").await["preferredVersion"]["version"], "v1");
    let resources = get(&server, "/apis/apps/v1").await;
    let names: Vec<&str> =
        resources["resources"].as_array().expect("a list").iter().filter_map(|r| r["name"].as_str()).collect();
    assert!(names.contains(&"deployments") && names.contains(&"deployments/scale"), "{names:?}");
    assert_eq!(get(&server, "/version").await["minor"], "35");
}

#[tokio::test]
async fn a_daemon_sets_template_is_counted_whatever_its_writers_say() {
    let server = alone().await;
    let sets = "/apis/apps/v1/namespaces/default/daemonsets";
    let counted = "deprecated.daemonset.template.generation";
    let count = |set: &Value| set["metadata"]["annotations"][counted].as_str().unwrap_or_default().to_owned();
    let mut wanted = deployment("d");
    wanted["kind"] = "DaemonSet".into();
    wanted["spec"].as_object_mut().expect("a spec").remove("replicas");
    let made = send(&server, "POST", sets, wanted.clone()).await.json();
    assert_eq!((count(&made), &made["metadata"]["generation"]), ("1".into(), &json!(1)));
    let one = format!("{sets}/d");
    for (change, want) in [
        (json!({"metadata": {"annotations": {counted: "7", "a": "b"}}}), ("1", 1)),
        (json!({"metadata": {"annotations": null}}), ("1", 1)),
        (json!({"spec": {"minReadySeconds": 3}}), ("1", 2)),
        (json!({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}}), ("2", 3)),
        (json!({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": 1}}}}), ("2", 3)),
    ] {
        let patched = send(&server, "PATCH", &one, change.clone()).await.json();
        let generation = patched["metadata"]["generation"].as_i64().unwrap_or(0);
        assert_eq!((count(&patched).as_str(), generation), want, "{change}");
    }
    let status = json!({"metadata": {"name": "d", "annotations": {"x": "y"}}, "status": {"numberReady": 1}});
    let patched = send(&server, "PATCH", &format!("{one}/status"), status).await.json();
    assert_eq!((count(&patched), &patched["status"]["numberReady"]), ("2".into(), &json!(1)));
    wanted["metadata"] = json!({"name": "e", "annotations": {counted: "999"}});
    assert_eq!(count(&send(&server, "POST", sets, wanted).await.json()), "999");
}
