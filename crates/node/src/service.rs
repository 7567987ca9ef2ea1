//! Services on this worker: the port through which virtual addresses and node ports are made to lead to pods. It must never
//! judge whether an endpoint is ready (it is told), touch rules that are not its own, or show the world a half-written state.
mod flows;
pub mod nftables;
pub mod table;
pub mod userspace;

use serde_json::Value;
use std::future::Future;
use std::pin::Pin;

pub type Done<'a> = Pin<Box<dyn Future<Output = Result<(), String>> + Send + 'a>>;

/// Whatever makes services reachable on this machine.
pub trait Services: Send + Sync {
    /// Makes exactly these services reachable, through these endpoint slices: what is not among them is so no longer. Called
    /// with the same objects it does nothing. After an error, whatever stood before stands on, and calling again is right.
    fn apply<'a>(&'a self, services: &'a [Value], slices: &'a [Value]) -> Done<'a>;

    /// Takes everything away. Nothing to take is fine.
    fn remove<'a>(&'a self) -> Done<'a>;

    /// The addresses of this machine's own pods, once they are known.
    fn set_pod_range(&self, cidr: &str);

    fn name(&self) -> &'static str;
}
