//! Kubernetes' `Status`: what a client did wrong, or what we could not do, in words that clients branch on.
//! Reasons and codes are those of apimachinery's `metav1.StatusReason`.
use serde_json::{Value, json};

/// An error a client is sent. Boxed, so that a `Result` costs its callers a pointer and not what is rarely there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Status(Box<Parts>);

/// What a `Status` says. `kind` is the plural resource, as Kubernetes has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parts {
    pub code: u16,
    pub reason: &'static str,
    pub message: String,
    pub group: String,
    pub kind: String,
    pub name: String,
    pub uid: String,
    pub causes: Vec<Cause>,
    pub retry_after_seconds: u32,
    /// `metadata.continue`: how a list whose token is too old goes on.
    pub continuing: String,
    /// `details` are there even if they say nothing: of errors that Kubernetes' REST machinery makes and not the resource.
    pub detailed: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cause {
    pub reason: &'static str,
    pub message: String,
    pub field: String,
}

impl Cause {
    fn to_value(&self) -> Value {
        let mut cause = json!({"reason": self.reason, "message": self.message});
        if !self.field.is_empty() {
            cause["field"] = self.field.as_str().into();
        }
        cause
    }
}

impl std::ops::Deref for Status {
    type Target = Parts;

    fn deref(&self) -> &Parts {
        &self.0
    }
}

impl std::ops::DerefMut for Status {
    fn deref_mut(&mut self) -> &mut Parts {
        &mut self.0
    }
}

impl Status {
    #[must_use]
    pub fn new(code: u16, reason: &'static str, message: impl Into<String>) -> Self {
        Self(Box::new(Parts {
            code,
            reason,
            message: message.into(),
            group: String::new(),
            kind: String::new(),
            name: String::new(),
            uid: String::new(),
            causes: Vec::new(),
            retry_after_seconds: 0,
            continuing: String::new(),
            detailed: false,
        }))
    }

    /// One of the REST machinery: no object is named.
    #[must_use]
    pub fn detailed(mut self) -> Self {
        self.detailed = true;
        self
    }

    #[must_use]
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message)
    }

    #[must_use]
    pub fn not_found(group: &str, plural: &str, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} \"{name}\" not found", qualified(group, plural)))
            .about(group, plural, name)
    }

    #[must_use]
    pub fn already_exists(group: &str, plural: &str, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} \"{name}\" already exists", qualified(group, plural)))
            .about(group, plural, name)
    }

    #[must_use]
    pub fn conflict(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", qualified(group, plural));
        Self::new(409, "Conflict", message).about(group, plural, name)
    }

    #[must_use]
    pub fn forbidden(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let message = format!("{} \"{name}\" is forbidden: {why}", qualified(group, plural));
        Self::new(403, "Forbidden", message).about(group, plural, name)
    }

    #[must_use]
    pub fn unavailable(message: impl Into<String>) -> Self {
        let mut status = Self::new(503, "ServiceUnavailable", message);
        status.retry_after_seconds = 1;
        status
    }

    #[must_use]
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(500, "InternalError", message)
    }

    #[must_use]
    pub fn about(mut self, group: &str, plural: &str, name: &str) -> Self {
        self.group = group.into();
        self.kind = plural.into();
        self.name = name.into();
        self
    }

    #[must_use]
    pub fn to_value(&self) -> Value {
        let mut details = serde_json::Map::new();
        for (member, text) in [("group", &self.group), ("kind", &self.kind), ("name", &self.name), ("uid", &self.uid)] {
            if !text.is_empty() {
                details.insert(member.into(), text.as_str().into());
            }
        }
        if !self.causes.is_empty() {
            details.insert("causes".into(), self.causes.iter().map(Cause::to_value).collect());
        }
        if self.retry_after_seconds > 0 {
            details.insert("retryAfterSeconds".into(), self.retry_after_seconds.into());
        }
        let mut status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code});
        if !self.reason.is_empty() {
            status["reason"] = self.reason.into();
        }
        if !self.continuing.is_empty() {
            status["metadata"]["continue"] = self.continuing.as_str().into();
        }
        if !details.is_empty() || self.detailed {
            status["details"] = Value::Object(details);
        }
        status
    }
}

impl std::fmt::Display for Status {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Status {}

/// `deployments.apps`, or the plural alone for the core group.
#[must_use]
pub fn qualified(group: &str, plural: &str) -> String {
    if group.is_empty() { plural.to_owned() } else { format!("{plural}.{group}") }
}
