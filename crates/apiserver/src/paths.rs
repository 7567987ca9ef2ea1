//! Everything that is no object: discovery, OpenAPI, version, health, metrics, and the cluster's own operations.
use crate::body;
use crate::discovery;
use crate::identity::{MASTERS, User};
use crate::negotiate::aggregated;
use crate::operator::{Answer, Operation};
use crate::permission::{self, Attempt};
use crate::query::Parameters;
use crate::request::{Content, JSON, Request, Response, TEXT};
use crate::room::{Room, Served};
use crate::route::Route;
use api::kinds::set::Kinds;
use api::openapi;
use api::status::Status;
use bytes::Bytes;
use hyper::Method;
use hyper::header::{ACCEPT, ETAG, HeaderValue, IF_NONE_MATCH, VARY};
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use store::view::View;

/// A request whose path is no resource.
pub struct Asked<'a> {
    pub request: &'a Request,
    pub user: &'a User,
    pub path: &'a str,
    pub query: &'a Parameters,
    pub past: Option<Arc<View>>,
}

/// # Errors
/// 403, 404, 405, or what an operation refuses.
pub async fn answer(room: &Arc<Room>, route: Route, asked: Asked<'_>) -> Result<Response, Status> {
    let read = matches!(asked.request.method, Method::GET | Method::HEAD);
    let trimmed = asked.path.trim_end_matches('/');
    let path = if trimmed.is_empty() { "/" } else { trimmed };
    if !permission::anonymous(path) {
        let verb = if read { "get" } else { "post" };
        permission::check(asked.user, &Attempt { verb, path, ..Attempt::default() })?;
    }
    if let Some(verb) = path.strip_prefix("/rutter/v1/") {
        return operate(room, &asked, verb).await;
    }
    if !read {
        return Err(crate::call::not_allowed());
    }
    let served = room.served(asked.past.as_ref().unwrap_or(&room.member().view()));
    match route {
        Route::Groups { .. } | Route::Group { .. } | Route::Version { .. } => {
            Ok(discovered(&served, &route, asked.request))
        }
        Route::Other(path) => match path.as_str() {
            "/" => Ok(Response::value(200, &root(&served.kinds))),
            "/version" => Ok(Response::value(200, &version())),
            "/openapi/v3" => {
                let index = served.document("/openapi/v3", |kinds| Some(openapi::index(kinds)));
                Ok(tagged(asked.request, index, JSON))
            }
            "/metrics" => Ok(metrics(room)),
            "/healthz" | "/livez" | "/readyz" => Ok(health(room, &path, asked.query).await),
            other if other.starts_with("/openapi/v3/") => {
                Ok(document(&served, asked.request, &other["/openapi/v3/".len()..]))
            }
            other if permission::anonymous(other) => Ok(health(room, other, asked.query).await),
            _ => Ok(Response::page_not_found()),
        },
        Route::Resource(_) => Err(crate::call::no_resource()),
    }
}

fn discovered(served: &Served, route: &Route, request: &Request) -> Response {
    let form = aggregated(request.header(ACCEPT));
    let found = match (route, form) {
        (Route::Groups { core }, Some(version)) => {
            let list = served
                .document(&format!("{version} {core}"), |kinds| Some(discovery::aggregated(kinds, *core, version)));
            let media = format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
            let media = HeaderValue::from_str(&media).unwrap_or(JSON);
            return tagged(request, list, media).with(VARY, "Accept");
        }
        (Route::Groups { core: true }, None) => Some(discovery::core_versions()),
        (Route::Groups { core: false }, None) => Some(discovery::groups(&served.kinds)),
        (Route::Group { group }, _) => discovery::group(&served.kinds, group),
        (Route::Version { group, version }, _) => discovery::resources(&served.kinds, group, version),
        (Route::Resource(_) | Route::Other(_), _) => None,
    };
    found.map_or_else(Response::page_not_found, |value| Response::value(200, &value))
}

/// A document with an ETag, or 304 if the client has it.
fn tagged(request: &Request, document: Option<Bytes>, media: HeaderValue) -> Response {
    let Some(document) = document else { return Response::page_not_found() };
    let tag = format!("\"{:016X}\"", fingerprint(&document));
    let known = request.header(IF_NONE_MATCH).is_some_and(|tags| tags.split(',').any(|known| known.trim() == tag));
    let response = if known {
        let mut response = Response::new(304, media, Content::Whole(Bytes::new()));
        response.headers.remove(hyper::header::CONTENT_TYPE);
        response
    } else {
        Response::new(200, media, Content::Whole(document))
    };
    response.with(ETAG, &tag)
}

/// FNV-1a: it tells documents apart, and nothing is trusted because of it.
fn fingerprint(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

fn document(served: &Served, request: &Request, name: &str) -> Response {
    let (group, version) = match name.split('/').collect::<Vec<_>>()[..] {
        ["api", version] => ("", version),
        ["apis", group, version] => (group, version),
        _ => return Response::page_not_found(),
    };
    tagged(request, served.document(name, |kinds| openapi::document(kinds, group, version)), JSON)
}

fn root(kinds: &Kinds) -> Value {
    let mut paths = vec!["/api".to_owned(), "/apis".to_owned()];
    for group in kinds.groups() {
        for version in kinds.versions(group) {
            paths.push(if group.is_empty() { format!("/api/{version}") } else { format!("/apis/{group}/{version}") });
        }
        if !group.is_empty() {
            paths.push(format!("/apis/{group}"));
        }
    }
    paths.extend(["/healthz", "/livez", "/metrics", "/openapi/v3", "/readyz", "/version"].map(str::to_owned));
    paths.sort_unstable();
    json!({"paths": paths})
}

/// `gitVersion` is what clients parse as semver, and compare with what they know.
fn version() -> Value {
    json!({"major": "1", "minor": "35", "gitVersion": concat!("v1.35.0+rutter-", env!("CARGO_PKG_VERSION")),
        "gitCommit": "", "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z", "goVersion": "none",
        "compiler": "rustc", "platform": "linux/amd64", "emulationMajor": "1", "emulationMinor": "35",
        "minCompatibilityMajor": "1", "minCompatibilityMinor": "34"})
}

async fn health(room: &Room, path: &str, query: &Parameters) -> Response {
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    let (probe, only) = (parts.next().unwrap_or_default(), parts.next());
    let excluded: Vec<&str> = query.all("exclude").collect();
    let mut checks = vec![("ping", true)];
    if probe != "livez" {
        // Ready is who can confirm with a majority that it is up to date.
        checks.push(("consensus", !excluded.contains(&"consensus") && room.member().linearizable().await.is_ok()));
        checks.push(("shutdown", !room.stopping()));
    }
    checks.retain(|(name, _)| !excluded.contains(name) && only.is_none_or(|only| only == *name));
    if checks.is_empty() && only.is_some() {
        return Response::page_not_found();
    }
    let well = checks.iter().all(|(_, well)| *well);
    let mut text = String::new();
    if query.has("verbose") || !well {
        for (name, well) in checks {
            text.push_str(&if well { format!("[+]{name} ok\n") } else { format!("[-]{name} failed\n") });
        }
        text.push_str(&format!("{probe} check {}\n", if well { "passed" } else { "failed" }));
    } else {
        text.push_str("ok");
    }
    Response::text(if well { 200 } else { 500 }, text)
}

/// The few numbers this room knows, in the text format of Prometheus.
fn metrics(room: &Room) -> Response {
    let view = room.member().view();
    let mut text = String::new();
    let mut line = |name: &str, labels: &str, value: u64| text.push_str(&format!("{name}{labels} {value}\n"));
    line("rutter_apiserver_requests_total", "", room.requests.load(Ordering::Relaxed));
    line("rutter_revision", "", view.revision().0);
    line("rutter_log_index", "", view.index());
    line("rutter_leader", "", u64::from(room.member().leading().is_some()));
    for (resource, count) in room.open_watches() {
        line("rutter_apiserver_watches", &format!("{{resource={:?}}}", &*resource), count);
    }
    for resource in view.resources() {
        let count = u64::try_from(view.count(resource, None)).unwrap_or(u64::MAX);
        line("rutter_objects", &format!("{{resource={resource:?}}}"), count);
    }
    Response::new(200, TEXT, Content::Whole(text.into()))
}

async fn operate(room: &Room, asked: &Asked<'_>, verb: &str) -> Result<Response, Status> {
    if !asked.user.in_group(MASTERS) {
        return Err(Status::new(403, "Forbidden", "only members of system:masters may operate the cluster"));
    }
    let Some(operator) = &room.parts.operator else { return Ok(Response::page_not_found()) };
    let query = asked.query.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let operation = Operation {
        actor: asked.user.name.clone(),
        agent: asked.request.agent().into(),
        verb: verb.to_owned(),
        change: !matches!(asked.request.method, Method::GET | Method::HEAD),
        query,
        body: body::plain(asked.request)?.unwrap_or_default(),
    };
    match operator.call(operation).await? {
        Answer::Value(value) => Ok(Response::value(200, &value)),
        Answer::Lines(lines) => Ok(Response::new(200, TEXT, Content::Pieces(lines))),
    }
}
