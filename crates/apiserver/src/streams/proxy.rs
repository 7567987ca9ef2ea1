//! `pods/NAME/proxy` and `services/NAME/proxy`: a request handed on to a port of a pod, and the pod's answer handed back. The name may
//! be `NAME`, `NAME:PORT`, `http:NAME:PORT` or `https:NAME:PORT`. It changes neither but for what speaks of one connection only
//! (RFC 9110, 7.6.1). `nodes/NAME/proxy` is another room's.
use super::kubelet;
use super::pod::open;
use super::tls;
use crate::call::Call;
use crate::limits::PROXY_ANSWER_MAX;
use crate::nodes::What;
use crate::read;
use crate::request::{Content, Duplex, Pieces, Response, TEXT};
use api::object::Object;
use api::status::Status;
use bytes::Bytes;
use futures::StreamExt as _;
use http_body_util::{BodyExt as _, Full};
use hyper::HeaderMap;
use hyper::client::conn::http1;
use hyper::header::{self, HeaderName, HeaderValue};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::sync::Arc;
use store::view::View;

/// Headers of one connection.
const OF_CONNECTION: [HeaderName; 7] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::PROXY_AUTHENTICATE,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];
/// Who asks is proved to this server, and not to the pod.
const OF_CALLER: [HeaderName; 1] = [header::AUTHORIZATION];

const SLICES: &str = "endpointslices.discovery.k8s.io";

/// # Errors
/// 400 for a name that is none, 404, 503 if there is nobody to answer, and what the node refuses with.
pub(super) async fn proxy(call: Call) -> Result<Response, Status> {
    let path = call.request.uri.path();
    if call.target.rest.is_empty() && !path.ends_with('/') && matches!(call.request.method.as_str(), "GET" | "HEAD") {
        let query = call.request.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
        let response = Response::new(301, TEXT, Content::Whole(Bytes::new()));
        return Ok(response.with(header::LOCATION, &format!("{path}/{query}")));
    }
    let view = read::newest(&call.room).await?;
    let (secret, name, port) = named(&call.target.name)?;
    let (pod, port) = match call.target.resource.as_str() {
        "pods" => of_pod(&call, &view, name, port, secret)?,
        "services" => of_service(&call, &view, name, port)?,
        _ => {
            let (name, port) = (name.to_owned(), port.to_owned());
            return kubelet::answer(call, &view, &name, &port).await;
        }
    };
    let value = pod.value();
    let asking = async {
        let stream = open(&call, &pod, &value, What::Forward { port }).await?;
        let stream = if secret { tls::shake(stream, &value["status"]["podIP"]).await? } else { stream };
        ask(&call, stream, port).await
    };
    let response = rt::timeout(PROXY_ANSWER_MAX, asking).await;
    response.unwrap_or_else(|| Err(Status::new(504, "Timeout", "the pod did not answer in time")))
}

/// Whether over TLS, the name and the port of `NAME`, `NAME:PORT`, `http:NAME:PORT`, `https:NAME:PORT` (the port may be empty).
fn named(text: &str) -> Result<(bool, &str, &str), Status> {
    match text.split(':').collect::<Vec<_>>()[..] {
        [name] if !name.is_empty() => Ok((false, name, "")),
        [name, port] if !name.is_empty() => Ok((false, name, port)),
        [scheme @ ("http" | "https" | ""), name, port] if !name.is_empty() => Ok((scheme == "https", name, port)),
        _ => Err(Status::bad_request(format!("invalid service request {text:?}"))),
    }
}

fn of_pod(call: &Call, view: &View, name: &str, port: &str, secret: bool) -> Result<(Arc<Object>, u16), Status> {
    let pod = view.get("pods", &call.target.namespace, name).cloned();
    let pod = pod.ok_or_else(|| call.kind.not_found(name))?;
    let port = match port {
        "" => {
            let value = pod.value();
            let containers = value["spec"]["containers"].as_array().into_iter().flatten();
            let first = containers.filter_map(|container| container["ports"][0]["containerPort"].as_u64()).next();
            first.and_then(|port| u16::try_from(port).ok()).unwrap_or(if secret { 443 } else { 80 })
        }
        port => number(port).ok_or_else(|| Status::bad_request(format!("invalid pod request {port:?}")))?,
    };
    Ok((pod, port))
}

fn of_service(call: &Call, view: &View, name: &str, port: &str) -> Result<(Arc<Object>, u16), Status> {
    let namespace = &call.target.namespace;
    let service = view.get("services", namespace, name).ok_or_else(|| call.kind.not_found(name))?.value();
    let ports = service["spec"]["ports"].as_array().cloned().unwrap_or_default();
    let is = |one: &&Value| one["name"] == port || number(port).is_some_and(|number| one["port"] == number);
    let wanted = match (port, ports.as_slice()) {
        ("", [only]) => Some(only),
        ("", _) => None,
        (_, ports) => ports.iter().find(is),
    };
    let wanted =
        wanted.ok_or_else(|| Status::unavailable(format!("no service port {port:?} found for service {name:?}")))?;
    let port_name = wanted["name"].as_str().unwrap_or_default();
    let of_service = |slice: &&Arc<Object>| slice.facet.label("kubernetes.io/service-name") == Some(name);
    let mut found: Vec<(Arc<Object>, u16)> = Vec::new();
    for slice in view.list(SLICES, Some(namespace)).filter(of_service) {
        let value = slice.value();
        let known = value["ports"].as_array().into_iter().flatten();
        let port = known
            .filter(|one| one["name"].as_str().unwrap_or_default() == port_name)
            .find_map(|one| one["port"].as_u64());
        let Some(port) = port.and_then(|port| u16::try_from(port).ok()) else { continue };
        let endpoints = value["endpoints"].as_array().into_iter().flatten();
        let ready = endpoints.filter(|endpoint| endpoint["conditions"]["ready"] != false);
        let pods = ready.filter_map(|endpoint| endpoint["targetRef"]["name"].as_str());
        found.extend(pods.filter_map(|pod| Some((view.get("pods", namespace, pod)?.clone(), port))));
    }
    if found.is_empty() {
        return Err(Status::unavailable(format!("no endpoints available for service {name:?}")));
    }
    let chosen = usize::try_from(rt::random() % found.len() as u64).unwrap_or_default();
    Ok(found.swap_remove(chosen))
}

fn number(port: &str) -> Option<u16> {
    port.parse().ok().filter(|port| *port > 0)
}

/// Sends the request to the pod, and gives its answer; one that switches protocols becomes bytes both ways.
async fn ask(call: &Call, stream: Box<dyn Duplex>, port: u16) -> Result<Response, Status> {
    let broken = |why: hyper::Error| Status::unavailable(format!("error trying to reach service: {why}"));
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.map_err(broken)?;
    drop(rt::spawn("proxy", async move {
        if let Err(why) = connection.with_upgrades().await {
            tracing::debug!(%why, "a connection to a pod ended");
        }
    }));
    let answered = sender.send_request(handed_on(call, port)?).await.map_err(broken)?;
    if answered.status() == hyper::StatusCode::SWITCHING_PROTOCOLS {
        return Ok(switched(answered));
    }
    let (head, body) = answered.into_parts();
    let (code, mut headers) = (head.status, head.headers);
    OF_CONNECTION.iter().for_each(|name| drop(headers.remove(name)));
    let place =
        headers.get(header::LOCATION).and_then(|place| place.to_str().ok()).and_then(|place| moved(call, place));
    if let Some(place) = place {
        headers.insert(header::LOCATION, place);
    }
    let data = body.into_data_stream().take_while(|piece| std::future::ready(piece.is_ok()));
    let pieces: Pieces = Box::pin(data.filter_map(|piece| std::future::ready(piece.ok())));
    Ok(Response { code, headers, content: Content::Pieces(pieces) })
}

/// The request as the pod is asked it.
fn handed_on(call: &Call, port: u16) -> Result<hyper::Request<Full<Bytes>>, Status> {
    let request = &call.request;
    let query = request.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let rest = if call.target.rest.is_empty() { "/" } else { call.target.rest.as_str() };
    // A path that was decoded is not decoded twice: what follows `/proxy` is taken as it was written.
    let written =
        request.uri.path().split_once("/proxy").map_or(rest, |(_, rest)| if rest.is_empty() { "/" } else { rest });
    let mut headers: HeaderMap = request.headers.clone();
    let upgrade = request.header(header::UPGRADE).map(str::to_owned);
    OF_CONNECTION.iter().chain(&OF_CALLER).for_each(|name| drop(headers.remove(name)));
    let own: Vec<HeaderName> =
        headers.keys().filter(|name| name.as_str().starts_with("impersonate-")).cloned().collect();
    own.iter().for_each(|name| drop(headers.remove(name)));
    if let Some(upgrade) = upgrade.and_then(|upgrade| HeaderValue::from_str(&upgrade).ok()) {
        headers.insert(header::UPGRADE, upgrade);
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    }
    let host = HeaderValue::from_str(&format!("{}:{port}", call.target.name.replace(':', "-")));
    headers.insert(header::HOST, host.unwrap_or(HeaderValue::from_static("pod")));
    let bad = |_| Status::bad_request("the path cannot be handed on");
    let mut handed = hyper::Request::builder()
        .method(request.method.clone())
        .uri(format!("{written}{query}"))
        .body(Full::new(request.body.clone()))
        .map_err(bad)?;
    *handed.headers_mut() = headers;
    Ok(handed)
}

/// A place on the pod as the client finds it: below the proxy's own path.
fn moved(call: &Call, place: &str) -> Option<HeaderValue> {
    let (proxy, _) = call.request.uri.path().split_once("/proxy")?;
    let path = place.starts_with('/').then_some(place)?;
    HeaderValue::from_str(&format!("{proxy}/proxy{path}")).ok()
}

/// Bytes both ways, once the pod has switched protocols.
fn switched(mut answered: hyper::Response<hyper::body::Incoming>) -> Response {
    let upgraded = hyper::upgrade::on(&mut answered);
    let run = Box::new(move |mut client: Box<dyn Duplex>| {
        let carrying = async move {
            match upgraded.await {
                Ok(pod) => {
                    // Whichever end closes first ends it; there is nobody to tell.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut TokioIo::new(pod)).await;
                }
                Err(why) => tracing::debug!(%why, "a pod did not switch protocols"),
            }
        };
        Box::pin(carrying) as std::pin::Pin<Box<dyn Future<Output = ()> + Send>>
    });
    let headers = answered.headers().clone();
    Response { code: answered.status(), headers, content: Content::Upgrade(run) }
}

#[cfg(test)]
mod tests {
    use super::named;

    #[test]
    fn names_have_schemes_and_ports() {
        let table = [
            ("web", Some((false, "web", ""))),
            ("web:80", Some((false, "web", "80"))),
            ("http:web:http", Some((false, "web", "http"))),
            ("http:web:", Some((false, "web", ""))),
            (":web:80", Some((false, "web", "80"))),
            ("https:web:443", Some((true, "web", "443"))),
            ("https:web:", Some((true, "web", ""))),
            ("ftp:web:21", None),
            (":80", None),
            ("a:b:c:d", None),
        ];
        for (text, want) in table {
            assert_eq!(named(text).ok(), want, "{text}");
        }
    }
}
