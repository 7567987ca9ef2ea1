//! What a plug-in is asked, and what it is: the machine's words, without any plug-in.
use crate::attempt::Attempt;
use crate::kind::Kind;
use crate::object::Object;
use crate::status::Status;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;

/// What is done to an object, or through it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Create,
    Update,
    Delete,
    /// Exec, attach, port-forward, proxy.
    Connect,
}

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub struct Who<'a> {
    pub name: &'a str,
    pub groups: &'a [Box<str>],
}

/// One view of the cluster.
pub trait Cluster {
    /// The object, if it is there. `resource` is the storage resource: `pods`, `limitranges`, `storageclasses.storage.k8s.io`.
    fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Object>>;
    /// The objects of a resource, of all namespaces or of one, ordered by namespace and name.
    fn list(&self, resource: &str, namespace: Option<&str>) -> Vec<Arc<Object>>;
}

/// What is asked for, beside the object itself.
pub struct Request<'a> {
    pub operation: Operation,
    /// The kind that the URL names; of a subresource, the kind it belongs to.
    pub kind: &'a Kind,
    pub subresource: &'a str,
    pub namespace: &'a str,
    /// Empty while the name is not drawn yet.
    pub name: &'a str,
    pub user: Who<'a>,
    pub dry_run: bool,
    /// The object as it is; `None` for a new one.
    pub old: Option<&'a Value>,
    pub cluster: &'a dyn Cluster,
    /// Whether the asker may do something else too.
    pub may: &'a dyn Fn(&Attempt<'_>) -> bool,
}

impl Request<'_> {
    /// Whether it is about objects of this storage resource themselves, and does that to them.
    #[must_use]
    pub fn is(&self, operation: Operation, resource: &str) -> bool {
        self.operation == operation && self.about(resource)
    }

    /// Whether it is about objects of this storage resource themselves.
    #[must_use]
    pub fn about(&self, resource: &str) -> bool {
        self.subresource.is_empty() && &*self.kind.resource == resource
    }

    /// 403 in the words of an admission plug-in. Who has no name yet is called by what it will begin with.
    #[must_use]
    pub fn forbidden(&self, object: &Value, why: &str) -> Status {
        let said = |member: &str| object["metadata"][member].as_str().filter(|text| !text.is_empty());
        let drawn = said("name").or_else(|| said("generateName")).unwrap_or("Unknown");
        let name = if self.name.is_empty() { drawn } else { self.name };
        Status::forbidden(&self.kind.group, &self.kind.plural, name, why)
    }
}

/// What is told beside the answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Notes {
    /// For the client.
    pub warnings: Vec<String>,
    /// For the audit log: annotations by their full names.
    pub audit: BTreeMap<String, String>,
}

/// Completes an object, or refuses it.
pub type Admit = fn(&Request<'_>, &mut Value) -> Result<(), Status>;
/// Refuses an object, or has something to say of it.
pub type Validate = fn(&Request<'_>, &Value, &mut Notes) -> Result<(), Status>;

/// A plug-in: its name in Kubernetes, and what it does in either pass. Of a deletion the object is the one that goes.
#[derive(Clone, Copy, Debug)]
pub struct Plugin {
    pub name: &'static str,
    pub admit: Option<Admit>,
    pub validate: Option<Validate>,
}

/// The text of a member; empty if there is none.
#[must_use]
pub fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

/// The items of a list; none if there is no list.
#[must_use]
pub fn items<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value.get(member).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// An annotation of a decoded object; empty if there is none.
#[must_use]
pub fn annotation<'a>(value: &'a Value, name: &str) -> &'a str {
    value["metadata"]["annotations"].get(name).and_then(Value::as_str).unwrap_or_default()
}
