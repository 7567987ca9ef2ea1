//! One order on every member: commands in, outcomes and views out, by Raft (openraft) over the store's log.
//! It has no opinion on what a command means. No type of openraft leaves this crate.
mod member;
pub use member::{Member, SubmitError, Unavailable, Watch};
