//! One member of the quorum: wires the rooms below, runs the leader's loop, and serves nodes. No policy of its own.
mod checkpoints;
pub mod config;
pub mod decide;
pub mod directory;
pub mod door;
pub mod error;
mod founding;
pub mod kubeconfig;
pub mod limits;
mod load;
pub mod member;
pub mod nodes;
pub mod operator;
pub mod peers;
pub mod stop;
mod submit;
mod tokens;
pub mod words;
