//! What clients asked the API and what they were told, with the time of both: the history that is checked for linearizability. It
//! records; it judges nothing, and it asks nothing of where the answers came from: a simulated session, or a socket.
use crate::clock::Nanos;
use api::key::Key;
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

/// One exchange of one client.
#[derive(Clone, Debug)]
pub struct Spoken {
    pub begin: Nanos,
    pub end: Nanos,
    pub method: String,
    pub path: String,
    /// The name in the body of a POST.
    pub name: Option<String>,
    /// Who asked, if it was somebody who may little; empty: somebody who may everything.
    pub by: String,
    pub code: u16,
    pub answer: Value,
}

impl Spoken {
    /// The parameter of this name, as it was written.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        let parts = self.path.split(['?', '&']).skip(1);
        parts.filter_map(|part| part.split_once('=')).find_map(|(known, value)| (known == name).then_some(value))
    }
}

/// Exchanges of several clients. Those without an answer are not kept: they may have happened or not, and promise nothing.
#[derive(Clone, Default)]
pub struct Speech(Arc<Mutex<Vec<Spoken>>>);

impl Speech {
    /// Adds one.
    pub fn add(&self, spoken: Spoken) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(spoken);
    }

    /// Everything so far, taken away.
    #[must_use]
    pub fn take(&self) -> Vec<Spoken> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What a path of the API names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Named {
    One(Key),
    /// All of a resource, in one namespace or in all.
    All {
        resource: String,
        namespace: Option<String>,
    },
    /// Something else: a subresource, a past revision, discovery.
    Other,
}

/// Reads a path.
#[must_use]
pub fn named(path: &str) -> Named {
    let path = path.split('?').next().unwrap_or_default();
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    let (group, rest) = match parts.as_slice() {
        ["api", _, rest @ ..] => ("", rest),
        ["apis", group, _, rest @ ..] => (*group, rest),
        _ => return Named::Other,
    };
    let full = |resource: &str| if group.is_empty() { resource.to_owned() } else { format!("{resource}.{group}") };
    match rest {
        ["namespaces", name] => Named::One(Key::new("namespaces", "", name)),
        ["namespaces", namespace, resource] => {
            Named::All { resource: full(resource), namespace: Some((*namespace).to_owned()) }
        }
        ["namespaces", namespace, resource, name] => Named::One(Key::new(&full(resource), namespace, name)),
        [resource] => Named::All { resource: full(resource), namespace: None },
        ["namespaces", ..] => Named::Other,
        [resource, name] => Named::One(Key::new(&full(resource), "", name)),
        _ => Named::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_what_they_name() {
        let one = |resource: &str, namespace: &str, name: &str| Named::One(Key::new(resource, namespace, name));
        assert_eq!(named("/api/v1/nodes/n1"), one("nodes", "", "n1"));
        assert_eq!(named("/api/v1/namespaces/a"), one("namespaces", "", "a"));
        assert_eq!(named("/apis/apps/v1/namespaces/a/deployments/w?x=1"), one("deployments.apps", "a", "w"));
        assert_eq!(named("/api/v1/pods?limit=2"), Named::All { resource: "pods".into(), namespace: None });
        let pods = Named::All { resource: "pods".into(), namespace: Some("a".into()) };
        assert_eq!(named("/api/v1/namespaces/a/pods"), pods);
        for other in ["/asof/7/api/v1/pods", "/api/v1/namespaces/a/pods/p/eviction", "/version", "/"] {
            assert_eq!(named(other), Named::Other, "{other}");
        }
    }
}
