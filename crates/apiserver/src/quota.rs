//! Quotas at the door: what a write takes is charged by the command that writes it (`api::quota`), so that clients who race cannot overrun
//! one together. What is given back is counted by a controller.
use crate::call::Call;
use crate::draft;
use crate::submit::submit;
use api::command::Write;
use api::object::Object;
use api::planted::{Bug, planted};
use api::quota::{RESOURCE, Taken, charge, recount};
use api::status::Status;
use serde_json::Value;
use std::sync::Arc;
use store::view::View;

/// The writes that charge the namespace's quotas for `new`, which stands in the place of `old`.
///
/// # Errors
/// 403 that names the quota which has no room.
pub fn charges(call: &Call, view: &View, old: Option<&Value>, new: &Value) -> Result<Vec<Write>, Status> {
    let namespace = call.target.namespace.as_str();
    if namespace.is_empty() {
        return Ok(Vec::new());
    }
    let quotas: Vec<Arc<Object>> = view.list(RESOURCE, Some(namespace)).cloned().collect();
    if quotas.is_empty() {
        return Ok(Vec::new());
    }
    let taken = Taken { resource: &call.kind.resource, old, new };
    let list = |resource: &str| view.list(resource, Some(namespace)).cloned().collect();
    charge(&quotas, &[taken], &list)
        .map_err(|why| Status::forbidden(&call.kind.group, &call.kind.plural, draft::text(new, "name"), &why))
}

/// Gives back what has gone since the quotas were counted, by a command of its own. True if there was any.
///
/// # Errors
/// If the log cannot be reached.
pub async fn settle(call: &Call, view: &View) -> Result<bool, Status> {
    let namespace = call.target.namespace.as_str();
    let quotas: Vec<Arc<Object>> = view.list(RESOURCE, Some(namespace)).cloned().collect();
    let list = |resource: &str| view.list(resource, Some(namespace)).cloned().collect();
    let writes = recount(&quotas, &list);
    if writes.is_empty() {
        return Ok(false);
    }
    // If somebody else was first, what is left is seen anew all the same.
    let _ = submit(call, view.revision(), writes).await?;
    Ok(true)
}

/// What of the charges goes into the command itself, and what comes after it: nothing, unless that bug is planted.
#[must_use]
pub fn split(charges: Vec<Write>) -> (Vec<Write>, Vec<Write>) {
    if planted(Bug::ChargesLater) { (Vec::new(), charges) } else { (charges, Vec::new()) }
}

/// What a writer is told that lost every race for a quota.
#[must_use]
pub fn contended() -> Status {
    Status::unavailable("others write so much under this namespace's quotas that this write found no turn; try again")
}
