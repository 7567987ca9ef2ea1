//! Bodies into objects, and objects into what the log takes. What a client wrote wrongly is told in Kubernetes' words.
use crate::call::Call;
use crate::limits::{PLAIN_BYTES_MAX, YAML_AT_ONCE_BYTES_MAX};
use crate::negotiate::{self, Body as Form};
use crate::query::FieldValidation;
use crate::request::Request;
use crate::rules;
use api::kind::Kind;
use api::object::{Body, BodyError};
use api::status::Status;
use bytes::Bytes;
use hyper::header::CONTENT_TYPE;
use serde_json::Value;

/// An object as a client sent it, and what is to be said of it.
pub struct Decoded {
    pub value: Value,
    pub warnings: Vec<String>,
}

/// The body of a create or update.
///
/// # Errors
/// 415 for a form we do not read, 400 for what cannot be read or, under Strict, for unknown and duplicate fields.
pub async fn object(call: &Call, validation: FieldValidation) -> Result<Decoded, Status> {
    let form = negotiate::body(call.request.header(CONTENT_TYPE))?;
    let kind = call.kind.clone();
    let (value, complaints) = aside(form, &call.request.body, move |bytes| rules::decode(&kind, form, bytes)).await?;
    Ok(Decoded { value, warnings: judge(&call.kind, validation, complaints)? })
}

/// Reads a body, where waiting is allowed if it may take long: YAML costs a hundred times what JSON does.
///
/// # Errors
/// What `read` refuses.
pub async fn aside<T: Send + 'static>(
    form: Form,
    body: &Bytes,
    read: impl FnOnce(&[u8]) -> Result<T, Status> + Send + 'static,
) -> Result<T, Status> {
    if form != Form::Yaml || body.len() <= YAML_AT_ONCE_BYTES_MAX {
        return read(body);
    }
    let body = body.clone();
    let done = rt::blocking("yaml", move || read(&body)).await;
    done.unwrap_or_else(|_| Err(Status::internal("the body of the request was not read to its end")))
}

/// What is done about unknown and duplicate fields.
///
/// # Errors
/// 400 under Strict.
pub fn judge(kind: &Kind, validation: FieldValidation, complaints: Vec<String>) -> Result<Vec<String>, Status> {
    judged(&kind.kind, &kind.version, validation, complaints)
}

fn judged(
    name: &str,
    version: &str,
    validation: FieldValidation,
    complaints: Vec<String>,
) -> Result<Vec<String>, Status> {
    match validation {
        FieldValidation::Ignore => Ok(Vec::new()),
        FieldValidation::Warn => Ok(complaints),
        FieldValidation::Strict if complaints.is_empty() => Ok(complaints),
        FieldValidation::Strict => {
            let told = complaints.join(", ");
            let message =
                format!("{name} in version {version:?} cannot be handled as a {name}: strict decoding error: {told}");
            Err(Status::bad_request(message))
        }
    }
}

/// A body of another kind than the URL's: options, a Scale, a Binding. `None` if there is no body.
///
/// # Errors
/// As `plain`; 400 for a value of the wrong type or, under Strict, for unknown and duplicate fields.
pub fn other(request: &Request, name: &str, validation: FieldValidation) -> Result<Option<Decoded>, Status> {
    if plain(request)?.is_none() {
        return Ok(None);
    }
    let form = negotiate::body(request.header(CONTENT_TYPE))?;
    let (value, complaints) = rules::decode_as(name, form, &request.body)?;
    let kind = name.rsplit('.').next().unwrap_or(name);
    Ok(Some(Decoded { value, warnings: judged(kind, "v1", validation, complaints)? }))
}

/// A body that is no object of the kind at the URL, of whatever types. `None` if there is no body.
///
/// # Errors
/// 415 and 400 as `object`.
pub fn plain(request: &Request) -> Result<Option<Value>, Status> {
    if request.body.is_empty() {
        return Ok(None);
    }
    if request.body.len() > PLAIN_BYTES_MAX {
        let message = format!("Request entity too large: limit is {PLAIN_BYTES_MAX} for what is no object");
        return Err(Status::new(413, "RequestEntityTooLarge", message));
    }
    let form = negotiate::body(request.header(CONTENT_TYPE))?;
    let value = rules::decode_any(form, &request.body)?;
    if value.is_object() {
        Ok(Some(value))
    } else {
        Err(Status::bad_request("the body of the request is no JSON object"))
    }
}

/// The object as the log takes it.
///
/// # Errors
/// 413 if it is too large, 500 if it is no object (the verbs saw to it that it is).
pub fn stored(call: &Call, value: &Value) -> Result<Body, Status> {
    let kind = &call.kind;
    let body = if api::kinds::convert::differs(kind) {
        api::kinds::body(&kind.resource, &api::kinds::convert::to_storage(kind, value.clone()))
    } else {
        api::kinds::body(&kind.resource, value)
    };
    body.map_err(|why| match why {
        BodyError::TooLarge(_) => Status::new(413, "RequestEntityTooLarge", why.to_string()),
        other => Status::bad_request(other.to_string()),
    })
}
