//! Patches as pure functions of an object and a document. None of them knows versions, permissions or the store.
//!
//! `json::apply(&old, &patch)`, `merge::apply(&old, &patch)`, `strategic::apply(message, &old, &patch)`: each gives the new
//! object or the Status a client is told (422 or 400).
pub mod json;
pub mod merge;
pub mod strategic;
mod words;
