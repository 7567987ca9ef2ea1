//! The way to the pure functions of `api`: decoding, fields, defaults, validation, patches. Nothing is decided here.
use crate::call::Call;
use crate::negotiate::Body;
use crate::query::WriteOptions;
use crate::verbs::patch::Patch;
use api::kind::Kind;
use api::schema::fields;
use api::schema::structure::message;
use api::status::Status;
use serde_json::Value;

/// The body as a value of `kind`, and what is to be complained of (duplicate fields).
///
/// # Errors
/// 400 if it cannot be read.
pub fn decode(kind: &Kind, form: Body, bytes: &[u8]) -> Result<(Value, Vec<String>), Status> {
    let _ = kind;
    Ok((decode_any(form, bytes)?, Vec::new()))
}

/// The body as a value.
///
/// # Errors
/// 400 if it cannot be read.
pub fn decode_any(form: Body, bytes: &[u8]) -> Result<Value, Status> {
    let bad = |why: String| Status::bad_request(format!("couldn't get version/kind; json parse error: {why}"));
    match form {
        Body::Json => serde_json::from_slice(bytes).map_err(|why| bad(why.to_string())),
        Body::Yaml => serde_json::from_slice(bytes).map_err(|why| bad(why.to_string())),
        Body::Protobuf => Err(bad("protobuf".into())),
    }
}

/// Takes unknown fields out and names them; refuses values of the wrong type.
///
/// # Errors
/// 400.
pub fn check_fields(kind: &Kind, value: &mut Value) -> Result<Vec<String>, Status> {
    let Some(message) = kind.message().and_then(message) else { return Ok(Vec::new()) };
    let unknown = fields::check(message, value).map_err(|why| unfit(kind, &why))?;
    Ok(unknown.into_iter().map(|path| format!("unknown field {path:?}")).collect())
}

/// 400 for a body that is no object of `kind`.
#[must_use]
pub fn unfit(kind: &Kind, why: &str) -> Status {
    let name = &kind.kind;
    Status::bad_request(format!("{name} in version {:?} cannot be handled as a {name}: {why}", kind.version))
}

pub fn default(kind: &Kind, value: &mut Value) {
    let _ = (kind, value);
}

/// # Errors
/// 422.
pub fn validate_new(kind: &Kind, value: &Value) -> Result<(), Status> {
    let _ = (kind, value);
    Ok(())
}

/// # Errors
/// 422.
pub fn validate_update(kind: &Kind, old: &Value, new: &Value, subresource: &str) -> Result<(), Status> {
    let _ = (kind, old, new, subresource);
    Ok(())
}

/// # Errors
/// 400 for what is no patch, 422 for a patch that does not apply.
pub fn patch(kind: &Kind, way: Patch, old: &Value, patch: &Value) -> Result<Value, Status> {
    match (way, kind.message().and_then(message)) {
        (Patch::Json, _) => api::patch::json::apply(old, patch),
        (Patch::Strategic, Some(message)) => api::patch::strategic::apply(message, old, patch),
        _ => api::patch::merge::apply(old, patch),
    }
}

/// # Errors
/// 409 for conflicts.
pub fn apply(call: &Call, old: Option<&Value>, wanted: &Value, options: &WriteOptions) -> Result<Value, Status> {
    let _ = (call, options);
    Ok(old.unwrap_or(wanted).clone())
}
