//! What holds of any history: a watch from a revision and the list at it give the list now; pages joined are the whole list; the
//! past is read as it was. Objects come and go with random labels, and are asked for by selectors that they enter and leave.
mod serve;

use apiserver::identity::User;
use apiserver::request::{Content, Request};
use apiserver::server::ApiServer;
use futures::{FutureExt as _, StreamExt as _};
use proptest::prelude::*;
use serde_json::{Value, json};
use serve::{alone, ask};
use std::collections::BTreeMap;

const MERGE: [&str; 1] = ["Content-Type: application/merge-patch+json"];
const NAMESPACES: [&str; 2] = ["default", "kube-public"];
/// What is asked for; what stands in the path goes first.
const SELECTIONS: [&str; 12] = [
    "/api/v1/pods?",
    "/api/v1/namespaces/default/pods?",
    "/api/v1/pods?labelSelector=a",
    "/api/v1/pods?labelSelector=a%3D1",
    "/api/v1/pods?labelSelector=!a",
    "/api/v1/pods?labelSelector=a%20in%20(1,2),b!%3D1",
    "/api/v1/pods?labelSelector=a%20notin%20(1),b",
    "/api/v1/pods?labelSelector=b%3E1",
    "/api/v1/pods?fieldSelector=metadata.name%3Dp1",
    "/api/v1/pods?fieldSelector=metadata.namespace!%3Ddefault",
    "/api/v1/pods?fieldSelector=status.phase%3DRunning&labelSelector=a",
    "/api/v1/namespaces/kube-public/pods?fieldSelector=status.phase!%3DRunning,metadata.name!%3Dp0",
];

#[derive(Clone, Debug)]
enum Deed {
    Create { labels: Value },
    Label { labels: Value },
    Phase(&'static str),
    Delete,
    DeleteSelected(&'static str),
}

/// A deed, and to which pod.
fn deeds() -> impl Strategy<Value = Vec<(usize, usize, Deed)>> {
    let value = prop_oneof![Just(Value::Null), Just(json!("1")), Just(json!("2")), Just(json!(""))];
    let labels = (value.clone(), value).prop_map(|(a, b)| json!({"a": a, "b": b}));
    let deed = prop_oneof![
        4 => labels.clone().prop_map(|labels| Deed::Create { labels }),
        4 => labels.prop_map(|labels| Deed::Label { labels }),
        2 => prop_oneof![Just("Running"), Just("Pending")].prop_map(Deed::Phase),
        2 => Just(Deed::Delete),
        1 => prop_oneof![Just("a%3D1"), Just("!b")].prop_map(Deed::DeleteSelected),
    ];
    proptest::collection::vec((0..NAMESPACES.len(), 0..4_usize, deed), 1..24)
}

async fn act(api: &ApiServer, (namespace, name, deed): &(usize, usize, Deed)) {
    let all = format!("/api/v1/namespaces/{}/pods", NAMESPACES[*namespace]);
    let one = format!("{all}/p{name}");
    let reply = match deed {
        Deed::Create { labels } => {
            let mut labels = labels.clone();
            labels.as_object_mut().expect("labels").retain(|_, value| !value.is_null());
            let pod = json!({"metadata": {"name": format!("p{name}"), "labels": labels},
                "spec": {"containers": [{"name": "c", "image": "i"}]}});
            ask(api, "POST", &all, &[], pod.to_string()).await
        }
        Deed::Label { labels } => {
            ask(api, "PATCH", &one, &MERGE, json!({"metadata": {"labels": labels}}).to_string()).await
        }
        Deed::Phase(phase) => {
            ask(api, "PATCH", &format!("{one}/status"), &MERGE, json!({"status": {"phase": phase}}).to_string()).await
        }
        Deed::Delete => ask(api, "DELETE", &one, &[], "").await,
        Deed::DeleteSelected(selector) => ask(api, "DELETE", &format!("{all}?labelSelector={selector}"), &[], "").await,
    };
    assert!(matches!(reply.code, 200 | 201 | 404 | 409), "{deed:?}: {} {}", reply.code, reply.body);
}

/// The objects of a list by their places, and its revision.
type List = (u64, BTreeMap<String, Value>);

fn place(object: &Value) -> String {
    format!("{}/{}", object["metadata"]["namespace"], object["metadata"]["name"])
}

fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|text| text.parse().ok()).expect("a revision")
}

async fn list(api: &ApiServer, path: &str) -> List {
    let reply = ask(api, "GET", path, &[], "").await;
    assert_eq!(reply.code, 200, "{path}: {}", reply.body);
    let list = reply.json();
    let items = list["items"].as_array().expect("items");
    let objects: BTreeMap<String, Value> = items.iter().map(|item| (place(item), item.clone())).collect();
    assert_eq!(objects.len(), items.len(), "{path}: an object is there twice");
    assert!(items.is_sorted_by_key(place), "{path}: lists are in order");
    (revision(&list), objects)
}

/// What a watch has to tell by now.
async fn told(api: &ApiServer, path: &str) -> Vec<Value> {
    let request = Request {
        method: hyper::Method::GET,
        uri: path.parse().expect("a path"),
        headers: hyper::HeaderMap::new(),
        body: bytes::Bytes::new(),
        user: Some(User::new("admin", &["system:masters"])),
        from: None,
    };
    let Content::Pieces(mut pieces) = api.handle(request).await.content else { panic!("{path} is no watch") };
    let mut text = Vec::new();
    while let Some(Some(piece)) = pieces.next().now_or_never() {
        text.extend_from_slice(&piece);
    }
    serde_json::Deserializer::from_slice(&text).into_iter().map(|frame| frame.expect("a frame")).collect()
}

/// What a client keeps that begins with `list` and is told `frames`: each must fit what it has.
fn followed(path: &str, (mut at, mut objects): List, frames: Vec<Value>) -> BTreeMap<String, Value> {
    for frame in frames {
        let object = &frame["object"];
        let had = match frame["type"].as_str().expect("a type") {
            "ADDED" => objects.insert(place(object), object.clone()).is_none(),
            "MODIFIED" => objects.insert(place(object), object.clone()).is_some(),
            "DELETED" => objects.remove(&place(object)).is_some(),
            other => panic!("{path}: {other}: {frame}"),
        };
        // The deletes of one collection are one command, whose objects have a revision each.
        assert!(had && revision(object) > at, "{path}: after {at} it does not fit: {frame}");
        at = revision(object);
    }
    objects
}

async fn pages_join(api: &ApiServer, path: &str, limit: usize, whole: &List) {
    let (mut joined, mut continuing, mut count) = (BTreeMap::new(), String::new(), 0);
    loop {
        let reply = ask(api, "GET", &format!("{path}&limit={limit}&continue={continuing}"), &[], "").await;
        assert_eq!(reply.code, 200, "{path}: {}", reply.body);
        let page = reply.json();
        let items = page["items"].as_array().expect("items");
        assert!(items.len() <= limit);
        assert_eq!(revision(&page), whole.0, "{path}: each page is of the first one's revision");
        count += items.len();
        joined.extend(items.iter().map(|item| (place(item), item.clone())));
        if let Some(left) = page["metadata"]["remainingItemCount"].as_u64() {
            assert_eq!(count as u64 + left, whole.1.len() as u64, "{path}: what remains is counted");
        }
        // The world goes on meanwhile.
        act(api, &(0, 3, Deed::Create { labels: json!({"a": "1"}) })).await;
        act(api, &(0, 3, Deed::Delete)).await;
        match page["metadata"]["continue"].as_str() {
            Some(next) => continuing = next.to_owned(),
            None => break,
        }
    }
    assert_eq!((joined.len(), count, &joined), (whole.1.len(), count, &whole.1), "{path} by {limit}");
}

async fn holds(deeds: Vec<(usize, usize, Deed)>, limit: usize) {
    let api = alone().await;
    let mut lists: Vec<Vec<List>> = Vec::new();
    for deed in &deeds {
        let mut now = Vec::new();
        for path in SELECTIONS {
            now.push(list(&api, path).await);
        }
        lists.push(now);
        act(&api, deed).await;
    }
    for (at, path) in SELECTIONS.iter().enumerate() {
        let now = list(&api, path).await;
        for before in lists.iter().map(|lists| &lists[at]) {
            let frames = told(&api, &format!("{path}&watch=1&resourceVersion={}", before.0)).await;
            assert_eq!(followed(path, before.clone(), frames), now.1, "{path} from {}", before.0);
            let past = list(&api, &format!("{path}&resourceVersion={}&resourceVersionMatch=Exact", before.0)).await;
            assert_eq!(&past, before, "{path}: the past is as it was");
        }
        let all = "sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true";
        let mut frames = told(&api, &format!("{path}&watch=1&{all}")).await;
        let mark = frames.pop().expect("a mark");
        assert_eq!((mark["type"].as_str(), revision(&mark["object"])), (Some("BOOKMARK"), now.0), "{path}");
        assert_eq!(followed(path, (0, BTreeMap::new()), sorted(frames)), now.1, "{path} from nothing");
        pages_join(&api, path, limit, &now).await;
    }
}

/// The first state comes in the order of places, not of revisions.
fn sorted(mut frames: Vec<Value>) -> Vec<Value> {
    frames.sort_by_key(|frame| revision(&frame["object"]));
    frames
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]
    #[test]
    fn a_list_and_a_watch_from_it_give_the_list_now(deeds in deeds(), limit in 1..4_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        runtime.block_on(holds(deeds, limit));
    }
}
