//! What happened to one object: what watchers, deciders and nodes are told.
use crate::object::Object;
use crate::revision::{Millis, Revision};
use std::sync::Arc;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Act {
    Added,
    Modified,
    Deleted,
}

/// One step of the revision counter.
#[derive(Clone, Debug)]
pub struct Event {
    pub act: Act,
    pub revision: Revision,
    /// The entry's stamp.
    pub time: Millis,
    /// The object after the change; if deleted, its last state under the revision of its deletion.
    pub object: Arc<Object>,
    /// The object before the change.
    pub before: Option<Arc<Object>>,
}
