//! What a member is told when it starts.
pub use consensus::Keep;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Clone, Debug)]
pub struct Config {
    /// A DNS label, and no other member's.
    pub name: String,
    /// Where everything is kept.
    pub dir: PathBuf,
    /// Where the API is served.
    pub api: SocketAddr,
    /// Where other members and nodes connect (UDP).
    pub link: SocketAddr,
    /// What clients are told instead of `api`, if that is not an address they can reach: `host:port`.
    pub advertise_api: Option<String>,
    /// What members and nodes are told instead of `link`.
    pub advertise_link: Option<String>,
    /// How much of the past is kept.
    pub keep: Keep,
    /// `None`: no audit stream.
    pub audit: Option<AuditFile>,
    /// An AuthenticationConfiguration that names issuers of OpenID Connect.
    pub issuers: Option<PathBuf>,
    /// A kubeconfig that names a webhook which knows tokens.
    pub webhook: Option<PathBuf>,
    pub begin: Begin,
}

/// Which requests are remembered beside the log, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditFile {
    /// An audit.k8s.io/v1 `Policy`, YAML or JSON.
    pub policy: PathBuf,
    /// JSON lines.
    pub log: PathBuf,
    /// A file that would grow beyond this is put aside.
    pub bytes_max: u64,
    /// How many that were put aside are kept.
    pub old: u32,
}

/// How a member without a past begins. One with a past goes on from it, whatever this says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Begin {
    Found,
    /// Link addresses of members, tried in this order, and a join token.
    Join {
        addresses: Vec<String>,
        token: String,
    },
    /// Only go on.
    Resume,
}
