//! An object in the form that was asked for: its own bytes when it can be, another version, protobuf, Table, metadata or YAML when not.
use crate::call::Call;
use crate::negotiate::{Form, form_of_error};
use crate::request::{Content, Response};
use api::codec::protobuf::encode::Printer;
use api::kind::{Kind, Schema};
use api::object::Object;
use api::revision::Millis;
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

    /// The object's bytes: its own, unless it is stored in another version or its schema is newer than it.
    #[must_use]
    pub fn bytes(&self, object: &Object) -> Bytes {
        if self.own(object) {
            return object.bytes.clone();
        }
        // Same shape under another name is converted by renaming; see `api::kinds::convert`.
        serde_json::to_vec(&self.value(object)).unwrap_or_default().into()
    }

    #[must_use]
    pub fn value(&self, object: &Object) -> Value {
        let value = object.value();
        if self.own(object) {
            return value;
        }
        let mut value = api::kinds::convert::from_storage(&self.kind, value);
        value["apiVersion"] = self.kind.api_version().into();
        if let Schema::Custom(schema) = &self.kind.schema {
            schema.prune(&mut value);
            schema.default(&mut value);
        }
        value
    }

    /// Whether it is shown as it is stored: in this version, and by the schema that this version has now.
    fn own(&self, object: &Object) -> bool {
        object.revision.0 > self.kind.defined && object.bytes.starts_with(&self.head)
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
    json!({"kind": PARTIAL, "apiVersion": META_VERSION, "metadata": meta})
}

/// A response with one object.
///
/// # Errors
/// 400 for an unknown `includeObject`.
pub fn one(call: &Call, code: u16, object: &Arc<Object>) -> Result<Response, Status> {
    match call.form {
        Form::Json => Ok(Response::json(code, bytes(call, object))),
        Form::Yaml => yaml(code, &value(call, object)),
        Form::Protobuf | Form::MetadataProtobuf => Ok(Response::protobuf(code, Envelopes::of(call)?.object(object)?)),
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
/// 500 if the value has not this form.
pub fn answer(call: &Call, code: u16, value: &Value) -> Result<Response, Status> {
    answer_in(call.form, code, value)
}

/// As `answer`, in a form of the caller's choice.
///
/// # Errors
/// As `answer`.
pub fn answer_in(form: Form, code: u16, value: &Value) -> Result<Response, Status> {
    match form {
        Form::Metadata => Ok(Response::value(code, &partial(value))),
        Form::MetadataProtobuf => {
            let json = serde_json::to_vec(value).unwrap_or_default();
            Ok(Response::protobuf(code, Printer::metadata().object(META_VERSION, PARTIAL, &json)?))
        }
        _ => plain(form, code, value),
    }
}

/// A response with a Status: it is never a Table and has no metadata to be asked for alone.
///
/// # Errors
/// 500 if the value has not this form.
pub fn plain(form: Form, code: u16, value: &Value) -> Result<Response, Status> {
    let protobuf = matches!(form, Form::Protobuf | Form::MetadataProtobuf);
    let names = (value["apiVersion"].as_str().unwrap_or_default(), value["kind"].as_str().unwrap_or_default());
    match if protobuf { Printer::of_kind(names.0, names.1) } else { None } {
        Some(printer) => {
            let json = serde_json::to_vec(value).unwrap_or_default();
            Ok(Response::protobuf(code, printer.object(names.0, names.1, &json)?))
        }
        None if form == Form::Yaml => yaml(code, value),
        None => Ok(Response::value(code, value)),
    }
}

/// An error in a form that its reader takes.
#[must_use]
pub fn refused(accept: Option<&str>, status: Status) -> Response {
    let form = form_of_error(accept);
    if form == Form::Json {
        return status.into();
    }
    let told = plain(form, status.code, &status.to_value());
    let (code, mut response) = (status.code, Response::from(status));
    if let Ok(told) = told {
        debug_assert_eq!(code, told.code.as_u16());
        response.content = told.content;
        response.headers.extend(told.headers);
    }
    response
}

const META_VERSION: &str = "meta.k8s.io/v1";
const PARTIAL: &str = "PartialObjectMetadata";

/// Objects as protobuf: whole, or their metadata alone.
#[derive(Clone)]
pub struct Envelopes {
    printer: Printer,
    version: Version,
    api_version: String,
    kind: String,
    list_kind: String,
}

impl Envelopes {
    /// For what the call is about, in its form.
    ///
    /// # Errors
    /// 500 for a kind that has no message; none is promised one.
    pub fn of(call: &Call) -> Result<Self, Status> {
        let (kind, version) = (&call.kind, Version::of(call));
        if call.form == Form::MetadataProtobuf {
            let (api_version, printer) = (META_VERSION.to_owned(), Printer::metadata());
            return Ok(Self {
                printer,
                version,
                api_version,
                kind: PARTIAL.into(),
                list_kind: format!("{PARTIAL}List"),
            });
        }
        let printer = kind.message().and_then(Printer::of);
        let printer = printer.ok_or_else(|| Status::internal(format!("{} has no protobuf form", kind.kind)))?;
        let (api_version, list_kind) = (kind.api_version(), kind.list_kind.to_string());
        Ok(Self { printer, version, api_version, kind: kind.kind.to_string(), list_kind })
    }

    /// # Errors
    /// 500 if the object cannot be read.
    pub fn object(&self, object: &Object) -> Result<Vec<u8>, Status> {
        self.json(&self.version.bytes(object))
    }

    /// # Errors
    /// 500 if `json` is no object.
    pub fn json(&self, json: &[u8]) -> Result<Vec<u8>, Status> {
        self.printer.object(&self.api_version, &self.kind, json)
    }

    /// # Errors
    /// 500 if an object cannot be read.
    pub fn list(&self, meta: &Value, objects: &[Arc<Object>]) -> Result<Vec<u8>, Status> {
        let items = objects.iter().map(|object| self.version.bytes(object));
        self.printer.list(&self.api_version, &self.list_kind, meta.to_string().as_bytes(), items)
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
    // In the past, an age is that of then.
    let now = call.past.as_ref().map_or_else(|| Millis(rt::wall()), |past| past.time());
    let version = Version::of(call);
    let rows: Vec<Value> = objects.iter().map(|object| row(&version, include, object, now)).collect();
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

/// One row of a table, as of `now`.
#[must_use]
pub fn row(version: &Version, include: Include, object: &Object, now: Millis) -> Value {
    let value = version.value(object);
    let cells = api::codec::table::cells(&version.kind, &value, now);
    let shown = match include {
        Include::Nothing => return json!({"cells": cells}),
        Include::Metadata => partial(&value),
        Include::Object => value,
    };
    json!({"cells": cells, "object": shown})
}
