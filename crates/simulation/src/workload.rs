//! What is asked of a cluster: doors on its members, clients that write and read through them, watchers that follow. It
//! records what they were told and checks nothing.
pub mod client;
pub mod door;
pub mod watcher;

/// How much is asked.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Workload {
    pub clients: u16,
    pub calls_each: u32,
    pub keys: u32,
    pub watchers: u16,
    /// Pause of a client between two calls, microseconds, on average.
    pub pause_micros: u64,
}
