//! An object as the state holds it: its canonical JSON, made once, and its facet. Nothing here decodes more than it is asked for.
use crate::facet::Facet;
use crate::key::Key;
use crate::revision::{Millis, Revision};
pub use crate::uid::Uid;
use bytes::Bytes;
use serde_json::Value;
use std::fmt::Write as _;

/// What a writer hands over: canonical JSON with one hole, where the fold puts `creationTimestamp`, `resourceVersion` and `uid`.
///
/// `text` is `{"apiVersion":…,"kind":…,"metadata":{` then, at `hole`, `"name":…`: at least one member follows the hole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Body {
    pub text: Bytes,
    pub hole: u32,
    pub facet: Facet,
}

/// An object at one revision. Its bytes are shared by every get, list and watcher.
#[derive(Clone, PartialEq, Eq)]
pub struct Object {
    pub key: Key,
    pub uid: Uid,
    pub created: Millis,
    pub revision: Revision,
    /// The whole object as JSON.
    pub bytes: Bytes,
    /// Where the members that the fold wrote stand in `bytes`: what is outside is the body as submitted.
    pub hole: (u32, u32),
    pub facet: Facet,
}

/// Why a value cannot be an object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum BodyError {
    NotAnObject,
    NoKind,
    NoName,
    TooLarge(usize),
    /// It nests more levels than can be read back.
    TooDeep,
}

impl std::fmt::Display for BodyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NotAnObject => f.write_str("an object is a JSON object with metadata"),
            Self::NoKind => f.write_str("an object needs apiVersion and kind"),
            Self::NoName => f.write_str("an object needs metadata.name"),
            Self::TooLarge(size) => {
                write!(f, "an object may have {} bytes, this has {size}", crate::limits::OBJECT_BYTES_MAX)
            }
            Self::TooDeep => write!(f, "an object may nest {} levels, this nests more", crate::depth::LEVELS_MAX),
        }
    }
}

impl std::error::Error for BodyError {}

impl Body {
    /// Makes the canonical text: apiVersion, kind, metadata first, all other members sorted; drops what the fold owns.
    ///
    /// # Errors
    /// If `value` has no apiVersion, kind or metadata.name, is larger than an object may be, or nests too deeply.
    pub fn new(value: &Value, facet: Facet) -> Result<Self, BodyError> {
        let top = value.as_object().ok_or(BodyError::NotAnObject)?;
        let meta = top.get("metadata").and_then(Value::as_object).ok_or(BodyError::NotAnObject)?;
        let text_of = |name: &str| top.get(name).and_then(Value::as_str).ok_or(BodyError::NoKind);
        let name = meta.get("name").filter(|name| name.is_string()).ok_or(BodyError::NoName)?;
        if !crate::depth::readable(value) {
            return Err(BodyError::TooDeep);
        }
        let mut text = String::with_capacity(1_024);
        text.push_str("{\"apiVersion\":");
        push(&mut text, &Value::from(text_of("apiVersion")?));
        text.push_str(",\"kind\":");
        push(&mut text, &Value::from(text_of("kind")?));
        text.push_str(",\"metadata\":{");
        let hole = text.len();
        text.push_str("\"name\":");
        push(&mut text, name);
        for (member, value) in meta {
            if !matches!(member.as_str(), "name" | "creationTimestamp" | "resourceVersion" | "uid" | "selfLink") {
                member_to(&mut text, member, value);
            }
        }
        text.push('}');
        for (member, value) in top {
            if !matches!(member.as_str(), "apiVersion" | "kind" | "metadata") {
                member_to(&mut text, member, value);
            }
        }
        text.push('}');
        if text.len() > crate::limits::OBJECT_BYTES_MAX {
            return Err(BodyError::TooLarge(text.len()));
        }
        let hole = u32::try_from(hole).map_err(|_| BodyError::TooLarge(hole))?;
        Ok(Self { text: text.into(), hole, facet })
    }

    /// Fills the hole: the object at `revision`. Called by the fold only.
    #[must_use]
    pub fn join(&self, key: Key, uid: Uid, created: Millis, revision: Revision) -> Object {
        let hole = self.hole as usize;
        let (bytes, end) = fill(&self.text[..hole], &self.text[hole..], uid, created, revision);
        Object { key, uid, created, revision, bytes, hole: (self.hole, end), facet: self.facet.clone() }
    }
}

impl Object {
    /// The same object under another revision: what a watcher is sent when it is deleted.
    #[must_use]
    pub fn at(&self, revision: Revision) -> Self {
        let (start, end) = (self.hole.0 as usize, self.hole.1 as usize);
        let (bytes, end) = fill(&self.bytes[..start], &self.bytes[end..], self.uid, self.created, revision);
        Self { revision, bytes, hole: (self.hole.0, end), ..self.clone() }
    }

    /// The object decoded. Objects in the state were made by `Body::new`, so this cannot fail; a damaged one reads as null.
    #[must_use]
    pub fn value(&self) -> Value {
        crate::codec::json::value(&self.bytes).unwrap_or(Value::Null)
    }

    /// The body as it was submitted.
    #[must_use]
    pub fn body(&self) -> Body {
        let (start, end) = (self.hole.0 as usize, self.hole.1 as usize);
        let text = [&self.bytes[..start], &self.bytes[end..]].concat();
        Body { text: text.into(), hole: self.hole.0, facet: self.facet.clone() }
    }
}

fn fill(head: &[u8], tail: &[u8], uid: Uid, created: Millis, revision: Revision) -> (Bytes, u32) {
    let middle = format!(
        "\"creationTimestamp\":\"{}\",\"resourceVersion\":\"{revision}\",\"uid\":\"{uid}\",",
        created.rfc3339()
    );
    let end = head.len() + middle.len();
    let mut bytes = Vec::with_capacity(end + tail.len());
    bytes.extend_from_slice(head);
    bytes.extend_from_slice(middle.as_bytes());
    bytes.extend_from_slice(tail);
    (bytes.into(), u32::try_from(end).unwrap_or(u32::MAX))
}

fn member_to(text: &mut String, member: &str, value: &Value) {
    text.push(',');
    push(text, &Value::from(member));
    text.push(':');
    push(text, value);
}

fn push(text: &mut String, value: &Value) {
    // Writing to a String cannot fail.
    let _ = write!(text, "{value}");
}

impl std::fmt::Debug for Object {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.key, self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn hole_is_filled_and_taken_out_again() {
        let value = json!({"kind": "ConfigMap", "apiVersion": "v1", "data": {"b": "2", "a": "1"},
            "metadata": {"namespace": "n", "name": "x", "uid": "no", "resourceVersion": "9"}});
        let body = Body::new(&value, Facet::default()).expect("a config map");
        let object = body.join(Key::new("configmaps", "n", "x"), Uid(7), Millis(1_000), Revision(12));
        let text = r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"creationTimestamp":"1970-01-01T00:00:01Z","resourceVersion":"12","uid":"00000000-0000-0000-0000-000000000007","name":"x","namespace":"n"},"data":{"a":"1","b":"2"}}"#;
        assert_eq!(object.bytes, text);
        assert_eq!(object.body(), body);
        assert_eq!(object.at(Revision(13)).bytes, text.replace("\"12\"", "\"13\""));
        assert_eq!(Uid::parse(&object.uid.to_string()), Some(object.uid));
    }

    #[test]
    fn a_thing_without_name_is_no_object() {
        let value = json!({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {}});
        assert_eq!(Body::new(&value, Facet::default()), Err(BodyError::NoName));
    }
    #[test]
    fn what_could_not_be_read_back_is_no_object() {
        const LEVELS: usize = crate::depth::LEVELS_MAX - 1;
        let nested = |levels| (0..levels).fold(json!(1), |value, _| json!([value]));
        let value = |levels| json!({"kind": "Boat", "apiVersion": "rutter.dev/v1", "metadata": {"name": "x"}, "spec": nested(levels)});
        let body = Body::new(&value(LEVELS), Facet::default()).expect("as deep as can be");
        assert_eq!(
            body.join(Key::new("boats", "n", "x"), Uid(7), Millis(1), Revision(1)).value()["spec"],
            nested(LEVELS)
        );
        assert_eq!(Body::new(&value(LEVELS + 1), Facet::default()), Err(BodyError::TooDeep));
    }
}
