//! Answers in protobuf: what Go clients ask for first, of every verb, read here by the numbers of the wire.
mod serve;

use api::codec::protobuf::parse;
use apiserver::identity::User;
use apiserver::request::Request;
use apiserver::server::ApiServer;
use hyper::{HeaderMap, Method};
use serde_json::{Value, json};
use serve::{alone, ask, whole, with_pod};

const PROTOBUF: &str = "application/vnd.kubernetes.protobuf";
/// As generated clients ask.
const TYPED: &str = "application/vnd.kubernetes.protobuf,application/json";
/// As metadata clients ask.
const METADATA: &str = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,\
    application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

struct Answer {
    code: u16,
    media: String,
    body: Vec<u8>,
}

async fn send(server: &ApiServer, method: &str, path: &str, accept: &str, content: &str, body: &str) -> Answer {
    let mut headers = HeaderMap::new();
    for (name, value) in [(hyper::header::ACCEPT, accept), (hyper::header::CONTENT_TYPE, content)] {
        if !value.is_empty() {
            headers.insert(name, value.parse().expect("a header value"));
        }
    }
    let request = Request {
        method: Method::from_bytes(method.as_bytes()).expect("a method"),
        uri: path.parse().expect("a path"),
        headers,
        body: body.to_owned().into(),
        user: Some(User::new("admin", &["system:masters"])),
        from: None,
    };
    let (code, headers, body) = whole(server.handle(request).await).await;
    let media = headers.get(hyper::header::CONTENT_TYPE).map(|value| value.to_str().expect("text").to_owned());
    Answer { code, media: media.unwrap_or_default(), body }
}

async fn get(server: &ApiServer, path: &str, accept: &str) -> Answer {
    send(server, "GET", path, accept, "", "").await
}

/// The members of a message: those of bytes.
fn parts(mut bytes: &[u8]) -> Vec<(u64, Vec<u8>)> {
    let varint = |bytes: &mut &[u8]| {
        let (mut number, mut shift) = (0_u64, 0);
        loop {
            let byte = bytes[0];
            *bytes = &bytes[1..];
            number |= u64::from(byte & 0x7f) << shift;
            shift += 7;
            if byte < 0x80 {
                return number;
            }
        }
    };
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let tag = varint(&mut bytes);
        match tag & 7 {
            0 => drop(varint(&mut bytes)),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).expect("short");
                found.push((tag >> 3, bytes[..length].to_vec()));
                bytes = &bytes[length..];
            }
            other => panic!("wire type {other}"),
        }
    }
    found
}

fn texts(bytes: &[u8], number: u64) -> Vec<String> {
    let wanted = parts(bytes).into_iter().filter(|(known, _)| *known == number);
    wanted.map(|(_, bytes)| String::from_utf8(bytes).expect("text")).collect()
}

/// apiVersion, kind and the message of an envelope.
fn opened(body: &[u8]) -> (String, String, Vec<u8>) {
    let unknown = parts(body.strip_prefix(b"k8s\0").expect("an envelope"));
    let meta = &unknown[0].1;
    assert_eq!(unknown.iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    (texts(meta, 1).remove(0), texts(meta, 2).remove(0), unknown[1].1.clone())
}

/// The messages of a list, each as an object of its kind.
fn listed(body: &[u8]) -> (String, Vec<Vec<u8>>) {
    let (_, kind, raw) = opened(body);
    let members = parts(&raw);
    assert_eq!(members[0].0, 1, "its metadata");
    assert!(!texts(&members[0].1, 2)[0].is_empty(), "a list has a revision");
    (kind, members.into_iter().filter(|(number, _)| *number == 2).map(|(_, item)| item).collect())
}

/// Without what protobuf cannot tell from absence.
fn plain(value: &Value) -> Value {
    match value {
        Value::Object(members) => {
            let kept =
                members.iter().filter(|(_, member)| !member.is_null() && **member != json!([]) && **member != "");
            Value::Object(kept.map(|(name, member)| (name.clone(), plain(member))).collect())
        }
        Value::Array(items) => items.iter().map(plain).collect(),
        other => other.clone(),
    }
}

#[tokio::test]
async fn every_verb_answers_so() {
    let server = alone().await;
    let path = "/apis/apps/v1/namespaces/default/deployments";
    let body = r#"{"metadata": {"name": "d", "labels": {"a": "b"}}, "spec": {"replicas": 0, "selector": {"matchLabels": {"a": "b"}},
        "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i", "ports": [{"containerPort": 80}],
        "resources": {"limits": {"cpu": "1500m"}}, "livenessProbe": {"httpGet": {"port": "http"}}}], "volumes": [{"name": "v", "emptyDir": {}}]}}}}"#;
    let dry = send(&server, "POST", &format!("{path}?dryRun=All"), TYPED, "", body).await;
    assert_eq!((dry.code, &*dry.media, &*opened(&dry.body).1), (201, PROTOBUF, "Deployment"));
    let made = send(&server, "POST", path, TYPED, "", body).await;
    assert_eq!((made.code, &*made.media), (201, PROTOBUF));
    let one = format!("{path}/d");
    let (read, known) = (get(&server, &one, TYPED).await, ask(&server, "GET", &one, &[], "").await.json());
    assert_eq!((read.code, &*read.media, read.body == made.body), (200, PROTOBUF, true));
    assert_eq!(plain(&parse(&read.body).expect("readable")), plain(&known));
    assert_eq!(parse(&read.body).expect("readable")["spec"]["replicas"], 0);

    let merge = "application/merge-patch+json";
    let patched = send(&server, "PATCH", &one, TYPED, merge, r#"{"metadata": {"labels": {"x": "y"}}}"#).await;
    assert_eq!((patched.code, &*patched.media), (200, PROTOBUF));
    let put = parse(&patched.body).expect("readable");
    assert_eq!(put["metadata"]["labels"]["x"], "y");
    let put = send(&server, "PUT", &one, TYPED, "", &put.to_string()).await;
    assert_eq!((put.code, &*put.media), (200, PROTOBUF));
    let scale = get(&server, &format!("{one}/scale"), TYPED).await;
    assert_eq!((&*opened(&scale.body).0, &*opened(&scale.body).1), ("autoscaling/v1", "Scale"));
    let scaled = send(&server, "PATCH", &format!("{one}/scale"), TYPED, merge, r#"{"spec": {"replicas": 3}}"#).await;
    assert_eq!(parse(&scaled.body).expect("readable")["spec"], json!({"replicas": 3}));
    let gone = send(&server, "DELETE", &one, TYPED, "", "").await;
    let gone = parse(&gone.body).expect("readable");
    assert_eq!(
        (&gone["kind"], &gone["status"], &gone["details"]["kind"]),
        (&json!("Status"), &json!("Success"), &json!("deployments"))
    );
    let missing = get(&server, &one, TYPED).await;
    let told = parse(&missing.body).expect("readable");
    assert_eq!((missing.code, &*missing.media), (404, PROTOBUF));
    assert_eq!((&told["reason"], &told["code"]), (&json!("NotFound"), &json!(404)));
    assert_eq!(told["message"], "deployments.apps \"d\" not found");
}

#[tokio::test]
async fn lists_and_watches_answer_so() {
    let server = alone().await;
    let path = "/api/v1/namespaces/default/configmaps";
    for name in ["a", "b", "c"] {
        let body = json!({"metadata": {"name": name}, "data": {"k": "x".repeat(100)}}).to_string();
        assert_eq!(ask(&server, "POST", path, &[], body).await.code, 201);
    }
    let list = get(&server, path, TYPED).await;
    assert_eq!((list.code, &*list.media), (200, PROTOBUF));
    let (kind, items) = listed(&list.body);
    assert_eq!((&*kind, items.len()), ("ConfigMapList", 3));
    assert_eq!(texts(&parts(&items[2])[0].1, 1), ["c"]);
    let page = listed(&get(&server, &format!("{path}?limit=2"), TYPED).await.body);
    assert_eq!(page.1.len(), 2);
    // A list too long to be written at once.
    let text = json!({"metadata": {"generateName": "n"}, "data": {"k": "x".repeat(100_000)}}).to_string();
    for _ in 0..4 {
        assert_eq!(ask(&server, "POST", path, &[], text.clone()).await.code, 201);
    }
    assert_eq!(listed(&get(&server, path, TYPED).await.body).1.len(), 7);

    let query = "resourceVersionMatch=NotOlderThan&sendInitialEvents=true&allowWatchBookmarks=true&timeoutSeconds=1";
    let watch = get(&server, &format!("{path}?watch=1&labelSelector=!x&{query}"), TYPED).await;
    assert_eq!((watch.code, &*watch.media), (200, "application/vnd.kubernetes.protobuf;stream=watch"));
    let (mut rest, mut seen) = (&watch.body[..], Vec::new());
    while let Some((length, tail)) = rest.split_first_chunk::<4>() {
        let (frame, tail) = tail.split_at(u32::from_be_bytes(*length) as usize);
        let event = parts(frame);
        let envelope = &parts(&event[1].1)[0].1;
        let object = parse(envelope).expect("readable");
        seen.push((texts(frame, 1).remove(0), object));
        rest = tail;
    }
    let names: Vec<&str> = seen.iter().map(|(what, _)| &**what).collect();
    assert_eq!(names, [&["ADDED"; 7][..], &["BOOKMARK"]].concat());
    assert_eq!((&seen[0].1["kind"], &seen[0].1["metadata"]["name"]), (&json!("ConfigMap"), &json!("a")));
    assert_eq!(seen[7].1["metadata"]["annotations"]["k8s.io/initial-events-end"], "true");
    assert_eq!(get(&server, &format!("{path}?watch=1"), "application/yaml").await.code, 406);
    let deleted = send(&server, "DELETE", &format!("{path}?fieldSelector=metadata.name=a"), TYPED, "", "").await;
    assert_eq!((&*listed(&deleted.body).0, listed(&deleted.body).1.len()), ("ConfigMapList", 1));
}

#[tokio::test]
async fn metadata_of_custom_kinds_too_and_tables_never() {
    let server = alone().await;
    let schema = json!({"type": "object", "x-kubernetes-preserve-unknown-fields": true});
    let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "widgets", "kind": "Widget"},
        "versions": [{"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}]}});
    let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    let made = send(&server, "POST", path, TYPED, "", &definition.to_string()).await;
    assert_eq!((made.code, &*made.media), (201, PROTOBUF));
    let read = parse(&made.body).expect("readable");
    assert_eq!(read["spec"]["versions"][0]["subresources"], json!({"status": {}}));
    assert_eq!(read["spec"]["versions"][0]["schema"]["openAPIV3Schema"], schema);
    let path = "/apis/example.com/v1/namespaces/default/widgets";
    let body = r#"{"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w", "labels": {"a": "b"}}, "spec": {"x": 1}}"#;
    assert_eq!(ask(&server, "POST", path, &[], body).await.code, 201);
    let list = get(&server, path, METADATA).await;
    assert_eq!((list.code, &*list.media), (200, PROTOBUF));
    assert_eq!((&*opened(&list.body).0, &*opened(&list.body).1), ("meta.k8s.io/v1", "PartialObjectMetadataList"));
    let items = listed(&list.body).1;
    assert_eq!(items.len(), 1);
    assert_eq!(parts(&items[0]).iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1], "its metadata alone");
    assert_eq!(texts(&parts(&items[0])[0].1, 1), ["w"]);
    let one = METADATA.replace("MetadataList", "Metadata");
    let one = get(&server, &format!("{path}/w"), &one).await;
    assert_eq!((&*one.media, &*opened(&one.body).1), (PROTOBUF, "PartialObjectMetadata"));
    // Whole, a custom kind has no protobuf.
    assert_eq!(get(&server, path, TYPED).await.media, "application/json");
    let refused = get(&server, path, PROTOBUF).await;
    assert_eq!(
        (refused.code, &*refused.media, parse(&refused.body).expect("readable")["reason"].clone()),
        (406, PROTOBUF, json!("NotAcceptable"))
    );
    let table =
        "application/vnd.kubernetes.protobuf;as=Table;g=meta.k8s.io;v=v1,application/json;as=Table;g=meta.k8s.io;v=v1";
    let table = get(&server, "/api/v1/namespaces", table).await;
    assert_eq!(serde_json::from_slice::<Value>(&table.body).expect("JSON")["kind"], "Table");
}

#[tokio::test]
async fn what_is_not_kept_answers_so() {
    let (server, _) = with_pod().await;
    let review = r#"{"spec": {"resourceAttributes": {"verb": "get", "resource": "pods"}}}"#;
    let answer =
        send(&server, "POST", "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", TYPED, "", review).await;
    assert_eq!((answer.code, &*answer.media), (201, PROTOBUF));
    assert_eq!(parse(&answer.body).expect("readable")["status"]["allowed"], true);
    let answer = send(&server, "POST", "/apis/authentication.k8s.io/v1/selfsubjectreviews", TYPED, "", "{}").await;
    assert_eq!(parse(&answer.body).expect("readable")["status"]["userInfo"]["username"], "admin");
    let pods = "/api/v1/namespaces/default/pods";
    let eviction = r#"{"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}"#;
    let evicted = send(&server, "POST", &format!("{pods}/p/eviction"), TYPED, "", eviction).await;
    assert_eq!((evicted.code, &*evicted.media, &*opened(&evicted.body).1), (201, PROTOBUF, "Status"));
    let again = r#"{"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}"#;
    let bound = send(&server, "POST", &format!("{pods}/p/binding"), TYPED, "", again).await;
    assert_eq!(
        (bound.code, &*bound.media, parse(&bound.body).expect("readable")["reason"].clone()),
        (409, PROTOBUF, json!("Conflict"))
    );
}

/// Every built-in kind that can be listed lists so.
#[tokio::test]
async fn every_kind_lists_so() {
    let server = alone().await;
    for kind in api::kinds::builtin().iter().filter(|kind| kind.has("list")) {
        let root = if kind.group.is_empty() { "/api" } else { "/apis" };
        let list = get(&server, &format!("{root}/{}/{}", kind.api_version(), kind.plural), TYPED).await;
        assert_eq!((list.code, &*list.media), (200, PROTOBUF), "{}", kind.plural);
        assert_eq!((opened(&list.body).0, &*opened(&list.body).1), (kind.api_version(), &*kind.list_kind));
        for item in listed(&list.body).1 {
            assert_eq!(parts(&item)[0].0, 1, "{}", kind.plural);
        }
    }
}
