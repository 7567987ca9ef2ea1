//! Carries bytes between our own machines: QUIC sessions between members, and from nodes. It knows who the peer is, by
//! certificate, and nothing of what the bytes mean beyond `message`. The only user of quinn.
pub mod anyone;
pub mod authority;
pub mod datagrams;
pub mod error;
pub mod frame;
pub mod join;
pub mod limits;
pub mod memory;
pub mod message;
pub mod peer;
pub mod quic;
pub mod reset;
mod runtime;
pub mod session;
pub mod sessions;
pub mod signing;
mod subject;
mod tls;
pub mod token;
