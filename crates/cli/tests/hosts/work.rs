//! What clients do while hosts fail: count, make and take away, list, read the past, scale. They go on whatever they are told; only the
//! invariants know what is right.
use super::client::{Client, Record, revision};
use crate::client::Target;
use serde_json::{Value, json};
use simulation::whole::workload::COUNTER;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(40);
/// Objects that one client keeps.
const KEPT: u64 = 12;
const PAGE: usize = 7;
pub(crate) const DEPLOYMENT: &str = "/apis/apps/v1/namespaces/counters/deployments/web";
pub(crate) const PODS: &str = "/api/v1/namespaces/counters/pods";
const CONFIG_MAPS: &str = "/api/v1/namespaces/counters/configmaps";

/// What stands in the environment of each container of this test.
pub(crate) fn mark() -> (&'static str, String) {
    ("MARK", format!("hosts-{}", std::process::id()))
}

/// Makes what the clients work on.
pub(crate) async fn prepare(client: &mut Client) {
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": COUNTER.1}});
    made(client, "/api/v1/namespaces", namespace).await;
    let meta = json!({"name": COUNTER.2});
    let counter = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": {"count": "0"}});
    made(client, CONFIG_MAPS, counter).await;
    let labels = json!({"app": "web"});
    // Plain processes share their host's ports, so these need none.
    let (name, value) = mark();
    let container = json!({"name": "c", "image": "rutter.dev/hello", "command": ["sleep", "1000"],
        "env": [{"name": name, "value": value}]});
    let spec = json!({"terminationGracePeriodSeconds": 1, "containers": [container]});
    let template = json!({"metadata": {"labels": labels}, "spec": spec});
    let spec = json!({"replicas": 3, "selector": {"matchLabels": labels}, "template": template});
    let web = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec});
    made(client, "/apis/apps/v1/namespaces/counters/deployments", web).await;
}

async fn made(client: &mut Client, path: &str, body: Value) {
    while !matches!(client.ask("POST", path, body.clone()).await, Some((201 | 409, _))) {
        rt::sleep(PAUSE).await;
    }
}

/// All clients, until they are told that it is over.
pub(crate) async fn all(members: Arc<[Target]>, record: Arc<Record>) {
    let client = |number| Client::new(&members, number, &record);
    let mut tasks = Vec::new();
    for number in 0..3 {
        tasks.push(rt::spawn("counter", repeat(client(number), count)));
    }
    for number in 3..5 {
        tasks.push(rt::spawn("maker", repeat(client(number), make)));
    }
    for number in 5..7 {
        tasks.push(rt::spawn("lister", repeat(client(number), list)));
    }
    tasks.push(rt::spawn("scaler", repeat(client(7), scale)));
    for task in tasks {
        task.await.expect("a client ends");
    }
}

/// All watchers, until they are told that nobody is there any more.
pub(crate) async fn watch(members: Arc<[Target]>, record: Arc<Record>) {
    let watcher = |resource| rt::spawn("watcher", Client::new(&members, 8, &record).watch(resource));
    for task in ["configmaps", "pods"].map(watcher) {
        task.await.expect("a watcher ends");
    }
}

/// Does it again and again, now and then of another member.
async fn repeat(mut client: Client, act: impl AsyncFn(&mut Client, u64)) {
    let mut turn = 0;
    while !client.record.over.load(Ordering::SeqCst) {
        act(&mut client, turn).await;
        rt::sleep(PAUSE).await;
        turn += 1;
        if turn.is_multiple_of(20) {
            client.turn();
        }
    }
}

async fn count(client: &mut Client, _: u64) {
    let one = format!("{CONFIG_MAPS}/{}", COUNTER.2);
    let Some((200, mut object)) = client.ask("GET", &one, Value::Null).await else { return };
    let count: u64 = object["data"]["count"].as_str().and_then(|count| count.parse().ok()).unwrap_or(0);
    object["data"]["count"] = (count + 1).to_string().into();
    client.ask("PUT", &one, object).await;
}

async fn make(client: &mut Client, turn: u64) {
    let number = client.number;
    let name = format!("w{number}-{turn}");
    let body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"v": name}});
    if client.ask("POST", CONFIG_MAPS, body.clone()).await.is_none() {
        // Whether it is there nobody knows; whoever makes it again is told.
        client.ask("POST", CONFIG_MAPS, body).await;
    }
    client.ask("GET", &format!("{CONFIG_MAPS}/{name}"), Value::Null).await;
    if let Some(old) = turn.checked_sub(KEPT) {
        client.ask("DELETE", &format!("{CONFIG_MAPS}/w{number}-{old}"), Value::Null).await;
        client.ask("GET", &format!("{CONFIG_MAPS}/w{number}-{old}"), Value::Null).await;
    }
}

async fn list(client: &mut Client, turn: u64) {
    let path = ["/api/v1/configmaps", PODS, "/api/v1/nodes", "/apis/apps/v1/deployments"][usize::from(turn as u8 % 4)];
    let Some((200, whole)) = client.ask("GET", path, Value::Null).await else { return };
    let then = revision(&whole).saturating_sub(turn % 50).max(1);
    client.ask("GET", &format!("/asof/{then}{path}"), Value::Null).await;
    let first = client.ask("GET", &format!("{path}?limit={PAGE}"), Value::Null).await;
    let Some((200, first)) = first else { return };
    if let Some(token) = first["metadata"]["continue"].as_str() {
        client.ask("GET", &format!("{path}?limit={PAGE}&continue={token}"), Value::Null).await;
    }
}

async fn scale(client: &mut Client, turn: u64) {
    if turn % 20 == 0 {
        replicas(client, 2 + turn / 20 % 4).await;
    }
    if turn % 20 == 10
        && let Some((200, pods)) = client.ask("GET", PODS, Value::Null).await
        && let Some(name) = pods["items"][0]["metadata"]["name"].as_str()
    {
        client.ask("DELETE", &format!("{PODS}/{name}"), Value::Null).await;
    }
}

/// Scales the Deployment; true if that was acknowledged.
pub(crate) async fn replicas(client: &mut Client, many: u64) -> bool {
    let Some((200, mut web)) = client.ask("GET", DEPLOYMENT, Value::Null).await else { return false };
    web["spec"]["replicas"] = many.into();
    matches!(client.ask("PUT", DEPLOYMENT, web).await, Some((200, _)))
}
