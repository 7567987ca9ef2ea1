//! An object on its way into the log: what a client may not set is taken out, what the server sets is put in.
//! It works on decoded JSON and asks nobody.
use crate::call::Call;
use api::kind::Kind;
use api::object::Object;
use api::status::{Cause, Status};
use serde_json::{Map, Value, json};

/// The object's metadata; made if it is missing or null.
///
/// # Errors
/// 400 if the object or its metadata is of the wrong type.
pub fn meta<'a>(kind: &Kind, value: &'a mut Value) -> Result<&'a mut Map<String, Value>, Status> {
    let wrong = || {
        Status::bad_request(format!("{} in version {:?} cannot be handled as a {}", kind.kind, kind.version, kind.kind))
    };
    let object = value.as_object_mut().ok_or_else(wrong)?;
    let meta = object.entry("metadata").or_insert(Value::Null);
    if meta.is_null() {
        *meta = json!({});
    }
    meta.as_object_mut().ok_or_else(wrong)
}

/// A text of the metadata; absent and empty are the same.
#[must_use]
pub fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get("metadata").and_then(|meta| meta.get(member)).and_then(Value::as_str).unwrap_or_default()
}

/// Checks `apiVersion` and `kind` of a body against what the URL says; missing ones are put in.
///
/// # Errors
/// 400 in Kubernetes' words.
pub fn identify(kind: &Kind, value: &mut Value) -> Result<(), Status> {
    let api_version = kind.api_version();
    let object = value.as_object_mut().ok_or_else(|| {
        let message =
            format!("the object provided is unrecognized (must be of type {}): it is no JSON object", kind.kind);
        Status::bad_request(message)
    })?;
    for (member, want) in [("apiVersion", api_version.as_str()), ("kind", &*kind.kind)] {
        match object.get(member) {
            None | Some(Value::Null) => {
                object.insert(member.into(), want.into());
            }
            Some(Value::String(have)) if have.is_empty() => {
                object.insert(member.into(), want.into());
            }
            Some(Value::String(have)) if have == want => {}
            Some(Value::String(have)) if member == "kind" => {
                let version = kind.version.as_ref();
                let message = format!(
                    "{have} in version {version:?} cannot be handled as a {want}: it is of another kind than the URL"
                );
                return Err(Status::bad_request(message));
            }
            Some(have) => {
                let message = format!(
                    "the API version in the data ({}) does not match the expected API version ({want})",
                    have.as_str().unwrap_or("of the wrong type")
                );
                return Err(Status::bad_request(message));
            }
        }
    }
    Ok(())
}

/// Puts in the URL's namespace.
///
/// # Errors
/// 400 if the body names another.
pub fn place(call: &Call, value: &mut Value) -> Result<(), Status> {
    let namespace = call.target.namespace.as_str();
    let meta = meta(&call.kind, value)?;
    match meta.get("namespace").and_then(Value::as_str).unwrap_or_default() {
        "" => {}
        have if have == namespace => {}
        _ if namespace.is_empty() => {
            // A cluster-scoped object has no namespace, whatever its body says.
            meta.remove("namespace");
        }
        _ => {
            let message = "the namespace of the provided object does not match the namespace sent on the request";
            return Err(Status::bad_request(message));
        }
    }
    if !namespace.is_empty() {
        meta.insert("namespace".into(), namespace.into());
    }
    Ok(())
}

/// Kinds whose generation counts changes of what is desired; the others have none. Custom kinds always have one.
fn counts_generation(kind: &Kind) -> bool {
    kind.custom()
        || (kind.subresource("status").is_some()
            && !matches!(
                &*kind.kind,
                "Node"
                    | "Namespace"
                    | "PersistentVolume"
                    | "PersistentVolumeClaim"
                    | "Service"
                    | "ResourceQuota"
                    | "ReplicationController"
                    | "CertificateSigningRequest"
                    | "APIService"
                    | "VolumeAttachment"
            ))
        || matches!(
            &*kind.kind,
            "ReplicationController"
                | "EndpointSlice"
                | "NetworkPolicy"
                | "MutatingWebhookConfiguration"
                | "ValidatingWebhookConfiguration"
                | "ValidatingAdmissionPolicyBinding"
        )
}

/// Kinds whose creator also says what their status is: a node brings its own, and so do tests that bring a node.
fn keeps_status(kind: &Kind) -> bool {
    matches!(&*kind.kind, "Node" | "APIService") || kind.subresource("status").is_none()
}

/// What a new object does not bring along.
///
/// # Errors
/// 400 for metadata of the wrong type.
pub fn newborn(kind: &Kind, value: &mut Value) -> Result<(), Status> {
    let meta = meta(kind, value)?;
    for member in
        ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink", "resourceVersion"]
    {
        meta.remove(member);
    }
    meta.retain(|_, member| !member.is_null());
    if counts_generation(kind) {
        meta.insert("generation".into(), 1.into());
    } else {
        meta.remove("generation");
    }
    if !keeps_status(kind)
        && let Some(object) = value.as_object_mut()
    {
        object.remove("status");
        object.extend(unset_status(kind).map(|status| ("status".to_owned(), status)));
    }
    Ok(())
}

/// The status of a new object of the kinds that clients are shown one of before any controller has looked.
fn unset_status(kind: &Kind) -> Option<Value> {
    match (&*kind.group, &*kind.kind) {
        ("apps", "Deployment") | ("batch", "Job" | "CronJob") => Some(json!({})),
        ("apps", "ReplicaSet") => Some(json!({"replicas": 0})),
        ("", "Service") | ("networking.k8s.io", "Ingress") => Some(json!({"loadBalancer": {}})),
        _ => None,
    }
}

/// Members of the metadata that no update changes.
const KEPT: [&str; 6] =
    ["uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation", "generateName"];

/// What an update of an object's main resource takes over from the object as it is.
///
/// # Errors
/// 400 for metadata of the wrong type.
pub fn carry_over(kind: &Kind, old: &Value, new: &mut Value) -> Result<(), Status> {
    let old_meta = old.get("metadata");
    let meta = meta(kind, new)?;
    for member in KEPT {
        match old_meta.and_then(|meta| meta.get(member)) {
            Some(kept) => meta.insert(member.into(), kept.clone()),
            None => meta.remove(member),
        };
    }
    meta.remove("selfLink");
    meta.retain(|_, member| !member.is_null());
    if kind.subresource("status").is_some()
        && let Some(object) = new.as_object_mut()
    {
        match old.get("status") {
            Some(status) => object.insert("status".into(), status.clone()),
            None => object.remove("status"),
        };
    }
    Ok(())
}

/// Kinds whose status brings no labels, as their strategies in Kubernetes have it.
const UNLABELLED: [&str; 9] = [
    "APIService",
    "CustomResourceDefinition",
    "Deployment",
    "FlowSchema",
    "PriorityLevelConfiguration",
    "ResourceClaim",
    "ServiceCIDR",
    "ValidatingAdmissionPolicy",
    "VolumeAttachment",
];

/// The object as it is, with the status (and what of the metadata goes with it) of `new`.
#[must_use]
pub fn with_status(kind: &Kind, old: &Value, new: &Value) -> Value {
    let mut result = old.clone();
    match new.get("status") {
        Some(status) if !status.is_null() => result["status"] = status.clone(),
        _ => {
            if let Some(object) = result.as_object_mut() {
                object.remove("status");
            }
        }
    }
    if kind.custom() {
        return result;
    }
    take_meta(&mut result, new, &["annotations", "managedFields"]);
    if labelled_with_status(kind) {
        take_meta(&mut result, new, &["labels"]);
    }
    result
}

/// Whether who writes the status may write labels too.
#[must_use]
pub fn labelled_with_status(kind: &Kind) -> bool {
    !kind.custom() && !UNLABELLED.contains(&&*kind.kind)
}

/// Of the metadata, these members as they are in `new`.
pub fn take_meta(object: &mut Value, new: &Value, members: &[&str]) {
    let Some(meta) = object.get_mut("metadata").and_then(Value::as_object_mut) else { return };
    for member in members {
        let wanted = new.get("metadata").and_then(|meta| meta.get(*member));
        match wanted.filter(|wanted| wanted.is_object() || wanted.is_array()) {
            Some(wanted) => meta.insert((*member).into(), wanted.clone()),
            None => meta.remove(*member),
        };
    }
}

/// Raises the generation if anything but metadata and status changed.
pub fn count_generation(kind: &Kind, old: &Value, new: &mut Value) {
    if !counts_generation(kind) || !desired_differs(kind, old, new) {
        return;
    }
    bump(old, new);
}

/// One generation on.
pub fn bump(old: &Value, new: &mut Value) {
    let generation = old.get("metadata").and_then(|meta| meta.get("generation")).and_then(Value::as_i64).unwrap_or(0);
    new["metadata"]["generation"] = (generation + 1).into();
}

fn desired_differs(kind: &Kind, old: &Value, new: &Value) -> bool {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else { return true };
    let split = kind.subresource("status").is_some() || !kind.custom();
    let counted =
        |member: &str| !matches!(member, "metadata" | "apiVersion" | "kind") && !(split && member == "status");
    old.keys().chain(new.keys()).filter(|member| counted(member)).any(|member| old.get(member) != new.get(member))
}

/// Whether deletion has begun and nothing holds the object any more: no finalizer, and no grace to wait for.
#[must_use]
pub fn finished(kind: &Kind, value: &Value) -> bool {
    let Some(meta) = value.get("metadata") else { return false };
    let empty = |list: Option<&Value>| list.and_then(Value::as_array).is_none_or(Vec::is_empty);
    let held = &*kind.kind == "Namespace"
        && kind.group.is_empty()
        && !empty(value.get("spec").and_then(|spec| spec.get("finalizers")));
    meta.get("deletionTimestamp").is_some_and(Value::is_string)
        && meta.get("deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0) == 0
        && empty(meta.get("finalizers"))
        && !held
}

/// Finalizers that an update adds to an object whose deletion has begun.
///
/// # Errors
/// 422: nothing may be held back any more.
pub fn no_new_finalizers(kind: &Kind, old: &Value, new: &Value) -> Result<(), Status> {
    if text(old, "deletionTimestamp").is_empty() {
        return Ok(());
    }
    let list = |value: &Value| -> Vec<String> {
        let list = value.get("metadata").and_then(|meta| meta.get("finalizers")).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
    };
    let known = list(old);
    let added: Vec<String> = list(new).into_iter().filter(|finalizer| !known.contains(finalizer)).collect();
    if added.is_empty() {
        return Ok(());
    }
    let message = format!(
        "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers []string{{{}}}",
        added.iter().map(|finalizer| format!("{finalizer:?}")).collect::<Vec<_>>().join(", ")
    );
    let cause = Cause { reason: "FieldValueForbidden", message, field: "metadata.finalizers".into() };
    Err(invalid(kind, text(new, "name"), vec![cause]))
}

/// 422 for an object, in Kubernetes' words.
#[must_use]
pub fn invalid(kind: &Kind, name: &str, causes: Vec<Cause>) -> Status {
    let told: Vec<String> = causes.iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect();
    let told = if told.len() == 1 { told.concat() } else { format!("[{}]", told.join(", ")) };
    let what = api::status::qualified(&kind.group, &kind.kind);
    let mut status = Status::new(422, "Invalid", format!("{what} {name:?} is invalid: {told}"));
    status.causes = causes;
    status.about(&kind.group, &kind.kind, name)
}

/// Where Kubernetes would keep the target; some of its messages say so.
fn stored_at(call: &Call) -> String {
    let group = if call.kind.custom() { format!("{}/", call.kind.group) } else { String::new() };
    let namespace = match call.target.namespace.as_str() {
        "" => String::new(),
        namespace => format!("{namespace}/"),
    };
    format!("/registry/{group}{}/{namespace}{}", call.kind.plural, call.target.name)
}

/// Checks the uid and resourceVersion that a body carries against the object as it is.
///
/// # Errors
/// 409 if one differs, 400 if the resourceVersion is no number.
pub fn same_object(call: &Call, current: &Object, body: &Value) -> Result<(), Status> {
    let uid = text(body, "uid");
    if !uid.is_empty() && uid != current.uid.to_string() {
        let why = format!(
            "StorageError: invalid object, Code: 4, Key: {}, ResourceVersion: 0, AdditionalErrorMsg: Precondition failed: UID \
             in precondition: {uid}, UID in object meta: {}",
            stored_at(call),
            current.uid
        );
        return Err(call.conflict(&why));
    }
    same_revision(call, current, body)
}

/// As `same_object` for a patch, which has no uid to go by but changes what it names.
///
/// # Errors
/// 422 if the uid would change, 409 and 400 as `same_object`.
pub fn unmoved(call: &Call, current: &Object, patched: &Value) -> Result<(), Status> {
    let uid = text(patched, "uid");
    if !uid.is_empty() && uid != current.uid.to_string() {
        let message = format!("Invalid value: {uid:?}: field is immutable");
        let cause = Cause { reason: "FieldValueInvalid", message, field: "metadata.uid".into() };
        return Err(invalid(&call.kind, &call.target.name, vec![cause]));
    }
    same_revision(call, current, patched)
}

fn same_revision(call: &Call, current: &Object, body: &Value) -> Result<(), Status> {
    let version = text(body, "resourceVersion");
    if !version.is_empty() && crate::query::revision(version)? != current.revision {
        return Err(call.conflict(crate::call::MODIFIED));
    }
    Ok(())
}
