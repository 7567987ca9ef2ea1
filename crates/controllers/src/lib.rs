//! Every decision but where a pod goes: pure functions from a view to writes, a kind a file. No clock, no random, no I/O, no memory
//! between decisions: what a decider must know stands in the view or is an argument.
mod bodies;
mod bootstrap;
mod certificate_cleaner;
mod cluster_role;
mod conditions;
pub mod controller;
mod cron_job;
mod daemon_set;
mod definition;
mod deployment;
mod disruption;
mod endpoint_slice;
mod endpoint_slice_mirroring;
mod endpoints;
mod event_retention;
mod fields;
mod flow_schema;
mod garbage;
mod job;
mod kinds;
pub mod limits;
mod namespace;
mod node_ipam;
mod node_lease;
mod node_lifecycle;
mod owners;
mod pod_gc;
mod pods;
mod quota;
mod readmission;
mod replica_set;
mod reports;
mod resource_quota;
mod revisions;
mod selectors;
mod service_account;
mod service_targets;
mod stateful_set;
mod storage_protection;
mod token_secrets;
mod writes;

use controller::Controller;

/// All controllers, in the order in which a new leader asks them.
#[must_use]
pub fn all() -> &'static [Controller] {
    &[
        bootstrap::CONTROLLER,
        cluster_role::CONTROLLER,
        service_account::CONTROLLER,
        token_secrets::CONTROLLER,
        namespace::CONTROLLER,
        definition::CONTROLLER,
        flow_schema::CONTROLLER,
        garbage::CONTROLLER,
        node_ipam::CONTROLLER,
        node_lifecycle::CONTROLLER,
        node_lease::CONTROLLER,
        pod_gc::CONTROLLER,
        deployment::CONTROLLER,
        replica_set::CONTROLLER,
        replica_set::REPLICATION_CONTROLLER,
        job::CONTROLLER,
        cron_job::CONTROLLER,
        stateful_set::CONTROLLER,
        daemon_set::CONTROLLER,
        storage_protection::CONTROLLER,
        endpoint_slice::CONTROLLER,
        endpoints::CONTROLLER,
        endpoint_slice_mirroring::CONTROLLER,
        disruption::CONTROLLER,
        resource_quota::CONTROLLER,
        certificate_cleaner::CONTROLLER,
        event_retention::CONTROLLER,
    ]
}
