//! The server without sockets: a request in, a response out. It finds who asks, what for, and the verb that does it.
use crate::attempt::{self, demanded};
use crate::audit;
use crate::call::{Call, no_resource, not_allowed};
use crate::flight::Place;
use crate::identity::{MASTERS, User};
use crate::negotiate::{Form, Offer, form, routed};
use crate::permission::{self, check};
use crate::query::{Parameters, list_options};
use crate::read;
use crate::request::{Request, Response};
use crate::room::{Parts, Room};
use crate::route::{self, Route, Target};
use crate::trail::{AUDIT_ID, Trail};
use crate::verbs::{bind, collection, create, delete, evict, get, list, patch, review, scale, token, update, watch};
use crate::{authentication, body, deadline, impersonation, paths, pretty, shape, streams};
use api::attempt::Attempt;
use api::kind::Kind;
use api::status::Status;
use futures::FutureExt;
use hyper::Method;
use hyper::header::ACCEPT;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use store::view::View;

/// The API server. Cloning it clones the handle.
#[derive(Clone)]
pub struct ApiServer {
    room: Arc<Room>,
}

impl ApiServer {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { room: Arc::new(Room::new(parts)) }
    }

    /// Answers a request. An error is a response too.
    pub async fn handle(&self, request: Request) -> Response {
        let mut trail = Trail::new(&request);
        let accept = request.headers.get(ACCEPT).cloned();
        let accept = accept.as_ref().and_then(|value| value.to_str().ok());
        let people = pretty::wanted(&request);
        // A defect of one request must not take the connection's other requests with it.
        let answered = AssertUnwindSafe(self.answer(request, &mut trail)).catch_unwind().await;
        let response = match answered {
            Ok(Ok(response)) if people && written(&trail) => pretty::indented(response),
            Ok(Ok(response)) => response,
            Ok(Err(status)) if people => pretty::indented(shape::refused(accept, status)),
            Ok(Err(status)) => shape::refused(accept, status),
            Err(_) => {
                tracing::error!(path = trail.uri(), "a request panicked");
                audit::panicked(&self.room, &trail);
                Status::internal("this request met a defect of the server; it is in its log").into()
            }
        };
        self.room.metrics.answered(&trail, response.code.as_u16(), rt::now().since(trail.began));
        let response = response.with(AUDIT_ID, &trail.audit_id.clone());
        let response = self.room.flows.told(&self.room.member().view(), &trail, response);
        audit::answered(&self.room, trail, response)
    }

    /// The user that a bearer token proves, whatever is asked for; `None` if there is none, or it proves nothing.
    pub async fn known(&self, headers: &hyper::HeaderMap) -> Option<User> {
        authentication::by_token(&self.room.chain, headers).await.ok().flatten()
    }

    /// Whether `user` may do it, as far as `view` says: for who decides by permissions and is no request.
    #[must_use]
    pub fn may(&self, view: &View, user: &User, attempt: &Attempt<'_>) -> bool {
        permission::decide(&self.room, view, user, attempt).is_ok()
    }

    /// What this server has at hand.
    pub(crate) fn room(&self) -> &Arc<Room> {
        &self.room
    }

    /// Ends watches and other streams that would not end by themselves.
    pub fn end_streams(&self) {
        self.room.end_streams();
    }

    async fn answer(&self, request: Request, trail: &mut Trail) -> Result<Response, Status> {
        let full = request.uri.path().to_owned();
        let (moment, path) = route::as_of(&full).map_err(|text| {
            let example = "/asof/1200, /asof/2026-11-22T09:00:00Z or /asof/-15m";
            Status::bad_request(format!(
                "{text:?} is no moment; write a revision, an RFC 3339 time or an age: {example}"
            ))
        })?;
        let user = self.user(&request, path, trail).await?;
        if let Some(told) = impersonation::nameless(&request) {
            return Ok(told);
        }
        let route = route::parse(path).ok_or_else(|| Status::new(404, "NotFound", format!("no such path: {path}")))?;
        let past = match &moment {
            Some(_) if !matches!(request.method, Method::GET | Method::HEAD) => {
                return Err(Status::new(
                    405,
                    "MethodNotAllowed",
                    "the past cannot be changed: under /asof/ there is only reading",
                ));
            }
            Some(moment) if matches!(route, Route::Resource(_)) => Some(read::past(&self.room, moment).await?),
            // What may be asked is answered even where there is nothing to be read, so that clients come to ask and are told why.
            Some(moment) if !permission::anonymous(path) => read::past(&self.room, moment).await.ok(),
            _ => None,
        };
        let query = Parameters::parse(request.uri.query())?;
        let target = match route {
            Route::Resource(target) => Arc::new(target),
            other => {
                // How long these take is bounded elsewhere; a wish that cannot be read is refused everywhere.
                deadline::of(&query)?;
                let _place = self.enter(trail, path, &user)?;
                let asked = paths::Asked { request: &request, user: &user, path, query: &query, past };
                return paths::answer(&self.room, other, asked, trail).await;
            }
        };
        trail.verb = verb(&request, &target, &query);
        trail.target = Some(target.clone());
        let deadline = if trail.long_running() { None } else { Some(deadline::of(&query)?) };
        let _place = self.enter(trail, path, &user)?;
        // Not even what need not be new: what an ill member holds may be wrong, or never be new again.
        self.room.member().illness().map_or(Ok(()), |why| Err(Status::unavailable(why)))?;
        let view = past.clone().unwrap_or_else(|| self.room.member().view());
        let kind = self.kind(&view, &target).await?;
        trail.known = true;
        let ask = Ask { request, user, target, kind, query, past };
        match deadline {
            Some(most) => deadline::within(most, self.call(ask, trail)).await,
            None => self.call(ask, trail).await,
        }
    }

    /// A request that is understood: it is told of, and takes its place among those that are served.
    fn enter(&self, trail: &Trail, path: &str, user: &User) -> Result<Option<Place>, Status> {
        audit::received(&self.room, trail);
        // Probes are let in at any time: a crowded server is not a dead one.
        let counted = !trail.long_running() && !permission::anonymous(path);
        counted.then(|| self.room.flight.enter(trail.mutating(), user.in_group(MASTERS))).transpose()
    }

    /// Who asks, and in whose name.
    async fn user(&self, request: &Request, path: &str, trail: &mut Trail) -> Result<User, Status> {
        let user = trail.user.insert(authentication::who(&self.room.chain, request, path).await?);
        trail.acts_as = impersonation::stand_in(&self.room, user, request).await?;
        Ok(trail.acts_as.as_ref().unwrap_or(user).clone())
    }

    /// The kind at the target. One that this member does not know yet may have been defined a moment ago through another.
    async fn kind(&self, view: &View, target: &Target) -> Result<Arc<Kind>, Status> {
        let find = |view: &View| self.room.kinds(view).get(&target.group, &target.version, &target.resource).cloned();
        if let Some(kind) = find(view) {
            return Ok(kind);
        }
        if self.room.member().leading().is_some() {
            return Err(no_resource());
        }
        find(&*read::newest(&self.room).await?).ok_or_else(no_resource)
    }

    async fn call(&self, ask: Ask, trail: &mut Trail) -> Result<Response, Status> {
        let Ask { request, user, target, kind, query, past } = ask;
        let verb = trail.verb;
        let fields = demanded(query.get("fieldSelector"));
        let attempt = attempt::of(&target, verb, &fields);
        trail.rule = Some(check(&self.room, &user, &attempt).await?);
        if verb == "get" && matches!(target.subresource.as_str(), "exec" | "attach" | "portforward") {
            // A WebSocket begins with GET, but what it does is no reading (Kubernetes' AuthorizePodWebsocketUpgradeCreatePermission).
            check(&self.room, &user, &Attempt { verb: "create", ..attempt }).await?;
        }
        let stream = streams::is(&target);
        let form = if stream { Form::Json } else { asked(&request, &kind, &target, verb)? };
        if kind.namespaced && target.namespace.is_empty() && !matches!(verb, "list" | "watch") {
            // A namespaced object is addressed in its namespace; collections may be read across all.
            return Err(if target.name.is_empty() { not_allowed() } else { no_resource() });
        }
        if !kind.namespaced && !target.namespace.is_empty() {
            return Err(no_resource());
        }
        path_segment(&kind, &target)?;
        let origin = trail.origin();
        let call = Call { room: self.room.clone(), request, user, target, kind, query, form, past, origin };
        let deprecated: Vec<String> = call.kind.deprecated.as_deref().map(str::to_owned).into_iter().collect();
        let done =
            if call.target.subresource.is_empty() { object(call, verb).await } else { subresource(call, verb).await };
        done.map(|response| response.warn(&deprecated))
    }
}

/// A request whose kind is known.
struct Ask {
    request: Request,
    user: User,
    target: Arc<Target>,
    kind: Arc<Kind>,
    query: Parameters,
    past: Option<Arc<View>>,
}

/// What no object can be called is not looked for.
fn path_segment(kind: &Kind, target: &Target) -> Result<(), Status> {
    let name = target.name.as_str();
    let wrong = if kind.stored() { api::name::path_segment(name) } else { Vec::new() };
    if wrong.is_empty() {
        return Ok(());
    }
    Err(Status::bad_request(format!("Name parameter invalid: {name:?}: {}", wrong.join(";"))))
}

/// Whether the answer is written by this server, and in the form that was asked for.
fn written(trail: &Trail) -> bool {
    let path = trail.uri.path();
    !trail.long_running() && pretty::negotiated(route::as_of(path).map_or(path, |(_, path)| path))
}

/// The verb that permissions speak of. `?watch=1` on one object watches that object.
fn verb(request: &Request, target: &Target, query: &Parameters) -> &'static str {
    let watch = query.flag("watch");
    match route::verb(&request.method, target, watch && target.name.is_empty()) {
        "get" if watch && target.subresource.is_empty() => "watch",
        verb => verb,
    }
}

/// The form of the answer.
fn asked(request: &Request, kind: &Kind, target: &Target, verb: &str) -> Result<Form, Status> {
    let accept = request.header(ACCEPT);
    if !kind.custom() {
        routed(accept, matches!(verb, "list" | "watch"))?;
    }
    let own = matches!(&*target.subresource, "" | "scale")
        || kind.subresource(&target.subresource).is_some_and(|body| body.kind == kind.kind);
    form(accept, Offer { converted: kind.stored() && own, protobuf: !kind.custom(), watch: verb == "watch" })
}

async fn object(call: Call, verb: &str) -> Result<Response, Status> {
    if &*call.kind.resource == "componentstatuses" {
        return crate::component::answer(&call, verb).await;
    }
    if !call.kind.stored() {
        return match (verb, &*call.kind.kind) {
            ("create", "Binding") => {
                let named = body::plain(&call.request)?.unwrap_or_default();
                bind::bind(&call, crate::draft::text(&named, "name")).await
            }
            ("create", _) => review::review(&call).await,
            _ => Err(not_allowed()),
        };
    }
    if verb.is_empty() || !call.kind.has(verb) || call.request.method == Method::POST && !call.target.name.is_empty() {
        return Err(not_allowed());
    }
    match verb {
        "get" => get::get(&call).await,
        "list" => list::list(&call, &list_options(&call.query, false)?).await,
        "watch" => {
            let options = list_options(&call.query, true)?;
            watch::watch(call, &options).await
        }
        "create" => create::create(&call).await,
        "update" if !call.target.name.is_empty() => update::update(&call).await,
        "patch" if !call.target.name.is_empty() => patch::patch(&call).await,
        "delete" => delete::delete(&call).await,
        "deletecollection" => collection::delete_collection(&call).await,
        _ => Err(not_allowed()),
    }
}

async fn subresource(call: Call, verb: &str) -> Result<Response, Status> {
    let name = call.target.subresource.as_str();
    if call.kind.subresource(name).is_none() {
        return Err(no_resource());
    }
    match (name, verb) {
        ("scale", "get" | "update" | "patch") => scale::scale(call).await,
        ("binding", "create") => bind::bind(&call, &call.target.name).await,
        ("token", "create") => token::request(&call).await,
        ("eviction", "create") => evict::evict(&call).await,
        _ if streams::is(&call.target) => streams::stream(call).await,
        (_, "get") if update::writable(&call.kind, name, "get") => get::get(&call).await,
        (_, "update") if update::writable(&call.kind, name, "update") => update::update(&call).await,
        (_, "patch") if update::writable(&call.kind, name, "patch") => patch::patch(&call).await,
        _ => Err(not_allowed()),
    }
}
