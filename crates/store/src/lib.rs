//! The past and the present: the fold, views, publishing, watch, the log and its history, replay. It thinks: its only
//! touch of the world is the real disk and RocksDB behind the feature `disk`. It knows nothing of Raft, HTTP or who is asking.
pub mod apply;
mod at_rest;
pub mod bases;
#[cfg(feature = "disk")]
pub mod checkpoint;
pub mod disk;
pub mod handover;
pub mod history;
pub mod limits;
pub mod log;
pub mod publish;
pub mod replay;
pub mod snapshot;
pub mod state;
mod sync;
pub mod view;
pub mod walk;
pub mod watch;
