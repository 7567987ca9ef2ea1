//! Flow schemas and priority levels as clients meet them: those of every cluster, their verbs, and the headers that tell a request's own.
mod serve;

use apiserver::identity::User;
use apiserver::server::ApiServer;
use serde_json::{Value, json};
use serve::{Reply, alone, ask, ask_as};

const GROUP: &str = "/apis/flowcontrol.apiserver.k8s.io/v1";
const MERGE: &str = "Content-Type: application/merge-patch+json";

async fn uid(api: &ApiServer, path: &str) -> String {
    let found = ask(api, "GET", &format!("{GROUP}/{path}"), &[], "").await.json();
    found["metadata"]["uid"].as_str().unwrap_or_else(|| panic!("{path}: {found}")).to_owned()
}

/// The uids of schema and level that an answer tells.
fn told(reply: &Reply) -> (Option<&str>, Option<&str>) {
    let of = |name: &str| reply.headers.get(name).map(|value| value.to_str().expect("text"));
    (of("x-kubernetes-pf-flowschema-uid"), of("x-kubernetes-pf-prioritylevel-uid"))
}

#[tokio::test]
async fn a_request_is_told_its_schema_and_level() {
    let api = alone().await;
    let pair = async |schema: &str, level: &str| {
        (
            uid(&api, &format!("flowschemas/{schema}")).await,
            uid(&api, &format!("prioritylevelconfigurations/{level}")).await,
        )
    };
    let (exempt, other) = (pair("exempt", "exempt").await, pair("global-default", "global-default").await);
    fn both((schema, level): &(String, String)) -> (Option<&str>, Option<&str>) {
        (Some(schema), Some(level))
    }
    assert_eq!(told(&ask(&api, "GET", "/api/v1/pods", &[], "").await), both(&exempt));
    let ann = || Some(User::new("ann", &[]));
    let refused = ask_as(&api, ann(), "GET", "/api/v1/pods", &[], "").await;
    assert_eq!((refused.code, told(&refused)), (403, both(&other)));
    assert_eq!(told(&ask_as(&api, None, "GET", "/api/v1/pods", &[], "").await), (None, None), "nobody is of no flow");
    let watch = ask(&api, "GET", "/api/v1/pods?watch=1&timeoutSeconds=1", &[], "").await;
    assert_eq!(told(&watch), both(&exempt));
    // One's own, from the moment it is made, and no longer than it is there.
    let level = json!({"metadata": {"name": "own"}, "spec": {"type": "Limited", "limited": {"limitResponse": {"type": "Reject"}}}});
    let schema = json!({"metadata": {"name": "own"}, "spec": {"matchingPrecedence": 9, "priorityLevelConfiguration": {"name": "own"},
        "rules": [{"subjects": [{"kind": "User", "user": {"name": "ann"}}], "resourceRules": [
            {"verbs": ["list"], "apiGroups": [""], "resources": ["pods"], "clusterScope": true}]}]}});
    for (path, body) in [("flowschemas", &schema), ("prioritylevelconfigurations", &level)] {
        let reply = ask_as(&api, ann(), "GET", "/api/v1/pods", &[], "").await;
        assert_eq!(told(&reply), both(&other), "a schema without its level takes nothing");
        let made = ask(&api, "POST", &format!("{GROUP}/{path}"), &[], body.to_string()).await;
        assert_eq!(made.code, 201, "{}", made.body);
    }
    let own = pair("own", "own").await;
    assert_eq!(told(&ask_as(&api, ann(), "GET", "/api/v1/pods", &[], "").await), both(&own));
    assert_eq!(told(&ask_as(&api, ann(), "GET", "/api/v1/nodes", &[], "").await), both(&other));
    assert_eq!(ask(&api, "DELETE", &format!("{GROUP}/flowschemas/own"), &[], "").await.code, 200);
    assert_eq!(told(&ask_as(&api, ann(), "GET", "/api/v1/pods", &[], "").await), both(&other));
}

#[tokio::test]
async fn both_kinds_have_every_verb_and_a_status() {
    let api = alone().await;
    let level = json!({"metadata": {"name": "e2e", "labels": {"t": "x"}}, "spec": {"type": "Limited",
        "limited": {"nominalConcurrencyShares": 2, "limitResponse": {"type": "Reject"}}}});
    let schema = json!({"metadata": {"name": "e2e", "labels": {"t": "x"}}, "spec": {"matchingPrecedence": 10_000,
        "priorityLevelConfiguration": {"name": "global-default"}, "distinguisherMethod": {"type": "ByUser"},
        "rules": [{"subjects": [{"kind": "User", "user": {"name": "u"}}], "nonResourceRules": [{"verbs": ["get"], "nonResourceURLs": ["*"]}]}]}});
    for (plural, body, change) in [
        ("prioritylevelconfigurations", level, json!({"spec": {"limited": {"nominalConcurrencyShares": 4}}})),
        ("flowschemas", schema, json!({"spec": {"matchingPrecedence": 9_999}})),
    ] {
        let (all, one) = (format!("{GROUP}/{plural}"), format!("{GROUP}/{plural}/e2e"));
        let made = ask(&api, "POST", &all, &[], body.to_string()).await;
        assert_eq!(made.code, 201, "{}", made.body);
        let listed = ask(&api, "GET", &format!("{all}?labelSelector=t%3Dx"), &[], "").await.json();
        assert_eq!(listed["items"].as_array().map(Vec::len), Some(1), "{listed}");
        let changed = ask(&api, "PATCH", &one, &[MERGE], change.to_string()).await.json();
        assert_eq!(changed["metadata"]["generation"], 2, "{changed}");
        let condition = json!({"status": {"conditions": [{"type": "T", "status": "False", "reason": "R", "message": "m",
            "lastTransitionTime": "2026-01-01T00:00:00Z"}]}});
        let status = ask(&api, "PATCH", &format!("{one}/status"), &[MERGE], condition.to_string()).await;
        assert_eq!((status.code, &status.json()["status"]), (200, &condition["status"]), "{}", status.body);
        let read: Value = ask(&api, "GET", &format!("{one}/status"), &[], "").await.json();
        let put = ask(&api, "PUT", &format!("{one}/status"), &[], read.to_string()).await;
        assert_eq!(put.code, 200, "{}", put.body);
        assert_eq!(ask(&api, "DELETE", &one, &[], "").await.code, 200);
        let rest = ask(&api, "DELETE", &format!("{all}?labelSelector=t%3Dx"), &[], "").await;
        assert_eq!((rest.code, ask(&api, "GET", &one, &[], "").await.code), (200, 404));
    }
}
