//! Tokens that others know: an issuer of OpenID Connect and a webhook, each over HTTPS in this process.
mod serve;

use apiserver::authentication::chain::Trust;
use apiserver::authentication::config;
use apiserver::authentication::signer::Signer;
use apiserver::room::Parts;
use apiserver::server::ApiServer;
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::TokioIo;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use serde_json::{Value, json};
use serve::ask_as;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

/// What a pretended server answers to a path and a body.
type Answer = Arc<dyn Fn(&str, &Value) -> (u16, Value) + Send + Sync>;

/// Serves `answer` over HTTPS; gives the address and the authority (PEM) to believe.
async fn serve(answer: impl Fn(&str) -> Answer) -> (String, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().expect("a key");
    let authority = params.self_signed(&key).expect("a certificate").pem();
    let issuer = Issuer::new(params, key);
    let own = KeyPair::generate().expect("a key");
    let names = CertificateParams::new(vec!["127.0.0.1".to_owned()]).expect("names");
    let chain = names.signed_by(&own, &issuer).expect("a certificate").pem();
    let certificate = CertificateDer::from_pem_slice(chain.as_bytes()).expect("a certificate");
    let key = PrivateKeyDer::from_pem_slice(own.serialize_pem().as_bytes()).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let tls = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_no_client_auth()
        .with_single_cert(vec![certificate], key)
        .expect("a server");
    let acceptor = tokio_rustls::TlsAcceptor::from(Arc::new(tls));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("https://{}", listener.local_addr().expect("an address"));
    let answer = answer(&url);
    drop(rt::spawn("a pretended server", async move {
        while let Ok((socket, _)) = listener.accept().await {
            let (acceptor, answer) = (acceptor.clone(), answer.clone());
            drop(rt::spawn("a connection", async move {
                let Ok(stream) = acceptor.accept(socket).await else { return };
                let service = hyper::service::service_fn(move |request: hyper::Request<hyper::body::Incoming>| {
                    let answer = answer.clone();
                    async move {
                        let path = request.uri().path().to_owned();
                        let body = request.into_body().collect().await.expect("a body").to_bytes();
                        let body = serde_json::from_slice(&body).unwrap_or_default();
                        let (code, value) = answer(&path, &body);
                        let answer = hyper::Response::builder().status(code);
                        answer.body(Full::new(bytes::Bytes::from(value.to_string())))
                    }
                });
                let _ =
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            }));
        }
    }));
    (url, authority)
}

async fn server(trust: Trust) -> ApiServer {
    let member = consensus::Member::alone();
    let server = ApiServer::new(Parts { trust, ..Parts::new(member) });
    apiserver::founding::found(&server, 6443).await.expect("founded");
    server
}

async fn who(server: &ApiServer, token: &str) -> Result<Value, u16> {
    let header = format!("Authorization: Bearer {token}");
    let path = "/apis/authentication.k8s.io/v1/selfsubjectreviews";
    let reply = ask_as(server, None, "POST", path, &[&header], "{}").await;
    if reply.code == 201 { Ok(reply.json()["status"]["userInfo"].clone()) } else { Err(reply.code) }
}

fn indented(pem: &str) -> String {
    pem.lines().map(|line| format!("      {line}\n")).collect()
}

#[tokio::test]
async fn an_issuer_says_who_asks() {
    let signers: [Arc<Signer>; 2] = [Arc::new(Signer::from_seed(&[1; 32])), Arc::new(Signer::from_seed(&[2; 32]))];
    let keys = Arc::new(Mutex::new(vec![signers[0].key().shown()]));
    let fetched = Arc::new(AtomicUsize::new(0));
    let (shown, counted) = (keys.clone(), fetched.clone());
    let (url, authority) = serve(move |url| {
        let (url, shown, counted) = (url.to_owned(), shown.clone(), counted.clone());
        Arc::new(move |path, _| match path {
            "/.well-known/openid-configuration" => (200, json!({"issuer": url, "jwks_uri": format!("{url}/keys")})),
            "/keys" => {
                counted.fetch_add(1, Ordering::SeqCst);
                (200, json!({"keys": *shown.lock().expect("unpoisoned")}))
            }
            _ => (404, json!({})),
        })
    })
    .await;
    let text = format!(
        "apiVersion: apiserver.config.k8s.io/v1\nkind: AuthenticationConfiguration\njwt:\n- issuer:\n    url: {url}\n    audiences: [app]\n    \
         certificateAuthority: |\n{}  claimMappings:\n    username: {{claim: sub, prefix: 'oidc:'}}\n    groups: {{claim: groups, prefix: ''}}\n  \
         claimValidationRules: [{{claim: hd, requiredValue: example.org}}]\n",
        indented(&authority)
    );
    let server = server(Trust { others: config::issuers(&text, b"").expect("read"), ..Trust::default() }).await;
    let now = rt::wall() / 1_000;
    let good = json!({"iss": url, "aud": "app", "sub": "jane", "groups": ["dev", "ops"], "hd": "example.org", "exp": now + 60});
    let want = json!({"username": "oidc:jane", "groups": ["dev", "ops", "system:authenticated"]});
    assert_eq!(who(&server, &signers[0].sign(&good)).await, Ok(want.clone()));
    for (member, bad) in [
        ("aud", json!("other")),
        ("exp", json!(now - 1)),
        ("exp", Value::Null),
        ("nbf", json!(now + 3_600)),
        ("hd", json!("example.com")),
        ("sub", json!("")),
        ("iss", json!("https://else.where")),
    ] {
        let mut claims = good.clone();
        claims[member] = bad;
        assert_eq!(who(&server, &signers[0].sign(&claims)).await, Err(401), "{member}: {}", claims[member]);
    }
    assert_eq!(fetched.load(Ordering::SeqCst), 1, "the keys are kept");
    keys.lock().expect("unpoisoned").push(signers[1].key().shown());
    assert_eq!(who(&server, &signers[1].sign(&good)).await, Err(401), "an issuer is not asked at every strange token");
    assert_eq!(fetched.load(Ordering::SeqCst), 1);
    assert_eq!(who(&server, &signers[0].sign(&good)).await, Ok(want));
}

#[tokio::test]
async fn a_webhook_says_who_asks() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let (url, authority) = serve(move |_| {
        let counted = counted.clone();
        Arc::new(move |_, review| {
            counted.fetch_add(1, Ordering::SeqCst);
            let audiences = review["spec"]["audiences"].clone();
            let status = match review["spec"]["token"].as_str().unwrap_or_default() {
                "good" => json!({"authenticated": true, "audiences": audiences,
                    "user": {"username": "hook", "uid": "7", "groups": ["g"], "extra": {"k": ["v"]}}}),
                "broken" => return (500, json!({})),
                "late" => json!({"authenticated": false, "error": "it is too late"}),
                _ => json!({"authenticated": false}),
            };
            (200, json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenReview", "status": status}))
        })
    })
    .await;
    let file = format!(
        "apiVersion: v1\nkind: Config\nclusters: [{{name: hook, cluster: {{server: '{url}/ask', certificate-authority: /ca.pem}}}}]\n\
         users: [{{name: me, user: {{token: secret}}}}]\ncurrent-context: c\ncontexts: [{{name: c, context: {{cluster: hook, user: me}}}}]\n"
    );
    let read = |path: &str| if path == "/ca.pem" { Ok(authority.clone()) } else { Err(format!("no {path}")) };
    let hook = config::webhook(&file, b"", &read).expect("read");
    let server = server(Trust { others: vec![hook], ..Trust::default() }).await;
    let want = json!({"username": "hook", "uid": "7", "groups": ["g", "system:authenticated"], "extra": {"k": ["v"]}});
    for _ in 0..3 {
        assert_eq!(who(&server, "good").await, Ok(want.clone()));
        assert_eq!(who(&server, "bad").await, Err(401));
        assert_eq!(who(&server, "late").await, Err(401));
    }
    assert_eq!(asked.load(Ordering::SeqCst), 3, "answers are kept");
    assert_eq!(who(&server, "broken").await, Err(401));
    assert_eq!(asked.load(Ordering::SeqCst), 6, "who fails is asked again");
}

#[test]
fn what_an_operator_writes_wrongly_is_told() {
    let file = |jwt: &str| format!("kind: AuthenticationConfiguration\njwt: [{jwt}]\n");
    let issuer = "issuer: {url: 'https://a', audiences: [x]}";
    let table = [
        ("kind: Other".to_owned(), "AuthenticationConfiguration"),
        (file("{issuer: {url: 'http://a', audiences: [x]}}"), "https://"),
        (file("{issuer: {url: 'https://a'}}"), "issuer.audiences"),
        (file(&format!("{{{issuer}}}")), "claimMappings.username.claim is required"),
        (file(&format!("{{{issuer}, claimMappings: {{username: {{claim: sub}}}}}}")), "prefix is required"),
        (file(&format!("{{{issuer}, claimMappings: {{username: {{expression: x}}}}}}")), "not supported"),
        (
            file(&format!("{{{issuer}, claimMappings: {{username: {{claim: sub, prefix: ''}}}}}}")),
            "no certificate authority",
        ),
    ];
    for (text, words) in table {
        let why = config::issuers(&text, b"").err().unwrap_or_else(|| panic!("{text} was taken"));
        assert!(why.contains(words), "{why}");
    }
    assert!(config::webhook("clusters: [{cluster: {server: 'http://a'}}]", b"", &|_| Err(String::new())).is_err());
}
