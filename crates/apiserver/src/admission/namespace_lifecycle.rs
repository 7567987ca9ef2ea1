//! NamespaceLifecycle: nothing new comes into a namespace that is not there or is going, and some namespaces stay.
use crate::call::Call;
use crate::read;
use api::admission::request::{Notes, Operation, Plugin, Request};
use api::status::{Cause, Status};
use serde_json::Value;
use store::view::View;

pub const PLUGIN: Plugin = Plugin { name: "NamespaceLifecycle", admit: None, validate: Some(validate) };

/// Namespaces that nobody deletes.
const KEPT: [&str; 3] = ["default", "kube-system", "kube-public"];

fn validate(request: &Request<'_>, object: &Value, _: &mut Notes) -> Result<(), Status> {
    if request.is(Operation::Delete, "namespaces") && KEPT.contains(&request.name) {
        return Err(request.forbidden(object, "this namespace may not be deleted"));
    }
    Ok(())
}

/// The namespace of a new object must exist and not be going away. It is asked before all else, and the only one that may ask the log
/// again: the namespace may have been made a moment ago, through another member.
///
/// # Errors
/// 404 or 403 in Kubernetes' words.
pub async fn place_open(call: &Call, view: &View, name: &str) -> Result<(), Status> {
    let namespace = call.target.namespace.as_str();
    if namespace.is_empty() {
        return Ok(());
    }
    let found = match view.get("namespaces", "", namespace) {
        Some(found) => Some(found.clone()),
        None => read::newest(&call.room).await?.get("namespaces", "", namespace).cloned(),
    };
    let found = found.ok_or_else(|| Status::not_found("", "namespaces", namespace))?;
    if found.facet.deleting.is_none() {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut status = Status::forbidden(&call.kind.group, &call.kind.plural, name, &why);
    let message = format!("namespace {namespace} is being terminated");
    status.causes = vec![Cause { reason: "NamespaceTerminating", message, field: "metadata.namespace".into() }];
    Err(status)
}
