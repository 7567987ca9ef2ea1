//! The port to where audit events go, and what a server is told of it. It knows no request.
use api::audit::Policy;
use bytes::Bytes;
use std::sync::Arc;

/// Where audit events go.
pub trait Sink: Send + Sync {
    /// Takes one line, with its newline; `false` if it could not be taken.
    fn take(&self, line: Bytes) -> bool;
}

/// What is remembered, and where.
#[derive(Clone)]
pub struct Audit {
    pub policy: Arc<Policy>,
    pub sink: Arc<dyn Sink>,
}
