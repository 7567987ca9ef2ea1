//! A CustomResourceDefinition on its way into the log: its names are accepted or not, and it is established in the same write,
//! so its kind is served as soon as the write is applied.
use crate::room::DEFINITIONS;
use api::kind::Kind;
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

/// Fills in names, status and the finalizer.
///
/// # Errors
/// What `from_crd` says of a definition that cannot be served.
pub fn establish(view: &View, value: &mut Value) -> Result<(), Status> {
    let kinds = api::kinds::custom::from_crd(value)?;
    hold(value);
    let (kind, list_kind, singular) = match kinds.first() {
        Some(first) => (first.kind.to_string(), first.list_kind.to_string(), first.singular.to_string()),
        None => return Ok(()),
    };
    value["spec"]["names"]["singular"] = singular.into();
    value["spec"]["names"]["listKind"] = list_kind.into();
    if value["spec"]["conversion"].is_null() {
        value["spec"]["conversion"] = json!({"strategy": "None"});
    }
    let taken = taken_by(view, value);
    let now = Millis(rt::wall()).rfc3339();
    let accepted = match &taken {
        None => {
            json!({"type": "NamesAccepted", "status": "True", "reason": "NoConflicts", "message": "no conflicts found"})
        }
        Some(other) => {
            let message = format!("{kind:?} or its plural is already in use by {other}");
            json!({"type": "NamesAccepted", "status": "False", "reason": "KindConflict", "message": message})
        }
    };
    let established = match &taken {
        None => json!({"type": "Established", "status": "True", "reason": "InitialNamesAccepted",
            "message": "the initial names have been accepted"}),
        Some(_) => {
            json!({"type": "Established", "status": "False", "reason": "NotAccepted", "message": "not all names are accepted"})
        }
    };
    let mut conditions = vec![accepted, established];
    for condition in &mut conditions {
        condition["lastTransitionTime"] = now.as_str().into();
        // A condition that says what it said before keeps its time.
        let before = value["status"]["conditions"].as_array().into_iter().flatten();
        let same = |known: &&Value| known["type"] == condition["type"] && known["status"] == condition["status"];
        if let Some(time) = before.clone().find(same).map(|known| known["lastTransitionTime"].clone()) {
            condition["lastTransitionTime"] = time;
        }
    }
    let names = if taken.is_none() { value["spec"]["names"].clone() } else { json!({"plural": "", "kind": ""}) };
    let stored: Vec<Value> =
        versions(value).filter(|version| version["storage"] == true).map(|version| version["name"].clone()).collect();
    value["status"] = json!({"conditions": conditions, "acceptedNames": names, "storedVersions": stored});
    Ok(())
}

fn versions(value: &Value) -> impl Iterator<Item = &Value> {
    value["spec"]["versions"].as_array().into_iter().flatten()
}

/// Another definition of the same group with the same kind.
fn taken_by(view: &View, value: &Value) -> Option<String> {
    let (group, kind) = (&value["spec"]["group"], &value["spec"]["names"]["kind"]);
    view.list(DEFINITIONS, None).find_map(|other| {
        let name = other.key.name.to_string();
        let spec = &other.value()["spec"];
        let other_one = value["metadata"]["name"] != *name && spec["group"] == *group && spec["names"]["kind"] == *kind;
        other_one.then_some(name)
    })
}
