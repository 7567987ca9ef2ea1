//! Makes the frames of a watch: one JSON object a line, or protobuf with a length before each. What is one for all who watch in the same
//! form is made once (`frames`). It waits for nothing.
use crate::call::Call;
use crate::frames::Frames;
use crate::negotiate::Form;
use crate::request::text_of;
use crate::shape::{Envelopes, Include, Version, partial, row};
use api::codec::protobuf::encode::{self, Printer};
use api::kind::Kind;
use api::object::Object;
use api::revision::{Millis, Revision};
use api::status::Status;
use bytes::Bytes;
use serde_json::{Value, json};
use std::sync::Arc;

/// Marks the bookmark after the present state, KEP-3157.
const INITIAL_EVENTS_END: &str = "k8s.io/initial-events-end";

/// Writes for one watcher.
pub(super) struct Writer {
    form: Form,
    kind: Arc<Kind>,
    version: Version,
    envelopes: Option<Envelopes>,
    include: Include,
    frames: Arc<Frames>,
    /// A table's columns are sent with the first frame only.
    headed: bool,
}

impl Writer {
    /// # Errors
    /// 400 for an unknown `includeObject`, 500 for a kind without the form that was promised.
    pub(super) fn of(call: &Call) -> Result<Self, Status> {
        let (form, kind, include) = (call.form, call.kind.clone(), Include::of(call)?);
        let envelopes = matches!(form, Form::Protobuf | Form::MetadataProtobuf).then(|| Envelopes::of(call));
        let name =
            format!("{form:?} {include:?} {} {} {} {}", kind.api_version(), kind.resource, kind.plural, kind.defined);
        Ok(Self {
            form,
            version: Version::new(&kind),
            kind,
            envelopes: envelopes.transpose()?,
            include,
            frames: call.room.forms.of(name),
            headed: false,
        })
    }

    /// Writes an object of the present state.
    pub(super) fn object(&mut self, buffer: &mut Vec<u8>, what: &str, object: &Object) {
        let headed = std::mem::replace(&mut self.headed, true);
        self.write(buffer, what, object, headed);
    }

    /// The frame of an event, shared with all who watch so. A revision changed one object, so it and `what` say which frame is meant.
    pub(super) fn event(&mut self, what: &'static str, object: &Object) -> Bytes {
        let headed = std::mem::replace(&mut self.headed, true);
        let make = |headed| {
            let mut buffer = Vec::with_capacity(object.bytes.len() + FRAME_BYTES);
            self.write(&mut buffer, what, object, headed);
            Bytes::from(buffer)
        };
        match self.form {
            Form::Table if !headed => make(false),
            Form::Table => self.frames.get((object.revision, what, rt::wall() / 1_000), || make(true)),
            _ => self.frames.get((object.revision, what, 0), || make(headed)),
        }
    }

    fn write(&self, buffer: &mut Vec<u8>, what: &str, object: &Object, headed: bool) {
        if let Some(envelopes) = &self.envelopes {
            return framed(buffer, what, envelopes.object(object));
        }
        buffer.extend_from_slice(b"{\"type\":\"");
        buffer.extend_from_slice(what.as_bytes());
        buffer.extend_from_slice(b"\",\"object\":");
        match self.form {
            Form::Metadata => buffer.extend_from_slice(&text_of(&partial(&object.value()))),
            Form::Table => {
                let rows = vec![row(&self.version, self.include, object, Millis(rt::wall()))];
                self.table(buffer, object.revision, rows, headed);
            }
            _ => buffer.extend_from_slice(&self.version.bytes(object)),
        }
        if buffer.last() == Some(&b'\n') {
            buffer.pop();
        }
        buffer.extend_from_slice(b"}\n");
    }

    fn table(&self, buffer: &mut Vec<u8>, revision: Revision, rows: Vec<Value>, headed: bool) {
        let columns = if headed { Value::Null } else { api::codec::table::columns(&self.kind) };
        let table = json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1",
            "metadata": {"resourceVersion": revision.to_string()}, "columnDefinitions": columns, "rows": rows});
        buffer.extend_from_slice(&text_of(&table));
    }

    pub(super) fn bookmark(&self, buffer: &mut Vec<u8>, revision: Revision, initial: bool) {
        let mut meta = json!({"resourceVersion": revision.to_string(), "creationTimestamp": null});
        if initial {
            meta["annotations"] = json!({INITIAL_EVENTS_END: "true"});
        }
        if let Some(envelopes) = &self.envelopes {
            return framed(buffer, "BOOKMARK", envelopes.json(json!({ "metadata": meta }).to_string().as_bytes()));
        }
        let object = match self.form {
            Form::Metadata => {
                json!({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": meta})
            }
            Form::Table => json!({"kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": meta, "rows": []}),
            _ => json!({"kind": &*self.kind.kind, "apiVersion": self.kind.api_version(), "metadata": meta}),
        };
        buffer.extend_from_slice(&text_of(&json!({"type": "BOOKMARK", "object": object})));
    }

    pub(super) fn error(&self, buffer: &mut Vec<u8>, status: &Status) {
        let value = status.to_value();
        match Printer::of_kind("v1", "Status").filter(|_| self.envelopes.is_some()) {
            Some(printer) => framed(buffer, "ERROR", printer.object("v1", "Status", value.to_string().as_bytes())),
            None => buffer.extend_from_slice(&text_of(&json!({"type": "ERROR", "object": value}))),
        }
    }
}

/// What a frame takes beside its object, about.
const FRAME_BYTES: usize = 64;

/// One frame of protobuf. An object that cannot be read was never written by us; the watch goes on without it.
fn framed(buffer: &mut Vec<u8>, what: &str, envelope: Result<Vec<u8>, Status>) {
    match envelope {
        Ok(envelope) => encode::event(buffer, what, &envelope),
        Err(why) => tracing::error!(%why, "an object was left out of a watch"),
    }
}
