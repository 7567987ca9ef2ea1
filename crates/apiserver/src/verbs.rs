//! The verbs: a call in, a response out. Each is read, decide, one command; what they share is in the rooms beside them.
pub mod bind;
pub mod collection;
pub mod create;
pub mod delete;
pub mod evict;
pub mod get;
pub mod list;
pub mod patch;
pub mod review;
pub mod scale;
pub mod token;
pub mod update;
pub mod watch;
