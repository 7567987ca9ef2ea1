//! The port to what operates the cluster itself, under `/rutter/v1/<verb>`: status, members, tokens, the log.
//! `control` implements it. Only `system:masters` get this far.
use api::status::Status;
use bytes::Bytes;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use serde_json::Value;

/// One call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Operation {
    /// Who asks, and with which program.
    pub actor: Box<str>,
    pub agent: Box<str>,
    /// What follows `/rutter/v1/`.
    pub verb: String,
    /// Whether it may change anything (POST, PUT, DELETE).
    pub change: bool,
    /// The query's parameters, decoded, in order.
    pub query: Vec<(String, String)>,
    /// The body; null if there is none.
    pub body: Value,
}

/// What an operation answers.
pub enum Answer {
    Value(Value),
    /// Lines as they come: the log.
    Lines(BoxStream<'static, Bytes>),
}

pub trait Operator: Send + Sync {
    /// # Errors
    /// 404 for a verb it does not know, and whatever the operation refuses with.
    fn call(&self, operation: Operation) -> BoxFuture<'static, Result<Answer, Status>>;
}
