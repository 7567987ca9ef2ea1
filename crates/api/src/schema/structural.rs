//! The structural schema of a CustomResourceDefinition as data. It never changes an object by itself.
use serde_json::Value;

/// The schema of one version of a custom kind.
#[derive(Clone, Debug, Default)]
pub struct Structural {
    /// `openAPIV3Schema` as it was written.
    pub source: Value,
}
