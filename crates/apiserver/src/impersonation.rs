//! Acting as somebody else (`Impersonate-User` and its like), for who may. It proves nobody's identity.
use crate::identity::{ANONYMOUS, AUTHENTICATED, UNAUTHENTICATED, User};
use crate::permission::check;
use crate::request::{Request, Response};
use crate::room::Room;
use crate::route::unescape;
use api::attempt::Attempt;
use api::status::Status;
use hyper::header::X_CONTENT_TYPE_OPTIONS;
use std::collections::BTreeMap;

const EXTRA: &str = "impersonate-extra-";
const ACCOUNT: &str = "system:serviceaccount:";
const ACCOUNTS: &str = "system:serviceaccounts";
const AUTHENTICATION: &str = "authentication.k8s.io";

/// Whom a request wants to be taken for.
#[derive(Debug, Default)]
struct Wanted {
    name: String,
    uid: String,
    groups: Vec<String>,
    extra: BTreeMap<String, Vec<String>>,
}

/// Whom `user` stands in for; `None` if the request names nobody (`nameless`: it may want to be somebody all the same).
///
/// # Errors
/// 403 if they may not be one of what is named.
pub async fn stand_in(room: &Room, user: &User, request: &Request) -> Result<Option<User>, Status> {
    if !request.headers.keys().any(|name| name.as_str().starts_with("impersonate-")) {
        return Ok(None);
    }
    let wanted = wanted(request);
    if wanted.name.is_empty() {
        return Ok(None);
    }
    let may = |group: &'static str, resource: &'static str, subresource: String, namespace: String, name: String| async move {
        let attempt = Attempt {
            verb: "impersonate",
            group,
            resource,
            subresource: &subresource,
            namespace: &namespace,
            name: &name,
            ..Attempt::default()
        };
        check(room, user, &attempt).await
    };
    let none = String::new;
    match account(&wanted.name) {
        Some((namespace, name)) => may("", "serviceaccounts", none(), namespace.into(), name.into()).await?,
        None => may("", "users", none(), none(), wanted.name.clone()).await?,
    };
    for group in &wanted.groups {
        may("", "groups", none(), none(), group.clone()).await?;
    }
    for (key, values) in &wanted.extra {
        for value in values {
            may(AUTHENTICATION, "userextras", key.clone(), none(), value.clone()).await?;
        }
    }
    if !wanted.uid.is_empty() {
        may(AUTHENTICATION, "uids", none(), none(), wanted.uid.clone()).await?;
    }
    Ok(Some(taken_for(wanted)))
}

fn wanted(request: &Request) -> Wanted {
    let all = |name: &str| {
        let values = request.headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.map(str::to_owned).collect::<Vec<_>>()
    };
    let first = |name: &str| all(name).into_iter().next().unwrap_or_default();
    let mut extra = BTreeMap::new();
    for name in request.headers.keys() {
        if let Some(key) = name.as_str().strip_prefix(EXTRA) {
            extra.insert(unescape(key, false).unwrap_or_else(|| key.to_owned()), all(name.as_str()));
        }
    }
    Wanted { name: first("impersonate-user"), uid: first("impersonate-uid"), groups: all("impersonate-group"), extra }
}

/// The namespace and name of a service account's user.
fn account(user: &str) -> Option<(&str, &str)> {
    let (namespace, name) = user.strip_prefix(ACCOUNT)?.split_once(':')?;
    let valid = api::name::subdomain(namespace).is_empty() && api::name::subdomain(name).is_empty();
    valid.then_some((namespace, name))
}

fn taken_for(wanted: Wanted) -> User {
    let mut groups: Vec<Box<str>> = wanted.groups.iter().map(|group| group.as_str().into()).collect();
    if let Some((namespace, _)) = account(&wanted.name).filter(|_| groups.is_empty()) {
        groups = vec![ACCOUNTS.into(), format!("{ACCOUNTS}:{namespace}").into()];
    }
    let has = |groups: &[Box<str>], known: &str| groups.iter().any(|group| &**group == known);
    if wanted.name == ANONYMOUS {
        if !has(&groups, UNAUTHENTICATED) {
            groups.push(UNAUTHENTICATED.into());
        }
    } else if !has(&groups, AUTHENTICATED) && !has(&groups, UNAUTHENTICATED) {
        groups.push(AUTHENTICATED.into());
    }
    let extra = wanted
        .extra
        .into_iter()
        .map(|(key, values)| (key.into_boxed_str(), values.into_iter().map(String::into_boxed_str).collect()));
    User { name: wanted.name.into(), uid: wanted.uid.into(), groups, extra: extra.collect() }
}

/// The answer to who wants groups and the like of nobody: as in Kubernetes a text that shows references (kind, namespace, name, uid,
/// version, revision, field).
#[must_use]
pub fn nameless(request: &Request) -> Option<Response> {
    if !request.headers.keys().any(|name| name.as_str().starts_with("impersonate-")) {
        return None;
    }
    let wanted = wanted(request);
    let mut told: Vec<String> = wanted.groups.iter().map(|group| format!("{{Group  {group}    }}")).collect();
    for (key, values) in &wanted.extra {
        told.extend(values.iter().map(|value| format!("{{UserExtra  {value}  {AUTHENTICATION}/v1  {key}}}")));
    }
    if !wanted.uid.is_empty() {
        told.push(format!("{{UID  {}  {AUTHENTICATION}/v1  }}", wanted.uid));
    }
    if !wanted.name.is_empty() || told.is_empty() {
        return None;
    }
    let uri = request.uri.path_and_query().map_or("", |uri| uri.as_str());
    let told = told.join(" ");
    let text = format!("Internal Server Error: {uri:?}: requested [{told}] without impersonating a user\n");
    let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
    Some(Response::text(500, text).with(X_CONTENT_TYPE_OPTIONS, "nosniff"))
}
