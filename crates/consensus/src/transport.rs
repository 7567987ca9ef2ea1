//! The port to the other members: bytes there, bytes back. It says nothing of what the bytes mean.
use crate::types::MemberInfo;
use bytes::Bytes;
use futures::future::BoxFuture;

/// Carries requests to other members. `Member::serve` is the other end.
///
/// A request is delivered at most once; requests may overtake each other. The caller sets the time limit, by dropping the future.
pub trait Transport: Send + Sync + 'static {
    /// Sends `request` to the member `to` and gives its answer.
    fn call(&self, to: &MemberInfo, request: Bytes) -> BoxFuture<'static, Result<Bytes, TransportError>>;
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportError {
    /// The request surely did not arrive.
    Unreachable(String),
    /// It may have arrived.
    Broken(String),
}

impl std::fmt::Display for TransportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unreachable(why) => write!(f, "the member cannot be reached: {why}"),
            Self::Broken(why) => write!(f, "the member did not answer: {why}"),
        }
    }
}

impl std::error::Error for TransportError {}

/// The transport of a member that has no others.
pub struct Nowhere;

impl Transport for Nowhere {
    fn call(&self, to: &MemberInfo, _: Bytes) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        let why = format!("this member has no way to {}", to.name);
        Box::pin(async { Err(TransportError::Unreachable(why)) })
    }
}
