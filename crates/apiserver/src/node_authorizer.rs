//! What a node may do (Kubernetes' Node authorizer with `AuthorizeNodeWithSelectors`, KEP-4601): read what pods bound to it refer to, its own
//! objects, and what every node needs. What it may write of them is for `node_restriction`. It goes by one view and remembers nothing.
pub mod related;

use crate::identity::User;
use crate::rbac::policy::any_allows;
use api::access::CLUSTER_ROLES;
use api::access::rule::Rule;
use api::attempt::Attempt;
use related::{Of, related};
use std::sync::LazyLock;
use store::view::View;

/// What every node may do: the rules of the ClusterRole `system:node` that every cluster begins with.
static RULES: LazyLock<Vec<Rule>> = LazyLock::new(|| {
    let of_nodes = |(resource, role): &&(&str, serde_json::Value)| {
        *resource == CLUSTER_ROLES && role["metadata"]["name"] == "system:node"
    };
    let role = api::access::bootstrap::objects().iter().find(of_nodes);
    role.map(|(_, role)| Rule::all_of(role)).unwrap_or_default()
});

const LEASES: &str = "kube-node-lease";

/// Whether the node that asks may do it; false for whoever is none.
///
/// # Errors
/// What is to be said of why not.
pub fn decide(view: &View, user: &User, attempt: &Attempt<'_>) -> Result<bool, String> {
    let Some(node) = user.node() else { return Ok(false) };
    if node.is_empty() {
        return Err(format!("unknown node for user {:?}", user.name));
    }
    if !attempt.path.is_empty() {
        return Ok(any_allows(&RULES, attempt));
    }
    let asked = Asked { view, node, attempt };
    match (attempt.group, attempt.resource) {
        ("", "secrets") => asked.read_one(Of::Secret),
        ("", "configmaps") => asked.read_one(Of::ConfigMap),
        ("", "persistentvolumeclaims") if attempt.subresource == "status" => match attempt.verb {
            "update" | "patch" => asked.of_its_pods(Of::Claim),
            _ => Err("can only get/update/patch this type".into()),
        },
        ("", "persistentvolumeclaims") => asked.get(Of::Claim),
        ("", "persistentvolumes") => asked.get(Of::Volume),
        ("resource.k8s.io", "resourceclaims") => asked.get(Of::ResourceClaim),
        ("storage.k8s.io", "volumeattachments") => asked.get(Of::Attachment),
        ("", "serviceaccounts") => asked.service_account(),
        ("coordination.k8s.io", "leases") => asked.lease(),
        ("storage.k8s.io", "csinodes") => asked.csi_node(),
        ("resource.k8s.io", "resourceslices") => asked.resource_slice(),
        ("", "nodes") => asked.nodes(),
        ("", "pods") => asked.pods(),
        _ => Ok(any_allows(&RULES, attempt)),
    }
}

struct Asked<'a> {
    view: &'a View,
    node: &'a str,
    attempt: &'a Attempt<'a>,
}

impl Asked<'_> {
    fn of_its_pods(&self, of: Of) -> Result<bool, String> {
        if self.attempt.name.is_empty() {
            return Err("No Object name found".into());
        }
        if related(self.view, self.node, of, self.attempt.namespace, self.attempt.name) {
            return Ok(true);
        }
        Err(format!("no relationship found between node '{}' and this object", self.node))
    }

    fn get(&self, of: Of) -> Result<bool, String> {
        match (self.attempt.verb, self.attempt.subresource) {
            ("get", "") => self.of_its_pods(of),
            ("get", _) => Err("cannot get subresource".into()),
            _ => Err("can only get individual resources of this type".into()),
        }
    }

    /// Lists and watches too, of one name.
    fn read_one(&self, of: Of) -> Result<bool, String> {
        if !matches!(self.attempt.verb, "get" | "list" | "watch") {
            return Err("can only read resources of this type".into());
        }
        match (self.attempt.subresource, self.attempt.namespace) {
            ("", "") => Err("can only read namespaced object of this type".into()),
            ("", _) => self.of_its_pods(of),
            _ => Err("cannot read subresource".into()),
        }
    }

    fn service_account(&self) -> Result<bool, String> {
        match (self.attempt.verb, self.attempt.subresource) {
            ("get", "") => self.of_its_pods(Of::ServiceAccount),
            ("create", "token") if !self.attempt.name.is_empty() => self.of_its_pods(Of::ServiceAccount),
            ("create", sub) if sub != "token" && !self.attempt.name.is_empty() => {
                Err("can only create token subresource of serviceaccount".into())
            }
            _ => Err("can only create tokens for individual service accounts".into()),
        }
    }

    fn own(&self, what: &str, why: &str) -> Result<bool, String> {
        if !matches!(self.attempt.verb, "get" | "create" | "update" | "patch" | "delete") {
            return Err(format!("can only get, create, update, patch, or delete a {what}"));
        }
        // The name of a new one stands in its body.
        if self.attempt.verb == "create" || self.attempt.name == self.node { Ok(true) } else { Err(why.into()) }
    }

    fn lease(&self) -> Result<bool, String> {
        let may = self.own("node lease", "can only access node lease with the same name as the requesting node");
        match (&may, self.attempt.namespace) {
            (Err(why), _) if why.starts_with("can only get") => may,
            (_, LEASES) => may,
            _ => Err(format!("can only access leases in the {LEASES:?} system namespace")),
        }
    }

    fn csi_node(&self) -> Result<bool, String> {
        if !self.attempt.subresource.is_empty() {
            return Err("cannot authorize CSINode subresources".into());
        }
        self.own("CSINode", "can only access CSINode with the same name as the requesting node")
    }

    fn resource_slice(&self) -> Result<bool, String> {
        if !self.attempt.subresource.is_empty() {
            return Err("cannot authorize ResourceSlice subresources".into());
        }
        match self.attempt.verb {
            "create" => Ok(true),
            "get" | "update" | "patch" | "delete" => self.of_its_pods(Of::ResourceSlice),
            "list" | "watch" | "deletecollection" if self.selects("spec.nodeName") || self.selects("nodeName") => Ok(true),
            "list" | "watch" | "deletecollection" => {
                Err("can only list/watch/deletecollection resourceslices with nodeName field selector".into())
            }
            _ => Err("only the following verbs are allowed for a ResourceSlice: get, watch, list, create, update, patch, delete, deletecollection".into()),
        }
    }

    fn selects(&self, path: &str) -> bool {
        self.attempt.demands(path) == Some(self.node)
    }

    fn nodes(&self) -> Result<bool, String> {
        let node = self.node;
        match (self.attempt.subresource, self.attempt.verb, self.attempt.name) {
            ("", "create" | "update" | "patch", _) | ("status", "update" | "patch", _) => Ok(true),
            ("", "get" | "list" | "watch", name) if name == node => Ok(true),
            ("", "get" | "list" | "watch", "") => {
                Err(format!("node '{node}' cannot read all nodes, only its own Node object"))
            }
            ("", "get" | "list" | "watch", name) => {
                Err(format!("node '{node}' cannot read '{name}', only its own Node object"))
            }
            _ => Ok(false),
        }
    }

    fn pods(&self) -> Result<bool, String> {
        match (self.attempt.subresource, self.attempt.verb) {
            ("", "get") => self.of_its_pods(Of::Pod),
            ("", "list" | "watch") if self.selects("spec.nodeName") => Ok(true),
            ("", "list" | "watch") if !self.attempt.name.is_empty() => self.of_its_pods(Of::Pod),
            ("", "list" | "watch") => Err("can only list/watch pods with spec.nodeName field selector".into()),
            ("", "create" | "delete") | ("status", "update" | "patch") | ("eviction", "create") => Ok(true),
            _ => Ok(false),
        }
    }
}
