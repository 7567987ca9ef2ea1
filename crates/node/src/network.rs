//! The port through which pods get addresses of their own on one machine. It says what can be asked, and knows nothing of services.
pub mod address;
pub mod bridge;
mod links;
mod netns;

use crate::runtime::SandboxSpec;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

pub type Doing<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What a pod got.
#[derive(Clone, Debug)]
pub struct Attached {
    pub netns: PathBuf,
    pub ips: Vec<String>,
}

/// Whatever gives pods their addresses.
pub trait PodNetwork: Send + Sync {
    /// The node's `spec.podCIDR`.
    ///
    /// # Errors
    /// If it is no IPv4 range with room for a pod.
    fn set_range(&self, cidr: &str) -> Result<(), String>;
    /// Gives the sandbox `id` a namespace with an address. After an error nothing is left behind that `detach` does not take away.
    fn attach<'a>(&'a self, id: &'a str, spec: &'a SandboxSpec) -> Doing<'a, Result<Attached, String>>;
    /// Takes away what `attach` gave. Nothing to take is fine.
    fn detach<'a>(&'a self, id: &'a str) -> Doing<'a, ()>;
    /// Takes everything away.
    fn purge(&self) -> Doing<'_, ()>;
}
