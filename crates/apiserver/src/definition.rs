//! A CustomResourceDefinition on its way into the log: its names are accepted or not, and it is established in the same write,
//! so its kind is served as soon as the write is applied.
use crate::room::DEFINITIONS;
use api::kind::Kind;
use api::kinds::acceptance::{self, Taken};
use api::revision::Millis;
use api::status::Status;
use serde_json::{Value, json};
use store::view::View;

/// Holds a definition that is deleted until its objects are gone; the controller `definition` takes it off.
const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

/// Nothing new comes under a definition that is going.
///
/// # Errors
/// 405 in Kubernetes' words.
pub fn open(view: &View, kind: &Kind) -> Result<(), Status> {
    if view.get(DEFINITIONS, "", &kind.resource).is_none_or(|definition| definition.facet.deleting.is_none()) {
        return Ok(());
    }
    let message = "create not allowed while custom resource definition is terminating";
    Err(Status::new(405, "MethodNotAllowed", message))
}

fn hold(value: &mut Value) {
    let meta = &mut value["metadata"];
    if !meta["deletionTimestamp"].is_null() {
        return;
    }
    match meta["finalizers"].as_array_mut() {
        Some(list) if list.iter().any(|finalizer| finalizer == FINALIZER) => {}
        Some(list) => list.push(FINALIZER.into()),
        None => meta["finalizers"] = json!([FINALIZER]),
    }
}

/// Fills in status and the finalizer. What of it cannot be served, validation tells.
pub fn establish(view: &View, old: Option<&Value>, value: &mut Value) {
    hold(value);
    match old.and_then(|old| old.get("status")) {
        Some(status) => value["status"] = status.clone(),
        None => drop(value.as_object_mut().map(|value| value.remove("status"))),
    }
    let mut taken = Taken::default();
    for other in view.list(DEFINITIONS, None) {
        taken.note(value, &other.value());
    }
    acceptance::settle(value, &taken, &Millis(rt::wall()).rfc3339());
}

/// A definition whose deletion begins says so.
pub fn terminate(kind: &Kind, value: &mut Value) {
    if &*kind.resource == DEFINITIONS {
        acceptance::terminate(value, &Millis(rt::wall()).rfc3339());
    }
}

/// What the author of a definition is told that the server keeps and does not do yet.
#[must_use]
pub fn warnings(kind: &Kind, definition: &Value) -> Vec<String> {
    let rules = &*kind.resource == DEFINITIONS && ruled(&definition["spec"]);
    let told = "x-kubernetes-validations: rules in CEL are kept, and not evaluated by this server yet";
    rules.then(|| told.to_owned()).into_iter().collect()
}

/// Whether a schema somewhere below has rules.
fn ruled(value: &Value) -> bool {
    match value {
        Value::Object(members) => members.iter().any(|(name, value)| {
            name == "x-kubernetes-validations" && value.as_array().is_some_and(|rules| !rules.is_empty())
                || ruled(value)
        }),
        Value::Array(items) => items.iter().any(ruled),
        _ => false,
    }
}
