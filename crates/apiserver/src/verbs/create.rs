//! POST of a collection: a new object under the condition that there is none of its name.
use crate::admission::{Door, namespace_lifecycle};
use crate::body;
use crate::call::Call;
use crate::definition;
use crate::draft;
use crate::limits::{DRAW_ATTEMPTS, QUOTA_ATTEMPTS};
use crate::newborn;
use crate::node_restriction;
use crate::permission::check;
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
use api::admission::request::Operation;
use api::command::{Change, Condition, Refusal, Write};
use api::object::Object;
use api::status::Status;
use serde_json::Value;
use std::sync::Arc;
use store::view::View;

/// # Errors
/// What the body, admission, validation or the log refuses, as Kubernetes words it.
pub async fn create(call: &Call) -> Result<Response, Status> {
    let options = write_options("CreateOptions", &call.query)?;
    let decoded = body::object(call, options.validation).await?;
    let (response, mut warnings) = (created(call, &options, decoded.value).await?, decoded.warnings);
    warnings.extend(response.1);
    Ok(response.0.warn(&warnings))
}

/// Whether who changes what is not there may make it.
///
/// # Errors
/// 403.
pub async fn may(call: &Call) -> Result<(), Status> {
    check(&call.room, &call.user, &crate::attempt::of(&call.target, "create", &[])).await.map(|_| ())
}

/// Creates the decoded object; also serves PUT and apply of what is not there yet.
///
/// # Errors
/// As `create`.
pub async fn created(call: &Call, options: &WriteOptions, mut value: Value) -> Result<(Response, Vec<String>), Status> {
    draft::identify(&call.kind, &mut value)?;
    if !draft::text(&value, "resourceVersion").is_empty() {
        // Kubernetes takes it for its own mistake.
        return Err(Status::new(500, "", "resourceVersion should not be set on objects to be created"));
    }
    draft::place(call, &mut value)?;
    draft::newborn(&call.kind, &mut value)?;
    prepare::create(call, &mut value);
    let prefix = if draft::text(&value, "name").is_empty() {
        draft::text(&value, "generateName").to_owned()
    } else {
        String::new()
    };
    let view = read::for_write(&call.room).await?;
    namespace_lifecycle::place_open(call, &view, draft::text(&value, "name")).await?;
    node_restriction::create(call, &view, &value)?;
    // Who asks owns what was asked for and its defaults, not what the cluster adds.
    rules::default(&call.kind, &mut value);
    escalation::create(call, &view, &value)?;
    if !options.applies {
        rules::note(call, None, &mut value, options);
    }
    let door = Door { call, view: &view, operation: Operation::Create, dry_run: options.dry_run, old: None };
    door.admit(&mut value)?;
    strategy::new_object(call, &view, &mut value)?;
    let mut warnings = Vec::new();
    let mut attempt = 0;
    loop {
        if !prefix.is_empty() {
            value["metadata"]["name"] = api::name::generate(&prefix, rt::random()).into();
        }
        if attempt == 0 {
            strategy::validate_new(call, &value)?;
            warnings = door.validate(&value)?.warnings;
            warnings.extend(definition::warnings(&call.kind, &value));
        }
        attempt += 1;
        if options.dry_run {
            return dry_run(call, &view, value, &prefix).map(|response| (response, warnings));
        }
        match write(call, &view, &mut value).await? {
            Ok(object) => return Ok((shape::one(call, 201, &object)?, warnings)),
            Err(()) if !prefix.is_empty() && attempt < DRAW_ATTEMPTS => {}
            Err(()) => {
                let name = draft::text(&value, "name");
                return Err(Status::already_exists(&call.kind.group, &call.kind.plural, name));
            }
        }
    }
}

/// Writes the object, what is allocated with it, and what quotas are charged for it; `Err(())`: its name is taken.
async fn write(call: &Call, view: &Arc<View>, value: &mut Value) -> Result<Result<Arc<Object>, ()>, Status> {
    let asked = service::is(call).then(|| value["spec"].clone());
    let (mut view, mut newest) = (view.clone(), false);
    let (mut draws, mut races) = (0, 0);
    loop {
        if let Some(asked) = &asked {
            value["spec"] = asked.clone();
        }
        let claims = service::claim(call, &view, None, value)?;
        let charges = match quota::charges(call, &view, None, value) {
            Err(_) if !newest => {
                // There may be room by now.
                (view, newest) = (read::newest(&call.room).await?, true);
                continue;
            }
            Err(_) if races < QUOTA_ATTEMPTS && quota::settle(call, &view).await? => {
                races += 1;
                view = read::newest(&call.room).await?;
                continue;
            }
            charges => charges?,
        };
        let (charges, later) = quota::split(charges);
        let key = call.key(draft::text(value, "name"));
        let mut writes = Vec::with_capacity(1 + claims.len() + charges.len());
        writes.push(Write { key, condition: Condition::Absent, change: Change::Put(body::stored(call, value)?) });
        writes.extend(claims.iter().map(|claim| claim.write.clone()));
        writes.extend(charges);
        if &*call.kind.resource == "namespaces" {
            writes.extend(newborn::born(&view, draft::text(value, "name"))?);
        }
        let refused = match submit(call, view.revision(), writes).await? {
            Ok(objects) => {
                if !later.is_empty() {
                    let _ = submit(call, view.revision(), later).await?;
                }
                return objects.into_iter().next().map(Ok).ok_or_else(|| Status::internal("a create had no object"));
            }
            Err(refused) => refused,
        };
        let Some(at) = refused.write.checked_sub(1) else { return Ok(Err(())) };
        match claims.get(at) {
            // Somebody else charged the quota, or made what is born with it: what is left to do is seen anew.
            None if races < QUOTA_ATTEMPTS => {
                races += 1;
                (view, newest) = (read::newest(&call.room).await?, true);
            }
            None => return Err(quota::contended()),
            Some(claim) if claim.drawn && refused.refusal == Refusal::Exists && draws + 1 < DRAW_ATTEMPTS => draws += 1,
            Some(claim) => return Err(claim.taken(call, value)),
        }
    }
}

fn dry_run(call: &Call, view: &Arc<View>, mut value: Value, prefix: &str) -> Result<Response, Status> {
    let name = draft::text(&value, "name");
    if prefix.is_empty() && view.get_key(&call.key(name)).is_some() {
        return Err(Status::already_exists(&call.kind.group, &call.kind.plural, name));
    }
    service::claim(call, view, None, &mut value)?;
    quota::charges(call, view, None, &value)?;
    value["metadata"]["uid"] = api::object::Uid(rt::unique()).to_string().into();
    value["metadata"]["creationTimestamp"] = api::revision::Millis(rt::wall()).rfc3339().into();
    shape::answer(call, 201, &value)
}
