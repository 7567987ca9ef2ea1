//! What a kind's own rules make of an object on its way into the log, after the mutating plug-ins of admission and before validation:
//! Kubernetes' `PrepareForCreate` and `PrepareForUpdate`. It asks nobody but the view.
use crate::call::Call;
use crate::draft;
use crate::rules;
use api::status::Status;
use serde_json::{Value, json};
use store::view::View;

/// Completes a new object, which has its defaults, by what its kind is given by the cluster.
///
/// # Errors
/// What the kind's rules refuse.
pub fn new_object(call: &Call, view: &View, value: &mut Value) -> Result<(), Status> {
    if call.kind.custom() {
        return crate::definition::open(view, &call.kind);
    }
    match (&*call.kind.group, &*call.kind.kind) {
        ("", "Namespace") => namespace(value),
        ("", "Pod") => value["status"] = api::pod::unseen(&value["spec"]),
        ("", "Secret") => crate::legacy::fill(view, &call.room.parts.trust, value),
        ("", "PersistentVolumeClaim" | "PersistentVolume") => value["status"] = json!({"phase": "Pending"}),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => crate::definition::establish(view, None, value),
        _ => {}
    }
    Ok(())
}

/// # Errors
/// 422 with every complaint.
pub fn validate_new(call: &Call, value: &Value) -> Result<(), Status> {
    rules::validate_new(&call.kind, value)
}

fn namespace(value: &mut Value) {
    if !value["spec"].is_object() {
        value["spec"] = json!({});
    }
    let mut finalizers = value["spec"]["finalizers"].as_array().cloned().unwrap_or_default();
    if !finalizers.iter().any(|finalizer| finalizer == "kubernetes") {
        finalizers.push("kubernetes".into());
    }
    value["spec"]["finalizers"] = finalizers.into();
    value["status"] = json!({"phase": "Active"});
}

/// Completes a changed object.
///
/// # Errors
/// What the kind's rules refuse.
pub fn changed_object(call: &Call, view: &View, old: &Value, new: &mut Value) -> Result<(), Status> {
    match (&*call.kind.group, &*call.kind.kind) {
        ("", "Namespace") => {
            // Only `/finalize` changes what holds a namespace.
            match old.get("spec") {
                Some(spec) => new["spec"] = spec.clone(),
                None => drop(new.as_object_mut().map(|new| new.remove("spec"))),
            }
            let name = draft::text(new, "name").to_owned();
            if let Some(labels) = new["metadata"].as_object_mut() {
                let labels = labels.entry("labels").or_insert_with(|| json!({}));
                if let Some(labels) = labels.as_object_mut() {
                    labels.insert("kubernetes.io/metadata.name".into(), name.into());
                }
            }
            Ok(())
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => {
            crate::definition::establish(view, Some(old), new);
            Ok(())
        }
        ("", "Secret") => {
            crate::legacy::fill(view, &call.room.parts.trust, new);
            Ok(())
        }
        _ => Ok(()),
    }
}
