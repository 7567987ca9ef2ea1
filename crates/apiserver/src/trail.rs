//! What is known of a request on its way through the server: who, from where, what for, and which rule let it pass. Audit, metrics
//! and the log's entries are written from it. It decides nothing.
use crate::attempt;
use crate::identity::{MASTERS, User};
use crate::limits::AUDIT_ID_BYTES_MAX;
use crate::request::Request;
use crate::route::Target;
use api::attempt::Attempt;
use api::audit::Facts;
use bytes::Bytes;
use hyper::Uri;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use serde_json::json;
use std::net::IpAddr;
use std::sync::Arc;

/// The header that names a request in the audit stream; a client may bring its own.
pub const AUDIT_ID: HeaderName = HeaderName::from_static("audit-id");

/// Where a request came from and why it was allowed: what the log remembers beside its author.
#[derive(Clone, Debug)]
pub struct Origin {
    pub audit_id: Arc<str>,
    pub from: Option<IpAddr>,
    /// Which rule allowed it.
    pub rule: Arc<str>,
    /// Who asked in the name of the author.
    pub stand_in: Option<Box<str>>,
}

impl Origin {
    /// The note of a command: `{"audit": id, "by": who stood in, "from": address, "rule": which rule allowed it}`.
    #[must_use]
    pub fn note(&self) -> Box<str> {
        let mut note = json!({"audit": &*self.audit_id, "rule": &*self.rule});
        if let Some(from) = self.from {
            note["from"] = from.to_string().into();
        }
        if let Some(by) = &self.stand_in {
            note["by"] = (&**by).into();
        }
        note.to_string().into()
    }
}

/// One request, told as it goes.
pub struct Trail {
    pub audit_id: Arc<str>,
    pub uri: Uri,
    pub agent: Option<HeaderValue>,
    pub from: Option<IpAddr>,
    pub content_type: Option<HeaderValue>,
    pub body: Bytes,
    /// Milliseconds since the epoch.
    pub received: u64,
    pub began: rt::Instant,
    /// Who proved who they are; nobody yet.
    pub user: Option<User>,
    /// In whose name they act, if not in their own.
    pub acts_as: Option<User>,
    pub verb: &'static str,
    pub target: Option<Arc<Target>>,
    /// The kind at the target is served: its names may be told in metrics.
    pub known: bool,
    pub rule: Option<Arc<str>>,
    pub dry_run: bool,
}

impl Trail {
    #[must_use]
    pub fn new(request: &Request) -> Self {
        let brought = request.header(AUDIT_ID).filter(|id| !id.is_empty() && id.len() <= AUDIT_ID_BYTES_MAX);
        Self {
            audit_id: brought.map_or_else(|| api::object::Uid(rt::unique()).to_string().into(), Into::into),
            uri: request.uri.clone(),
            agent: request.headers.get(USER_AGENT).cloned(),
            from: request.from,
            content_type: request.headers.get(CONTENT_TYPE).cloned(),
            body: request.body.clone(),
            received: rt::wall(),
            began: rt::now(),
            user: None,
            acts_as: None,
            verb: if request.method == hyper::Method::GET { "get" } else { "post" },
            target: None,
            known: false,
            rule: None,
            dry_run: request.uri.query().is_some_and(|query| query.contains("dryRun=")),
        }
    }

    /// The path and query that were asked; over HTTP/2 a request comes with its host, which is none of them.
    #[must_use]
    pub fn uri(&self) -> &str {
        self.uri.path_and_query().map_or("", |uri| uri.as_str())
    }

    #[must_use]
    pub fn content_type(&self) -> Option<&str> {
        self.content_type.as_ref().and_then(|media| media.to_str().ok())
    }

    /// Whose permissions count.
    #[must_use]
    pub fn actor(&self) -> Option<&User> {
        self.acts_as.as_ref().or(self.user.as_ref())
    }

    /// What the log remembers of it.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin {
            audit_id: self.audit_id.clone(),
            from: self.from,
            rule: self.allowed(),
            stand_in: self.acts_as.as_ref().and(self.user.as_ref()).map(|user| user.name.clone()),
        }
    }

    /// Which rule let it pass, in words; of those that are no roles and bindings too.
    fn allowed(&self) -> Arc<str> {
        match (&self.rule, self.actor()) {
            (Some(rule), _) if !rule.is_empty() => rule.clone(),
            (Some(_), Some(user)) if user.in_group(MASTERS) => "a member of system:masters".into(),
            (Some(_), _) => "a node and what its pods need".into(),
            (None, _) => "".into(),
        }
    }

    /// What a rule of the audit policy looks at.
    #[must_use]
    pub fn facts(&self) -> Facts<'_> {
        let (user, groups) = self.actor().map_or(("", &[][..]), |user| (&*user.name, &user.groups[..]));
        let attempt = match &self.target {
            Some(target) => attempt::of(target, self.verb, &[]),
            None => Attempt { verb: self.verb, path: self.uri.path(), ..Attempt::default() },
        };
        Facts { user, groups, attempt }
    }

    /// Whether it lasts as long as the client wants: it takes no place among the requests in flight.
    #[must_use]
    pub fn long_running(&self) -> bool {
        let stream = |target: &Arc<Target>| {
            matches!(target.subresource.as_str(), "log" | "exec" | "attach" | "portforward" | "proxy")
        };
        self.verb == "watch" || self.target.as_ref().is_some_and(stream)
    }

    /// Whether it may change anything.
    #[must_use]
    pub fn mutating(&self) -> bool {
        !matches!(self.verb, "get" | "list" | "watch")
    }
}
