//! What is asked of a whole cluster, a kind of work a file: clients that do one thing again and again, all in the same few places. They
//! count what they were told and check nothing: that is for the invariants.
mod autoscaling;
mod budgets;
mod counters;
mod definitions;
mod drain;
mod jobs;
mod leases;
mod lists;
mod namespaces;
mod past;
mod ports;
mod quotas;
mod rollouts;
mod sets;
mod verbs;
mod worker;

pub(super) use verbs::{DRY, MANAGERS, PLACE};
pub use worker::COUNTER;
pub(crate) use worker::LEASE;
pub use worker::Work;
pub(super) use worker::{Counts, NAMESPACES, Worker};

/// All kinds. A new one goes to the end: what an old seed draws does not change then.
pub const ALL: [&Work; 15] = [
    &rollouts::WORK,
    &counters::WORK,
    &leases::WORK,
    &namespaces::WORK,
    &definitions::WORK,
    &drain::WORK,
    &lists::WORK,
    &past::WORK,
    &jobs::WORK,
    &sets::WORK,
    &autoscaling::WORK,
    &quotas::WORK,
    &budgets::WORK,
    &ports::WORK,
    &verbs::WORK,
];

/// The work that every drawn run has.
pub const ALWAYS: &str = "rollouts";

/// The kind of this name.
///
/// # Errors
/// The names there are.
pub fn find(name: &str) -> Result<&'static Work, String> {
    let names = || ALL.map(|work| work.name).join(", ");
    ALL.into_iter().find(|work| work.name == name).ok_or_else(|| format!("there is no work `{name}`: {}", names()))
}

impl Worker {
    /// When all is calm: opens all nodes, and sees to it that there is something that must run. True if it could.
    pub(super) async fn leave_something(&mut self) -> bool {
        for node in 1..=self.nodes {
            if self.cordon(node, false).await != Some(200) {
                return false;
            }
        }
        let namespace = self.namespace(NAMESPACES[0]).await;
        // It may be there, and it may be on its way out: then there is nothing to be made in yet.
        matches!(namespace, Some(201 | 409))
            && matches!(rollouts::something(self).await, Some(201 | 409))
            && namespaces::let_go(self).await
            && quotas::let_go(self).await
    }
}
