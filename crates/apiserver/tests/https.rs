//! The doors: TLS, HTTP and WebSocket as strangers use them. Whatever they send, the server answers or hangs up, and goes on.
mod serve;

use apiserver::nodes::What;
use futures::{SinkExt as _, StreamExt as _};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_tungstenite::tungstenite::Message;

async fn tls(https: &serve::Https, known: bool) -> tokio_rustls::client::TlsStream<tokio::net::TcpStream> {
    let read = |name: &str| std::fs::read(https.directory.path().join(name)).expect("written");
    let mut roots = rustls::RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(&read("ca.pem")).expect("a certificate")).expect("an authority");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder =
        rustls::ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().expect("versions");
    let builder = builder.with_root_certificates(roots);
    let config = if known {
        let chain = vec![CertificateDer::from_pem_slice(&read("client.pem")).expect("a certificate")];
        builder
            .with_client_auth_cert(chain, PrivateKeyDer::from_pem_slice(&read("client.key")).expect("a key"))
            .expect("an identity")
    } else {
        builder.with_no_client_auth()
    };
    let socket = tokio::net::TcpStream::connect(https.server.address()).await.expect("it connects");
    let name = ServerName::try_from("localhost").expect("a name");
    tokio_rustls::TlsConnector::from(Arc::new(config)).connect(name, socket).await.expect("a handshake")
}

/// Sends raw bytes over TLS, and reads until the server hangs up or is silent for long.
/// For what comes, however busy the machine is.
const LONG: Duration = Duration::from_secs(30);

/// What is answered: within `time`, or nothing.
async fn raw(https: &serve::Https, known: bool, bytes: &[u8], time: Duration) -> String {
    let mut stream = tls(https, known).await;
    // The server may hang up before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = rt::timeout(time, stream.read_to_end(&mut answer)).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn strangers_do_no_harm() {
    let https = serve::https(serve::alone().await).await;
    let mut plain = tokio::net::TcpStream::connect(https.server.address()).await.expect("it connects");
    plain.write_all(b"GET / HTTP/1.1\r\n\r\n\0\0\0").await.expect("written");
    drop(plain);
    let close = "Host: x\r\nConnection: close\r\n";
    let body = |text: &str| format!("Content-Length: {}\r\n\r\n{text}", text.len());
    let table = [
        (format!("GET /version HTTP/1.1\r\n{close}\r\n"), false, "HTTP/1.1 200"),
        (format!("GET /api/v1/pods HTTP/1.1\r\n{close}\r\n"), false, "HTTP/1.1 401"),
        (format!("GET /api/v1/pods HTTP/1.1\r\n{close}\r\n"), true, "HTTP/1.1 200"),
        ("GARBAGE\r\n\r\n".to_owned(), true, "HTTP/1.1 400"),
        (format!("GET /{} HTTP/1.1\r\n{close}\r\n", "x".repeat(200_000)), true, "HTTP/1.1 4"),
        (format!("GET /api HTTP/1.1\r\n{close}X: {}\r\n\r\n", "x".repeat(200_000)), true, "HTTP/1.1 4"),
        (format!("GET /api/v1/pods/%zz HTTP/1.1\r\n{close}\r\n"), true, "HTTP/1.1 404"),
        (format!("GET /api/v1/pods?a=%zz HTTP/1.1\r\n{close}\r\n"), true, "HTTP/1.1 400"),
        (format!("POST /api/v1/namespaces HTTP/1.1\r\n{close}Content-Length: 9999999999\r\n\r\n"), true, ""),
        // The body of a stranger is not waited for.
        (format!("POST /api/v1/namespaces HTTP/1.1\r\n{close}Content-Length: 1000\r\n\r\n"), false, "HTTP/1.1 401"),
        (
            format!("POST /api/v1/namespaces HTTP/1.1\r\n{close}Content-Length: 9999999999\r\n\r\n"),
            false,
            "HTTP/1.1 401",
        ),
        (format!("POST /api/v1/namespaces HTTP/1.1\r\n{close}{}", body(&"[".repeat(100_000))), true, "HTTP/1.1 400"),
        (format!("POST /api/v1/namespaces HTTP/1.1\r\n{close}{}", body(&"x".repeat(4_000_000))), true, "HTTP/1.1 413"),
        (
            format!(
                "POST /api/v1/namespaces HTTP/1.1\r\n{close}Content-Type: application/vnd.kubernetes.protobuf\r\n{}",
                body("k8s\0\u{7f}\u{7f}")
            ),
            true,
            "HTTP/1.1 400",
        ),
        (format!("BREW /api/v1/namespaces HTTP/1.1\r\n{close}\r\n"), true, "HTTP/1.1 405"),
        (
            format!("GET /api/v1/namespaces/default/pods/none/exec?command=x HTTP/1.1\r\n{close}\r\n"),
            true,
            "HTTP/1.1 404",
        ),
    ];
    for (text, known, want) in table {
        let time = if want.is_empty() { Duration::from_millis(1_500) } else { LONG };
        let answer = raw(&https, known, text.as_bytes(), time).await;
        assert!(answer.starts_with(want), "{}: {}", &text[..text.len().min(80)], &answer[..answer.len().min(200)]);
    }
    assert!(raw(&https, true, &[0xff; 4_096], LONG).await.len() < 1_000);
    let well = raw(&https, true, format!("GET /readyz HTTP/1.1\r\n{close}\r\n").as_bytes(), LONG).await;
    assert!(well.starts_with("HTTP/1.1 200") && well.ends_with("ok"), "{well}");
    https.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_too_large_is_said_to_be_so_over_every_http() {
    let https = serve::https(serve::alone().await).await;
    let directory = https.directory.path().to_owned();
    std::fs::write(directory.join("large"), "x".repeat(5_000_000)).expect("written");
    let url = format!("https://localhost:{}/api/v1/namespaces", https.server.address().port());
    for version in ["--http1.1", "--http2"] {
        let mut curl = std::process::Command::new("curl");
        curl.current_dir(&directory).args(["-s", version, "-m", "20", "-H", "Content-Type: application/json", &url]);
        curl.args("--cacert ca.pem --cert client.pem --key client.key --data-binary @large".split(' '));
        let answer = rt::blocking("curl", move || curl.output()).await.expect("it ends").expect("curl runs");
        let said: serde_json::Value = serde_json::from_slice(&answer.stdout).unwrap_or_default();
        assert_eq!(
            (&said["code"], &said["reason"]),
            (&413.into(), &"RequestEntityTooLarge".into()),
            "{version}: {answer:?}"
        );
    }
    https.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn logs_and_commands_reach_the_node() {
    let (api, asked) = serve::with_pod().await;
    let https = serve::https(api).await;
    let head = "Host: x\r\nConnection: close\r\n\r\n";
    let path = "/api/v1/namespaces/default/pods/p";
    let log =
        raw(&https, true, format!("GET {path}/log?follow=true&tailLines=5 HTTP/1.1\r\n{head}").as_bytes(), LONG).await;
    assert!(log.contains("one\ntwo\n"), "{log}");
    let bad = raw(&https, true, format!("GET {path}/log?container=nope HTTP/1.1\r\n{head}").as_bytes(), LONG).await;
    assert!(bad.starts_with("HTTP/1.1 400") && bad.contains("container nope is not valid for pod p"), "{bad}");
    let stream = tls(&https, true).await;
    let request = hyper::Request::builder()
        .uri(format!("wss://localhost{path}/exec?command=fail&stdin=true&stdout=true"))
        .header("Host", "localhost")
        .header("Connection", "Upgrade")
        .header("Upgrade", "websocket")
        .header("Sec-WebSocket-Version", "13")
        .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
        .header("Sec-WebSocket-Protocol", "v5.channel.k8s.io")
        .body(())
        .expect("a request");
    let (mut socket, response) = tokio_tungstenite::client_async(request, stream).await.expect("an upgrade");
    assert_eq!(response.headers()["sec-websocket-protocol"], "v5.channel.k8s.io");
    socket.send(Message::Binary(b"\0hello".to_vec().into())).await.expect("sent");
    socket.send(Message::Binary(vec![255, 0].into())).await.expect("sent");
    let mut channels = Vec::new();
    while let Some(Ok(message)) = socket.next().await {
        // An empty message says that the way is open.
        if let Message::Binary(bytes) = message
            && bytes.len() > 1
        {
            channels.push((bytes[0], String::from_utf8_lossy(&bytes[1..]).into_owned()));
        }
    }
    assert_eq!(channels[0], (1, "hello".to_owned()));
    let status: serde_json::Value = serde_json::from_str(&channels[1].1).expect("a status");
    assert_eq!((channels[1].0, &status["details"]["causes"][0]["message"]), (3, &serde_json::json!("7")));
    let asked = asked.lock().expect("unpoisoned").clone();
    assert!(
        matches!(&asked[0].what, What::Logs { follow: true, tail_lines: Some(5), container, .. } if container == "c"),
        "{asked:?}"
    );
    assert!(matches!(&asked[1].what, What::Exec { stdin: true, command, .. } if *command == ["fail"]), "{asked:?}");
    https.server.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_sends_its_head_at_once_and_ends_with_the_server() {
    let https = serve::https(serve::alone().await).await;
    let mut stream = tls(&https, true).await;
    let path = "/api/v1/namespaces/default/configmaps?watch=1";
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").as_bytes()).await.expect("written");
    let mut head = [0; 12];
    let read = rt::timeout(Duration::from_secs(5), stream.read_exact(&mut head)).await;
    read.expect("the head comes before any event").expect("it is read");
    assert_eq!(&head, b"HTTP/1.1 200");
    let stopped = rt::timeout(Duration::from_secs(4), https.server.stop()).await;
    assert!(stopped.is_some(), "an open watch does not hold the server up");
}

/// A request that is being made when the server stops is answered; nobody new is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_in_flight_is_answered_before_the_end() {
    let https = serve::https(serve::alone().await).await;
    let address = https.server.address();
    let mut stream = tls(&https, true).await;
    let body = r#"{"metadata": {"name": "late"}}"#;
    let head = "POST /api/v1/namespaces HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
    let head = format!("{head}Content-Length: {}\r\n\r\n{}", body.len(), &body[..5]);
    stream.write_all(head.as_bytes()).await.expect("written");
    // The server has begun to read it.
    rt::sleep(Duration::from_millis(200)).await;
    let stopping = rt::spawn("stop", https.server.stop());
    rt::sleep(Duration::from_millis(200)).await;
    assert!(tokio::net::TcpStream::connect(address).await.is_err(), "nobody new is let in");
    stream.write_all(&body.as_bytes()[5..]).await.expect("written");
    let mut answer = Vec::new();
    let read = rt::timeout(Duration::from_secs(4), stream.read_to_end(&mut answer)).await;
    let answer = String::from_utf8_lossy(&answer);
    assert!(read.is_some() && answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(rt::timeout(Duration::from_secs(1), stopping).await.is_some(), "then it is over");
}
