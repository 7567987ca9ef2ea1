//! What leaves HTTP behind: exec over SPDY and over each WebSocket protocol, logs and watches as WebSockets. A node behind the server
//! plays the commands.
mod serve;

use apiserver::identity::User;
use apiserver::nodes::{Nodes, PodStream, What};
use apiserver::request::{Content, Duplex, Request};
use apiserver::room::Parts;
use apiserver::server::ApiServer;
use flate2::{Compress, Compression, FlushCompress};
use futures::future::BoxFuture;
use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use hyper::{HeaderMap, Method};
use serde_json::{Value, json};
use serve::ask;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

const POD: &str = "/api/v1/namespaces/default/pods/p";
const MAPS: &str = "/api/v1/namespaces/default/configmaps";

/// A node whose commands are: `both` speaks on both outputs, `cat` repeats its input, `sizes` repeats what it is told of its window,
/// `fail` ends with 7, `refuse` does not begin.
struct Stage;

impl Nodes for Stage {
    fn open(&self, _: &str, stream: PodStream) -> BoxFuture<'static, Result<Box<dyn Duplex>, api::status::Status>> {
        async move {
            let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
            let command = match stream.what {
                What::Exec { command, .. } if command[0] == "refuse" => {
                    return Err(api::status::Status::bad_request("container not found (\"c\")"));
                }
                What::Exec { command, .. } => command,
                What::Attach { .. } => vec!["both".to_owned()],
                What::Logs { .. } => {
                    rt::spawn("log", async move { theirs.write_all(b"one\ntwo\n").await.expect("written") });
                    return Ok(Box::new(ours) as Box<dyn Duplex>);
                }
                What::Forward { .. } => {
                    rt::spawn("port", async move {
                        let (mut read, mut write) = tokio::io::split(theirs);
                        let _ = tokio::io::copy(&mut read, &mut write).await;
                    });
                    return Ok(Box::new(ours) as Box<dyn Duplex>);
                }
            };
            rt::spawn("stage", async move { play(&mut theirs, &command[0]).await });
            Ok(Box::new(ours) as Box<dyn Duplex>)
        }
        .boxed()
    }
}

async fn frame(stream: &mut DuplexStream, channel: u8, bytes: &[u8]) {
    let length = u32::try_from(bytes.len()).expect("short").to_be_bytes();
    stream.write_all(&[&[channel][..], &length, bytes].concat()).await.expect("written");
}

async fn play(stream: &mut DuplexStream, command: &str) {
    if command == "both" {
        frame(stream, 1, b"out").await;
        frame(stream, 2, b"err").await;
    }
    while matches!(command, "cat" | "sizes") {
        let Ok(channel) = stream.read_u8().await else { break };
        let mut bytes = vec![0; stream.read_u32().await.expect("a length") as usize];
        stream.read_exact(&mut bytes).await.expect("a frame");
        match (channel, command) {
            (255, _) => break,
            (0, "cat") | (4, "sizes") => frame(stream, 1, &bytes).await,
            _ => {}
        }
    }
    let code = if command == "fail" { 7 } else { 0 };
    frame(stream, 3, format!("{{\"code\": {code}, \"error\": \"\"}}").as_bytes()).await;
}

async fn server() -> ApiServer {
    let api = ApiServer::new(Parts { nodes: Some(Arc::new(Stage)), ..Parts::new(consensus::Member::alone()) });
    apiserver::founding::found(&api, 6443).await.expect("founded");
    let pod =
        json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i"}]}});
    let made = ask(&api, "POST", "/api/v1/namespaces/default/pods", &[], pod.to_string()).await;
    assert_eq!(made.code, 201, "{}", made.body);
    let merge = ["Content-Type: application/merge-patch+json"];
    ask(&api, "PATCH", &format!("{POD}/status"), &merge, r#"{"status": {"phase": "Running"}}"#).await;
    api
}

/// Code, headers, and the client's end of the connection or the body.
async fn begin(
    api: &ApiServer,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> (u16, HeaderMap, Result<DuplexStream, String>) {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let name = hyper::header::HeaderName::from_bytes(name.as_bytes()).expect("a name");
        map.append(name, value.parse().expect("a value"));
    }
    let user = Some(User::new("admin", &["system:masters"]));
    let request = Request {
        method,
        uri: path.parse().expect("a path"),
        headers: map,
        body: bytes::Bytes::new(),
        user,
        from: None,
    };
    let response = api.handle(request).await;
    let (code, headers) = (response.code.as_u16(), response.headers.clone());
    match response.content {
        Content::Upgrade(run) => {
            let (near, far) = tokio::io::duplex(256 * 1024);
            rt::spawn("server", run(Box::new(far)));
            (code, headers, Ok(near))
        }
        _ => {
            let (_, _, body) = serve::whole(response).await;
            (code, headers, Err(String::from_utf8(body).expect("text")))
        }
    }
}

/// The client's side of SPDY, as little of it as Go's remotecommand uses; its headers are compressed without the dictionary.
struct Spdy {
    socket: DuplexStream,
    deflate: Compress,
    streams: BTreeMap<u32, String>,
}

impl Spdy {
    fn new(socket: DuplexStream) -> Self {
        Self { socket, deflate: Compress::new(Compression::fast(), true), streams: BTreeMap::new() }
    }

    async fn open(&mut self, kind: &str) -> u32 {
        let stream = u32::try_from(self.streams.len()).expect("few") * 2 + 1;
        let mut block = 1_u32.to_be_bytes().to_vec();
        for text in ["streamtype", kind] {
            block.extend_from_slice(&u32::try_from(text.len()).expect("short").to_be_bytes());
            block.extend_from_slice(text.as_bytes());
        }
        let mut small = Vec::with_capacity(4_096);
        self.deflate.compress_vec(&block, &mut small, FlushCompress::Sync).expect("compresses");
        let body = [&stream.to_be_bytes()[..], &[0; 6], &small].concat();
        let length = u32::try_from(body.len()).expect("short").to_be_bytes();
        let frame = [&[0x80, 3, 0, 1, 0][..], &length[1..], &body].concat();
        self.socket.write_all(&frame).await.expect("written");
        self.streams.insert(stream, kind.to_owned());
        stream
    }

    async fn say(&mut self, stream: u32, bytes: &[u8], end: bool) {
        let length = u32::try_from(bytes.len()).expect("short").to_be_bytes();
        let frame = [&stream.to_be_bytes()[..], &[u8::from(end)], &length[1..], bytes].concat();
        self.socket.write_all(&frame).await.expect("written");
    }

    /// All that is told on each stream, until the server closes; each stream that was told of must have been ended.
    async fn told(mut self) -> BTreeMap<String, String> {
        let (mut told, mut ended, mut replies) = (BTreeMap::<String, Vec<u8>>::new(), Vec::new(), 0);
        while let Ok(first) = self.socket.read_u32().await {
            let second = self.socket.read_u32().await.expect("a head");
            let mut body = vec![0; (second & 0xff_ffff) as usize];
            self.socket.read_exact(&mut body).await.expect("a body");
            if first & 0x8000_0000 != 0 {
                assert_eq!(first, 0x8003_0002, "only replies are expected");
                replies += 1;
                continue;
            }
            let kind = self.streams[&first].clone();
            told.entry(kind.clone()).or_default().extend_from_slice(&body);
            if second >> 24 == 1 {
                ended.push(kind);
            }
        }
        assert_eq!(replies, self.streams.len(), "each stream is accepted");
        ended.sort();
        ended.dedup();
        let outputs = self.streams.values().filter(|kind| *kind != "resize");
        assert_eq!(ended.len(), outputs.count(), "{ended:?}");
        told.retain(|_, bytes| !bytes.is_empty());
        told.into_iter().map(|(kind, bytes)| (kind, String::from_utf8(bytes).expect("text"))).collect()
    }
}

const UPGRADE: [(&str, &str); 2] = [("connection", "Upgrade"), ("upgrade", "SPDY/3.1")];

fn expected(told: &[(&str, &str)]) -> BTreeMap<String, String> {
    told.iter().map(|(kind, text)| ((*kind).to_owned(), (*text).to_owned())).collect()
}

#[tokio::test]
async fn commands_run_over_spdy() {
    let api = server().await;
    let success = r#"{"metadata":{},"status":"Success"}"#;
    let failure = json!({"metadata": {}, "status": "Failure", "reason": "NonZeroExitCode",
        "message": "command terminated with non-zero exit code: exit status 7",
        "details": {"causes": [{"reason": "ExitCode", "message": "7"}]}})
    .to_string();
    let failure = failure.as_str();
    let plain = "command terminated with non-zero exit code: exit status 7";
    let size = r#"{"Width":80,"Height":24}"#;
    type Row<'a> = (&'a str, &'a str, &'a [&'a str], &'a [(&'a str, &'a str)]);
    let both = "exec?command=both&stdout=1&stderr=1";
    let rows: [Row<'_>; 10] = [
        ("v5.channel.k8s.io", both, &["stdout", "stderr"], &[("error", success), ("stderr", "err"), ("stdout", "out")]),
        ("v4.channel.k8s.io", both, &["stdout", "stderr"], &[("error", success), ("stderr", "err"), ("stdout", "out")]),
        ("v3.channel.k8s.io", both, &["stdout", "stderr"], &[("stderr", "err"), ("stdout", "out")]),
        ("channel.k8s.io", both, &["stdout", "stderr"], &[("stderr", "err"), ("stdout", "out")]),
        ("", both, &["stdout", "stderr"], &[("stderr", "err"), ("stdout", "out")]),
        ("v4.channel.k8s.io", "exec?command=both&stderr=true", &["stderr"], &[("error", success), ("stderr", "err")]),
        ("v4.channel.k8s.io", "exec?command=fail&stdout=1", &["stdout"], &[("error", failure)]),
        ("v2.channel.k8s.io", "exec?command=fail&stdout=1", &["stdout"], &[("error", plain)]),
        ("v4.channel.k8s.io", "attach?stdout=1", &["stdout"], &[("error", success), ("stdout", "out")]),
        (
            "v4.channel.k8s.io",
            "exec?command=sizes&stdin=1&stdout=1&stderr=1&tty=1",
            &["stdin", "stdout", "resize"],
            &[("error", success), ("stdout", size)],
        ),
    ];
    for (at, (version, path, kinds, want)) in rows.into_iter().enumerate() {
        let mut headers = UPGRADE.to_vec();
        headers.extend((!version.is_empty()).then_some(("x-stream-protocol-version", version)));
        let method = if at % 2 == 0 { Method::POST } else { Method::GET };
        let (code, answered, socket) = begin(&api, method, &format!("{POD}/{path}"), &headers).await;
        assert_eq!(code, 101, "{path}: {socket:?}");
        let spoken = answered.get("x-stream-protocol-version").map_or("", |value| value.to_str().expect("text"));
        assert_eq!((spoken, &answered["upgrade"]), (version, &"SPDY/3.1".parse().expect("text")));
        let mut spdy = Spdy::new(socket.expect("a connection"));
        let error = spdy.open("error").await;
        spdy.say(error, &[], true).await;
        let mut streams = BTreeMap::new();
        for kind in kinds {
            streams.insert(*kind, spdy.open(kind).await);
        }
        if let Some(resize) = streams.get("resize") {
            spdy.say(*resize, &size.as_bytes()[..9], false).await;
            spdy.say(*resize, &size.as_bytes()[9..], false).await;
        }
        if let Some(stdin) = streams.get("stdin") {
            spdy.say(*stdin, &[], true).await;
        }
        assert_eq!(spdy.told().await, expected(want), "{version} {path}");
    }
}

#[tokio::test]
async fn input_goes_in_and_its_end_is_told() {
    let api = server().await;
    let headers = [&UPGRADE[..], &[("x-stream-protocol-version", "v9, v4.channel.k8s.io, v3.channel.k8s.io")]].concat();
    let path = format!("{POD}/exec?command=cat&stdin=1&stdout=1&stderr=1");
    let (_, answered, socket) = begin(&api, Method::POST, &path, &headers).await;
    assert_eq!(answered["x-stream-protocol-version"], "v4.channel.k8s.io");
    let mut spdy = Spdy::new(socket.expect("a connection"));
    spdy.open("error").await;
    let stdin = spdy.open("stdin").await;
    spdy.open("stdout").await;
    spdy.open("stderr").await;
    let words = "many words ".repeat(20_000);
    for piece in words.as_bytes().chunks(30_000) {
        spdy.say(stdin, piece, false).await;
    }
    spdy.say(stdin, b"and an end", true).await;
    let told = spdy.told().await;
    assert!(told["stdout"] == format!("{words}and an end") && told["error"].contains("Success"));
}

#[tokio::test]
async fn what_is_no_stream_is_refused_in_words() {
    let api = server().await;
    let version = |name| [&UPGRADE[..], &[("x-stream-protocol-version", name)]].concat();
    let exec = "exec?command=both&stdout=1";
    let socket =
        [("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")];
    let with = |protocol| [&socket[..], &[("sec-websocket-protocol", protocol)]].concat();
    let rows: [(&str, Vec<(&str, &str)>, u16, &str); 9] = [
        (exec, Vec::new(), 400, "Upgrade request required"),
        (exec, vec![UPGRADE[1]], 400, "Upgrade request required"),
        (exec, version("v9.channel.k8s.io"), 403, "unable to negotiate protocol"),
        ("exec?command=both", version("v4.channel.k8s.io"), 400, "at least 1 of stdin, stdout, stderr"),
        ("exec?stdout=1", version("v4.channel.k8s.io"), 400, "at least one command"),
        ("exec?command=both&stdout=1&container=z", version("v4.channel.k8s.io"), 400, "container z is not valid"),
        ("exec?command=refuse&stdout=1", version("v4.channel.k8s.io"), 400, "container not found"),
        (exec, with("v3.channel.k8s.io"), 403, "requested protocol(s) are not supported"),
        ("log", with("channel.k8s.io"), 403, "requested protocol(s) are not supported"),
    ];
    for (path, headers, code, says) in rows {
        let (answered, told, body) = begin(&api, Method::GET, &format!("{POD}/{path}"), &headers).await;
        let body = body.expect_err("no connection");
        assert_eq!((answered, body.contains(says)), (code, true), "{path}: {body}");
        let accepted = told.get_all("x-accepted-stream-protocol-versions").iter().count();
        assert_eq!(accepted, if says.contains("negotiate") { 5 } else { 0 });
    }
}

async fn websocket(
    api: &ApiServer,
    path: &str,
    protocol: &str,
    more: &[(&str, &str)],
) -> (HeaderMap, WebSocketStream<DuplexStream>) {
    let mut headers =
        vec![("connection", "Upgrade"), ("upgrade", "websocket"), ("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")];
    headers.extend((!protocol.is_empty()).then_some(("sec-websocket-protocol", protocol)));
    headers.extend_from_slice(more);
    let (code, answered, socket) = begin(api, Method::GET, path, &headers).await;
    assert_eq!(code, 101, "{path}: {socket:?}");
    assert_eq!(answered["sec-websocket-accept"], "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    (answered, WebSocketStream::from_raw_socket(socket.expect("a connection"), Role::Client, None).await)
}

fn binary(text: &str) -> Message {
    Message::Binary(text.as_bytes().to_vec().into())
}

async fn until_closed(mut socket: WebSocketStream<DuplexStream>) -> Vec<Message> {
    let mut told = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        if message.is_close() {
            break;
        }
        told.push(message);
    }
    told
}

#[tokio::test]
async fn commands_run_over_each_websocket_protocol() {
    let api = server().await;
    let words = "command terminated with non-zero exit code: exit status 7";
    for (protocol, base64, json) in [
        ("v5.channel.k8s.io", false, true),
        ("v4.channel.k8s.io", false, true),
        ("v4.base64.channel.k8s.io", true, true),
        ("channel.k8s.io", false, false),
        ("base64.channel.k8s.io", true, false),
        ("", false, false),
    ] {
        let message = |channel: u8, text: &str| match base64 {
            true => Message::Text(format!("{channel}{}", api::base64::encode(text.as_bytes())).into()),
            false => Message::Binary([&[channel], text.as_bytes()].concat().into()),
        };
        let success = json.then(|| message(3, r#"{"metadata":{},"status":"Success"}"#));
        let rows = [
            ("command=both&stdout=1&stderr=1", vec![message(1, ""), message(1, "out"), message(2, "err")], &success),
            ("command=both&stderr=1", vec![message(2, ""), message(2, "err")], &success),
            ("command=both&stdout=1", vec![message(1, ""), message(1, "out")], &success),
            ("command=both&stdout=1&stderr=1&tty=1", vec![message(1, ""), message(1, "out")], &success),
            ("command=both&stdin=1", vec![message(3, "")], &success),
        ];
        for (query, mut want, end) in rows {
            let (answered, socket) = websocket(&api, &format!("{POD}/exec?{query}"), protocol, &[]).await;
            let spoken = answered.get("sec-websocket-protocol").map_or("", |value| value.to_str().expect("text"));
            assert_eq!(spoken, protocol);
            want.extend(end.clone());
            assert_eq!(until_closed(socket).await, want, "{protocol} {query}");
        }
        let (_, socket) = websocket(&api, &format!("{POD}/exec?command=fail&stdout=1"), protocol, &[]).await;
        let told = until_closed(socket).await;
        match json {
            true => assert!(told.len() == 2 && told[1] != message(3, words)),
            false => assert_eq!(told[1], message(3, words)),
        }
        let (_, mut socket) = websocket(&api, &format!("{POD}/exec?command=cat&stdin=1&stdout=1"), protocol, &[]).await;
        socket.send(message(0, "in")).await.expect("sent");
        assert_eq!(socket.next().await.expect("more").expect("a message"), message(1, ""));
        assert_eq!(socket.next().await.expect("more").expect("a message"), message(1, "in"), "{protocol}");
        if protocol.starts_with("v5") {
            socket.send(Message::Binary(vec![255, 0].into())).await.expect("sent");
            assert_eq!(until_closed(socket).await, Vec::from_iter(success));
        }
    }
    // The newest goes before the client's order, and a token among the protocols is none.
    let offered = "base64url.bearer.authorization.k8s.io.YWJj, channel.k8s.io, v5.channel.k8s.io";
    let (answered, _) = websocket(&api, &format!("{POD}/exec?command=both&stdout=1"), offered, &[]).await;
    assert_eq!(answered["sec-websocket-protocol"], "v5.channel.k8s.io");
}

#[tokio::test]
async fn ports_are_carried_in_each_coding() {
    let api = server().await;
    for protocol in ["", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"] {
        let message = |channel: u8, bytes: &[u8]| match protocol.contains("base64") {
            true => Message::Text(format!("{channel}{}", api::base64::encode(bytes)).into()),
            false => Message::Binary([&[channel], bytes].concat().into()),
        };
        let (_, mut socket) = websocket(&api, &format!("{POD}/portforward?ports=80"), protocol, &[]).await;
        socket.send(message(0, b"hello")).await.expect("sent");
        for want in [message(0, &[80, 0]), message(1, &[80, 0]), message(0, b"hello")] {
            assert_eq!(socket.next().await.expect("more").expect("a message"), want, "{protocol}");
        }
    }
}

#[tokio::test]
async fn logs_come_as_messages() {
    let api = server().await;
    for (protocol, want) in [
        ("", vec![binary(""), binary("one\ntwo\n")]),
        ("binary.k8s.io", vec![binary(""), binary("one\ntwo\n")]),
        ("base64.binary.k8s.io", vec![Message::Text("".into()), Message::Text("b25lCnR3bwo=".into())]),
    ] {
        let (answered, socket) = websocket(&api, &format!("{POD}/log"), protocol, &[]).await;
        assert_eq!(answered.get("sec-websocket-protocol").is_some(), !protocol.is_empty());
        assert_eq!(until_closed(socket).await, want, "{protocol}");
    }
}

#[tokio::test]
async fn each_event_of_a_watch_is_a_message() {
    let api = server().await;
    for name in ["a", "b"] {
        ask(&api, "POST", MAPS, &[], json!({"metadata": {"name": name, "labels": {"own": ""}}}).to_string()).await;
    }
    let path = format!("{MAPS}?watch=1&labelSelector=own&timeoutSeconds=60");
    let (_, mut socket) = websocket(&api, &path, "", &[]).await;
    for want in ["a", "b", "c"] {
        if want == "c" {
            ask(&api, "POST", MAPS, &[], r#"{"metadata": {"name": "c", "labels": {"own": ""}}}"#).await;
        }
        let message = rt::timeout(Duration::from_secs(10), socket.next()).await.expect("in time");
        let Message::Text(text) = message.expect("more").expect("a message") else { panic!("it is text") };
        let event: Value = serde_json::from_str(&text).expect("one event");
        assert_eq!((&event["type"], &event["object"]["metadata"]["name"]), (&json!("ADDED"), &json!(want)));
    }
    let protobuf = [("accept", "application/vnd.kubernetes.protobuf")];
    let (_, mut socket) = websocket(&api, &path, "", &protobuf).await;
    for _ in 0..3 {
        let message = rt::timeout(Duration::from_secs(10), socket.next()).await.expect("in time");
        let Message::Binary(bytes) = message.expect("more").expect("a message") else { panic!("it is binary") };
        // Field 1 of a WatchEvent is its type, field 2 the object in its envelope.
        assert!(bytes.starts_with(b"\x0a\x05ADDED\x12"), "{bytes:?}");
        assert_eq!(bytes.windows(4).filter(|window| window == b"k8s\0").count(), 1, "one event a message");
    }
    // A client that closes ends its watch.
    socket.close(None).await.expect("closed");
    rt::timeout(Duration::from_secs(10), until_closed(socket)).await.expect("in time");
}
