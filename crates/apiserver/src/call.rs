//! One request for one kind, read as far as all verbs need it.
use crate::identity::User;
use crate::negotiate::Form;
use crate::query::Parameters;
use crate::request::Request;
use crate::room::Room;
use crate::route::Target;
use crate::trail::Origin;
use api::key::Key;
use api::kind::Kind;
use api::status::Status;
use std::sync::Arc;
use store::view::View;

pub struct Call {
    pub room: Arc<Room>,
    pub request: Request,
    pub user: User,
    pub target: Arc<Target>,
    pub kind: Arc<Kind>,
    pub query: Parameters,
    pub form: Form,
    /// The past that is asked for; nothing may then be written.
    pub past: Option<Arc<View>>,
    /// Whence, and by which rule: what the log remembers.
    pub origin: Origin,
}

impl Call {
    /// Where the target is stored, under `name`.
    #[must_use]
    pub fn key(&self, name: &str) -> Key {
        Key::new(&self.kind.resource, &self.target.namespace, name)
    }

    #[must_use]
    pub fn agent(&self) -> &str {
        self.request.agent()
    }

    /// The writer's name for managed fields: as asked, else the first word of the user agent.
    #[must_use]
    pub fn manager<'a>(&'a self, asked: &'a str) -> &'a str {
        match (asked, self.agent().split('/').next()) {
            ("", Some(agent)) if !agent.is_empty() => agent,
            ("", _) => "unknown",
            (asked, _) => asked,
        }
    }

    #[must_use]
    pub fn not_found(&self) -> Status {
        self.kind.not_found(&self.target.name)
    }

    #[must_use]
    pub fn conflict(&self, why: &str) -> Status {
        Status::conflict(&self.kind.group, &self.kind.plural, &self.target.name, why)
    }
}

/// What a writer is told that lost a race.
pub const MODIFIED: &str =
    "the object has been modified; please apply your changes to the latest version and try again";

/// 405 as Kubernetes words it.
#[must_use]
pub fn not_allowed() -> Status {
    Status::new(405, "MethodNotAllowed", "the server does not allow this method on the requested resource").detailed()
}

/// 404 for a resource that no kind has.
#[must_use]
pub fn no_resource() -> Status {
    Status::new(404, "NotFound", "the server could not find the requested resource").detailed()
}
