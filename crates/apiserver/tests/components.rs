//! What kube-scheduler, kube-controller-manager, kubelet and kube-proxy ask when they join, by their own names: the bootstrap roles let
//! them, and each request is answered as they expect. `components/requests.txt` is the table.
mod serve;

use apiserver::identity::User;
use apiserver::request::Request;
use apiserver::server::ApiServer;
use hyper::{HeaderMap, Method};

const METADATA: &str = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1, application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";

/// `$NAME` of a node or pod is its uid.
async fn with_uids(server: &ApiServer, body: &str) -> String {
    let mut text = body.to_owned();
    for (mark, path) in [("$n1", "/api/v1/nodes/n1"), ("$p", "/api/v1/namespaces/default/pods/p")] {
        if text.contains(&format!("\"{mark}\"")) {
            let object = serve::ask(server, "GET", path, &[], "").await.json();
            let uid = object.pointer("/metadata/uid").and_then(serde_json::Value::as_str).expect("a uid");
            text = text.replace(mark, uid);
        }
    }
    text
}

#[tokio::test]
async fn kubernetes_own_programs_get_what_they_ask() {
    let server = serve::alone().await;
    apiserver::founding::publish_authority(&server, "the authority").await.expect("published");
    let (mut user, mut wrong, mut asked) = (None, Vec::new(), 0);
    for line in
        include_str!("components/requests.txt").lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
    {
        if let Some(who) = line.strip_prefix("as ") {
            let names: Vec<&str> = who.split(' ').collect();
            let groups: Vec<&str> = names[1..].iter().copied().chain(["system:authenticated"]).collect();
            user = Some(User::new(names[0], &groups));
            continue;
        }
        let mut parts = line.splitn(5, ' ');
        let mut next = || parts.next().unwrap_or_default();
        let (method, path, code, media, body) = (next(), next(), next(), next(), next());
        let media = match media {
            "merge" => "application/merge-patch+json",
            "strategic" => "application/strategic-merge-patch+json",
            "apply" => "application/apply-patch+yaml",
            _ => "application/json",
        };
        let accept = if method == "META" { METADATA } else { "application/json" };
        let mut headers = HeaderMap::new();
        headers.insert("content-type", media.parse().expect("a header"));
        headers.insert("accept", accept.parse().expect("a header"));
        let wire = if ["META", "WATCH"].contains(&method) { "GET" } else { method };
        let request = Request {
            method: Method::from_bytes(wire.as_bytes()).expect("a method"),
            uri: path.parse().expect("a path"),
            headers,
            body: with_uids(&server, body).await.into(),
            user: user.clone(),
            from: None,
        };
        let response = server.handle(request).await;
        asked += 1;
        if response.code.as_u16().to_string() != code {
            let said = if method == "WATCH" { String::new() } else { said(response).await };
            wrong.push(format!("{:?}: {method} {path}: not {code}: {said}", user.as_ref().map(|user| &user.name)));
        }
    }
    assert!(asked > 90, "the table was read");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

async fn said(response: apiserver::request::Response) -> String {
    let (code, _, body) = serve::whole(response).await;
    format!("{code} {}", String::from_utf8_lossy(&body))
}
