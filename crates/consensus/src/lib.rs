//! One order on every member: commands in, outcomes and views out, by Raft (openraft) over the store's log.
//! It has no opinion on what a command means. No type of openraft leaves this crate.
mod alone;
mod arrive;
mod change;
mod checkpoint;
mod compare;
mod desk;
mod frame;
mod gate;
mod hashes;
mod lane;
mod limits;
mod lines;
mod log;
mod machine;
mod member;
mod parcel;
mod past;
mod peers;
mod quorum;
mod read;
mod room;
mod runtime;
mod serve;
mod submit;
mod transport;
mod types;

pub use change::{ChangeError, Standing};
pub use lines::{LogLine, Logged};
pub use member::{LeadershipWatch, Member};
pub use past::Watch;
pub use quorum::{Options, Role, StartError, Status};
pub use read::Unavailable;
pub use room::{Health, Leadership};
pub use submit::SubmitError;
pub use transport::{Nowhere, Transport, TransportError};
pub use types::MemberInfo;
