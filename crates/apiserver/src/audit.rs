//! The audit stream: events (audit.k8s.io/v1) of the requests that the policy names, a JSON line each, handed to a sink. Writes are
//! in the log in any case; this is for reads, and for who wants files. It holds no request back: a sink that is full loses, and says so.
mod event;
pub mod sink;

use crate::limits::AUDIT_OBJECT_BYTES_MAX;
use crate::negotiate;
use crate::request::{Content, Pieces, Response, Upgrade};
use crate::room::Room;
use crate::rules;
use crate::trail::Trail;
use api::audit::{Level, Stage};
use bytes::Bytes;
use event::Event;
use futures::StreamExt;
use hyper::header::CONTENT_TYPE;
use serde::Deserialize;
use serde_json::Value;
use std::sync::Arc;

/// Bytes of an answer that went well and may still be a Status.
const STATUS_BYTES_MAX: usize = 4_096;
/// Marks an event whose objects were too large, as Kubernetes' truncating backend does.
const TRUNCATED: &str = "audit.k8s.io/truncated";

/// Tells of a request that came in.
pub fn received(room: &Room, trail: &Trail) {
    emit(room, trail, Stage::RequestReceived, 0, None);
}

/// Tells of an answer; one that goes on is told of again at its end.
#[must_use]
pub fn answered(room: &Arc<Room>, trail: Trail, mut response: Response) -> Response {
    if room.parts.audit.is_none() {
        return response;
    }
    let code = response.code.as_u16();
    response.content = match response.content {
        Content::Whole(bytes) => {
            let media = response.headers.get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
            emit(room, &trail, Stage::ResponseComplete, code, Some((media, &bytes)));
            Content::Whole(bytes)
        }
        Content::Pieces(pieces) => {
            emit(room, &trail, Stage::ResponseStarted, code, None);
            let end = End { room: room.clone(), trail, code };
            let told: Pieces = Box::pin(pieces.map(move |piece| {
                let _ = &end;
                piece
            }));
            Content::Pieces(told)
        }
        Content::Upgrade(run) => {
            emit(room, &trail, Stage::ResponseStarted, code, None);
            let end = End { room: room.clone(), trail, code };
            let told: Upgrade = Box::new(move |stream| {
                Box::pin(async move {
                    run(stream).await;
                    drop(end);
                })
            });
            Content::Upgrade(told)
        }
    };
    response
}

/// Tells of a request that met a defect.
pub fn panicked(room: &Room, trail: &Trail) {
    emit(room, trail, Stage::Panic, 500, None);
}

/// The end of an answer that goes on, whoever ends it.
struct End {
    room: Arc<Room>,
    trail: Trail,
    code: u16,
}

impl Drop for End {
    fn drop(&mut self) {
        emit(&self.room, &self.trail, Stage::ResponseComplete, self.code, None);
    }
}

fn emit(room: &Room, trail: &Trail, stage: Stage, code: u16, answer: Option<(&str, &Bytes)>) {
    let Some(audit) = &room.parts.audit else { return };
    let level = audit.policy.level(&trail.facts(), stage);
    if level == Level::None {
        return;
    }
    let mut event = Event::new(trail, stage, level, code);
    if stage != Stage::RequestReceived {
        complete(&mut event, trail);
    }
    if let Some((media, bytes)) = answer {
        said(&mut event, code, media, bytes);
    }
    if level >= Level::Request && stage != Stage::RequestReceived {
        event.request_object = object(&mut event, trail.content_type(), &trail.body);
    }
    if let (Level::RequestResponse, Some((media, bytes))) = (level, answer) {
        event.response_object = object(&mut event, Some(media), bytes);
    }
    room.metrics.audited(audit.sink.take(event.line()));
}

/// What the URL does not say of the object that is written, its body does: its name where it is created, and which one of that name.
fn complete(event: &mut Event<'_>, trail: &Trail) {
    let writes = matches!(trail.verb, "create" | "update");
    // Whoever was refused was refused before the body was read.
    let Some(reference) = event.object_ref.as_mut().filter(|_| writes && trail.rule.is_some()) else { return };
    let Some(named) = named(trail) else { return };
    let parts = [
        (&mut reference.namespace, named.namespace),
        (&mut reference.name, named.name),
        (&mut reference.uid, named.uid),
        (&mut reference.resource_version, named.resource_version),
    ];
    for (known, told) in parts.into_iter().filter(|(known, _)| known.is_empty()) {
        *known = told.unwrap_or_default().into();
    }
}

/// Which object a body is.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Named {
    namespace: Option<String>,
    name: Option<String>,
    uid: Option<String>,
    resource_version: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Metadata {
    metadata: Named,
}

/// JSON is looked through for this alone; other forms are read whole.
fn named(trail: &Trail) -> Option<Named> {
    if let (negotiate::Body::Json, true) = (form(trail.content_type()), trail.body.len() <= AUDIT_OBJECT_BYTES_MAX)
        && let Ok(found) = serde_json::from_slice::<Metadata>(&trail.body)
    {
        return Some(found.metadata);
    }
    let object = decoded(trail.content_type(), &trail.body)?;
    let text = |member: &str| object["metadata"][member].as_str().map(str::to_owned);
    Some(Named {
        namespace: text("namespace"),
        name: text("name"),
        uid: text("uid"),
        resource_version: text("resourceVersion"),
    })
}

/// What a Status that is answered says stands in the event at any level.
fn said(event: &mut Event<'_>, code: u16, media: &str, bytes: &Bytes) {
    let mark: &[u8] = b"Status";
    if code < 400 && (bytes.len() > STATUS_BYTES_MAX || !bytes.windows(mark.len()).any(|window| window == mark)) {
        return;
    }
    let Some(mut answer) = decoded(Some(media), bytes) else { return };
    if answer["kind"] != "Status" || answer["apiVersion"] != "v1" {
        return;
    }
    let Some(response) = &mut event.response_status else { return };
    for member in ["status", "message", "reason", "details"] {
        let told = answer[member].take();
        if !told.is_null() {
            response.said.insert(member, told);
        }
    }
}

/// A body as an object of the event; one that is none or too large is left out.
fn object(event: &mut Event<'_>, media: Option<&str>, bytes: &Bytes) -> Option<Value> {
    if bytes.len() > AUDIT_OBJECT_BYTES_MAX {
        event.annotations.insert(TRUNCATED, "true");
    }
    decoded(media, bytes)
}

/// A body as an object; none if it is too large.
fn decoded(media: Option<&str>, bytes: &Bytes) -> Option<Value> {
    if bytes.is_empty() || bytes.len() > AUDIT_OBJECT_BYTES_MAX {
        return None;
    }
    rules::decode_any(form(media), bytes).ok()
}

/// A patch in YAML is an object too; JSON patches are lists.
fn form(media: Option<&str>) -> negotiate::Body {
    match negotiate::media(media) {
        "application/vnd.kubernetes.protobuf" => negotiate::Body::Protobuf,
        media if media.ends_with("yaml") => negotiate::Body::Yaml,
        _ => negotiate::Body::Json,
    }
}
