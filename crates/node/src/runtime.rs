//! The port to whatever runs containers, shaped as the CRI is. It says what can be asked and in which words; it runs nothing.
pub mod collect;
pub mod cri;
pub mod embedded;
pub mod oci;
pub mod process;
pub mod user;

use serde::{Deserialize, Serialize};
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc::UnboundedReceiver;

pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, RuntimeError>> + Send + 'a>>;

/// Bytes both ways: of an exec (channel frames, see `link::message::NodeStream`) or of a forwarded connection.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}
pub type BoxDuplex = Box<dyn Duplex>;

/// Why the runtime did not do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RuntimeError {
    /// No such sandbox, container or image.
    NotFound(String),
    /// The image's name or content is wrong: trying again does not help by itself.
    InvalidImage(String),
    /// The image could not be had.
    Pull(String),
    /// What was asked cannot be done with this pod here: `CreateContainerConfigError`.
    Config(String),
    /// Asked at the wrong moment: an exec in a container that does not run.
    State(String),
    Failed(String),
}

impl std::fmt::Display for RuntimeError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (Self::NotFound(text)
        | Self::InvalidImage(text)
        | Self::Pull(text)
        | Self::Config(text)
        | Self::State(text)
        | Self::Failed(text)) = self;
        f.write_str(text)
    }
}

impl std::error::Error for RuntimeError {}

/// What runtime this is, for the node's `nodeInfo` and conditions.
#[derive(Clone, Debug, Default)]
pub struct About {
    /// `oci`, `process`, `cri`.
    pub name: String,
    pub version: String,
    /// The scheme of container ids.
    pub scheme: String,
    /// Pods have addresses of their own; if not, they share the machine's.
    pub pod_network: bool,
    /// `events` says what changes; if not, the caller must look by itself.
    pub events: bool,
    /// What this runtime cannot do here, in sentences.
    pub lacks: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImageInfo {
    /// What is shown as `imageID`.
    pub id: String,
    pub names: Vec<String>,
    pub bytes: u64,
    /// Numeric user of the image, if it names one.
    pub user: Option<u32>,
}

/// Name and password for a registry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Credentials {
    pub user: String,
    pub password: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SandboxSpec {
    pub uid: String,
    pub name: String,
    pub namespace: String,
    pub attempt: u32,
    pub hostname: String,
    pub host_network: bool,
    pub host_pid: bool,
    pub host_ipc: bool,
    pub log_dir: PathBuf,
    pub dns: Dns,
    /// Below the runtime's own cgroup root: `kubepods/burstable/pod<uid>`.
    pub cgroup: String,
    pub ports: Vec<HostPort>,
    pub sysctls: Vec<(String, String)>,
    pub labels: std::collections::BTreeMap<String, String>,
    pub annotations: std::collections::BTreeMap<String, String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dns {
    pub servers: Vec<String>,
    pub searches: Vec<String>,
    pub options: Vec<String>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostPort {
    pub host: u16,
    pub container: u16,
    /// `tcp` or `udp`.
    pub protocol: String,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ContainerSpec {
    pub name: String,
    pub attempt: u32,
    /// Ends in a row before this attempt; the runtime only keeps it.
    pub level: u32,
    pub image: String,
    /// Replaces the image's entrypoint if not empty.
    pub command: Vec<String>,
    /// Replaces the image's arguments if not empty.
    pub args: Vec<String>,
    pub working_dir: String,
    pub env: Vec<(String, String)>,
    pub mounts: Vec<Mount>,
    pub user: Option<u32>,
    pub group: Option<u32>,
    pub groups: Vec<u32>,
    pub must_not_be_root: bool,
    pub privileged: bool,
    pub read_only_root: bool,
    pub no_new_privileges: bool,
    pub capabilities_add: Vec<String>,
    pub capabilities_drop: Vec<String>,
    pub cpu_shares: u64,
    /// Microseconds per 100 ms.
    pub cpu_quota: Option<i64>,
    pub memory_bytes: Option<i64>,
    pub oom_score: i32,
    pub tty: bool,
    pub stdin: bool,
    pub stdin_once: bool,
    /// Where in the container a last word may be left; empty: nowhere.
    pub termination_path: String,
    /// Relative to the sandbox's log directory: `NAME/ATTEMPT.log`.
    pub log_path: PathBuf,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    pub source: PathBuf,
    pub target: String,
    pub read_only: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SandboxView {
    pub id: String,
    pub uid: String,
    pub name: String,
    pub namespace: String,
    pub attempt: u32,
    pub ready: bool,
    pub ips: Vec<String>,
    /// Milliseconds since the epoch.
    pub created: u64,
    pub containers: Vec<ContainerView>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ContainerView {
    pub id: String,
    pub name: String,
    pub attempt: u32,
    pub level: u32,
    pub image: String,
    pub image_id: String,
    pub log: PathBuf,
    pub started: Option<u64>,
    pub end: Option<End>,
}

/// How a container ended.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    pub code: i32,
    pub signal: i32,
    pub reason: String,
    pub message: String,
    pub finished: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExecSpec {
    pub command: Vec<String>,
    pub stdin: bool,
    pub tty: bool,
}

/// Runs sandboxes and containers. Everything is safe to ask twice; what is gone already is not an error to remove.
pub trait Runtime: Send + Sync {
    fn about(&self) -> About;
    /// The image, if it is here.
    fn image<'a>(&'a self, name: &'a str) -> Answer<'a, Option<ImageInfo>>;
    fn images(&self) -> Answer<'_, Vec<ImageInfo>>;
    fn pull<'a>(&'a self, name: &'a str, credentials: Option<Credentials>) -> Answer<'a, ImageInfo>;
    /// Makes the pod's surroundings; the new sandbox's id.
    fn run_sandbox(&self, spec: SandboxSpec) -> Answer<'_, String>;
    /// Ends everything in it and gives its addresses back. What ended can still be read.
    fn stop_sandbox<'a>(&'a self, id: &'a str) -> Answer<'a, ()>;
    fn remove_sandbox<'a>(&'a self, id: &'a str) -> Answer<'a, ()>;
    fn create<'a>(&'a self, sandbox: &'a str, spec: ContainerSpec) -> Answer<'a, String>;
    fn start<'a>(&'a self, container: &'a str) -> Answer<'a, ()>;
    /// Asks it to end, and kills it after `grace` milliseconds; returns when it has ended.
    fn stop<'a>(&'a self, container: &'a str, grace: u64) -> Answer<'a, ()>;
    fn remove<'a>(&'a self, container: &'a str) -> Answer<'a, ()>;
    /// Sandboxes of the pod `uid`, or all.
    fn list<'a>(&'a self, uid: Option<&'a str>) -> Answer<'a, Vec<SandboxView>>;
    /// A process beside the container's own. Channel frames follow.
    fn exec<'a>(&'a self, container: &'a str, spec: ExecSpec) -> Answer<'a, BoxDuplex>;
    fn attach<'a>(&'a self, container: &'a str, stdin: bool) -> Answer<'a, BoxDuplex>;
    /// A TCP connection to a port of the pod, made from inside it.
    fn forward<'a>(&'a self, sandbox: &'a str, port: u16) -> Answer<'a, BoxDuplex>;
    /// Uids of pods in which something changed. One caller.
    fn events(&self) -> Option<UnboundedReceiver<String>>;
}
