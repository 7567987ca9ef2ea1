//! Every decision but where a pod goes: pure functions from a view to writes, a kind a file. No clock, no random, no I/O, no memory
//! between decisions: what a decider must know stands in the view or is an argument.
mod bodies;
mod bootstrap;
mod conditions;
pub mod controller;
mod cron_job;
mod definition;
mod deployment;
mod disruption;
mod endpoint_slice;
mod event_retention;
mod fields;
mod garbage;
mod job;
mod kinds;
pub mod limits;
mod namespace;
mod node_ipam;
mod node_lifecycle;
mod owners;
mod pod_gc;
mod pods;
mod quota;
mod replica_set;
mod reports;
mod resource_quota;
mod selectors;
mod service_account;
mod stateful_set;
mod writes;

use controller::Controller;

/// All controllers, in the order in which a new leader asks them.
#[must_use]
pub fn all() -> &'static [Controller] {
    &[
        bootstrap::CONTROLLER,
        service_account::CONTROLLER,
        namespace::CONTROLLER,
        definition::CONTROLLER,
        garbage::CONTROLLER,
        node_ipam::CONTROLLER,
        node_lifecycle::CONTROLLER,
        pod_gc::CONTROLLER,
        deployment::CONTROLLER,
        replica_set::CONTROLLER,
        job::CONTROLLER,
        cron_job::CONTROLLER,
        stateful_set::CONTROLLER,
        endpoint_slice::CONTROLLER,
        disruption::CONTROLLER,
        resource_quota::CONTROLLER,
        event_retention::CONTROLLER,
    ]
}
