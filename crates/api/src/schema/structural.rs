//! The structural schema of a CustomResourceDefinition as data. It never changes an object by itself.

/// One node of a structural schema.
#[derive(Clone, Debug, Default)]
pub struct Structural {}
