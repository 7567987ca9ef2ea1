//! Quotas at the door: words, races, what a pod must say, and what a change costs.
mod serve;

use apiserver::server::ApiServer;
use futures::future::join_all;
use serde_json::{Value, json};
use serve::{Reply, alone, ask};

const ALL: &str = "/api/v1/namespaces/default";

async fn send(server: &ApiServer, method: &str, path: &str, body: Value) -> Reply {
    let kind = if method == "PATCH" { "merge-patch+json" } else { "json" };
    ask(server, method, path, &[&format!("Content-Type: application/{kind}")], body.to_string()).await
}

async fn quota(server: &ApiServer, hard: Value) {
    let body = json!({"metadata": {"name": "q"}, "spec": {"hard": hard}});
    let made = send(server, "POST", &format!("{ALL}/resourcequotas"), body).await;
    assert_eq!(made.code, 201, "{}", made.body);
}

async fn used(server: &ApiServer) -> Value {
    ask(server, "GET", &format!("{ALL}/resourcequotas/q"), &[], "").await.json()["status"]["used"].clone()
}

fn pod(name: &str, resources: Value) -> Value {
    json!({"metadata": {"name": name}, "spec": {"containers": [{"name": "c", "image": "i", "resources": resources}]}})
}

async fn create(server: &ApiServer, name: &str) -> Reply {
    send(server, "POST", &format!("{ALL}/pods"), pod(name, json!({}))).await
}

#[tokio::test]
async fn what_is_too_much_is_refused_in_kubernetes_words() {
    let server = alone().await;
    assert_eq!(create(&server, "p0").await.code, 201);
    quota(&server, json!({"pods": "2"})).await;
    let made = create(&server, "p1").await;
    assert_eq!(made.code, 201, "{}", made.body);
    assert_eq!(used(&server).await, json!({"pods": "2"}), "what was there already counts");
    let refused = create(&server, "p2").await;
    let want = "pods \"p2\" is forbidden: exceeded quota: q, requested: pods=1, used: pods=2, limited: pods=2";
    assert_eq!((refused.code, refused.json()["message"].as_str()), (403, Some(want)));
    assert_eq!(refused.json()["reason"], "Forbidden");
    let status = json!({"status": {"phase": "Succeeded"}});
    assert_eq!(send(&server, "PATCH", &format!("{ALL}/pods/p0/status"), status).await.code, 200);
    assert_eq!(create(&server, "p2").await.code, 201, "a finished pod is not counted");
    let tried = send(&server, "POST", &format!("{ALL}/pods?dryRun=All"), pod("p3", json!({}))).await;
    assert_eq!(tried.code, 403);
}

#[tokio::test]
async fn a_dry_run_charges_nothing_and_a_charge_is_part_of_the_command() {
    let server = alone().await;
    quota(&server, json!({"configmaps": "2"})).await;
    let maps = format!("{ALL}/configmaps");
    let map = |name: &str| json!({"metadata": {"name": name}});
    assert_eq!(send(&server, "POST", &format!("{maps}?dryRun=All"), map("m")).await.code, 201);
    assert_eq!(used(&server).await, Value::Null);
    let made = send(&server, "POST", &maps, map("m")).await.json();
    let quota = ask(&server, "GET", &format!("{ALL}/resourcequotas/q"), &[], "").await.json();
    let revision = |object: &Value| -> u64 {
        object["metadata"]["resourceVersion"].as_str().expect("a revision").parse().expect("a number")
    };
    assert_eq!(revision(&made) + 1, revision(&quota), "one command writes both");
    assert_eq!(quota["status"], json!({"hard": {"configmaps": "2"}, "used": {"configmaps": "1"}}));
    assert_eq!(send(&server, "POST", &maps, map("m")).await.code, 409, "taken is taken");
    assert_eq!(used(&server).await, json!({"configmaps": "1"}));
}

#[tokio::test]
async fn who_races_gets_what_is_left_and_no_conflict() {
    let server = alone().await;
    quota(&server, json!({"pods": "5"})).await;
    let names: Vec<String> = (0..20).map(|number| format!("p{number}")).collect();
    let codes: Vec<u16> =
        join_all(names.iter().map(|name| create(&server, name))).await.iter().map(|reply| reply.code).collect();
    let count = |code: u16| codes.iter().filter(|found| **found == code).count();
    assert_eq!((count(201), count(403)), (5, 15), "{codes:?}");
    assert_eq!(used(&server).await, json!({"pods": "5"}));
}

#[tokio::test]
async fn a_pod_must_say_what_is_counted() {
    let server = alone().await;
    quota(&server, json!({"limits.cpu": "1", "requests.memory": "1Gi"})).await;
    let refused = create(&server, "p").await;
    let want = "pods \"p\" is forbidden: failed quota: q: must specify limits.cpu for: c; requests.memory for: c";
    assert_eq!((refused.code, refused.json()["message"].as_str()), (403, Some(want)));
    let says = json!({"limits": {"cpu": "600m"}, "requests": {"memory": "256Mi"}});
    assert_eq!(send(&server, "POST", &format!("{ALL}/pods"), pod("p", says.clone())).await.code, 201);
    assert_eq!(used(&server).await, json!({"limits.cpu": "600m", "requests.memory": "256Mi"}));
    let refused = send(&server, "POST", &format!("{ALL}/pods"), pod("q", says)).await;
    let want = "exceeded quota: q, requested: limits.cpu=600m, used: limits.cpu=600m, limited: limits.cpu=1";
    assert!(refused.body.contains(want), "{}", refused.body);
}

#[tokio::test]
async fn a_service_that_becomes_more_is_charged() {
    let server = alone().await;
    let own = ask(&server, "GET", &format!("{ALL}/services"), &[], "").await.json();
    let there = own["items"].as_array().map_or(0, Vec::len);
    quota(&server, json!({"services": (there + 1).to_string(), "services.nodeports": "1"})).await;
    let service = json!({"metadata": {"name": "s"}, "spec": {"ports": [{"port": 80}, {"port": 81, "name": "b"}],
        "selector": {"a": "b"}}});
    let mut service = service;
    service["spec"]["ports"][0]["name"] = "a".into();
    let made = send(&server, "POST", &format!("{ALL}/services"), service).await;
    assert_eq!(made.code, 201, "{}", made.body);
    let one = format!("{ALL}/services/s");
    let refused = send(&server, "PATCH", &one, json!({"spec": {"type": "NodePort"}})).await;
    assert_eq!(refused.code, 403, "{}", refused.body);
    assert!(refused.body.contains("requested: services.nodeports=2, used: services.nodeports=0"), "{}", refused.body);
    let fewer = json!({"spec": {"type": "NodePort", "ports": [{"port": 80, "name": "a"}]}});
    assert_eq!(send(&server, "PATCH", &one, fewer).await.code, 200);
    assert_eq!(used(&server).await["services.nodeports"], "1");
}
