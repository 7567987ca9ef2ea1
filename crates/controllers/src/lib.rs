//! Every decision but where a pod goes: pure functions from a view to writes, a kind a file. No clock, no random, no I/O, no memory
//! between decisions: what a decider must know stands in the view or is an argument.
mod bodies;
mod conditions;
pub mod controller;
mod deployment;
mod fields;
pub mod limits;
mod owners;
mod pods;
mod replica_set;
mod reports;
mod selectors;
mod writes;

use controller::Controller;

/// All controllers, in the order in which a new leader asks them.
#[must_use]
pub fn all() -> &'static [Controller] {
    &[deployment::CONTROLLER, replica_set::CONTROLLER]
}
