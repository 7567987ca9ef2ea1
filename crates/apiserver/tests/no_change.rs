//! A write that changes nothing moves nothing: neither the object's revision nor the cluster's, whichever way it is written.
mod serve;

use apiserver::server::ApiServer;
use serde_json::{Value, json};
use serve::{Reply, alone, ask};
use std::path::Path;

/// An object of every kind that the fuzzer begins with.
fn objects() -> Vec<Value> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus/json");
    let mut files: Vec<_> =
        std::fs::read_dir(folder).expect("the corpus").map(|file| file.expect("a file").path()).collect();
    files.sort();
    let read = |file: &std::path::PathBuf| serde_json::from_slice::<Value>(&std::fs::read(file).expect("a file")).ok();
    files.iter().filter_map(read).filter(|object| object["kind"].is_string() && object["dta"].is_null()).collect()
}

/// Where objects of its kind are.
async fn collection(api: &ApiServer, object: &Value) -> String {
    let version = object["apiVersion"].as_str().expect("a version");
    let root = if version.contains('/') { format!("/apis/{version}") } else { format!("/api/{version}") };
    let resources = ask(api, "GET", &root, &[], "").await.json();
    let of_kind = |resource: &&Value| {
        resource["kind"] == object["kind"] && !resource["name"].as_str().unwrap_or_default().contains('/')
    };
    let resource = resources["resources"].as_array().expect("resources").iter().find(of_kind).expect("a resource");
    let name = resource["name"].as_str().expect("a name");
    if resource["namespaced"] == true { format!("{root}/namespaces/default/{name}") } else { format!("{root}/{name}") }
}

async fn moved(api: &ApiServer) -> Value {
    ask(api, "GET", "/api/v1/namespaces", &[], "").await.json()["metadata"]["resourceVersion"].clone()
}

async fn patch(api: &ApiServer, path: &str, way: &str, body: &Value) -> Reply {
    let way = format!("Content-Type: application/{way}");
    ask(api, "PATCH", path, &[way.as_str(), "User-Agent: m"], body.to_string()).await
}

/// Each way to write what is there already.
async fn written(api: &ApiServer, path: &str, live: &Value, config: &Value) -> Vec<(&'static str, Reply)> {
    let mut bare = live.clone();
    for member in ["resourceVersion", "uid", "creationTimestamp", "managedFields", "generation"] {
        bare["metadata"].as_object_mut().expect("metadata").remove(member);
    }
    // A pod that was posted says nothing of what admission gave it, and would take it away.
    // Admission gives a node a taint too, and claims and volumes a finalizer.
    let given = ["Pod", "Node", "PersistentVolume", "PersistentVolumeClaim"];
    let config = if given.iter().any(|kind| live["kind"] == *kind) { &bare } else { config };
    let unchanged =
        json!({"metadata": {"labels": live["metadata"]["labels"]}, "spec": live["spec"], "data": live["data"]});
    let test = json!([{"op": "test", "path": "/kind", "value": live["kind"]}, {"op": "add", "path": "/kind", "value": live["kind"]}]);
    let mut all = vec![
        ("put of what was read", ask(api, "PUT", path, &["User-Agent: m"], live.to_string()).await),
        ("put of another client", ask(api, "PUT", path, &["User-Agent: other"], live.to_string()).await),
        ("put without metadata of the server", ask(api, "PUT", path, &["User-Agent: m"], bare.to_string()).await),
        ("put of what was posted", ask(api, "PUT", path, &["User-Agent: m"], config.to_string()).await),
        ("empty merge patch", patch(api, path, "merge-patch+json", &json!({})).await),
        ("merge patch of what is there", patch(api, path, "merge-patch+json", &unchanged).await),
        ("empty JSON patch", patch(api, path, "json-patch+json", &json!([])).await),
        ("JSON patch that tests", patch(api, path, "json-patch+json", &test).await),
        ("empty strategic patch", patch(api, path, "strategic-merge-patch+json", &json!({})).await),
        ("strategic patch of what is there", patch(api, path, "strategic-merge-patch+json", &unchanged).await),
        ("strategic patch of what was posted", patch(api, path, "strategic-merge-patch+json", config).await),
    ];
    let yaml = "Content-Type: application/apply-patch+yaml";
    let apply = format!("{path}?fieldManager=applier&force=true");
    let first = ask(api, "PATCH", &apply, &[yaml], config.to_string()).await;
    assert_eq!(first.code, 200, "{path}: {}", first.body);
    all.push(("apply, once more", ask(api, "PATCH", &apply, &[yaml], config.to_string()).await));
    all
}

#[tokio::test]
async fn what_changes_nothing_moves_nothing() {
    let api = alone().await;
    let mut wrong = Vec::new();
    let objects = objects();
    assert!(objects.len() > 15, "kinds of objects");
    for config in objects {
        let all = collection(&api, &config).await;
        let made = ask(&api, "POST", &all, &["User-Agent: m"], config.to_string()).await;
        if made.code != 201 {
            wrong.push(format!("{all}: {}", made.body));
            continue;
        }
        let path = format!("{all}/{}", config["metadata"]["name"].as_str().expect("a name"));
        let live = ask(&api, "GET", &path, &[], "").await.json();
        let before = moved(&api).await;
        for (way, reply) in written(&api, &path, &live, &config).await {
            if !(matches!(reply.code, 200) || (reply.code == 415 && way.contains("strategic"))) {
                wrong.push(format!("{path}: {way}: {} {}", reply.code, reply.body));
            } else if way.starts_with("apply") {
                // The first apply noted who applies: that alone moved the cluster, as is seen below.
                let now = ask(&api, "GET", &path, &[], "").await.json();
                assert_eq!(reply.json(), now, "{path}: {way}");
            } else if reply.json()["metadata"]["resourceVersion"] != live["metadata"]["resourceVersion"] {
                wrong.push(format!("{path}: {way} makes\n{}\nof\n{live}", reply.body));
            }
        }
        // The first apply noted who owns what, and nothing else moved.
        let now = moved(&api).await;
        let count = |revision: &Value| revision.as_str().and_then(|text| text.parse::<u64>().ok()).expect("a revision");
        if count(&now) > count(&before) + 1 {
            wrong.push(format!("{path}: the cluster moved from {before} to {now}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
