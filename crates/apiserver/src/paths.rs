//! Everything that is no object: discovery, OpenAPI, version, health, metrics, and the cluster's own operations.
use crate::body;
use crate::discovery;
use crate::documents::{self, tagged};
use crate::identity::{MASTERS, User};
use crate::issuer;
use crate::metrics::page;
use crate::negotiate::aggregated;
use crate::operator::{Answer, Operation};
use crate::permission;
use crate::pretty;
use crate::query::Parameters;
use crate::request::{Content, JSON, Request, Response, TEXT};
use crate::room::{Room, Served};
use crate::route::Route;
use crate::trail::Trail;
use api::attempt::Attempt;
use api::kinds::set::Kinds;
use api::status::Status;
use hyper::Method;
use hyper::header::{ACCEPT, CACHE_CONTROL, HeaderValue, VARY};
use serde_json::{Value, json};
use std::sync::Arc;
use store::view::View;

/// Prometheus' text format.
const METRICS: HeaderValue = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");

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
pub async fn answer(room: &Arc<Room>, route: Route, asked: Asked<'_>, trail: &mut Trail) -> Result<Response, Status> {
    let read = matches!(asked.request.method, Method::GET | Method::HEAD);
    let trimmed = asked.path.trim_end_matches('/');
    let path = if trimmed.is_empty() { "/" } else { trimmed };
    let method = asked.request.method.as_str().to_ascii_lowercase();
    let verb = if read { "get" } else { &method };
    let attempt = Attempt { verb, path, ..Attempt::default() };
    trail.rule = Some(permission::check(room, asked.user, &attempt).await?);
    if let Some(verb) = path.strip_prefix("/rutter/v1/") {
        return operate(room, &asked, verb).await;
    }
    if !read {
        return Err(crate::call::not_allowed());
    }
    let served = room.served(asked.past.as_ref().unwrap_or(&room.member().view()));
    match route {
        Route::Groups { .. } | Route::Group { .. } | Route::Version { .. } => {
            Ok(discovered(room, &served, &route, asked.request))
        }
        Route::Other(path) => match path.as_str() {
            "/" => Ok(Response::json(200, pretty::text(&root(&served.kinds)))),
            // For people, whoever asks: so Kubernetes has it.
            "/version" => Ok(Response::json(200, pretty::text(&version()))),
            "/openapi/v2" => Ok(documents::v2(&served, asked.request)),
            "/openapi/v3" => Ok(documents::index(&served, asked.request)),
            issuer::CONFIGURATION => Ok(issuer::configuration()),
            issuer::KEYS => issuer::key_set(asked.request.header(ACCEPT), room.parts.trust.signer.key()),
            "/metrics" => Ok(Response::new(200, METRICS, Content::Whole(page::print(room).into()))),
            "/healthz" | "/livez" | "/readyz" => Ok(health(room, &path, asked.query).await),
            other if other.starts_with("/openapi/v3/") => {
                let hash = asked.query.get("hash").filter(|_| asked.past.is_none());
                Ok(documents::v3(&served, asked.request, &other["/openapi/v3/".len()..], hash))
            }
            other if permission::health(other) => Ok(health(room, other, asked.query).await),
            _ => Ok(Response::page_not_found()),
        },
        Route::Resource(_) => Err(crate::call::no_resource()),
    }
}

fn discovered(room: &Room, served: &Served, route: &Route, request: &Request) -> Response {
    let form = aggregated(request.header(ACCEPT));
    let found = match (route, form) {
        (Route::Groups { core }, Some(version)) => {
            let list = served
                .document(&format!("{version} {core}"), |kinds| Some(discovery::aggregated(kinds, *core, version)));
            let media = format!("application/json;g=apidiscovery.k8s.io;v={version};as=APIGroupDiscoveryList");
            let media = HeaderValue::from_str(&media).unwrap_or(JSON);
            return tagged(request, list, media).with(VARY, "Accept").with(CACHE_CONTROL, "public");
        }
        (Route::Groups { core: true }, None) => Some(discovery::core_versions(&address(room))),
        (Route::Groups { core: false }, None) => Some(discovery::groups(&served.kinds)),
        (Route::Group { group }, _) => discovery::group(&served.kinds, group),
        (Route::Version { group, version }, _) => discovery::resources(&served.kinds, group, version),
        (Route::Resource(_) | Route::Other(_), _) => None,
    };
    found.map_or_else(Response::page_not_found, |value| Response::value(200, &value))
}

/// Where clients reach this member; empty if it does not say, or asked for any port.
fn address(room: &Room) -> String {
    let (member, members) = (room.member(), room.member().members());
    let own = members.into_iter().find(|standing| standing.info.id == member.id()).map(|standing| standing.info.api);
    own.filter(|address| !address.ends_with(":0")).unwrap_or_default()
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
    paths.extend(
        ["/healthz", "/livez", "/metrics", "/openapi/v2", "/openapi/v3", "/readyz", "/version"].map(str::to_owned),
    );
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
    let mut checks = vec![("ping", true), ("log", true)];
    if probe != "livez" {
        // Ready is who can confirm with a majority that it is up to date.
        let asked = ["consensus", "etcd"].iter().any(|name| !excluded.contains(name));
        let sure = asked && room.member().linearizable().await.is_ok();
        // It stands where others have etcd: who asks for that check by name means this one.
        checks.extend([("consensus", sure), ("etcd", sure)]);
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
