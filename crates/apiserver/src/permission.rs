//! Who may do what: `system:masters` everything, a node what its pods need, everybody what roles and bindings say. It is one question, and
//! access reviews answer from it. It knows no object but by the rules about it.
use crate::identity::{MASTERS, User};
use crate::node_authorizer;
use crate::read;
use crate::room::Room;
use api::attempt::Attempt;
use api::status::{Status, qualified};
use std::sync::Arc;
use store::view::View;

/// Health is told to everybody, even before there are any roles.
const HEALTH_PATHS: [&str; 3] = ["/healthz", "/livez", "/readyz"];

/// Whether somebody who proved nothing may ask about `path` at all; what they are answered is for the roles of `system:unauthenticated`.
#[must_use]
pub fn anonymous(path: &str) -> bool {
    health(path) || path.trim_end_matches('/') == "/version"
}

/// Whether the path tells how this member is.
#[must_use]
pub fn health(path: &str) -> bool {
    let under = |top: &&str| path.strip_prefix(*top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    HEALTH_PATHS.iter().any(|top| under(top))
}

/// Why `user` may do it, which may be empty.
///
/// # Errors
/// 403 in Kubernetes' words; 503 if a refusal cannot be confirmed, for it may have been allowed a moment ago through another member.
pub async fn check(room: &Room, user: &User, attempt: &Attempt<'_>) -> Result<Arc<str>, Status> {
    answer(room, user, attempt).await?.map_err(|why| refusal(user, attempt, &why))
}

/// The same as an answer: why they may, or what is to be said of why they may not.
///
/// # Errors
/// 503 if a refusal cannot be confirmed.
pub async fn answer(room: &Room, user: &User, attempt: &Attempt<'_>) -> Result<Result<Arc<str>, String>, Status> {
    let own = decide(room, &room.member().view(), user, attempt);
    if own.is_ok() || room.member().leading().is_some() {
        return Ok(own);
    }
    Ok(decide(room, &*read::newest(room).await?, user, attempt))
}

/// What holds in `view`.
///
/// # Errors
/// What is to be said of why they may not; may be empty.
pub fn decide(room: &Room, view: &View, user: &User, attempt: &Attempt<'_>) -> Result<Arc<str>, String> {
    if user.in_group(MASTERS) || attempt.verb == "get" && health(attempt.path) {
        return Ok("".into());
    }
    let node = match node_authorizer::decide(view, user, attempt) {
        Ok(true) => return Ok("".into()),
        Ok(false) => String::new(),
        Err(why) => why,
    };
    room.policies.decide(view, user, attempt).map_err(|why| match (node.as_str(), why.as_str()) {
        ("", _) => why,
        (_, "") => node,
        _ => format!("{node}\n{why}"),
    })
}

/// 403 in the words of Kubernetes.
#[must_use]
pub fn refusal(user: &User, attempt: &Attempt<'_>, reason: &str) -> Status {
    let more = if reason.is_empty() { String::new() } else { format!(": {reason}") };
    if !attempt.path.is_empty() {
        let message = format!("forbidden: User {:?} cannot {} path {:?}{more}", user.name, attempt.verb, attempt.path);
        return Status::new(403, "Forbidden", message).detailed();
    }
    let mut resource = attempt.resource.to_owned();
    if !attempt.subresource.is_empty() {
        resource = format!("{resource}/{}", attempt.subresource);
    }
    let place = match attempt.namespace {
        "" => "at the cluster scope".to_owned(),
        namespace => format!("in the namespace {namespace:?}"),
    };
    let why = format!(
        "User {:?} cannot {} resource {resource:?} in API group {:?} {place}{more}",
        user.name, attempt.verb, attempt.group
    );
    let what = qualified(attempt.group, attempt.resource);
    let subject = if attempt.name.is_empty() { what } else { format!("{what} {:?}", attempt.name) };
    Status::new(403, "Forbidden", format!("{subject} is forbidden: {why}")).about(
        attempt.group,
        attempt.resource,
        attempt.name,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_in_the_words_of_kubernetes() {
        let bob = User::new("bob", &[]);
        let list = Attempt { verb: "list", resource: "namespaces", ..Attempt::default() };
        let status = refusal(&bob, &list, "");
        let want = "namespaces is forbidden: User \"bob\" cannot list resource \"namespaces\" in API group \"\" at the cluster scope";
        assert_eq!((status.code, status.message.as_str()), (403, want));
        let path = Attempt { verb: "get", path: "/metrics", ..Attempt::default() };
        let want = "forbidden: User \"bob\" cannot get path \"/metrics\": RBAC: x";
        assert_eq!(refusal(&bob, &path, "RBAC: x").message, want);
        assert!(anonymous("/livez/ping") && !anonymous("/livezz") && !anonymous("/api") && anonymous("/version/"));
    }
}
