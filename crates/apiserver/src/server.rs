//! The server without sockets: a request in, a response out. It finds who asks, what for, and the verb that does it.
use crate::call::{Call, no_resource, not_allowed};
use crate::identity::{MASTERS, User};
use crate::negotiate::{Form, form};
use crate::permission::{self, Attempt, check};
use crate::query::{Parameters, list_options};
use crate::read;
use crate::request::{Request, Response};
use crate::room::{Parts, Room};
use crate::route::{self, Route, Target};
use crate::verbs::{bind, collection, create, delete, evict, get, list, patch, review, scale, update, watch};
use crate::{body, paths, streams};
use api::kind::Kind;
use api::status::Status;
use futures::FutureExt;
use hyper::Method;
use hyper::header::ACCEPT;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::sync::atomic::Ordering;
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
        self.room.requests.fetch_add(1, Ordering::Relaxed);
        let path = request.uri.path().to_owned();
        // A defect of one request must not take the connection's other requests with it.
        match AssertUnwindSafe(self.answer(request)).catch_unwind().await {
            Ok(Ok(response)) => response,
            Ok(Err(status)) => status.into(),
            Err(_) => {
                tracing::error!(path, "a request panicked");
                Status::internal("this request met a defect of the server; it is in its log").into()
            }
        }
    }

    /// Ends watches and other streams that would not end by themselves.
    pub fn end_streams(&self) {
        self.room.end_streams();
    }

    async fn answer(&self, request: Request) -> Result<Response, Status> {
        let full = request.uri.path().to_owned();
        let (moment, path) = route::as_of(&full).map_err(|text| {
            let example = "/asof/1200, /asof/2026-11-22T09:00:00Z or /asof/-15m";
            Status::bad_request(format!(
                "{text:?} is no moment; write a revision, an RFC 3339 time or an age: {example}"
            ))
        })?;
        let user = who(&request, path)?;
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
            Route::Resource(target) => {
                // Not even what need not be new: what an ill member holds may be wrong, or never be new again.
                self.room.member().illness().map_or(Ok(()), |why| Err(Status::unavailable(why)))?;
                target
            }
            other => {
                let asked = paths::Asked { request: &request, user: &user, path, query: &query, past };
                return paths::answer(&self.room, other, asked).await;
            }
        };
        let view = past.clone().unwrap_or_else(|| self.room.member().view());
        let kind = self.kind(&view, &target).await?;
        self.call(request, user, target, kind, query, past).await
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

    /// Whether the pod runs on the node; one that is not there is nobody's.
    async fn runs_on(&self, node: &str, attempt: &Attempt<'_>) -> Result<(), Status> {
        let here = |view: &View| {
            let pod = view.get("pods", attempt.namespace, attempt.name)?;
            Some(pod.facet.field("spec.nodeName") == Some(node))
        };
        // It may have been bound a moment ago, through another member.
        if here(&self.room.member().view()) == Some(true) || here(&*read::newest(&self.room).await?) != Some(false) {
            return Ok(());
        }
        let may = if attempt.verb == "delete" { "delete pods" } else { "update pod status for pods" };
        let why = format!("node {node:?} can only {may} with spec.nodeName set to itself");
        Err(Status::forbidden("", "pods", attempt.name, &why))
    }

    async fn call(
        &self,
        request: Request,
        user: User,
        target: Target,
        kind: Arc<Kind>,
        query: Parameters,
        past: Option<Arc<View>>,
    ) -> Result<Response, Status> {
        let watching = query.flag("watch") && target.name.is_empty();
        let verb = match route::verb(&request.method, &target, watching) {
            // `?watch=1` on one object watches that object.
            "get" if query.flag("watch") && target.subresource.is_empty() => "watch",
            verb => verb,
        };
        let attempt = Attempt {
            verb,
            group: &target.group,
            resource: &target.resource,
            subresource: &target.subresource,
            namespace: &target.namespace,
            name: &target.name,
            path: "",
        };
        check(&user, &attempt)?;
        if let Some(node) = permission::only_own_pods(&user, &attempt) {
            self.runs_on(node, &attempt).await?;
        }
        let stream = streams::is(&target);
        let tables = kind.stored() && target.subresource.is_empty();
        let form = if stream { Form::Json } else { form(request.header(ACCEPT), tables)? };
        if kind.namespaced && target.namespace.is_empty() && !matches!(verb, "list" | "watch") {
            // A namespaced object is addressed in its namespace; collections may be read across all.
            return Err(if target.name.is_empty() { not_allowed() } else { no_resource() });
        }
        if !kind.namespaced && !target.namespace.is_empty() {
            return Err(no_resource());
        }
        let call = Call { room: self.room.clone(), request, user, target, kind, query, form, past };
        if call.target.subresource.is_empty() { object(call, verb).await } else { subresource(call, verb).await }
    }
}

/// Who asks; whom they stand in for, if they may.
fn who(request: &Request, path: &str) -> Result<User, Status> {
    let Some(user) = request.user.clone() else {
        if permission::anonymous(path) {
            return Ok(User::anonymous());
        }
        return Err(Status::new(401, "Unauthorized", "Unauthorized"));
    };
    let header = |name: &str| request.headers.get(name).and_then(|value| value.to_str().ok());
    let Some(name) = header("impersonate-user") else { return Ok(user) };
    if !user.in_group(MASTERS) {
        let why = format!(
            "User {:?} cannot impersonate resource \"users\" in API group \"\" at the cluster scope",
            user.name
        );
        return Err(Status::forbidden("", "users", name, &why));
    }
    let groups: Vec<&str> =
        request.headers.get_all("impersonate-group").iter().filter_map(|value| value.to_str().ok()).collect();
    Ok(User::new(name, &groups))
}

async fn object(call: Call, verb: &str) -> Result<Response, Status> {
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
        ("scale", "get" | "update" | "patch") => scale::scale(&call).await,
        ("binding", "create") => bind::bind(&call, &call.target.name).await,
        ("eviction", "create") => evict::evict(&call).await,
        _ if streams::is(&call.target) => streams::stream(call).await,
        (_, "get") if update::writable(&call.kind, name, "get") => get::get(&call).await,
        (_, "update") if update::writable(&call.kind, name, "update") => update::update(&call).await,
        (_, "patch") if update::writable(&call.kind, name, "patch") => patch::patch(&call).await,
        _ => Err(not_allowed()),
    }
}
