//! Evictions and the budgets that allow them: what they cost, whom they spare, and that many at once spend nothing twice.
mod serve;

use apiserver::server::ApiServer;
use futures::future::join_all;
use serde_json::{Value, json};
use serve::{Reply, alone, ask};

const PODS: &str = "/api/v1/namespaces/default/pods";
const BUDGETS: &str = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";

async fn send(server: &ApiServer, method: &str, path: &str, body: Value) -> Reply {
    let kind = if method == "PATCH" { "merge-patch+json" } else { "json" };
    ask(server, method, path, &[&format!("Content-Type: application/{kind}")], body.to_string()).await
}

async fn get(server: &ApiServer, path: &str) -> Value {
    ask(server, "GET", path, &[], "").await.json()
}

async fn evict(server: &ApiServer, name: &str) -> Reply {
    evict_with(server, name, json!({})).await
}

async fn evict_with(server: &ApiServer, name: &str, options: Value) -> Reply {
    let meta = json!({"name": name, "namespace": "default"});
    let body = json!({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta, "deleteOptions": options});
    send(server, "POST", &format!("{PODS}/{name}/eviction"), body).await
}

/// A pod that runs on a node, ready or not.
async fn run(server: &ApiServer, name: &str, ready: bool) {
    let spec = json!({"containers": [{"name": "c", "image": "i"}]});
    let pod = json!({"metadata": {"name": name, "labels": {"app": "a"}}, "spec": spec});
    assert_eq!(send(server, "POST", PODS, pod).await.code, 201);
    let binding = json!({"metadata": {"name": name}, "target": {"kind": "Node", "name": "n1"}});
    assert_eq!(send(server, "POST", &format!("{PODS}/{name}/binding"), binding).await.code, 201);
    state(server, name, ready).await;
}

async fn state(server: &ApiServer, name: &str, ready: bool) {
    let ready = json!([{"type": "Ready", "status": if ready { "True" } else { "False" }}]);
    let status = json!({"status": {"phase": "Running", "conditions": ready}});
    assert_eq!(send(server, "PATCH", &format!("{PODS}/{name}/status"), status).await.code, 200);
}

/// A budget, counted as its controller would: healthy, desired, allowed.
async fn budget(server: &ApiServer, spec: Value, counts: [i64; 3]) {
    let mut body = json!({"metadata": {"name": "b"}, "spec": {"selector": {"matchLabels": {"app": "a"}}}});
    for (member, value) in spec.as_object().expect("members") {
        body["spec"][member] = value.clone();
    }
    let made = send(server, "POST", BUDGETS, body).await;
    assert_eq!(made.code, 201, "{}", made.body);
    let [healthy, desired, allowed] = counts;
    let status = json!({"currentHealthy": healthy, "desiredHealthy": desired, "disruptionsAllowed": allowed,
        "expectedPods": healthy, "observedGeneration": made.json()["metadata"]["generation"],
        "conditions": [{"type": "DisruptionAllowed", "status": "True", "reason": "SufficientPods", "message": "",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}]});
    let counted = send(server, "PATCH", &format!("{BUDGETS}/b/status"), json!({"status": status})).await;
    assert_eq!(counted.code, 200, "{}", counted.body);
}

#[tokio::test]
async fn an_eviction_spends_and_ends_in_one_command() {
    let server = alone().await;
    for name in ["p", "q"] {
        run(&server, name, true).await;
    }
    budget(&server, json!({"minAvailable": 1}), [2, 1, 1]).await;
    let before = get(&server, &format!("{BUDGETS}/b")).await;
    let tried = evict_with(&server, "p", json!({"dryRun": ["All"]})).await;
    assert_eq!(tried.code, 201, "{}", tried.body);
    assert_eq!(get(&server, &format!("{BUDGETS}/b")).await, before, "a dry run spends nothing");
    assert_eq!(evict(&server, "p").await.code, 201);
    let (pod, spent) = (get(&server, &format!("{PODS}/p")).await, get(&server, &format!("{BUDGETS}/b")).await);
    assert!(pod["metadata"]["deletionTimestamp"].is_string());
    let disrupted = &pod["status"]["conditions"][1];
    assert_eq!(
        (&disrupted["type"], &disrupted["status"], &disrupted["reason"], &disrupted["message"]),
        (&json!("DisruptionTarget"), &json!("True"), &json!("EvictionByEvictionAPI"), &json!("Eviction API: evicting"))
    );
    assert_eq!(spent["status"]["disruptionsAllowed"], 0);
    assert!(spent["status"]["disruptedPods"]["p"].is_string());
    assert_eq!(spent["status"]["conditions"][0]["reason"], "InsufficientPods");
    let revision = |object: &Value| -> u64 {
        object["metadata"]["resourceVersion"].as_str().expect("a revision").parse().expect("a number")
    };
    assert_eq!(revision(&pod) + 1, revision(&spent), "one command writes both");
    let second = evict(&server, "q").await;
    assert_eq!((second.code, &second.json()["details"]["causes"][0]["reason"]), (429, &json!("DisruptionBudget")));
    let cause = second.json()["details"]["causes"][0]["message"].clone();
    assert_eq!(cause, "The disruption budget b needs 1 healthy pods and has 1 currently");
    assert_eq!(evict(&server, "p").await.code, 201, "what ends already costs nothing");
}

#[tokio::test]
async fn of_many_evictions_at_once_as_many_are_granted_as_are_allowed() {
    let server = alone().await;
    let names = ["p1", "p2", "p3", "p4", "p5"];
    for name in names {
        run(&server, name, true).await;
    }
    budget(&server, json!({"minAvailable": 3}), [5, 3, 2]).await;
    let codes = join_all(names.map(|name| evict(&server, name))).await;
    let granted = codes.iter().filter(|reply| reply.code == 201).count();
    assert_eq!(granted, 2, "{codes:?}");
    let pods = get(&server, PODS).await;
    let ending = pods["items"].as_array().expect("items");
    let ending = ending.iter().filter(|pod| pod["metadata"]["deletionTimestamp"].is_string()).count();
    assert_eq!(ending, 2);
}

#[tokio::test]
async fn what_was_lost_since_the_count_is_not_spent() {
    let server = alone().await;
    for name in ["p", "q"] {
        run(&server, name, true).await;
    }
    budget(&server, json!({"minAvailable": 1}), [2, 1, 1]).await;
    state(&server, "q", false).await;
    assert_eq!(evict(&server, "p").await.code, 429, "the other is no longer healthy");
    let stale = json!({"spec": {"minAvailable": 2}});
    assert_eq!(send(&server, "PATCH", &format!("{BUDGETS}/b"), stale).await.code, 200);
    let unseen = evict(&server, "p").await;
    assert_eq!((unseen.code, &unseen.json()["details"]["retryAfterSeconds"]), (429, &json!(10)));
}

#[tokio::test]
async fn unhealthy_pods_go_by_their_policy() {
    for (policy, counts, want) in [
        (Value::Null, [2, 2, 0], 201),
        (json!("IfHealthyBudget"), [2, 3, 0], 429),
        (json!("AlwaysAllow"), [2, 3, 0], 201),
    ] {
        let server = alone().await;
        run(&server, "p", true).await;
        run(&server, "q", true).await;
        run(&server, "ill", false).await;
        let mut spec = json!({"minAvailable": counts[1]});
        if !policy.is_null() {
            spec["unhealthyPodEvictionPolicy"] = policy.clone();
        }
        budget(&server, spec, counts).await;
        let before = get(&server, &format!("{BUDGETS}/b")).await;
        let reply = evict(&server, "ill").await;
        assert_eq!(reply.code, want, "{policy}: {}", reply.body);
        assert_eq!(get(&server, &format!("{BUDGETS}/b")).await, before, "{policy}: it costs nothing");
    }
}
