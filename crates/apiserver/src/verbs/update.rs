//! PUT, and the read-modify-write that PATCH shares with it: from the object as it is to the object as it shall be, under the
//! condition that it still is as it was. Writers that named no revision try again when they lose a race.
use crate::admission::Door;
use crate::body;
use crate::call::{Call, MODIFIED};
use crate::definition;
use crate::draft;
use crate::limits::{QUOTA_ATTEMPTS, WRITE_ATTEMPTS};
use crate::node_restriction;
use crate::prepare;
use crate::query::{WriteOptions, write_options};
use crate::quota;
use crate::rbac::escalation;
use crate::read;
use crate::request::Response;
use crate::rules;
use crate::service;
use crate::shape;
use crate::strategy;
use crate::submit::submit;
use crate::template_generation;
use crate::verbs::create;
use api::admission::request::Operation;
use api::command::{Change, Condition, Refusal, Write};
use api::kind::Kind;
use api::object::Object;
use api::planted::{Bug, planted};
use api::status::Status;
use serde_json::Value;
use std::sync::Arc;
use store::view::View;

/// Kinds that a PUT creates when they are not there, as in Kubernetes.
const CREATED_BY_PUT: [&str; 5] = ["leases.coordination.k8s.io", "events", "endpoints", "limitranges", "services"];

/// # Errors
/// 404, 409 for a stale revision or another uid, 400, 422.
pub async fn update(call: &Call) -> Result<Response, Status> {
    let options = write_options("UpdateOptions", &call.query)?;
    let decoded = body::object(call, options.validation).await?;
    let mut wanted = decoded.value;
    draft::identify(&call.kind, &mut wanted)?;
    draft::place(call, &mut wanted)?;
    let name = draft::text(&wanted, "name");
    if name.is_empty() {
        let (url, why) = (&call.target.name, "was undeterminable: name must be provided");
        return Err(Status::bad_request(format!("the name of the object ({url} based on URL) {why}")));
    } else if name != call.target.name {
        let message =
            format!("the name of the object ({name}) does not match the name on the URL ({})", call.target.name);
        return Err(Status::bad_request(message));
    }
    let creates = call.target.subresource.is_empty() && CREATED_BY_PUT.contains(&&*call.kind.resource);
    let bound = !draft::text(&wanted, "resourceVersion").is_empty();
    let make = |current: &Arc<Object>, _: &Value| {
        draft::same_object(call, current, &wanted)?;
        Ok((wanted.clone(), Vec::new()))
    };
    match change(call, &options, bound, make).await {
        Err(status) if status.code == 404 && creates && !bound && status.name == call.target.name => {
            create::may(call).await?;
            let (response, more) = create::created(call, &options, wanted.clone()).await?;
            Ok(response.warn(&decoded.warnings).warn(&more))
        }
        other => Ok(other?.warn(&decoded.warnings)),
    }
}

/// Changes the target: `make` gives the object as the client wants it, and warnings, from the object as it is. `bound`: the
/// client named the revision it means, so a lost race is its to know.
///
/// # Errors
/// 404, 409, and what `make`, admission or validation refuses.
pub async fn change(
    call: &Call,
    options: &WriteOptions,
    bound: bool,
    mut make: impl FnMut(&Arc<Object>, &Value) -> Result<(Value, Vec<String>), Status>,
) -> Result<Response, Status> {
    let key = call.key(&call.target.name);
    let mut attempt = 0;
    loop {
        attempt += 1;
        let mut view = if attempt == 1 { read::for_write(&call.room).await? } else { read::newest(&call.room).await? };
        if view.get_key(&key).is_none() {
            view = read::newest(&call.room).await?;
        }
        let current = view.get_key(&key).cloned().ok_or_else(|| call.not_found())?;
        // With the defaults that it was not written with: what it does not say is no change.
        let mut old = shape::value(call, &current);
        rules::default(&call.kind, &mut old);
        let (wanted, mut warnings) = make(&current, &old)?;
        let (new, told) = merged(call, &view, options, &old, wanted)?;
        warnings.extend(told);
        let charges = match quota::charges(call, &view, Some(&old), &new) {
            // There may be room by now.
            Err(_) if attempt == 1 => continue,
            charges => charges?,
        };
        if options.dry_run {
            return Ok(shape::answer(call, 200, &new)?.warn(&warnings));
        }
        let last = draft::finished(&call.kind, &new).then(|| new.clone());
        let mut writes = writes(call, &view, &key, &current, &old, new)?;
        let own = writes.len();
        if last.is_none() {
            writes.extend(charges);
        }
        match submit(call, view.revision(), writes).await? {
            Ok(objects) => {
                if let Some(mut last) = last {
                    // It is gone as it would have become: under the last revision that it had, whether the log's
                    // first answer came or was asked for again.
                    last["metadata"]["resourceVersion"] = current.revision.to_string().into();
                    return Ok(shape::answer(call, 200, &last)?.warn(&warnings));
                }
                let object = objects.first().cloned().unwrap_or(current);
                return Ok(shape::one(call, 200, &object)?.warn(&warnings));
            }
            Err(refused) if refused.write == 0 && refused.refusal == Refusal::NotFound => return Err(call.not_found()),
            // It is still the object that was meant: only the quota was charged by others meanwhile.
            Err(refused) if refused.write >= own && attempt < QUOTA_ATTEMPTS => {}
            Err(refused) if refused.write >= own => return Err(quota::contended()),
            Err(_) if bound || attempt >= WRITE_ATTEMPTS => return Err(call.conflict(MODIFIED)),
            Err(_) => {}
        }
    }
}

/// The object as it will be: what the client may change of it from `wanted`, the rest as it is; and what the client is warned of.
fn merged(
    call: &Call,
    view: &View,
    options: &WriteOptions,
    old: &Value,
    mut wanted: Value,
) -> Result<(Value, Vec<String>), Status> {
    let kind = &call.kind;
    let managers = wanted.get("metadata").and_then(|meta| meta.get("managedFields")).cloned();
    let subresource = call.target.subresource.as_str();
    let mut new = match subresource {
        "status" => {
            let mut new = draft::with_status(kind, old, &wanted);
            prepare::status(call, old, &mut new);
            new
        }
        "" | "scale" => {
            draft::carry_over(kind, old, &mut wanted)?;
            prepare::update(call, old, &mut wanted);
            wanted
        }
        _ => prepare::narrowed(subresource, old, &wanted),
    };
    if subresource.is_empty() {
        draft::no_new_finalizers(kind, old, &new)?;
    }
    rules::default(kind, &mut new);
    node_restriction::update(call, old, &new)?;
    escalation::update(call, view, old, &new)?;
    let door = Door { call, view, operation: Operation::Update, dry_run: options.dry_run, old: Some(old) };
    door.admit(&mut new)?;
    if subresource.is_empty() {
        strategy::changed_object(call, view, old, &mut new)?;
    }
    draft::count_generation(kind, old, &mut new);
    if !options.applies {
        rules::note(call, Some(old), &mut new, options);
    } else if let Some(managers) = managers {
        new["metadata"]["managedFields"] = managers;
    }
    // The cluster counts: who changed the template does not own the count.
    template_generation::count(call, old, &mut new);
    rules::validate_update(kind, old, &new, subresource)?;
    let notes = door.validate(&new)?;
    let mut warnings = notes.warnings;
    if subresource.is_empty() {
        warnings.extend(definition::warnings(kind, &new));
    }
    Ok((new, warnings))
}

/// The command's writes: the object put, or taken away if nothing holds it any more, and what it claims or frees.
fn writes(
    call: &Call,
    view: &View,
    key: &api::key::Key,
    current: &Arc<Object>,
    old: &Value,
    mut new: Value,
) -> Result<Vec<Write>, Status> {
    let blind = planted(Bug::PatchesBlindly);
    let condition = if blind { Condition::Exists } else { Condition::Revision(current.revision) };
    if draft::finished(&call.kind, &new) {
        let mut writes = vec![Write { key: key.clone(), condition, change: Change::Delete }];
        writes.extend(service::release(call, view, old));
        return Ok(writes);
    }
    let claims =
        if call.target.subresource.is_empty() { service::claim(call, view, Some(old), &mut new)? } else { Vec::new() };
    let mut writes = vec![Write { key: key.clone(), condition, change: Change::Put(body::stored(call, &new)?) }];
    writes.extend(claims.into_iter().map(|claim| claim.write));
    Ok(writes)
}

/// Whether a kind's subresource is written like the object itself.
#[must_use]
pub fn writable(kind: &Kind, subresource: &str, verb: &str) -> bool {
    let known = kind.subresource(subresource).is_some_and(|found| found.verbs.iter().any(|known| &**known == verb));
    known && matches!(subresource, "status" | "finalize" | "ephemeralcontainers" | "approval" | "resize")
}
