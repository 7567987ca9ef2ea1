//! An object in the form that was asked for: its own bytes when it can be, another version, Table, metadata or YAML when not.
use crate::call::Call;
use crate::negotiate::Form;
use crate::request::{Content, Response};
use api::kind::Kind;
use api::object::Object;
use api::status::Status;
use bytes::Bytes;
use hyper::header::HeaderValue;
use serde_json::{Value, json};
use std::sync::Arc;

/// The version that a client reads, and how stored bytes become it.
#[derive(Clone)]
pub struct Version {
    kind: Arc<Kind>,
    /// How the bytes of an object of this very version begin.
    head: Bytes,
}

impl Version {
    #[must_use]
    pub fn of(call: &Call) -> Self {
        Self::new(&call.kind)
    }

    #[must_use]
    pub fn new(kind: &Arc<Kind>) -> Self {
        let head = format!("{{\"apiVersion\":{},", Value::from(kind.api_version()));
        Self { kind: kind.clone(), head: head.into() }
    }

    /// The object's bytes: its own, unless it is stored in another version.
    #[must_use]
    pub fn bytes(&self, object: &Object) -> Bytes {
        if object.bytes.starts_with(&self.head) {
            return object.bytes.clone();
        }
        // Same shape under another name is converted by renaming; see `api::kinds::convert`.
        serde_json::to_vec(&self.value(object)).unwrap_or_default().into()
    }

    #[must_use]
    pub fn value(&self, object: &Object) -> Value {
        let value = object.value();
        if object.bytes.starts_with(&self.head) {
            return value;
        }
        let mut value = api::kinds::convert::from_storage(&self.kind, value);
        value["apiVersion"] = self.kind.api_version().into();
        value
    }
}

#[must_use]
pub fn bytes(call: &Call, object: &Object) -> Bytes {
    Version::of(call).bytes(object)
}

#[must_use]
pub fn value(call: &Call, object: &Object) -> Value {
    Version::of(call).value(object)
}

/// `PartialObjectMetadata`.
#[must_use]
pub fn metadata(call: &Call, object: &Object) -> Value {
    let _ = call;
    partial(&object.value())
}

/// `PartialObjectMetadata` of a decoded object.
#[must_use]
pub fn partial(object: &Value) -> Value {
    let meta = object.get("metadata").cloned().unwrap_or_else(|| json!({}));
    json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta})
}

/// A response with one object.
///
/// # Errors
/// 400 for an unknown `includeObject`.
pub fn one(call: &Call, code: u16, object: &Arc<Object>) -> Result<Response, Status> {
    match call.form {
        Form::Json => Ok(Response::json(code, bytes(call, object))),
        Form::Yaml => yaml(code, &value(call, object)),
        Form::Metadata => Ok(Response::value(code, &metadata(call, object))),
        Form::Table => {
            let mut response =
                table(call, json!({"resourceVersion": object.revision.to_string()}), std::slice::from_ref(object))?;
            response.code = hyper::StatusCode::from_u16(code).unwrap_or(hyper::StatusCode::OK);
            Ok(response)
        }
    }
}

/// A response with something that is not in the log: a dry run's result, a Scale, a review.
///
/// # Errors
/// None today; a form may refuse later.
pub fn answer(call: &Call, code: u16, value: &Value) -> Result<Response, Status> {
    match call.form {
        Form::Yaml => yaml(code, value),
        Form::Metadata => Ok(Response::value(code, &partial(value))),
        Form::Json | Form::Table => Ok(Response::value(code, value)),
    }
}

/// # Errors
/// 500 if the value has no YAML form.
pub fn yaml(code: u16, value: &Value) -> Result<Response, Status> {
    let text = api::codec::yaml::print(value)?;
    Ok(Response::new(code, HeaderValue::from_static("application/yaml"), Content::Whole(text.into())))
}

/// # Errors
/// 400 for an unknown `includeObject`.
pub fn table(call: &Call, meta: Value, objects: &[Arc<Object>]) -> Result<Response, Status> {
    let include = Include::of(call)?;
    let columns = api::codec::table::columns(&call.kind);
    let rows: Vec<Value> = objects.iter().map(|object| row(call, include, object)).collect();
    let table = json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "columnDefinitions": columns, "rows": rows});
    Ok(Response::value(200, &table))
}

/// What of the object a row carries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Include {
    Nothing,
    Metadata,
    Object,
}

impl Include {
    /// # Errors
    /// 400 for another word.
    pub fn of(call: &Call) -> Result<Self, Status> {
        match call.query.get("includeObject").unwrap_or("Metadata") {
            "None" => Ok(Self::Nothing),
            "Metadata" => Ok(Self::Metadata),
            "Object" => Ok(Self::Object),
            other => Err(Status::bad_request(format!(
                "unrecognized includeObject value: {other:?}; must be None, Metadata or Object"
            ))),
        }
    }
}

/// One row of a table.
#[must_use]
pub fn row(call: &Call, include: Include, object: &Object) -> Value {
    let value = value(call, object);
    // In the past, an age is that of then.
    let now = call.past.as_ref().map_or_else(|| api::revision::Millis(rt::wall()), |past| past.time());
    let cells = api::codec::table::cells(&call.kind, &value, now);
    let shown = match include {
        Include::Nothing => return json!({"cells": cells}),
        Include::Metadata => partial(&value),
        Include::Object => value,
    };
    json!({"cells": cells, "object": shown})
}
