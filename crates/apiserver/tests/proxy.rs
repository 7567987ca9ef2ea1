//! Requests handed on to pods and answered for nodes, and ports carried over WebSocket channels: a node behind the server that runs small
//! servers.
mod serve;

use apiserver::nodes::{Nodes, PodStream, What};
use apiserver::request::Duplex;
use apiserver::room::Parts;
use apiserver::server::ApiServer;
use futures::future::BoxFuture;
use futures::{FutureExt as _, SinkExt as _, StreamExt as _};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use serve::{Reply, ask};
use std::convert::Infallible;
use std::sync::Arc;
use tokio::io::AsyncWriteExt as _;
use tokio_tungstenite::tungstenite::Message;

/// Each port of each pod is a web server that tells what it was asked, 8443 over TLS; port 7 repeats bytes.
struct Web;

impl Nodes for Web {
    fn open(&self, _: &str, stream: PodStream) -> BoxFuture<'static, Result<Box<dyn Duplex>, api::status::Status>> {
        async move {
            let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
            let What::Forward { port } = stream.what else {
                theirs.write_all(format!("{:?}", stream.what).as_bytes()).await.expect("written");
                return Ok(Box::new(ours) as Box<dyn Duplex>);
            };
            rt::spawn("web", async move {
                if port == 7 {
                    let (mut read, mut write) = tokio::io::split(theirs);
                    let _ = tokio::io::copy(&mut read, &mut write).await;
                } else if port == 9 {
                    let _ = theirs.shutdown().await;
                } else if port == 8443 {
                    let Ok(theirs) = acceptor().accept(theirs).await else { return };
                    let service = hyper::service::service_fn(move |request| answer(stream.pod.clone(), port, request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(theirs), service)
                        .await;
                } else {
                    let service = hyper::service::service_fn(move |request| answer(stream.pod.clone(), port, request));
                    let _ = hyper::server::conn::http1::Builder::new()
                        .serve_connection(TokioIo::new(theirs), service)
                        .await;
                }
            });
            Ok(Box::new(ours) as Box<dyn Duplex>)
        }
        .boxed()
    }
}

/// With a certificate that nobody signed.
fn acceptor() -> tokio_rustls::TlsAcceptor {
    let key = rcgen::KeyPair::generate().expect("a key");
    let params = rcgen::CertificateParams::new(vec!["elsewhere".to_owned()]).expect("names");
    let certificate = params.self_signed(&key).expect("a certificate").der().clone();
    let key = rustls_pki_types::PrivateKeyDer::try_from(key.serialize_der()).expect("a key");
    let config = rustls::ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("an identity");
    Arc::new(config).into()
}

async fn answer(
    pod: String,
    port: u16,
    request: hyper::Request<Incoming>,
) -> Result<hyper::Response<Full<Bytes>>, Infallible> {
    let (head, body) = request.into_parts();
    let body = body.collect().await.expect("a body").to_bytes();
    let secret = head.headers.contains_key("authorization") || head.headers.contains_key("impersonate-user");
    let said = json!({"pod": pod, "port": port, "method": head.method.as_str(), "uri": head.uri.to_string(),
        "body": String::from_utf8_lossy(&body), "x": head.headers.get("x-own").and_then(|own| own.to_str().ok()), "secret": secret});
    let response = hyper::Response::builder().header("X-Pod", "yes").header("Connection", "close");
    let response = match head.uri.path() {
        "/missing" => response.status(404),
        "/elsewhere" => response.status(302).header("Location", "/there"),
        _ => response,
    };
    Ok(response.body(Full::from(said.to_string())).expect("a response"))
}

const NAMESPACE: &str = "/api/v1/namespaces/default";

async fn server() -> ApiServer {
    let api = ApiServer::new(Parts { nodes: Some(Arc::new(Web)), ..Parts::new(consensus::Member::alone()) });
    apiserver::founding::found(&api, 6443).await.expect("a cluster is founded");
    let pod = json!({"metadata": {"name": "p"}, "spec": {"nodeName": "n1", "containers": [
        {"name": "c", "image": "i", "ports": [{"containerPort": 8080}]}]}});
    made(ask(&api, "POST", &format!("{NAMESPACE}/pods"), &[], pod.to_string()).await);
    let merge = ["Content-Type: application/merge-patch+json"];
    let running =
        ask(&api, "PATCH", &format!("{NAMESPACE}/pods/p/status"), &merge, r#"{"status": {"phase": "Running"}}"#).await;
    assert_eq!(running.code, 200, "{}", running.body);
    let ports = json!([{"name": "http", "port": 80, "targetPort": 8081}, {"name": "other", "port": 81, "targetPort": 8082},
            {"name": "secret", "port": 443, "targetPort": 8443}]);
    let service = json!({"metadata": {"name": "web"}, "spec": {"selector": {"a": "b"}, "ports": ports}});
    made(ask(&api, "POST", &format!("{NAMESPACE}/services"), &[], service.to_string()).await);
    let slice = json!({"metadata": {"name": "web-1", "labels": {"kubernetes.io/service-name": "web"}}, "addressType": "IPv4",
        "endpoints": [{"addresses": ["10.0.0.1"], "conditions": {"ready": true}, "targetRef": {"kind": "Pod", "name": "p", "namespace": "default"}}],
        "ports": [{"name": "http", "port": 8081, "protocol": "TCP"}, {"name": "other", "port": 8082, "protocol": "TCP"},
            {"name": "secret", "port": 8443, "protocol": "TCP"}]});
    let slices = "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices";
    made(ask(&api, "POST", slices, &[], slice.to_string()).await);
    api
}

fn made(reply: Reply) {
    assert_eq!(reply.code, 201, "{}", reply.body);
}

#[tokio::test]
async fn requests_reach_the_port_that_is_meant() {
    let api = server().await;
    let table = [
        ("pods/p/proxy/", 8080, "/"),
        ("pods/p:9000/proxy/a/b%2Fc?x=1", 9000, "/a/b%2Fc?x=1"),
        ("pods/http:p:9000/proxy/", 9000, "/"),
        ("services/web:http/proxy/a", 8081, "/a"),
        ("services/web:81/proxy/", 8082, "/"),
        ("services/http:web:other/proxy/", 8082, "/"),
        ("pods/https:p:8443/proxy/a?x=1", 8443, "/a?x=1"),
        ("services/https:web:secret/proxy/", 8443, "/"),
    ];
    for (path, port, uri) in table {
        let reply = ask(&api, "GET", &format!("{NAMESPACE}/{path}"), &[], "").await;
        assert_eq!(reply.code, 200, "{path}: {}", reply.body);
        let said: Value = reply.json();
        assert_eq!(
            (said["port"].as_u64(), said["uri"].as_str(), &said["pod"]),
            (Some(port), Some(uri), &json!("p")),
            "{path}"
        );
        assert_eq!(reply.headers["x-pod"], "yes");
        assert!(!reply.headers.contains_key("connection"), "it speaks of another connection");
    }
    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS"] {
        let headers = ["X-Own: mine", "Authorization: Bearer secret"];
        let said = ask(&api, method, &format!("{NAMESPACE}/pods/p/proxy/do"), &headers, "words").await.json();
        assert_eq!(
            (&said["method"], &said["body"], &said["x"], &said["secret"]),
            (&json!(method), &json!("words"), &json!("mine"), &json!(false))
        );
    }
}

#[tokio::test]
async fn answers_come_back_as_they_are() {
    let api = server().await;
    let get = async |path: &str| ask(&api, "GET", &format!("{NAMESPACE}/{path}"), &[], "").await;
    assert_eq!(get("pods/p/proxy/missing").await.code, 404);
    let moved = get("pods/p/proxy/elsewhere").await;
    assert_eq!(
        (moved.code, moved.headers["location"].to_str().expect("text")),
        (302, "/api/v1/namespaces/default/pods/p/proxy/there")
    );
    let slash = get("services/web:http/proxy?a=b").await;
    assert_eq!(
        (slash.code, slash.headers["location"].to_str().expect("text")),
        (301, "/api/v1/namespaces/default/services/web:http/proxy/?a=b")
    );
    for (path, code, want) in [
        ("pods/none/proxy/", 404, "pods \"none\" not found"),
        ("services/none/proxy/", 404, "services \"none\" not found"),
        ("services/web/proxy/", 503, "no service port \"\" found"),
        ("services/web:82/proxy/", 503, "no service port \"82\" found"),
        ("services/kubernetes:https/proxy/", 503, "no endpoints available"),
        ("pods/p:x/proxy/", 400, "invalid pod request"),
        ("pods/p:9/proxy/", 503, "error trying to reach service"),
        ("pods/https:p:8080/proxy/", 503, "error trying to reach service"),
    ] {
        let reply = get(path).await;
        let message = reply.json()["message"].as_str().unwrap_or_default().to_owned();
        assert_eq!((reply.code, message.contains(want)), (code, true), "{path}: {message}");
    }
}

#[tokio::test]
async fn what_is_asked_of_a_kubelet_is_answered_or_refused() {
    let api = server().await;
    let node = json!({"metadata": {"name": "n1"}});
    made(ask(&api, "POST", "/api/v1/nodes", &[], node.to_string()).await);
    let get = async |path: &str| ask(&api, "GET", &format!("/api/v1/nodes/{path}"), &[], "").await;
    let reply = get("n1/proxy/healthz").await;
    assert_eq!(reply.code, 503, "nobody has heard of it yet: {}", reply.body);
    let merge = ["Content-Type: application/merge-patch+json"];
    let ready = r#"{"status": {"conditions": [{"type": "Ready", "status": "True"}]}}"#;
    assert_eq!(ask(&api, "PATCH", "/api/v1/nodes/n1/status", &merge, ready).await.code, 200);
    for (path, code, says) in [
        ("n1/proxy/healthz", 200, "ok"),
        ("n1:10250/proxy/healthz", 200, "ok"),
        ("https:n1:10250/proxy/pods", 200, r#""kind":"PodList""#),
        ("n1/proxy/pods", 200, r#""name":"p""#),
        ("n1/proxy/runningpods/", 200, r#""name":"p""#),
        ("n1/proxy/containerLogs/default/p/c?tailLines=3&container=other", 200, "tail_lines: Some(3)"),
        ("n1/proxy/containerLogs/default/p/none", 400, "container none is not valid for pod p"),
        ("n1/proxy/containerLogs/default/q/c", 404, "pods \\\"q\\\" not found"),
        ("n1/proxy/stats/summary", 404, "does not tell"),
        ("n1/proxy/configz", 404, "does not tell"),
        ("n1:80/proxy/pods", 503, "error trying to reach service"),
        ("n2/proxy/pods", 404, "nodes \\\"n2\\\" not found"),
    ] {
        let reply = get(path).await;
        assert!(reply.code == code && reply.body.contains(says), "{path}: {} {}", reply.code, reply.body);
    }
    assert_eq!(ask(&api, "POST", "/api/v1/nodes/n1/proxy/run/default/p/c", &[], "").await.code, 405);
}

#[tokio::test]
async fn ports_are_carried_over_channels() {
    let api = server().await;
    let request = |query: &str| {
        let request = hyper::Request::builder()
            .uri(format!("{NAMESPACE}/pods/p/portforward{query}"))
            .header("Upgrade", "websocket")
            .header("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==")
            .header("Sec-WebSocket-Protocol", "v4.channel.k8s.io");
        let (head, ()) = request.body(()).expect("a request").into_parts();
        let user = Some(apiserver::identity::User::new("admin", &["system:masters"]));
        apiserver::request::Request {
            method: head.method,
            uri: head.uri,
            headers: head.headers,
            body: Bytes::new(),
            user,
            from: None,
        }
    };
    for bad in ["", "?ports=0", "?ports=x", "?ports=70000"] {
        assert_eq!(api.handle(request(bad)).await.code, 400, "{bad}");
    }
    let response = api.handle(request("?ports=7&ports=9")).await;
    assert_eq!(
        (response.code.as_u16(), &response.headers["sec-websocket-protocol"]),
        (101, &"v4.channel.k8s.io".parse().expect("text"))
    );
    let apiserver::request::Content::Upgrade(run) = response.content else { panic!("it is an upgrade") };
    let (near, far) = tokio::io::duplex(64 * 1024);
    rt::spawn("server", run(Box::new(far)));
    let role = tokio_tungstenite::tungstenite::protocol::Role::Client;
    let mut client = tokio_tungstenite::WebSocketStream::from_raw_socket(near, role, None).await;
    client.send(Message::Binary(b"\x00hello".to_vec().into())).await.expect("sent");
    let mut heard = Vec::new();
    while heard.len() < 5 {
        match client.next().await.expect("more").expect("a message") {
            Message::Binary(bytes) => heard.push(bytes.to_vec()),
            other => panic!("{other:?}"),
        }
    }
    heard.sort();
    assert_eq!(heard, [&b"\x00\x07\x00"[..], b"\x00hello", b"\x01\x07\x00", b"\x02\x09\x00", b"\x03\x09\x00"]);
}
