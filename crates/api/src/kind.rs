//! A kind is data: names, scope, verbs, subresources, schema, columns. Built-in kinds and custom ones are the same type.
//! It never knows an object.
use crate::schema::structural::Structural;
use crate::status::{Status, qualified};
use std::sync::Arc;

/// One resource in one version: what discovery says of it, and what the server needs to serve it.
#[derive(Clone, Debug)]
pub struct Kind {
    /// Empty for the core group.
    pub group: Box<str>,
    pub version: Box<str>,
    pub kind: Box<str>,
    pub list_kind: Box<str>,
    pub plural: Box<str>,
    pub singular: Box<str>,
    pub short_names: Vec<Box<str>>,
    pub categories: Vec<Box<str>>,
    pub namespaced: bool,
    /// `create`, `delete`, `deletecollection`, `get`, `list`, `patch`, `update`, `watch`: those it has, in that order.
    pub verbs: Vec<Box<str>>,
    pub subresources: Vec<Subresource>,
    /// What a successful DELETE answers: the object, or a Status.
    pub delete_returns: DeleteReturns,
    /// Where its objects are stored (`api::key::Key::resource`); versions and twins of one resource share it.
    pub resource: Box<str>,
    pub schema: Schema,
    /// Printer columns of a custom kind; built-in kinds have theirs in `codec::table`.
    pub columns: Vec<Column>,
    /// Further paths a field selector may name, of a custom kind: `spec.color`.
    pub selectable: Vec<Box<str>>,
    /// Where a custom kind keeps what `/scale` shows.
    pub scale: Option<ScalePaths>,
    /// What clients of a deprecated version of a custom kind are warned of.
    pub deprecated: Option<Box<str>>,
    /// The version that a custom kind is stored in, if that is served.
    pub stored_in: Option<Box<str>>,
    /// The revision of its definition; 0 if it is built in. Objects that are newer have passed its schema.
    pub defined: u64,
}

/// `/status`, `/scale`, `/log` and their like.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subresource {
    pub name: Box<str>,
    pub verbs: Vec<Box<str>>,
    /// Group, version and kind of its body.
    pub group: Box<str>,
    pub version: Box<str>,
    pub kind: Box<str>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DeleteReturns {
    Object,
    Status,
}

/// What its objects may hold.
#[derive(Clone, Debug)]
pub enum Schema {
    /// A message of `schema::structure`, by name: `api.core.v1.Pod`.
    Message(Box<str>),
    /// The structural schema of a CustomResourceDefinition.
    Custom(Arc<Structural>),
}

/// One column of a custom kind's table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    pub name: Box<str>,
    /// `string`, `integer`, `number`, `boolean` or `date`.
    pub kind: Box<str>,
    pub format: Box<str>,
    pub description: Box<str>,
    /// 0 is always shown, more only when a client asks for width.
    pub priority: i64,
    pub json_path: Box<str>,
}

/// JSON paths as in CustomResourceDefinition: `.spec.replicas`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScalePaths {
    pub spec_replicas: Box<str>,
    pub status_replicas: Box<str>,
    pub label_selector: Option<Box<str>>,
}

impl Kind {
    /// `apps/v1`, or `v1` for the core group.
    #[must_use]
    pub fn api_version(&self) -> String {
        if self.group.is_empty() { self.version.to_string() } else { format!("{}/{}", self.group, self.version) }
    }

    /// `deployments.apps`, as messages name a resource.
    #[must_use]
    pub fn qualified(&self) -> String {
        qualified(&self.group, &self.plural)
    }

    #[must_use]
    pub fn has(&self, verb: &str) -> bool {
        self.verbs.iter().any(|known| &**known == verb)
    }

    /// Whether objects of it are kept; reviews and bindings are only answered.
    #[must_use]
    pub fn stored(&self) -> bool {
        self.has("get")
    }

    #[must_use]
    pub fn subresource(&self, name: &str) -> Option<&Subresource> {
        self.subresources.iter().find(|subresource| &*subresource.name == name)
    }

    /// Whether it comes from a CustomResourceDefinition.
    #[must_use]
    pub fn custom(&self) -> bool {
        matches!(self.schema, Schema::Custom(_))
    }

    /// The schema's message, if it is built in.
    #[must_use]
    pub fn message(&self) -> Option<&str> {
        match &self.schema {
            Schema::Message(name) => Some(name),
            Schema::Custom(_) => None,
        }
    }

    /// `deployments.apps "x" not found`.
    #[must_use]
    pub fn not_found(&self, name: &str) -> Status {
        Status::not_found(&self.group, &self.plural, name)
    }
}
