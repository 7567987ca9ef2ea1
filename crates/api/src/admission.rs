//! Kubernetes' admission: what a cluster makes of a new or changed object before it is kept, and what it refuses. Here stand the plug-ins
//! that hold for whatever is made, by clients or by controllers; those that ask who asks stand in the API server. Each is a function of the
//! request, the object and one view: it reads no clock and changes nothing but the object that it is given.
pub mod default_storage_class;
pub mod default_toleration_seconds;
pub mod limit_ranger;
pub mod pod_security;
pub mod pod_topology_labels;
pub mod priority;
pub mod request;
pub mod runtime_class;
pub mod service_account;
pub mod storage_object_in_use_protection;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod town;

use crate::kind::Kind;
use crate::status::Status;
use request::{Cluster, Notes, Operation, Plugin, Request, Who};
use serde_json::Value;

/// The plug-ins that controllers' objects pass too, in Kubernetes' order.
pub const SHARED: [&Plugin; 9] = [
    &limit_ranger::PLUGIN,
    &service_account::PLUGIN,
    &pod_security::PLUGIN,
    &priority::PLUGIN,
    &default_toleration_seconds::PLUGIN,
    &default_storage_class::PLUGIN,
    &storage_object_in_use_protection::PLUGIN,
    &runtime_class::PLUGIN,
    &pod_topology_labels::PLUGIN,
];

/// The mutating pass: each plug-in in turn may complete the object.
///
/// # Errors
/// The first refusal.
pub fn admit(order: &[&Plugin], request: &Request<'_>, object: &mut Value) -> Result<(), Status> {
    order.iter().filter_map(|plugin| plugin.admit).try_for_each(|admit| admit(request, object))
}

/// The validating pass over the object as it will be kept.
///
/// # Errors
/// The first refusal.
pub fn validate(order: &[&Plugin], request: &Request<'_>, object: &Value) -> Result<Notes, Status> {
    let mut notes = Notes::default();
    for validate in order.iter().filter_map(|plugin| plugin.validate) {
        validate(request, object, &mut notes)?;
    }
    Ok(notes)
}

/// Both passes over an object that a controller makes: it may do everything, and who asks does not matter. A refusal calls the object
/// `called`: a name that is drawn anew each time would make each refusal another.
///
/// # Errors
/// The first refusal, as a client would be told it.
pub fn made(kind: &Kind, cluster: &dyn Cluster, called: &str, object: &mut Value) -> Result<(), Status> {
    let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
    let request = Request {
        operation: Operation::Create,
        kind,
        subresource: "",
        namespace: &namespace,
        name: called,
        user: Who { name: "system:kube-controller-manager", groups: &[] },
        dry_run: false,
        old: None,
        cluster,
        may: &|_| true,
    };
    admit(&SHARED, &request, object)?;
    validate(&SHARED, &request, object).map(|_| ())
}
