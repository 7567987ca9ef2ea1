//! Carries bytes between our own machines: QUIC sessions between members, and from nodes. It knows who the peer is, by
//! certificate, and nothing of what the bytes mean beyond `message`. The only user of quinn.
pub mod message;
