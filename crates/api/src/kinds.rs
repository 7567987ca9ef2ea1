//! The registry of kinds, and the ways into it. It never stores an object.
//!
//! `builtin() -> &'static [Kind]`; `set::Kinds` finds kinds among built-in and custom ones;
//! `custom::from_crd(&Value) -> Result<Vec<Kind>, Status>`; `body(resource, &Value) -> Result<Body, BodyError>`;
//! `convert::{to_storage, from_storage}` for kinds that share a storage under another shape (the two `Event`s, the two
//! `HorizontalPodAutoscaler`s).
pub mod acceptance;
pub mod approval;
mod autoscaler;
pub mod convert;
pub mod custom;
pub mod priority;
pub mod set;
mod table;

use crate::facet;
use crate::kind::Kind;
use crate::object::{Body, BodyError};
use serde_json::Value;

/// Every kind the server has by itself, core group first, in the order discovery lists them.
#[must_use]
pub fn builtin() -> &'static [Kind] {
    table::builtin()
}

/// What a HorizontalPodAutoscaler of autoscaling/v2 scales by if nobody says.
#[must_use]
pub fn default_metrics() -> Value {
    autoscaler::default_metrics()
}

/// An object as the log takes it: canonical bytes and facet. `resource` is the storage's name (`Kind::resource`).
///
/// # Errors
/// If `value` is no object with apiVersion, kind and name, or is too large.
pub fn body(resource: &str, value: &Value) -> Result<Body, BodyError> {
    Body::new(value, facet::of(resource, value))
}
