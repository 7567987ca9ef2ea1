//! What the world did to a session, a certificate or a token. Each text is one line and says what to do next.
use crate::frame::FrameError;
use std::fmt;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinkError {
    /// The address is not `host:port`, or its host has no address.
    Address {
        address: String,
        why: String,
    },
    /// The UDP socket could not be had.
    Bind {
        address: String,
        why: String,
    },
    /// Another process listens there.
    Taken {
        address: String,
    },
    /// Nobody answered there, or not with our protocol.
    Unreachable {
        address: String,
        why: String,
    },
    /// The peer is not who it must be: its certificate is of another cluster, expired, or absent.
    Stranger(String),
    /// A certificate or key of ours cannot be used.
    Certificate(String),
    /// A join token that cannot be used.
    Token(String),
    /// The cluster did not let us in; the text is the member's own.
    Refused(String),
    /// The session has ended; the text is the peer's reason, or what happened to the network.
    Closed(String),
    Frame(FrameError),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address { address, why } => write!(f, "`{address}` is no address to connect to (host:port): {why}"),
            Self::Bind { address, why } => {
                write!(
                    f,
                    "cannot listen on UDP {address}: {why}; choose an address of this machine, and a port that you may use"
                )
            }
            Self::Taken { address } => {
                write!(
                    f,
                    "cannot listen on UDP {address}: it is in use; stop what listens there or choose another port"
                )
            }
            Self::Unreachable { address, why } => {
                write!(f, "{address} does not answer: {why}; check that a member runs there and that UDP may pass")
            }
            Self::Stranger(why) => write!(f, "the peer is not of this cluster: {why}"),
            Self::Certificate(why) => write!(f, "the certificate cannot be used: {why}; join again with a new token"),
            Self::Token(why) => write!(f, "the join token cannot be used: {why}"),
            Self::Refused(why) => f.write_str(why),
            Self::Closed(why) => write!(f, "the session has ended: {why}"),
            Self::Frame(error) => error.fmt(f),
        }
    }
}

impl std::error::Error for LinkError {}

impl From<FrameError> for LinkError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}
