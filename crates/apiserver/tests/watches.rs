//! Watches beside what they say: frames that many share, the end of a kind, watchers that do not read, and the end of the server.
mod serve;

use apiserver::identity::User;
use apiserver::request::{Content, Pieces, Request};
use apiserver::server::ApiServer;
use bytes::Bytes;
use futures::{FutureExt as _, StreamExt as _};
use hyper::{HeaderMap, Method};
use serde_json::{Value, json};
use serve::{alone, ask};
use std::collections::BTreeSet;
use std::time::Duration;

const MAPS: &str = "/api/v1/namespaces/default/configmaps";
const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const BOATS: &str = "/apis/rutter.dev/v1/namespaces/default/boats";
const MERGE: &str = "Content-Type: application/merge-patch+json";
/// Every form that a watch has.
const FORMS: [&str; 5] = [
    "application/json",
    "application/vnd.kubernetes.protobuf;stream=watch",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
];

async fn open(api: &ApiServer, path: &str, accept: &str) -> Pieces {
    let mut headers = HeaderMap::new();
    headers.insert(hyper::header::ACCEPT, accept.parse().expect("a header value"));
    let request = Request {
        method: Method::GET,
        uri: path.parse().expect("a path"),
        headers,
        body: Bytes::new(),
        user: Some(User::new("admin", &["system:masters"])),
        from: None,
    };
    let response = api.handle(request).await;
    assert_eq!(response.code, 200, "{path}");
    let Content::Pieces(pieces) = response.content else { panic!("a watch is pieces") };
    pieces
}

/// The next piece, which must come soon; `None`: the stream ended.
async fn next(pieces: &mut Pieces) -> Option<Bytes> {
    rt::timeout(Duration::from_secs(5), pieces.next()).await.expect("it comes or ends")
}

async fn post(api: &ApiServer, path: &str, body: &Value) -> Value {
    let made = ask(api, "POST", path, &[], body.to_string()).await;
    assert_eq!(made.code, 201, "{}", made.body);
    made.json()
}

async fn now(api: &ApiServer, path: &str) -> String {
    let list = ask(api, "GET", path, &[], "").await.json();
    list["metadata"]["resourceVersion"].as_str().expect("a revision").to_owned()
}

#[tokio::test]
async fn a_frame_is_made_once_for_all_who_watch_in_its_form() {
    let api = alone().await;
    let from = now(&api, MAPS).await;
    let path = format!("{MAPS}?watch=1&resourceVersion={from}");
    let mut watchers = Vec::new();
    for accept in FORMS {
        for _ in 0..3 {
            watchers.push((accept, open(&api, &path, accept).await));
        }
    }
    let selected = format!("{path}&labelSelector=a%3Db");
    watchers.push((FORMS[1], open(&api, &selected, FORMS[1]).await));
    post(&api, MAPS, &json!({"metadata": {"name": "first", "labels": {"a": "b"}}})).await;
    for (_, pieces) in &mut watchers {
        // A table's first frame has its columns, and is each watcher's own.
        next(pieces).await.expect("a frame");
    }
    post(&api, MAPS, &json!({"metadata": {"name": "second", "labels": {"a": "b"}}})).await;
    let mut at: Vec<(&str, BTreeSet<*const u8>)> = FORMS.map(|form| (form, BTreeSet::new())).to_vec();
    let mut kept = Vec::new();
    for (accept, pieces) in &mut watchers {
        let frame = next(pieces).await.expect("a frame");
        assert!(frame.windows(6).any(|bytes| bytes == b"second"), "{accept}");
        at.iter_mut().find(|(form, _)| form == accept).expect("a form").1.insert(frame.as_ptr());
        kept.push(frame);
    }
    for (form, places) in at {
        // The second of a table may end between two of its watchers.
        assert!(places.len() == 1 || places.len() == 2 && form.contains("Table"), "{form}: {} copies", places.len());
    }
}

/// What two share differs not from what one alone is given.
#[tokio::test]
async fn what_is_shared_says_the_same() {
    let api = alone().await;
    let from = now(&api, MAPS).await;
    post(&api, MAPS, &json!({"metadata": {"name": "m", "labels": {"a": "b"}}})).await;
    let one = format!("{MAPS}/m");
    ask(&api, "PATCH", &one, &[MERGE], r#"{"metadata": {"labels": {"a": "c"}}}"#).await;
    ask(&api, "DELETE", &one, &[], "").await;
    for accept in FORMS {
        for query in ["", "&labelSelector=a%3Db", "&labelSelector=a%3Dc"] {
            let path = format!("{MAPS}?watch=1&timeoutSeconds=1&resourceVersion={from}{query}");
            let said = |pieces: Vec<Bytes>| -> Vec<u8> {
                // A table tells ages, which go on.
                pieces.concat().into_iter().filter(|byte| !accept.contains("Table") || !byte.is_ascii_digit()).collect()
            };
            let alone = said(to_the_end(open(&api, &path, accept).await).await);
            let (first, second) = (open(&api, &path, accept).await, open(&api, &path, accept).await);
            let (first, second) = futures::future::join(to_the_end(first), to_the_end(second)).await;
            assert!(alone == said(first) && alone == said(second), "{accept} {query}");
            assert!(!alone.is_empty());
        }
    }
}

fn definition(versions: &[(&str, bool)]) -> Value {
    let version = |(at, (name, served)): (usize, &(&str, bool))| json!({"name": name, "served": served, "storage": at == 0, "schema": {"openAPIV3Schema": {"type": "object"}}});
    let versions: Vec<Value> = versions.iter().enumerate().map(version).collect();
    json!({"metadata": {"name": "boats.rutter.dev"}, "spec": {"group": "rutter.dev", "scope": "Namespaced",
        "versions": versions, "names": {"plural": "boats", "kind": "Boat"}}})
}

fn frames(pieces: &[Bytes]) -> Vec<String> {
    let text = String::from_utf8(pieces.concat()).expect("text");
    let frames = text.lines().map(|line| serde_json::from_str::<Value>(line).expect("a frame"));
    frames.map(|frame| format!("{} {}", frame["type"], frame["object"]["metadata"]["name"]).replace('"', "")).collect()
}

async fn to_the_end(mut pieces: Pieces) -> Vec<Bytes> {
    let mut all = Vec::new();
    while let Some(piece) = next(&mut pieces).await {
        all.push(piece);
    }
    all
}

#[tokio::test]
async fn a_watch_ends_with_its_kind() {
    let api = alone().await;
    post(&api, DEFINITIONS, &definition(&[("v1", true)])).await;
    post(&api, BOATS, &json!({"apiVersion": "rutter.dev/v1", "kind": "Boat", "metadata": {"name": "b"}})).await;
    let pieces = open(&api, &format!("{BOATS}?watch=1"), FORMS[0]).await;
    let metadata = open(&api, &format!("{BOATS}?watch=1"), FORMS[4]).await;
    let mut maps = open(&api, &format!("{MAPS}?watch=1"), FORMS[0]).await;
    assert_eq!(ask(&api, "DELETE", &format!("{BOATS}/b"), &[], "").await.code, 200);
    let one = format!("{DEFINITIONS}/boats.rutter.dev");
    ask(&api, "DELETE", &one, &[], "").await;
    ask(&api, "PATCH", &one, &[MERGE], r#"{"metadata": {"finalizers": null}}"#).await;
    assert_eq!(ask(&api, "GET", &one, &[], "").await.code, 404);
    assert_eq!(frames(&to_the_end(pieces).await), ["ADDED b", "DELETED b"]);
    assert!(!to_the_end(metadata).await.is_empty());
    assert_eq!(ask(&api, "GET", BOATS, &[], "").await.code, 404);
    assert_eq!(ask(&api, "GET", &format!("{BOATS}?watch=1"), &[], "").await.code, 404);
    while let Some(Some(_)) = maps.next().now_or_never() {}
    assert!(maps.next().now_or_never().is_none(), "other kinds are watched on");
}

#[tokio::test]
async fn a_watch_ends_when_its_definition_says_something_else() {
    let api = alone().await;
    post(&api, DEFINITIONS, &definition(&[("v1", true), ("v2", true)])).await;
    let v2 = BOATS.replace("v1", "v2");
    let mut first = open(&api, &format!("{BOATS}?watch=1"), FORMS[0]).await;
    let second = open(&api, &format!("{v2}?watch=1"), FORMS[0]).await;
    let one = format!("{DEFINITIONS}/boats.rutter.dev");
    // A label is no matter of the kind.
    assert_eq!(ask(&api, "PATCH", &one, &[MERGE], r#"{"metadata": {"labels": {"a": "b"}}}"#).await.code, 200);
    assert!(first.next().now_or_never().is_none(), "it goes on");
    let less = definition(&[("v1", true), ("v2", false)]).to_string();
    let changed = ask(&api, "PATCH", &one, &[MERGE], less).await;
    assert_eq!(changed.code, 200, "{}", changed.body);
    assert!(to_the_end(second).await.is_empty() && to_the_end(first).await.is_empty());
    assert_eq!(ask(&api, "GET", &format!("{v2}?watch=1"), &[], "").await.code, 404);
    let mut again = open(&api, &format!("{BOATS}?watch=1"), FORMS[0]).await;
    assert!(again.next().now_or_never().is_none(), "the version that is left is watched anew");
}

/// Who does not read costs a cursor: nobody waits for it, and what it missed is read from the log when it comes back.
#[tokio::test]
async fn who_does_not_read_delays_nobody_and_misses_nothing() {
    let api = alone().await;
    for accept in [FORMS[0], FORMS[1]] {
        let path = format!("{MAPS}?watch=1&resourceVersion={}", now(&api, MAPS).await);
        let (mut slow, mut quick) = (open(&api, &path, accept).await, open(&api, &path, accept).await);
        // More than is kept in memory for those who lag.
        let data = "x".repeat(1_000_000);
        let mut told = Vec::new();
        for number in 0..40 {
            let name = format!("big-{number}");
            post(&api, MAPS, &json!({"metadata": {"name": name}, "data": {"k": data}})).await;
            assert_eq!(ask(&api, "DELETE", &format!("{MAPS}/{name}"), &[], "").await.code, 200);
            for _ in 0..2 {
                let frame = next(&mut quick).await.expect("a frame");
                assert!(frame.len() > data.len() && frame.len() < data.len() + 4_096, "{}", frame.len());
                told.push(fingerprint(&frame));
            }
        }
        for (at, told) in told.iter().enumerate() {
            let frame = next(&mut slow).await.expect("a frame");
            assert!(fingerprint(&frame) == *told, "{accept}: event {at}");
        }
        assert!(slow.next().now_or_never().is_none(), "that was all");
    }
}

/// The first of a frame, where its kind, name and revision stand, and its size.
fn fingerprint(frame: &Bytes) -> (usize, Bytes) {
    (frame.len(), frame.slice(..200))
}

/// A server that stops ends watches between frames, in every form.
#[tokio::test]
async fn watches_end_cleanly_with_the_server() {
    let api = alone().await;
    post(&api, MAPS, &json!({"metadata": {"name": "m"}})).await;
    let mut all = Vec::new();
    for accept in FORMS {
        let mut pieces = open(&api, &format!("{MAPS}?watch=1"), accept).await;
        next(&mut pieces).await.expect("the present state");
        all.push(pieces);
    }
    api.end_streams();
    for mut pieces in all {
        assert!(next(&mut pieces).await.is_none(), "it ends, and no frame is cut");
    }
}
