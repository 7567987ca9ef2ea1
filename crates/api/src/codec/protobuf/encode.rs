//! JSON into protobuf: an object, a list, a watch event, as Kubernetes' generated code writes them (proto2, fields by number, maps by
//! key). It writes what the JSON says and no zeros beside it. It knows no request.
//!
//! An answer is `k8s\0` and a `runtime.Unknown`; a watch is frames of a length (4 bytes, big endian) and a bare `meta/v1` WatchEvent,
//! whose object is a whole envelope again.
use crate::base64;
use crate::codec::protobuf::back::Back;
use crate::codec::protobuf::envelope::{MAGIC, of_kind};
use crate::codec::protobuf::plan::{Kind, Plans, Step, plans};
use crate::codec::protobuf::tree::{Members, Node, read};
use crate::schema::structure::Shape;
use crate::status::Status;

/// Writes the objects of one message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Printer {
    message: u16,
}

impl Printer {
    /// For the message of that name (`api::kind::Kind::message`); `None` if there is none.
    #[must_use]
    pub fn of(message: &str) -> Option<Self> {
        plans().find(message).map(|message| Self { message })
    }

    /// For a kind by its names, stored or not: Scale, Status, reviews.
    #[must_use]
    pub fn of_kind(api_version: &str, kind: &str) -> Option<Self> {
        Self::of(of_kind(api_version, kind)?.name)
    }

    /// For `PartialObjectMetadata`: what it writes of an object of any kind is the metadata alone.
    #[must_use]
    pub fn metadata() -> Self {
        Self { message: Plans::metadata() }
    }

    /// The object in `json`, in an envelope that gives it this version and kind.
    ///
    /// # Errors
    /// 500 if `json` is no JSON object.
    pub fn object(self, api_version: &str, kind: &str, json: &[u8]) -> Result<Vec<u8>, Status> {
        let mut members = read(json, self.message).map_err(broken)?;
        let mut out = Back::new(json.len() + ENVELOPE_BYTES);
        out.put(NO_CONTENT_TYPE);
        let start = out.written();
        message(&mut out, self.message, &mut members);
        out.close(2, start);
        envelope(&mut out, api_version, kind);
        Ok(out.take())
    }

    /// A list of the objects; `meta` is the JSON of its ListMeta.
    ///
    /// # Errors
    /// 500 if one of them is no JSON object.
    pub fn list<B: AsRef<[u8]>>(
        self,
        api_version: &str,
        kind: &str,
        meta: &[u8],
        items: impl DoubleEndedIterator<Item = B>,
    ) -> Result<Vec<u8>, Status> {
        let mut out = Back::new(LIST_BYTES);
        out.put(NO_CONTENT_TYPE);
        let start = out.written();
        for item in items.rev() {
            let mut members = read(item.as_ref(), self.message).map_err(broken)?;
            let mark = out.written();
            message(&mut out, self.message, &mut members);
            out.close(2, mark);
        }
        let mark = out.written();
        message(&mut out, plans().list_meta, &mut read(meta, plans().list_meta).map_err(broken)?);
        out.close(1, mark);
        out.close(2, start);
        envelope(&mut out, api_version, kind);
        Ok(out.take())
    }
}

/// Adds a frame of a watch: `what` happened to the object in `envelope`.
pub fn event(buffer: &mut Vec<u8>, what: &str, envelope: &[u8]) {
    // Only the heads are written backwards; the object's bytes follow them.
    let mut head = Back::new(EVENT_BYTES);
    head.head(1, envelope.len());
    let raw = head.written() + envelope.len();
    head.head(2, raw);
    head.text(1, what.as_bytes());
    let head = head.take();
    let length = u32::try_from(head.len() + envelope.len()).unwrap_or(u32::MAX);
    buffer.extend_from_slice(&length.to_be_bytes());
    buffer.extend_from_slice(&head);
    buffer.extend_from_slice(envelope);
}

/// What an envelope takes beside the object, about.
const ENVELOPE_BYTES: usize = 128;
/// What a watch event takes beside its object.
const EVENT_BYTES: usize = 32;
/// The room a list begins with.
const LIST_BYTES: usize = 4_096;
/// Unknown's contentEncoding and contentType, both empty.
const NO_CONTENT_TYPE: &[u8] = &[0x1a, 0, 0x22, 0];

fn broken(why: serde_json::Error) -> Status {
    Status::internal(format!("an object cannot be read: {why}"))
}

fn envelope(out: &mut Back, api_version: &str, kind: &str) {
    let mark = out.written();
    out.text(2, kind.as_bytes());
    out.text(1, api_version.as_bytes());
    out.close(1, mark);
    out.put(MAGIC);
}

fn message(out: &mut Back, number: u16, members: &mut Members<'_>) {
    let plan = plans().get(number);
    members.sort_by_key(|(at, _)| *at);
    for (at, node) in members.iter_mut().rev() {
        field(out, plan.steps[usize::from(*at)], node);
    }
}

fn field(out: &mut Back, step: Step, node: &mut Node<'_>) {
    match (step.shape, node) {
        (Shape::List, Node::List(items)) => {
            items.iter_mut().rev().for_each(|item| one(out, step.number, step.kind, item))
        }
        (Shape::Map, Node::Map(entries)) => {
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            for (key, value) in entries.iter_mut().rev() {
                let mark = out.written();
                one(out, 2, step.kind, value);
                out.text(1, key.as_bytes());
                out.close(step.number, mark);
            }
        }
        // Absent, unless it is one of a list.
        (Shape::One, Node::Raw("null")) => {}
        (Shape::One, node) => one(out, step.number, step.kind, node),
        _ => {}
    }
}

fn one(out: &mut Back, number: u32, kind: Kind, node: &mut Node<'_>) {
    let mark = out.written();
    match (kind, node) {
        (Kind::Bool, Node::Bool(flag)) => return out.number(number, u64::from(*flag)),
        (Kind::Int, Node::Int(value)) => return out.number(number, value.cast_unsigned()),
        (Kind::Double, Node::Double(value)) => return out.double(number, *value),
        (Kind::Text, Node::Text(text)) => return out.text(number, text.as_bytes()),
        (Kind::Bytes, Node::Text(text)) => return out.text(number, &base64::decode(text).unwrap_or_default()),
        (Kind::Message(inner), Node::Message(members)) => message(out, inner, members),
        (Kind::Quantity, Node::Text(text)) => out.text(1, text.as_bytes()),
        (Kind::IntOrString, Node::Int(value)) => int_or_string(out, 0, *value, ""),
        (Kind::IntOrString, Node::Text(text)) => int_or_string(out, 1, 0, text),
        (Kind::Time, Node::Text(text)) => time(out, text),
        (Kind::Any, Node::Raw("null")) => {}
        (Kind::Any, Node::Raw(text)) => out.text(1, text.as_bytes()),
        (Kind::Strings, Node::List(items)) => texts(out, 1, items),
        (Kind::SchemaOrBool, Node::Bool(flag)) => out.number(1, u64::from(*flag)),
        (Kind::SchemaOrBool, Node::Message(members)) => {
            schema(out, 2, members);
            out.number(1, 1);
        }
        (Kind::SchemaOrArray | Kind::SchemaOrStrings, Node::Message(members)) => schema(out, 1, members),
        (Kind::SchemaOrStrings, Node::List(items)) => texts(out, 2, items),
        (Kind::SchemaOrArray, Node::List(items)) => {
            items.iter_mut().rev().for_each(|item| one(out, 2, Kind::Message(plans().schema), item));
        }
        _ => return,
    }
    out.close(number, mark);
}

fn schema(out: &mut Back, number: u32, members: &mut Members<'_>) {
    let mark = out.written();
    message(out, plans().schema, members);
    out.close(number, mark);
}

fn texts(out: &mut Back, number: u32, items: &mut [Node<'_>]) {
    items.iter_mut().rev().for_each(|item| one(out, number, Kind::Text, item));
}

/// All three are always written.
fn int_or_string(out: &mut Back, which: u64, number: i64, text: &str) {
    out.text(3, text.as_bytes());
    out.number(2, number.cast_unsigned());
    out.number(1, which);
}

/// {1 seconds, 2 nanos}, both always; what is no time is none.
fn time(out: &mut Back, text: &str) {
    let Ok(stamp) = text.parse::<jiff::Timestamp>() else { return };
    let nanos = i64::from(stamp.subsec_nanosecond());
    out.number(2, nanos.rem_euclid(NANOS).cast_unsigned());
    out.number(1, (stamp.as_second() - i64::from(nanos < 0)).cast_unsigned());
}

const NANOS: i64 = 1_000_000_000;

#[cfg(test)]
mod tests;
