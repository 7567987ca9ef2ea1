//! What is remembered of requests: audit events by policy, notes in the log, counters.
mod serve;

use api::audit::Policy;
use apiserver::audit::sink::{Audit, Sink};
use apiserver::identity::User;
use apiserver::room::Parts;
use apiserver::server::ApiServer;
use bytes::Bytes;
use serde_json::{Value, json};
use serve::{ask, ask_as};
use std::sync::{Arc, Mutex};

#[derive(Default)]
struct Kept(Mutex<Vec<Value>>);

impl Sink for Kept {
    fn take(&self, line: Bytes) -> bool {
        let event = serde_json::from_slice(&line).expect("an event is JSON");
        self.0.lock().expect("unpoisoned").push(event);
        true
    }
}

impl Kept {
    /// What was told since the last time, as `stage level verb name code`.
    fn told(&self) -> Vec<String> {
        let events = std::mem::take(&mut *self.0.lock().expect("unpoisoned"));
        let text = |value: &Value| value.as_str().unwrap_or("-").to_owned();
        let line = |event: &Value| {
            let what = if event["objectRef"].is_object() { &event["objectRef"]["name"] } else { &event["requestURI"] };
            let code = &event["responseStatus"]["code"];
            format!(
                "{} {} {} {} {code}",
                text(&event["stage"]),
                text(&event["level"]),
                text(&event["verb"]),
                text(what)
            )
        };
        events.iter().map(line).collect()
    }

    fn last(&self) -> Value {
        self.0.lock().expect("unpoisoned").last().cloned().expect("an event")
    }
}

async fn server(policy: &str) -> (ApiServer, Arc<Kept>) {
    let kept = Arc::new(Kept::default());
    let policy = format!("apiVersion: audit.k8s.io/v1\nkind: Policy\nrules: {policy}");
    let audit = Audit { policy: Arc::new(Policy::parse(policy.as_bytes()).expect("a policy")), sink: kept.clone() };
    let server = ApiServer::new(Parts { audit: Some(audit), ..Parts::new(consensus::Member::alone()) });
    apiserver::founding::found(&server, 6443).await.expect("a cluster is founded");
    kept.told();
    (server, kept)
}

const MAPS: &str = "/api/v1/namespaces/default/configmaps";

#[tokio::test]
async fn the_policy_says_what_is_remembered() {
    let rules = r#"[
        {"level": "None", "resources": [{"group": "", "resources": ["namespaces"]}]},
        {"level": "RequestResponse", "verbs": ["create"], "omitStages": ["RequestReceived"]},
        {"level": "Request", "verbs": ["patch"], "omitStages": ["RequestReceived"]},
        {"level": "Metadata", "nonResourceURLs": ["/version"]},
        {"level": "Metadata", "resources": [{"group": ""}]}]"#;
    let (server, kept) = server(rules).await;
    let map = json!({"metadata": {"name": "a"}, "data": {"k": "v"}}).to_string();
    let made = ask(
        &server,
        "POST",
        MAPS,
        &["Audit-Id: mine", "User-Agent: t/1", "Impersonate-User: ann", "Impersonate-Group: system:masters"],
        map,
    )
    .await;
    assert_eq!((made.code, made.headers.get("audit-id").and_then(|id| id.to_str().ok())), (201, Some("mine")));
    let event = kept.last();
    assert_eq!(kept.told(), ["ResponseComplete RequestResponse create a 201"]);
    assert_eq!(event["responseStatus"], json!({"metadata": {}, "code": 201}));
    assert_eq!(event["requestObject"]["data"]["k"], "v");
    assert_eq!(event["responseObject"]["metadata"]["name"], "a");
    assert_eq!((&event["impersonatedUser"]["username"], &event["auditID"]), (&json!("ann"), &json!("mine")));
    assert_eq!(event["annotations"]["authorization.k8s.io/decision"], "allow");
    assert_eq!((&event["userAgent"], &event["objectRef"]["resource"]), (&json!("t/1"), &json!("configmaps")));

    ask(&server, "GET", &format!("{MAPS}/a"), &[], "").await;
    ask(&server, "GET", &format!("{MAPS}/none"), &[], "").await;
    ask(&server, "GET", "/api/v1/namespaces", &[], "").await;
    ask(&server, "GET", "/version", &[], "").await;
    ask(&server, "GET", "/api", &[], "").await;
    let want = [
        "RequestReceived Metadata get a null",
        "ResponseComplete Metadata get a 200",
        "RequestReceived Metadata get none null",
        "ResponseComplete Metadata get none 404",
        "RequestReceived Metadata get /version null",
        "ResponseComplete Metadata get /version 200",
    ];
    assert_eq!(kept.told(), want);

    let patch = ["Content-Type: application/merge-patch+json"];
    ask(&server, "PATCH", &format!("{MAPS}/a"), &patch, r#"{"data": {"k": "w"}}"#).await;
    assert_eq!(
        (&kept.last()["requestObject"]["data"]["k"], &kept.last()["responseObject"]),
        (&json!("w"), &Value::Null)
    );
    let large = json!({"data": {"large": "x".repeat(300_000)}}).to_string();
    ask(&server, "PATCH", &format!("{MAPS}/a"), &patch, large).await;
    assert_eq!(kept.last()["annotations"]["audit.k8s.io/truncated"], "true");
    assert_eq!(kept.last()["requestObject"], Value::Null);

    ask(&server, "GET", &format!("{MAPS}/none"), &[], "").await;
    let want = json!({"metadata": {}, "code": 404, "status": "Failure", "reason": "NotFound",
        "message": "configmaps \"none\" not found", "details": {"name": "none", "kind": "configmaps"}});
    assert_eq!(kept.last()["responseStatus"], want);
    ask(&server, "DELETE", &format!("{MAPS}/a?dryRun=All"), &[], "").await;
    assert_eq!(kept.last()["responseStatus"]["status"], "Success");

    let unnamed = json!({"metadata": {"name": "b"}}).to_string();
    let bob = ask_as(&server, Some(User::new("bob", &[])), "POST", MAPS, &[], unnamed).await;
    assert_eq!((bob.code, &kept.last()["objectRef"]["name"]), (403, &Value::Null), "its body was not read");
    let bob = ask_as(&server, Some(User::new("bob", &[])), "GET", &format!("{MAPS}/a"), &[], "").await;
    assert_eq!((bob.code, &kept.last()["annotations"]["authorization.k8s.io/decision"]), (403, &json!("forbid")));
    let status = &kept.last()["responseStatus"];
    assert_eq!((&status["status"], &status["reason"]), (&json!("Failure"), &json!("Forbidden")));
    let message = status["message"].as_str().unwrap_or_default();
    assert!(message.starts_with("configmaps \"a\" is forbidden: User \"bob\" cannot get resource"), "{message}");
}

#[tokio::test]
async fn a_watch_is_told_of_when_it_begins_and_when_it_ends() {
    let (server, kept) = server(r#"[{"level": "Metadata", "verbs": ["watch"]}]"#).await;
    let watched = ask(&server, "GET", &format!("{MAPS}?watch=true&timeoutSeconds=1"), &[], "").await;
    assert_eq!(watched.code, 200);
    let want = [
        "RequestReceived Metadata watch - null",
        "ResponseStarted Metadata watch - 200",
        "ResponseComplete Metadata watch - 200",
    ];
    assert_eq!(kept.told(), want);
}

#[tokio::test]
async fn metrics_have_the_names_of_kubernetes() {
    let server = serve::alone().await;
    for name in ["a", "b", "a"] {
        ask(&server, "POST", MAPS, &[], json!({"metadata": {"name": name}}).to_string()).await;
    }
    ask(&server, "GET", &format!("{MAPS}/a"), &[], "").await;
    ask(&server, "GET", "/apis/no.group/v1/things", &[], "").await;
    let page = ask(&server, "GET", "/metrics", &[], "").await.body;
    let of = |verb: &str, scope: &str, code: u16| {
        format!(
            "apiserver_request_total{{code=\"{code}\",component=\"apiserver\",dry_run=\"\",group=\"\",resource=\"configmaps\",\
             scope=\"{scope}\",subresource=\"\",verb=\"{verb}\",version=\"v1\"}}"
        )
    };
    for line in [
        of("POST", "namespace", 201) + " 2",
        of("POST", "namespace", 409) + " 1",
        of("GET", "resource", 200) + " 1",
        "# TYPE process_cpu_seconds_total counter".to_owned(),
        "# TYPE apiserver_request_duration_seconds histogram".to_owned(),
        "apiserver_resource_objects{group=\"\",resource=\"configmaps\"} 2".to_owned(),
        "apiserver_current_inflight_requests{request_kind=\"readOnly\"} 1".to_owned(),
    ] {
        assert!(page.lines().any(|known| known == line), "{line} is not in\n{page}");
    }
    assert!(!page.contains("no.group"), "nobody makes series by asking for what is not there");
    let mut buckets = page.lines().filter(|line| {
        line.starts_with("apiserver_request_duration_seconds_bucket") && line.contains("verb=\"GET\",version=\"v1\"")
    });
    assert_eq!(buckets.next_back().map(|line| line.ends_with("le=\"+Inf\"} 1")), Some(true));
}
