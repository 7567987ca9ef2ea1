//! The structural schema of a CustomResourceDefinition (apiextensions.k8s.io/v1): read once, then used to prune, to default and to
//! validate objects. It never looks an object up and never decides what is written.
mod check;
mod combine;
mod embedded;
mod fill;
mod format;
mod lint;
pub mod node;
mod prune;

pub use lint::lint;

use crate::problem::Problems;
use node::Node;
use serde_json::Value;

/// The schema of one version of a custom kind.
#[derive(Clone, Debug, Default)]
pub struct Structural {
    /// `openAPIV3Schema` as it was written.
    pub source: Value,
    root: Node,
}

impl Structural {
    /// Reads `openAPIV3Schema`; what is wrong with it goes to `problems`, below `path`.
    #[must_use]
    pub fn read(source: &Value, path: &str, problems: &mut Problems) -> Self {
        Self { root: node::read(source, path, problems), source: source.clone() }
    }

    /// The schema of the object itself.
    #[must_use]
    pub fn root(&self) -> &Node {
        &self.root
    }

    /// Takes out what the schema does not know, and writes numbers as Go does; the paths of what is gone.
    pub fn prune(&self, value: &mut Value) -> Vec<String> {
        let mut gone = Vec::new();
        prune::whole_numbers(value);
        prune::root(&self.root, value, &mut gone);
        gone
    }

    /// Fills in the schema's `default`s.
    pub fn default(&self, value: &mut Value) {
        fill::root(&self.root, value);
    }

    /// Whether it has any default to fill in.
    #[must_use]
    pub fn fills(&self) -> bool {
        self.root.fills
    }

    /// Everything in `value` that the schema does not allow; what is as it was in `old` was good enough when it was written (KEP-4008).
    pub fn check(&self, value: &Value, old: Option<&Value>, problems: &mut Problems) {
        check::root(&self.root, value, old, problems);
    }

    /// Objects within the object that have an `apiVersion`, a `kind` and metadata of their own, and their paths.
    #[must_use]
    pub fn embedded<'v>(&self, value: &'v Value) -> Vec<(String, &'v Value)> {
        let mut found = Vec::new();
        embedded::find(&self.root, value, "", &mut found);
        found
    }
}

#[cfg(test)]
mod tests;
