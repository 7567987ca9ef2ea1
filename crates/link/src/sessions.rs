//! The port through which sessions come to be: dialled, or asked for by peers. `quic::Endpoint` is its adapter; what stands behind one
//! session is the port `session::Wire`.
use crate::error::LinkError;
use crate::session::{Doing, Session};

/// A peer that has knocked, until its handshake is done. Let another task wait for it: it takes as long as the peer likes.
pub type Knock = Doing<'static, Result<Session, LinkError>>;

/// Where we dial from, and are dialled.
pub trait Sessions: Send + Sync {
    /// A session with the member at `address` (`host:port`).
    fn connect<'a>(&'a self, address: &'a str) -> Doing<'a, Result<Session, LinkError>>;
    /// The next peer that knocks; `None` when nobody can any more.
    fn accept(&self) -> Doing<'_, Option<Knock>>;
}
