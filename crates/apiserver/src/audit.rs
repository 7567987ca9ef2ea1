//! The audit stream: events (audit.k8s.io/v1) of the requests that the policy names, a JSON line each, handed to a sink. Writes are
//! in the log in any case; this is for reads, and for who wants files. It holds no request back: a sink that is full loses, and says so.
pub mod sink;

use crate::identity::User;
use crate::limits::AUDIT_OBJECT_BYTES_MAX;
use crate::negotiate;
use crate::request::{Content, Pieces, Response, Upgrade, agent, text_of};
use crate::room::Room;
use crate::rules;
use crate::trail::Trail;
use api::audit::{Level, Stage};
use api::revision::Millis;
use bytes::Bytes;
use futures::StreamExt;
use hyper::header::CONTENT_TYPE;
use serde_json::{Value, json};
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
    let mut event = event(trail, stage, level, code);
    if stage != Stage::RequestReceived {
        complete(&mut event, trail);
    }
    if let Some((media, bytes)) = answer {
        said(&mut event, code, media, bytes);
    }
    if level >= Level::Request && stage != Stage::RequestReceived {
        attach(&mut event, "requestObject", trail.content_type(), &trail.body);
    }
    if let (Level::RequestResponse, Some((media, bytes))) = (level, answer) {
        attach(&mut event, "responseObject", Some(media), bytes);
    }
    room.metrics.audited(audit.sink.take(text_of(&event)));
}

/// Everything but the objects.
fn event(trail: &Trail, stage: Stage, level: Level, code: u16) -> Value {
    let mut event = json!({
        "kind": "Event", "apiVersion": "audit.k8s.io/v1", "level": level.text(), "auditID": &*trail.audit_id,
        "stage": stage.text(), "requestURI": trail.uri(), "verb": trail.verb, "userAgent": agent(trail.agent.as_ref()),
        "user": trail.user.as_ref().map_or_else(|| json!({}), User::shown),
        "requestReceivedTimestamp": micro(trail.received), "stageTimestamp": micro(rt::wall()),
    });
    if let Some(from) = trail.from {
        event["sourceIPs"] = json!([from.to_string()]);
    }
    if let Some(acts_as) = &trail.acts_as {
        event["impersonatedUser"] = acts_as.shown();
    }
    if let Some(target) = &trail.target {
        let parts = [
            ("resource", &target.resource),
            ("namespace", &target.namespace),
            ("name", &target.name),
            ("apiGroup", &target.group),
            ("apiVersion", &target.version),
            ("subresource", &target.subresource),
        ];
        let parts = parts.into_iter().filter(|(_, text)| !text.is_empty());
        event["objectRef"] = parts.map(|(name, text)| (name.to_owned(), Value::from(text.as_str()))).collect();
    }
    if stage != Stage::RequestReceived {
        event["responseStatus"] = json!({"metadata": {}, "code": code});
        // Who was refused was refused by the rules alone if no rule let them pass.
        event["annotations"] = match &trail.rule {
            Some(rule) => json!({"authorization.k8s.io/decision": "allow", "authorization.k8s.io/reason": &**rule}),
            None => json!({"authorization.k8s.io/decision": "forbid", "authorization.k8s.io/reason": ""}),
        };
    }
    event
}

/// What the URL does not say of the object that is written, its body does: its name where it is created, and which one of that name.
fn complete(event: &mut Value, trail: &Trail) {
    let writes = matches!(trail.verb, "create" | "update");
    // Whoever was refused was refused before the body was read.
    if !writes || trail.rule.is_none() || !event["objectRef"].is_object() {
        return;
    }
    let Some(object) = decoded(trail.content_type(), &trail.body) else { return };
    let meta = &object["metadata"];
    for (member, of) in
        [("namespace", "namespace"), ("name", "name"), ("uid", "uid"), ("resourceVersion", "resourceVersion")]
    {
        if event["objectRef"].get(member).is_none()
            && let Some(text) = meta[of].as_str().filter(|text| !text.is_empty())
        {
            event["objectRef"][member] = text.into();
        }
    }
}

/// What a Status that is answered says stands in the event at any level.
fn said(event: &mut Value, code: u16, media: &str, bytes: &Bytes) {
    if code < 400 && bytes.len() > STATUS_BYTES_MAX {
        return;
    }
    let Some(answer) = decoded(Some(media), bytes) else { return };
    if answer["kind"] != "Status" || answer["apiVersion"] != "v1" {
        return;
    }
    for member in ["status", "message", "reason", "details"] {
        if !answer[member].is_null() {
            event["responseStatus"][member] = answer[member].clone();
        }
    }
}

/// Adds a body as an object; one that is none or too large is left out.
fn attach(event: &mut Value, member: &str, media: Option<&str>, bytes: &Bytes) {
    if bytes.is_empty() {
        return;
    }
    if bytes.len() > AUDIT_OBJECT_BYTES_MAX {
        event["annotations"][TRUNCATED] = "true".into();
        return;
    }
    if let Some(value) = decoded(media, bytes) {
        event[member] = value;
    }
}

/// A body as an object; none if it is too large.
fn decoded(media: Option<&str>, bytes: &Bytes) -> Option<Value> {
    if bytes.is_empty() || bytes.len() > AUDIT_OBJECT_BYTES_MAX {
        return None;
    }
    // A patch in YAML is an object too; JSON patches are lists.
    let form = match negotiate::media(media) {
        "application/vnd.kubernetes.protobuf" => negotiate::Body::Protobuf,
        media if media.ends_with("yaml") => negotiate::Body::Yaml,
        _ => negotiate::Body::Json,
    };
    rules::decode_any(form, bytes).ok()
}

/// RFC 3339 with six digits; this clock has three.
fn micro(millis: u64) -> String {
    let text = Millis(millis).rfc3339().to_string();
    let head = text.trim_end_matches('Z').split('.').next().unwrap_or_default();
    format!("{head}.{:03}000Z", millis % 1_000)
}
