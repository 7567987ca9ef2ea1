//! PATCH: the four kinds of patch, each a function of the object as it is, applied by the read-modify-write of `update`.
use crate::body;
use crate::call::Call;
use crate::draft;
use crate::negotiate::{Patch, media};
use crate::query::{WriteOptions, invalid, write_options};
use crate::request::Response;
use crate::rules;
use crate::verbs::{create, update};
use api::status::Status;
use hyper::header::CONTENT_TYPE;
use serde_json::Value;

/// # Errors
/// 415 for an unknown kind of patch, 422 for one that cannot be applied, else as `update::change`.
pub async fn patch(call: &Call) -> Result<Response, Status> {
    let (way, patch, options) = read(call).await?;
    if way == Patch::Apply {
        return apply(call, &options, patch).await;
    }
    let bound = names_revision(way, &patch);
    let make = |current: &std::sync::Arc<api::object::Object>, old: &Value| {
        let mut new = rules::patch(&call.kind, way, old, &patch)?;
        settle(call, &mut new)?;
        draft::same_object(call, current, &new)?;
        let complaints = rules::check_fields(&call.kind, &mut new)?;
        Ok((new, body::judge(&call.kind, options.validation, complaints)?))
    };
    update::change(call, &options, bound, make).await
}

/// The patch, its kind, and its options.
///
/// # Errors
/// 415, 400, 422.
pub async fn read(call: &Call) -> Result<(Patch, Value, WriteOptions), Status> {
    let unsupported = || Status::new(415, "UnsupportedMediaType", "415: Unsupported Media Type").detailed();
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
    let patch = body::aside(form, &call.request.body, move |bytes| rules::decode_any(form, bytes)).await?;
    let fits = if way == Patch::Json { patch.is_array() } else { patch.is_object() };
    if fits {
        return Ok((way, patch, options));
    }
    let want = if way == Patch::Json { "a list of operations" } else { "an object" };
    Err(Status::bad_request(format!("error decoding patch: it must be {want}")))
}

/// Whether the patch says which revision it is meant for.
fn names_revision(way: Patch, patch: &Value) -> bool {
    match way {
        Patch::Json => patch.as_array().is_some_and(|operations| {
            operations.iter().any(|operation| operation["path"] == "/metadata/resourceVersion")
        }),
        _ => !draft::text(patch, "resourceVersion").is_empty(),
    }
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
async fn apply(call: &Call, options: &WriteOptions, mut wanted: Value) -> Result<Response, Status> {
    draft::identify(&call.kind, &mut wanted)?;
    draft::place(call, &mut wanted)?;
    let meta = draft::meta(&call.kind, &mut wanted)?;
    if meta.get("managedFields").is_some_and(|fields| !fields.is_null()) {
        return Err(Status::bad_request("metadata.managedFields must be nil"));
    }
    meta.entry("name").or_insert_with(|| call.target.name.as_str().into());
    settle(call, &mut wanted)?;
    let complaints = rules::check_fields(&call.kind, &mut wanted)?;
    let warnings = body::judge(&call.kind, options.validation, complaints)?;
    let bound = !draft::text(&wanted, "resourceVersion").is_empty();
    let make = |current: &std::sync::Arc<api::object::Object>, old: &Value| {
        draft::same_object(call, current, &wanted)?;
        let new = rules::apply(call, Some(old), &wanted, options)?;
        Ok((new, Vec::new()))
    };
    match update::change(call, options, bound, make).await {
        Err(status)
            if status.code == 404
                && call.target.subresource.is_empty()
                && !bound
                && status.name == call.target.name =>
        {
            let new = rules::apply(call, None, &wanted, options)?;
            let (response, more) = create::created(call, options, new).await?;
            Ok(response.warn(&warnings).warn(&more))
        }
        other => Ok(other?.warn(&warnings)),
    }
}
