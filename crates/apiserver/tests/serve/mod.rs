//! An API server for tests, alone and without a log: over HTTPS for real clients, or called directly.
#![allow(dead_code, reason = "each test uses its part")]
use apiserver::http::{Identity, Server};
use apiserver::identity::User;
use apiserver::nodes::{Nodes, PodStream, What};
use apiserver::request::{Content, Duplex, Request};
use apiserver::room::Parts;
use apiserver::server::ApiServer;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use hyper::{HeaderMap, Method};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose,
};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A server without sockets, founded.
pub async fn alone() -> ApiServer {
    let server = ApiServer::new(Parts::new(consensus::Member::alone()));
    apiserver::founding::found(&server, 6443).await.expect("a cluster is founded");
    server
}

/// A node that answers: logs are two lines, a command repeats its words and its input, a port repeats what it is sent.
struct Echo {
    asked: Arc<Mutex<Vec<PodStream>>>,
}

impl Nodes for Echo {
    fn open(&self, node: &str, stream: PodStream) -> BoxFuture<'static, Result<Box<dyn Duplex>, api::status::Status>> {
        self.asked.lock().expect("unpoisoned").push(stream.clone());
        let node = node.to_owned();
        async move {
            if node != "n1" {
                return Err(api::status::Status::unavailable(format!("node {node:?} has no session")));
            }
            let (ours, mut theirs) = tokio::io::duplex(64 * 1024);
            rt::spawn("echo", async move {
                match stream.what {
                    What::Logs { .. } => theirs.write_all(b"one\ntwo\n").await.expect("written"),
                    What::Exec { command, stdin, .. } => echo(&mut theirs, command, stdin).await,
                    What::Forward { .. } => {
                        let (mut read, mut write) = tokio::io::split(theirs);
                        let _ = tokio::io::copy(&mut read, &mut write).await;
                        let _ = write.shutdown().await;
                    }
                    What::Attach { .. } => {}
                }
            });
            Ok(Box::new(ours) as Box<dyn Duplex>)
        }
        .boxed()
    }
}

async fn frame(stream: &mut tokio::io::DuplexStream, channel: u8, bytes: &[u8]) {
    let mut frame = vec![channel];
    frame.extend_from_slice(&u32::try_from(bytes.len()).expect("short").to_be_bytes());
    frame.extend_from_slice(bytes);
    stream.write_all(&frame).await.expect("written");
}

/// Repeats its words, then its input; ends with 7 if its first word is `fail`.
async fn echo(stream: &mut tokio::io::DuplexStream, command: Vec<String>, stdin: bool) {
    if command.len() > 1 {
        frame(stream, 1, format!("{}\n", command[1..].join(" ")).as_bytes()).await;
    }
    while stdin {
        let (channel, length) =
            (stream.read_u8().await.expect("a channel"), stream.read_u32().await.expect("a length"));
        let mut bytes = vec![0; length as usize];
        stream.read_exact(&mut bytes).await.expect("a frame");
        match channel {
            255 => break,
            0 => frame(stream, 1, &bytes).await,
            _ => {}
        }
    }
    let code = if command[0] == "fail" { 7 } else { 0 };
    frame(stream, 3, format!("{{\"code\": {code}, \"error\": \"\"}}").as_bytes()).await;
}

/// A server with one node that echoes, and a pod `p` that runs on it.
pub async fn with_pod() -> (ApiServer, Arc<Mutex<Vec<PodStream>>>) {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let nodes: Arc<dyn Nodes> = Arc::new(Echo { asked: asked.clone() });
    let api = ApiServer::new(Parts { nodes: Some(nodes), ..Parts::new(consensus::Member::alone()) });
    apiserver::founding::found(&api, 6443).await.expect("founded");
    let pod = r#"{"metadata": {"name": "p"}, "spec": {"containers": [{"name": "c", "image": "i"}]}}"#;
    let pods = "/api/v1/namespaces/default/pods";
    assert_eq!(ask(&api, "POST", pods, &[], pod).await.code, 201);
    let binding = r#"{"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n1"}}"#;
    let bound = ask(&api, "POST", &format!("{pods}/p/binding"), &[], binding).await;
    assert_eq!(bound.code, 201, "{}", bound.body);
    let again = ask(&api, "POST", &format!("{pods}/p/binding"), &[], binding).await;
    assert_eq!(again.code, 409, "{}", again.body);
    let merge = ["Content-Type: application/merge-patch+json"];
    let running = ask(&api, "PATCH", &format!("{pods}/p/status"), &merge, r#"{"status": {"phase": "Running"}}"#).await;
    assert_eq!(running.code, 200, "{}", running.body);
    (api, asked)
}

/// What came back.
#[derive(Debug)]
pub struct Reply {
    pub code: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Reply {
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|why| panic!("{why}: {}", self.body))
    }
}

/// Asks as the admin; headers are `name: value` lines.
pub async fn ask(
    server: &ApiServer,
    method: &str,
    path: &str,
    headers: &[&str],
    body: impl Into<bytes::Bytes>,
) -> Reply {
    ask_as(server, Some(User::new("admin", &["system:masters"])), method, path, headers, body).await
}

/// Asks as anybody, or as nobody.
pub async fn ask_as(
    server: &ApiServer,
    user: Option<User>,
    method: &str,
    path: &str,
    headers: &[&str],
    body: impl Into<bytes::Bytes>,
) -> Reply {
    let mut map = HeaderMap::new();
    for line in headers {
        let (name, value) = line.split_once(": ").expect("a header line");
        let name = hyper::header::HeaderName::from_bytes(name.as_bytes()).expect("a header name");
        map.append(name, value.parse().expect("a header value"));
    }
    let request = Request {
        method: Method::from_bytes(method.as_bytes()).expect("a method"),
        uri: path.parse().expect("a path"),
        headers: map,
        body: body.into(),
        user,
        from: None,
    };
    let (code, headers, body) = whole(server.handle(request).await).await;
    Reply { code, headers, body: String::from_utf8(body).expect("text") }
}

/// Code, headers and all bytes of a response.
pub async fn whole(response: apiserver::request::Response) -> (u16, HeaderMap, Vec<u8>) {
    let body = match response.content {
        Content::Whole(bytes) => bytes.to_vec(),
        Content::Pieces(pieces) => {
            pieces
                .fold(Vec::new(), |mut all, piece| async move {
                    all.extend_from_slice(&piece);
                    all
                })
                .await
        }
        Content::Upgrade(_) => Vec::new(),
    };
    (response.code.as_u16(), response.headers, body)
}

/// A server over HTTPS, and the kubeconfig of its admin.
pub struct Https {
    pub server: Server,
    pub kubeconfig: PathBuf,
    pub directory: tempfile::TempDir,
}

pub async fn https(api: ApiServer) -> Https {
    let directory = tempfile::tempdir().expect("a directory");
    let mut authority = CertificateParams::default();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    authority.distinguished_name.push(DnType::CommonName, "test authority");
    let authority_key = KeyPair::generate().expect("a key");
    let authority_pem = authority.self_signed(&authority_key).expect("a certificate").pem();
    let issuer = Issuer::new(authority, authority_key);
    let server_key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::new(vec!["localhost".to_owned(), "127.0.0.1".to_owned()]).expect("names");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    let chain = params.signed_by(&server_key, &issuer).expect("a certificate").pem();
    let client_key = KeyPair::generate().expect("a key");
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, "admin");
    params.distinguished_name.push(DnType::OrganizationName, "system:masters");
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    let client = params.signed_by(&client_key, &issuer).expect("a certificate").pem();
    let identity = Identity {
        chain: chain.into_bytes(),
        key: server_key.serialize_pem().into_bytes(),
        client_authority: authority_pem.clone().into_bytes(),
    };
    let address = "127.0.0.1:0".parse().expect("an address");
    let server = Server::start(address, &identity, api).await.expect("it listens");
    let kubeconfig = directory.path().join("kubeconfig");
    for (name, text) in
        [("ca.pem", &authority_pem), ("client.pem", &client), ("client.key", &client_key.serialize_pem())]
    {
        std::fs::write(directory.path().join(name), text).expect("written");
    }
    write_kubeconfig(&kubeconfig, directory.path(), server.address().port());
    Https { server, kubeconfig, directory }
}

fn write_kubeconfig(file: &Path, directory: &Path, port: u16) {
    let at = directory.display();
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: test\n\
         clusters: [{{name: test, cluster: {{server: 'https://127.0.0.1:{port}', certificate-authority: {at}/ca.pem}}}},\n\
         {{name: past, cluster: {{server: 'https://127.0.0.1:{port}/asof/-0s', certificate-authority: {at}/ca.pem}}}}]\n\
         users: [{{name: admin, user: {{client-certificate: {at}/client.pem, client-key: {at}/client.key}}}}]\n\
         contexts: [{{name: test, context: {{cluster: test, user: admin}}}}, {{name: past, context: {{cluster: past, user: admin}}}}]\n"
    );
    std::fs::write(file, text).expect("written");
}
