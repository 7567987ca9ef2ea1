//! The past and the present: the fold, views, publishing, watch, the log and its history, replay. It thinks: its only
//! touch of the world is the real disk and RocksDB behind the feature `disk`. It knows nothing of Raft, HTTP or who is asking.
pub mod apply;
pub mod disk;
pub mod limits;
pub mod log;
pub mod publish;
pub mod state;
pub mod view;
pub mod watch;
