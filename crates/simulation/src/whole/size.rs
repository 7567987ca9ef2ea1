//! How much is simulated, as the flags of `rutter simulate` say it.
//! It draws nothing: that is the scenario's.
use serde::{Deserialize, Serialize};

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
