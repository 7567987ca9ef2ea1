//! The way to the pure functions of `api`: decoding, fields, defaults, validation, patches. Nothing is decided here.
use crate::call::Call;
use crate::draft;
use crate::negotiate::{Body, Patch};
use crate::query::WriteOptions;
use api::apply::Writer;
use api::apply::place::Place;
use api::codec::{json, protobuf, yaml};
use api::kind::Kind;
use api::schema;
use api::schema::structure::message;
use api::status::Status;
use serde_json::Value;

/// The body as a value of `kind`, and what is to be complained of: unknown and duplicate fields, in the order written.
///
/// # Errors
/// 400 if it cannot be read, or a value is of the wrong type.
pub fn decode(kind: &Kind, form: Body, bytes: &[u8]) -> Result<(Value, Vec<String>), Status> {
    let (mut value, duplicates) = decode_noting(form, bytes).map_err(|mut status| {
        if status.code == 400 {
            status.message = unrecognized(kind, &status.message, bytes);
        }
        status
    })?;
    if let Some(found) = no_object(&value).filter(|_| form == Body::Json) {
        let why = format!(
            "couldn't get version/kind; json parse error: json: cannot unmarshal {found} into Go value of type struct \
             {{ APIVersion string \"json:\\\"apiVersion,omitempty\\\"\"; Kind string \"json:\\\"kind,omitempty\\\"\" }}"
        );
        return Err(Status::bad_request(unrecognized(kind, &why, bytes)));
    }
    draft::identify(kind, &mut value)?;
    let mut complaints = check_fields(kind, &mut value)?;
    complaints.extend(duplicates);
    if complaints.len() > 1 {
        complaints = json::in_document_order(bytes, complaints);
    }
    Ok((value, complaints))
}

/// Bytes that are shown of a body that cannot be read.
const SHOWN: usize = 30;

/// As Kubernetes tells it: with the beginning of the body, in hexadecimal digits where it begins as no object does.
fn unrecognized(kind: &Kind, why: &str, bytes: &[u8]) -> String {
    let head = &bytes[..bytes.len().min(SHOWN)];
    let mut shown = match head.first() {
        None => "<empty>".to_owned(),
        Some(b'{') => String::from_utf8_lossy(head).into_owned(),
        Some(_) => head.iter().map(|byte| format!("{byte:02x}")).collect(),
    };
    if bytes.len() > SHOWN {
        shown.push_str(" ...");
    }
    format!("the object provided is unrecognized (must be of type {}): {why} ({shown})", kind.kind)
}

/// What Go calls a value that is no object; `None` for objects, and for null, which is as good as an empty one.
fn no_object(value: &Value) -> Option<&'static str> {
    match value {
        Value::Null | Value::Object(_) => None,
        Value::Array(_) => Some("array"),
        Value::String(_) => Some("string"),
        Value::Number(_) => Some("number"),
        Value::Bool(_) => Some("bool"),
    }
}

/// The patch, and the members it has twice.
///
/// # Errors
/// 400 in Kubernetes' words if it cannot be read or is no patch.
pub fn decode_patch(way: Patch, bytes: &[u8]) -> Result<(Value, Vec<String>), Status> {
    let prefix = if way == Patch::Merge { "error decoding patch: " } else { "" };
    if way == Patch::Apply {
        return decode_noting(Body::Yaml, bytes);
    }
    let parsed = json::read(bytes).map_err(|why| Status::bad_request(format!("{prefix}{why}")))?;
    let (fits, found, wanted) = match way {
        Patch::Json => {
            let found = if parsed.value.is_object() { Some("object") } else { no_object(&parsed.value) };
            (parsed.value.is_array(), found, "jsonpatch.Patch")
        }
        _ => (parsed.value.is_object(), no_object(&parsed.value), "map[string]interface {}"),
    };
    if let Some(found) = found.filter(|_| !fits) {
        let why = format!("{prefix}json: cannot unmarshal {found} into Go value of type {wanted}");
        return Err(Status::bad_request(why));
    }
    let duplicates = parsed.complaints();
    Ok((parsed.value, duplicates))
}

/// The body as the message called `name` (`schema::structure`), and what is to be complained of.
///
/// # Errors
/// 400 if it cannot be read, or a value is of the wrong type.
pub fn decode_as(name: &str, form: Body, bytes: &[u8]) -> Result<(Value, Vec<String>), Status> {
    let (mut value, duplicates) = decode_noting(form, bytes)?;
    let mut complaints = check_as(name, &mut value)?;
    complaints.extend(duplicates);
    Ok((value, json::in_document_order(bytes, complaints)))
}

/// As `check_fields`, of the message called `name`.
///
/// # Errors
/// 400.
pub fn check_as(name: &str, value: &mut Value) -> Result<Vec<String>, Status> {
    let known = message(name).ok_or_else(|| Status::internal(format!("no message is called {name}")))?;
    let short = known.short();
    let wrong = |why| format!("{short} in version \"v1\" cannot be handled as a {short}: {why}");
    let unknown = schema::fields::check(known, value).map_err(|why| Status::bad_request(wrong(why)))?;
    Ok(unknown.into_iter().map(|path| format!("unknown field \"{path}\"")).collect())
}

/// The body as a value of whatever kind, and the members it has twice.
///
/// # Errors
/// 400 if it cannot be read.
pub fn decode_noting(form: Body, bytes: &[u8]) -> Result<(Value, Vec<String>), Status> {
    match form {
        Body::Json => json::parse(bytes).map(|parsed| (parsed.complaints(), parsed.value)),
        Body::Yaml => yaml::parse(bytes).map(|parsed| (parsed.complaints(), parsed.value)),
        Body::Protobuf => protobuf::parse(bytes).map(|value| (Vec::new(), value)),
    }
    .map(|(duplicates, value)| (value, duplicates))
}

/// The body as a value of whatever kind.
///
/// # Errors
/// 400 if it cannot be read.
pub fn decode_any(form: Body, bytes: &[u8]) -> Result<Value, Status> {
    decode_noting(form, bytes).map(|(value, _)| value)
}

/// Takes unknown fields out and names them; refuses values of the wrong type.
///
/// # Errors
/// 400.
pub fn check_fields(kind: &Kind, value: &mut Value) -> Result<Vec<String>, Status> {
    schema::check_fields(kind, value)
}

/// Fills in what the object does not say.
pub fn default(kind: &Kind, value: &mut Value) {
    schema::default(kind, value);
}

/// # Errors
/// 422.
pub fn validate_new(kind: &Kind, value: &Value) -> Result<(), Status> {
    schema::validate::new_object(kind, value)
}

/// # Errors
/// 422.
pub fn validate_update(kind: &Kind, old: &Value, new: &Value, subresource: &str) -> Result<(), Status> {
    schema::validate::update(kind, old, new, subresource)
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

/// Server-side apply: the object after the caller's manager applied `wanted` to `old`. Each endpoint applies what is its own: the
/// status to `/status`, all the rest to the object itself.
///
/// # Errors
/// 409 that names what others own.
pub fn apply(call: &Call, old: Option<&Value>, wanted: &Value, options: &WriteOptions) -> Result<Value, Status> {
    let mut wanted = wanted.clone();
    let status = call.target.subresource == "status";
    if let Some(members) = wanted.as_object_mut() {
        members.retain(|name, _| match name.as_str() {
            "apiVersion" | "kind" | "metadata" => true,
            "status" => status || call.kind.subresource("status").is_none(),
            _ => !status,
        });
    }
    if status
        && !draft::labelled_with_status(&call.kind)
        && let Some(meta) = wanted.get_mut("metadata").and_then(Value::as_object_mut)
    {
        meta.remove("labels");
    }
    api::apply::apply(Place::of(&call.kind), old, &wanted, writer(call, options, &call.kind.api_version(), &now()))
}

/// Notes in `new` who owns what, after any other write.
pub fn note(call: &Call, old: Option<&Value>, new: &mut Value, options: &WriteOptions) {
    api::apply::note(Place::of(&call.kind), old, new, writer(call, options, &call.kind.api_version(), &now()));
}

fn now() -> String {
    api::revision::Millis(rt::wall()).rfc3339().to_string()
}

fn writer<'a>(call: &'a Call, options: &'a WriteOptions, api_version: &'a str, time: &'a str) -> Writer<'a> {
    Writer {
        name: call.manager(&options.manager),
        api_version,
        subresource: &call.target.subresource,
        time,
        force: options.force,
    }
}
