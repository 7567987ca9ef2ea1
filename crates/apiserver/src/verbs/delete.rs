//! DELETE of one object: at once, or begun, when finalizers hold it or its pod is given time to end.
use crate::admission::Door;
use crate::body;
use crate::call::{Call, MODIFIED};
use crate::definition;
use crate::draft;
use crate::limits::WRITE_ATTEMPTS;
use crate::node_restriction;
use crate::query::{DeleteOptions, FieldValidation, Propagation, delete_options, revision};
use crate::read;
use crate::request::Response;
use crate::service;
use crate::shape;
use crate::submit::submit;
use api::admission::request::Operation;
use api::command::{Change, Condition, Refusal, Write};
use api::kind::DeleteReturns;
use api::object::Object;
use api::planted::{Bug, planted};
use api::revision::Millis;
use api::schema::structure::DELETE_OPTIONS;
use api::status::Status;
use serde_json::{Value, json};
use std::sync::Arc;
use store::view::View;

const FOREGROUND: &str = "foregroundDeletion";
const ORPHAN: &str = "orphan";

const PRIORITY_CLASSES: &str = "priorityclasses.scheduling.k8s.io";
/// Nobody deletes these by name; in a collection they go, as in Kubernetes, and are made again.
const SYSTEM_CLASSES: [&str; 2] = ["system-node-critical", "system-cluster-critical"];

const JOBS: &str = "jobs.batch";
const KEEP_DEPENDENTS: [&str; 2] = [JOBS, "replicationcontrollers"];
const PODS_STAY: &str = "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background to remove \
                         them or set propagationPolicy=Orphan to suppress this warning";

/// # Errors
/// 403 for what is the system's, 404, 409 for preconditions, 422 for options.
pub async fn delete(call: &Call) -> Result<Response, Status> {
    let options = &read_options(call)?;
    let response = deleted(call, options).await?;
    let warns = &*call.kind.resource == JOBS && options.propagation.is_none();
    Ok(if warns { response.warn(&[PODS_STAY.to_owned()]) } else { response })
}

async fn deleted(call: &Call, options: &DeleteOptions) -> Result<Response, Status> {
    let key = call.key(&call.target.name);
    if &*key.resource == PRIORITY_CLASSES && SYSTEM_CLASSES.contains(&&*key.name) {
        let why = "this is a system priority class and cannot be deleted";
        return Err(Status::forbidden(&call.kind.group, &call.kind.plural, &key.name, why));
    }
    for attempt in 1..=WRITE_ATTEMPTS {
        let mut view = if attempt == 1 { read::for_write(&call.room).await? } else { read::newest(&call.room).await? };
        if view.get_key(&key).is_none() {
            view = read::newest(&call.room).await?;
        }
        let current = view.get_key(&key).cloned().ok_or_else(|| call.not_found())?;
        preconditions(call, options, &current)?;
        let plan = plan(call, &view, options, &current)?;
        let gone = matches!(plan, Plan::Gone(_));
        let writes = match plan {
            Plan::Nothing => return shape::one(call, stays(options), &current),
            Plan::Begin(value) if options.dry_run => return shape::answer(call, stays(options), &value),
            Plan::Gone(_) if options.dry_run => return answer(call, options, &current, gone),
            Plan::Begin(value) => {
                let change = Change::Put(body::stored(call, &value)?);
                vec![Write { key: key.clone(), condition: Condition::Revision(current.revision), change }]
            }
            Plan::Gone(writes) => writes,
        };
        match submit(call, view.revision(), writes).await? {
            Ok(objects) => {
                let object = objects.first().unwrap_or(&current);
                return answer(call, options, object, gone);
            }
            Err(refused) if refused.write == 0 && refused.refusal == Refusal::NotFound => return Err(call.not_found()),
            Err(_) => {}
        }
    }
    Err(call.conflict(MODIFIED))
}

/// The options of a delete, of one object or of a collection.
///
/// # Errors
/// 400, 413, 415 for the body, 422 for values out of range.
pub fn read_options(call: &Call) -> Result<DeleteOptions, Status> {
    // Unknown fields of options are let pass by Kubernetes, too.
    let decoded = body::other(&call.request, DELETE_OPTIONS, FieldValidation::Ignore)?;
    delete_options(&call.query, decoded.map(|decoded| decoded.value).as_ref())
}

/// What a delete does.
pub enum Plan {
    /// It has begun already, and nothing new was asked.
    Nothing,
    /// The object stays, marked.
    Begin(Value),
    Gone(Vec<Write>),
}

/// What becomes of `current`, if admission lets it go.
///
/// # Errors
/// 403 of a plug-in, 400 for an object whose metadata is damaged.
pub fn plan(call: &Call, view: &View, options: &DeleteOptions, current: &Arc<Object>) -> Result<Plan, Status> {
    node_restriction::delete(call, current)?;
    let old = shape::value(call, current);
    // An Eviction is something created of a pod.
    let operation = if call.target.subresource == "eviction" { Operation::Create } else { Operation::Delete };
    Door { call, view, operation, dry_run: options.dry_run, old: Some(&old) }.validate(&old)?;
    let mut new = old.clone();
    let grace = grace_seconds(call, options, &old);
    let meta = draft::meta(&call.kind, &mut new)?;
    finalizers(meta, options.propagation.or_else(|| usual(&call.kind.resource, meta)));
    let held = meta.get("finalizers").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    let namespace = &*call.kind.resource == "namespaces";
    let held = held || (namespace && !empty(old.get("spec").and_then(|spec| spec.get("finalizers"))));
    let held = held && !planted(Bug::DeletesHeld);
    let begun = draft::text(&old, "deletionTimestamp");
    if grace == 0 && !held {
        let key = current.key.clone();
        let mut writes = vec![Write { key, condition: Condition::Revision(current.revision), change: Change::Delete }];
        writes.extend(service::release(call, view, &old));
        return Ok(Plan::Gone(writes));
    }
    let had = old["metadata"]["deletionGracePeriodSeconds"].as_u64();
    if begun.is_empty() || had.is_some_and(|had| grace < had) {
        let meta = draft::meta(&call.kind, &mut new)?;
        meta.insert("deletionTimestamp".into(), Millis(rt::wall() + grace * 1_000).rfc3339().into());
        if !namespace {
            meta.insert("deletionGracePeriodSeconds".into(), grace.into());
        }
        if meta.contains_key("generation") {
            draft::bump(&old, &mut new);
        }
        if namespace {
            new["status"]["phase"] = "Terminating".into();
        }
        definition::terminate(&call.kind, &mut new);
    }
    if new == old { Ok(Plan::Nothing) } else { Ok(Plan::Begin(new)) }
}

fn empty(list: Option<&Value>) -> bool {
    list.and_then(Value::as_array).is_none_or(Vec::is_empty)
}

/// What becomes of the dependents if nobody says: of these kinds they stay, as old clients expect.
fn usual(resource: &str, meta: &serde_json::Map<String, Value>) -> Option<Propagation> {
    let said = |finalizer: &Value| *finalizer == FOREGROUND || *finalizer == ORPHAN;
    let said = meta.get("finalizers").and_then(Value::as_array).is_some_and(|list| list.iter().any(said));
    (KEEP_DEPENDENTS.contains(&resource) && !said).then_some(Propagation::Orphan)
}

/// The policy as finalizers: the garbage collector takes them off when it has done its part.
fn finalizers(meta: &mut serde_json::Map<String, Value>, propagation: Option<Propagation>) {
    let Some(propagation) = propagation else { return };
    let mut list: Vec<Value> = meta.get("finalizers").and_then(Value::as_array).cloned().unwrap_or_default();
    list.retain(|finalizer| *finalizer != FOREGROUND && *finalizer != ORPHAN);
    match propagation {
        Propagation::Background => {}
        Propagation::Foreground => list.push(FOREGROUND.into()),
        Propagation::Orphan => list.push(ORPHAN.into()),
    }
    if list.is_empty() {
        meta.remove("finalizers");
    } else {
        meta.insert("finalizers".into(), list.into());
    }
}

/// How long the object is given: only pods that run somewhere are given any time.
fn grace_seconds(call: &Call, options: &DeleteOptions, pod: &Value) -> u64 {
    let runs = &*call.kind.resource == "pods"
        && !pod["spec"]["nodeName"].as_str().unwrap_or_default().is_empty()
        && !matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed"));
    if !runs {
        return 0;
    }
    // Only who asks for it by name has a pod gone while it may run, whose name a StatefulSet gives to the next one.
    let owners = pod["metadata"]["ownerReferences"].as_array();
    let stays = owners.into_iter().flatten().any(|one| one["kind"] == "StatefulSet" && one["controller"] == true);
    let own = || Some(pod["spec"]["terminationGracePeriodSeconds"].as_u64()?.max(u64::from(stays)));
    // A century is as good as for ever, and its milliseconds still fit.
    options.grace_seconds.or_else(own).unwrap_or(30).min(3_155_760_000)
}

/// Whether the object is the one that the options mean.
///
/// # Errors
/// 409 if it is not.
pub fn preconditions(call: &Call, options: &DeleteOptions, current: &Object) -> Result<(), Status> {
    let kind = &call.kind;
    let conflict = |why: String| Status::conflict(&kind.group, &kind.kind, &call.target.name, &why);
    if let Some(uid) = options.uid.as_ref().filter(|uid| **uid != current.uid.to_string()) {
        return Err(conflict(format!(
            "the UID in the precondition ({uid}) does not match the UID in record ({}). The object might have been deleted and then recreated",
            current.uid
        )));
    }
    if let Some(wanted) = &options.revision
        && revision(wanted)? != current.revision
    {
        return Err(conflict(format!(
            "the ResourceVersion in the precondition ({wanted}) does not match the ResourceVersion in record ({}). The object might have been modified",
            current.revision
        )));
    }
    Ok(())
}

/// The code for what does not go at once.
fn stays(options: &DeleteOptions) -> u16 {
    if options.accepts { 202 } else { 200 }
}

/// The object if it stays or its kind answers so, else a Status.
fn answer(call: &Call, options: &DeleteOptions, object: &Arc<Object>, gone: bool) -> Result<Response, Status> {
    if !gone {
        return shape::one(call, stays(options), object);
    }
    if call.kind.delete_returns == DeleteReturns::Object {
        return shape::one(call, 200, object);
    }
    let mut details = json!({"name": call.target.name, "kind": &*call.kind.plural, "uid": object.uid.to_string()});
    if !call.kind.group.is_empty() {
        details["group"] = (*call.kind.group).into();
    }
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details});
    shape::plain(call.form, 200, &status)
}
