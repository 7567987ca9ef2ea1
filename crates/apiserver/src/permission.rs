//! Who may do what. `system:masters` may do everything, a node what a node needs, everybody else only ask who they are.
//! It is one function, and access reviews answer from it. Roles and bindings are not evaluated yet, and grant nothing.
use crate::identity::{MASTERS, NODES, User};
use api::status::{Status, qualified};

/// Something that somebody wants to do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Attempt<'a> {
    pub verb: &'a str,
    pub group: &'a str,
    pub resource: &'a str,
    pub subresource: &'a str,
    pub namespace: &'a str,
    pub name: &'a str,
    /// Set instead of a resource for paths that are none.
    pub path: &'a str,
}

/// What nodes may read anywhere: what a pod's containers, volumes and network need.
const NODE_READS: [&str; 14] = [
    "pods",
    "nodes",
    "services",
    "endpoints",
    "configmaps",
    "secrets",
    "serviceaccounts",
    "persistentvolumes",
    "persistentvolumeclaims",
    "endpointslices.discovery.k8s.io",
    "runtimeclasses.node.k8s.io",
    "csidrivers.storage.k8s.io",
    "csinodes.storage.k8s.io",
    "leases.coordination.k8s.io",
];

/// Paths that every authenticated user may read.
const OPEN_PATHS: [&str; 9] = [
    "/api",
    "/apis",
    "/openapi",
    "/version",
    "/healthz",
    "/livez",
    "/readyz",
    "/.well-known/openid-configuration",
    "/",
];

/// Paths that need no identity at all.
const ANONYMOUS_PATHS: [&str; 4] = ["/version", "/healthz", "/livez", "/readyz"];

/// Whether anybody, known or not, may read `path`.
#[must_use]
pub fn anonymous(path: &str) -> bool {
    ANONYMOUS_PATHS.iter().any(|open| under(path, open))
}

fn under(path: &str, top: &str) -> bool {
    path.strip_prefix(top).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// `Ok` with the reason, or `Err` with what to tell the user.
///
/// # Errors
/// 403 in Kubernetes' words.
pub fn check(user: &User, attempt: &Attempt<'_>) -> Result<&'static str, Status> {
    decide(user, attempt).ok_or_else(|| refusal(user, attempt))
}

fn decide(user: &User, attempt: &Attempt<'_>) -> Option<&'static str> {
    if user.in_group(MASTERS) {
        return Some("a member of system:masters may do everything");
    }
    if !attempt.path.is_empty() {
        let open = attempt.verb == "get"
            && OPEN_PATHS.iter().any(|path| *path == attempt.path || (*path != "/" && under(attempt.path, path)));
        return open.then_some("everybody may discover");
    }
    let review = matches!(
        (attempt.group, attempt.resource),
        ("authorization.k8s.io", "selfsubjectaccessreviews" | "selfsubjectrulesreviews")
            | ("authentication.k8s.io", "selfsubjectreviews")
    );
    if review && attempt.verb == "create" {
        return Some("everybody may ask about themselves");
    }
    if user.in_group(NODES) && node_may(user.node()?, attempt) {
        return Some("a node may do what its pods need");
    }
    None
}

fn node_may(node: &str, attempt: &Attempt<'_>) -> bool {
    let resource = qualified(attempt.group, attempt.resource);
    let own = attempt.name == node;
    let change = matches!(attempt.verb, "update" | "patch");
    match (resource.as_str(), attempt.verb) {
        (name, "get" | "list" | "watch") => NODE_READS.contains(&name),
        ("nodes", "create") => attempt.subresource.is_empty(),
        ("nodes", _) => own && change,
        ("pods", _) if change => attempt.subresource == "status",
        ("pods", "delete") => attempt.subresource.is_empty(),
        ("events" | "events.events.k8s.io", "create" | "update" | "patch") => true,
        ("leases.coordination.k8s.io", "create") => attempt.namespace == "kube-node-lease",
        ("leases.coordination.k8s.io", _) => own && change && attempt.namespace == "kube-node-lease",
        _ => false,
    }
}

/// The node that asks, if what it wants is only for pods that run on it: the pod's `spec.nodeName` must then be its name.
#[must_use]
pub fn only_own_pods<'a>(user: &'a User, attempt: &Attempt<'_>) -> Option<&'a str> {
    let of_pods = attempt.group.is_empty() && attempt.resource == "pods";
    user.node().filter(|_| of_pods && matches!(attempt.verb, "update" | "patch" | "delete") && !user.in_group(MASTERS))
}

/// A node creates only its own Node and Lease. The name stands in the body, so `check` could not see it.
///
/// # Errors
/// 403 in the words of Kubernetes' plug-in NodeRestriction.
pub fn may_create(user: &User, resource: &str, name: &str) -> Result<(), Status> {
    let Some(node) = user.node().filter(|_| !user.in_group(MASTERS)) else { return Ok(()) };
    let (group, plural, why) = match resource {
        "nodes" => ("", "nodes", format!("node {node:?} is not allowed to modify node {name:?}")),
        "leases.coordination.k8s.io" => {
            let why = "can only access leases with the same name as the requesting node".to_owned();
            ("coordination.k8s.io", "leases", why)
        }
        _ => return Ok(()),
    };
    if name == node { Ok(()) } else { Err(Status::forbidden(group, plural, name, &why)) }
}

fn refusal(user: &User, attempt: &Attempt<'_>) -> Status {
    if !attempt.path.is_empty() {
        let message = format!("forbidden: User {:?} cannot {} path {:?}", user.name, attempt.verb, attempt.path);
        return Status::new(403, "Forbidden", message);
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
        "User {:?} cannot {} resource {resource:?} in API group {:?} {place}",
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

    fn attempt(text: &str) -> Attempt<'_> {
        let mut words = text.split(' ').map(|word| if word == "-" { "" } else { word });
        let mut next = || words.next().unwrap_or_default();
        Attempt {
            verb: next(),
            group: next(),
            resource: next(),
            subresource: next(),
            namespace: next(),
            name: next(),
            path: "",
        }
    }

    #[test]
    fn nodes_are_held_to_what_their_pods_need() {
        let node = User::new("system:node:n1", &[NODES]);
        let table = [
            ("list - pods", true),
            ("patch - pods status a p", true),
            ("patch - pods - a p", false),
            ("create - pods - a", false),
            ("patch - nodes status - n1", true),
            ("patch - nodes status - n2", false),
            ("delete - nodes - - n1", false),
            ("update coordination.k8s.io leases - kube-node-lease n1", true),
            ("update coordination.k8s.io leases - kube-system x", false),
            ("create apps deployments - a", false),
            ("create - serviceaccounts token a default", false),
            ("create certificates.k8s.io certificatesigningrequests", false),
            ("create storage.k8s.io csinodes", false),
            ("deletecollection - pods - a", false),
            ("get - secrets - a s", true),
            ("create authorization.k8s.io selfsubjectaccessreviews", true),
        ];
        for (text, may) in table {
            assert_eq!(check(&node, &attempt(text)).is_ok(), may, "{text}");
        }
    }

    #[test]
    fn a_node_creates_itself_and_writes_its_own_pods() {
        let (node, admin) = (User::new("system:node:n1", &[NODES]), User::new("admin", &[MASTERS]));
        assert!(may_create(&node, "nodes", "n1").is_ok() && may_create(&admin, "nodes", "n2").is_ok());
        assert!(
            may_create(&node, "nodes", "n2").is_err() && may_create(&node, "leases.coordination.k8s.io", "").is_err()
        );
        assert_eq!(only_own_pods(&node, &attempt("delete - pods - a p")), Some("n1"));
        assert_eq!(only_own_pods(&node, &attempt("get - pods - a p")), None);
        assert_eq!(only_own_pods(&admin, &attempt("delete - pods - a p")), None);
    }

    #[test]
    fn refusals_are_in_the_words_of_kubernetes() {
        let bob = User::new("bob", &[]);
        let status = check(&bob, &attempt("list - namespaces")).expect_err("bob may not");
        let want = "namespaces is forbidden: User \"bob\" cannot list resource \"namespaces\" in API group \"\" at the cluster scope";
        assert_eq!((status.code, status.message.as_str()), (403, want));
        let path = Attempt { verb: "get", path: "/apis/apps/v1", ..Attempt::default() };
        assert!(check(&bob, &path).is_ok());
        let path = Attempt { verb: "get", path: "/rutter/v1/log", ..Attempt::default() };
        assert!(check(&bob, &path).is_err());
        assert!(anonymous("/livez/ping") && !anonymous("/livezz") && !anonymous("/api"));
    }
}
