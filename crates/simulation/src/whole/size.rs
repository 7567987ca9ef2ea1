//! How much is simulated, as the flags of `rutter simulate` say it.
//! It draws nothing: that is the scenario's.
use serde::{Deserialize, Serialize};

/// Beyond, a run would take hours.
pub(super) const MEMBERS_MAX: u16 = 9;
/// As many nodes as there are ranges for pods (`controllers/node_ipam.rs`).
pub(super) const NODES_MAX: u16 = 3_072;
/// What a simulated node has: cores, and bytes of memory.
pub(super) const NODE_CORES: u64 = 4;
pub(super) const NODE_MEMORY_BYTES: u64 = 8 << 30;

/// How large a cluster, and how long it is under storms.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Size {
    pub members: u16,
    pub nodes: u16,
    /// Milliseconds of virtual time.
    pub span: u64,
}

impl Default for Size {
    fn default() -> Self {
        Self { members: 3, nodes: 3, span: 30_000 }
    }
}
