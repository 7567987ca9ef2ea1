//! PATCH: the four kinds of patch, each a function of the object as it is, applied by the read-modify-write of `update`.
use crate::body;
use crate::call::{Call, MODIFIED};
use crate::draft;
use crate::limits::WRITE_ATTEMPTS;
use crate::negotiate::{Patch, media};
use crate::query::{FieldValidation, WriteOptions, invalid, write_options};
use crate::request::Response;
use crate::rules;
use crate::verbs::{create, update};
use api::apply::place::Place;
use api::go;
use api::schema;
use api::status::{Cause, Status};
use hyper::header::CONTENT_TYPE;
use serde_json::Value;

/// The patches of a custom kind.
const CUSTOM: &str = "application/json-patch+json, application/merge-patch+json, application/apply-patch+yaml";

/// # Errors
/// 415 for an unknown kind of patch, 422 for one that cannot be applied, else as `update::change`.
pub async fn patch(call: &Call) -> Result<Response, Status> {
    let (way, patch, options, duplicates) = read(call).await?;
    if way == Patch::Apply {
        return apply(call, &options, patch, &duplicates).await;
    }
    let bound = names_revision(way, &patch);
    let make = |current: &std::sync::Arc<api::object::Object>, old: &Value| {
        let mut new = rules::patch(&call.kind, way, old, &patch)?;
        settle(call, &mut new)?;
        draft::unmoved(call, current, &new)?;
        let mut complaints = duplicates.clone();
        let read = schema::read_fields(&call.kind, &mut new).map_err(|why| unfit(way, &patch, &new, &why));
        complaints.extend(read?.into_iter().map(|path| format!("unknown field \"{path}\"")));
        Ok((new, body::judge(&call.kind, options.validation, complaints)?))
    };
    update::change(call, &options, bound, make).await
}

/// The patch, its kind, its options, and the members that it has twice.
///
/// # Errors
/// 415, 400, 422.
pub async fn read(call: &Call) -> Result<(Patch, Value, WriteOptions, Vec<String>), Status> {
    let unsupported = || {
        if call.kind.custom() {
            let message =
                format!("the body of the request was in an unknown format - accepted media types include: {CUSTOM}");
            return Status::new(415, "UnsupportedMediaType", message);
        }
        Status::new(415, "UnsupportedMediaType", "415: Unsupported Media Type").detailed()
    };
    let way = match media(call.request.header(CONTENT_TYPE)) {
        "application/json-patch+json" => Patch::Json,
        "application/merge-patch+json" => Patch::Merge,
        // A custom kind has no merge keys that a strategic patch could go by.
        "application/strategic-merge-patch+json" if !call.kind.custom() => Patch::Strategic,
        "application/apply-patch+yaml" => Patch::Apply,
        _ => return Err(unsupported()),
    };
    let mut options = write_options("PatchOptions", &call.query)?;
    options.applies = way == Patch::Apply;
    if way != Patch::Apply && call.query.has("force") {
        return Err(invalid(
            "PatchOptions",
            "force",
            "FieldValueForbidden",
            "Forbidden: may not be specified for non-apply patch",
        ));
    }
    if way == Patch::Apply && options.manager.is_empty() {
        return Err(invalid(
            "PatchOptions",
            "fieldManager",
            "FieldValueRequired",
            "Required value: is required for apply patch",
        ));
    }
    let form = if way == Patch::Apply { crate::negotiate::Body::Yaml } else { crate::negotiate::Body::Json };
    let decoded = body::aside(form, &call.request.body, move |bytes| rules::decode_patch(way, bytes)).await?;
    let (patch, duplicates) = decoded;
    let fits = if way == Patch::Json { patch.is_array() } else { patch.is_object() };
    if fits {
        return Ok((way, patch, options, duplicates));
    }
    let want = if way == Patch::Json { "a list of operations" } else { "an object" };
    Err(Status::bad_request(format!("error decoding patch: it must be {want}")))
}

/// Whether the patch says which revision it is meant for.
pub(super) fn names_revision(way: Patch, patch: &Value) -> bool {
    match way {
        Patch::Json => patch.as_array().is_some_and(|operations| {
            operations.iter().any(|operation| operation["path"] == "/metadata/resourceVersion")
        }),
        _ => !draft::text(patch, "resourceVersion").is_empty(),
    }
}

/// 422 for a patch that makes what is no object of its kind.
fn unfit(way: Patch, patch: &Value, patched: &Value, why: &str) -> Status {
    let shown = if way == Patch::Strategic { go::plain(patch) } else { patched.to_string() };
    let message = format!("Invalid value: {}: {why}", go::quoted(&shown));
    let mut status = Status::new(422, "Invalid", format!(" \"\" is invalid: patch: {message}")).detailed();
    status.causes = vec![Cause { reason: "FieldValueInvalid", message, field: "patch".into() }];
    status
}

/// What no patch changes: which object it is.
fn settle(call: &Call, new: &mut Value) -> Result<(), Status> {
    draft::identify(&call.kind, new)?;
    draft::place(call, new)?;
    let name = draft::text(new, "name");
    if name != call.target.name {
        let message =
            format!("the name of the object ({name}) does not match the name on the URL ({})", call.target.name);
        return Err(Status::bad_request(message));
    }
    Ok(())
}

/// Server-side apply: creates what is not there.
async fn apply(
    call: &Call,
    options: &WriteOptions,
    mut wanted: Value,
    duplicates: &[String],
) -> Result<Response, Status> {
    let (said, expected) = (wanted["apiVersion"].as_str().unwrap_or_default(), call.kind.api_version());
    if said != expected {
        let why = "Incorrect version specified in apply patch. Specified patch version: ";
        return Err(Status::bad_request(format!("{why}{said}, expected: {expected}")));
    }
    draft::identify(&call.kind, &mut wanted)?;
    draft::place(call, &mut wanted)?;
    let meta = draft::meta(&call.kind, &mut wanted)?;
    if meta.get("managedFields").is_some_and(|fields| !fields.is_null()) {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    meta.entry("name").or_insert_with(|| call.target.name.as_str().into());
    settle(call, &mut wanted)?;
    let unknown = schema::unknown_fields(&call.kind, &mut wanted)?;
    if !unknown.is_empty() {
        return Err(undeclared(call, &unknown));
    }
    api::apply::check(Place::of(&call.kind), &wanted).map_err(|why| untyped(call, &why))?;
    let warnings = twice(options, duplicates, &call.request.body)?;
    let bound = !draft::text(&wanted, "resourceVersion").is_empty();
    let make = |current: &std::sync::Arc<api::object::Object>, old: &Value| {
        draft::unmoved(call, current, &wanted)?;
        let new = rules::apply(call, Some(old), &wanted, options)?;
        Ok((new, Vec::new()))
    };
    let absent = |status: &Status| {
        status.code == 404 && call.target.subresource.is_empty() && !bound && status.name == call.target.name
    };
    for _ in 0..WRITE_ATTEMPTS {
        match update::change(call, options, bound, make).await {
            Err(status) if absent(&status) => {}
            other => return Ok(other?.warn(&warnings)),
        }
        create::may(call).await?;
        let uid = draft::text(&wanted, "uid");
        if !uid.is_empty() {
            let why =
                format!("uid mismatch: the provided object specified uid {uid}, and no existing object was found");
            return Err(Status::conflict(&call.kind.group, &call.kind.plural, &call.target.name, &why));
        }
        let new = rules::apply(call, None, &wanted, options)?;
        match create::created(call, options, new).await {
            // Somebody else has made it meanwhile: it is applied to what they made.
            Err(status) if status.reason == "AlreadyExists" => {}
            made => {
                let (response, more) = made?;
                return Ok(response.warn(&warnings).warn(&more));
            }
        }
    }
    Err(call.conflict(MODIFIED))
}

/// What is applied must be known whatever the client says of unknown fields, for nobody could own it otherwise.
fn undeclared(call: &Call, unknown: &[String]) -> Status {
    let told: Vec<String> = unknown.iter().map(|path| format!(".{path}: field not declared in schema")).collect();
    let told = if told.len() == 1 { told.concat() } else { format!("errors:\n  {}", told.join("\n  ")) };
    untyped(call, &told)
}

/// The document is none of its kind.
fn untyped(call: &Call, told: &str) -> Status {
    let (target, kind) = (&call.target, &call.kind);
    let what = format!("{}/{}; {}/{}, Kind={}", target.namespace, target.name, kind.group, kind.version, kind.kind);
    Status::new(500, "", format!("failed to create typed patch object ({what}): {told}"))
}

/// What is said of members that an applied document has twice, as Kubernetes' YAML reader words it.
fn twice(options: &WriteOptions, duplicates: &[String], document: &[u8]) -> Result<Vec<String>, Status> {
    if duplicates.is_empty() || options.validation == FieldValidation::Ignore {
        return Ok(Vec::new());
    }
    let plain = |told: &String| told.split('"').nth(1).unwrap_or(told).to_owned();
    let duplicates: Vec<String> = duplicates.iter().map(plain).collect();
    let lines: Vec<String> = api::codec::yaml::twice(document, &duplicates)
        .into_iter()
        .map(|(line, key)| format!("  line {line}: key {key:?} already set in map"))
        .collect();
    let told = format!("error converting YAML to JSON: yaml: unmarshal errors:\n{}", lines.join("\n"));
    match options.validation {
        FieldValidation::Strict => Err(Status::bad_request(format!("error strict decoding YAML: {told}"))),
        _ => Ok(vec![told.replace('\n', " ")]),
    }
}
