//! Bodies: JSON, YAML and protobuf become an object of their kind, with defaults, validated, stored and printed. Nobody is asked.
use api::apply::place::Place;
use api::apply::{self, Writer};
use api::codec;
use api::key::Key;
use api::kind::Kind;
use api::kinds::set::Kinds;
use api::object::Uid;
use api::revision::{Millis, Revision};
use api::schema;
use serde_json::Value;
use std::sync::{Arc, LazyLock};

static KINDS: LazyLock<Kinds> = LazyLock::new(|| Kinds::new([]));

/// A JSON body. What is printed of it reads back the same.
pub fn json(bytes: &[u8]) {
    let Ok(parsed) = codec::json::parse(bytes) else { return };
    let printed = serde_json::to_vec(&parsed.value).expect("a value is printed");
    let again = codec::json::parse(&printed).expect("what was printed is read");
    assert_eq!(again.value, parsed.value, "it reads back otherwise");
    assert!(again.duplicates.is_empty());
    let _ = codec::json::in_document_order(bytes, parsed.complaints());
    take(parsed.value);
}

/// A YAML body. It is short, as reading YAML is slow.
pub fn yaml(bytes: &[u8]) {
    let Ok(parsed) = codec::yaml::parse(bytes) else { return };
    let printed = codec::yaml::print(&parsed.value).expect("a value is printed");
    let again = codec::yaml::parse(printed.as_bytes()).expect("what was printed is read");
    assert_eq!(again.value, parsed.value, "it reads back otherwise");
    take(parsed.value);
}

/// A protobuf body with its envelope; without one, `KIND VERSION` and a line's end go before the bytes of the object.
pub fn protobuf(bytes: &[u8]) {
    let enveloped = bytes.starts_with(b"k8s\0").then(|| bytes.to_vec()).or_else(|| envelope(bytes));
    if let Some(value) = enveloped.and_then(|bytes| codec::protobuf::parse(&bytes).ok()) {
        take(value);
    }
}

fn envelope(bytes: &[u8]) -> Option<Vec<u8>> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (kind, version) = std::str::from_utf8(&bytes[..end]).ok()?.split_once(' ')?;
    let mut meta = Vec::new();
    field(&mut meta, 1, version.as_bytes());
    field(&mut meta, 2, kind.as_bytes());
    let mut out = b"k8s\0".to_vec();
    field(&mut out, 1, &meta);
    field(&mut out, 2, &bytes[end + 1..]);
    Some(out)
}

/// A field of bytes.
fn field(out: &mut Vec<u8>, number: u8, bytes: &[u8]) {
    out.push(number << 3 | 2);
    let mut length = bytes.len();
    while length > 0x7f {
        out.push((length & 0x7f) as u8 | 0x80);
        length >>= 7;
    }
    out.push(length as u8);
    out.extend_from_slice(bytes);
}

/// The kind that an object says it is of, a Pod if it says none that is known.
pub fn kind_of(value: &Value) -> Arc<Kind> {
    let text = |member: &str| value.get(member).and_then(Value::as_str).unwrap_or_default();
    let found = KINDS.by_api_version(text("apiVersion"), text("kind")).or_else(|| KINDS.by_name("pods"));
    found.cloned().expect("pods are known")
}

/// An object on its way: fields, defaults, validation, the stored form, the columns of a table.
fn take(mut value: Value) {
    let kind = kind_of(&value);
    let Ok(complaints) = schema::check_fields(&kind, &mut value) else { return };
    let mut again = value.clone();
    assert_eq!(schema::check_fields(&kind, &mut again), Ok(Vec::new()), "after {complaints:?}");
    assert_eq!(again, value, "fields are taken out once");
    schema::default(&kind, &mut value);
    let mut again = value.clone();
    schema::default(&kind, &mut again);
    assert_eq!(again, value, "defaults are filled in once");
    let _ = schema::validate::new_object(&kind, &value);
    let _ = schema::validate::update(&kind, &value, &value, "");
    if &*kind.kind == "CustomResourceDefinition" {
        define(&value);
    }
    store(&kind, &value);
}

/// A definition's own kinds, and an object of each: the definition itself, under their names.
fn define(definition: &Value) {
    for kind in api::kinds::custom::from_crd(definition).into_iter().flatten() {
        let mut value = definition.clone();
        value["apiVersion"] = kind.api_version().into();
        value["kind"] = (*kind.kind).into();
        let Ok(_) = schema::check_fields(&kind, &mut value) else { continue };
        schema::default(&kind, &mut value);
        let _ = schema::validate::new_object(&kind, &value);
        store(&kind, &value);
    }
}

fn store(kind: &Kind, value: &Value) {
    let Ok(body) = api::kinds::body(&kind.resource, value) else { return };
    let object = body.join(Key::new(&kind.resource, "n", "x"), Uid(7), Millis(1_000), Revision(12));
    assert_eq!(object.body(), body, "the hole is filled and taken out again");
    let stored = object.value();
    assert!(stored.is_object(), "what is stored can be read");
    assert_eq!(stored.get("spec"), value.get("spec"));
    let _ = codec::table::columns(kind);
    let mut noted = stored;
    let writer = Writer { name: "m", api_version: "v1", subresource: "", time: "2026-01-01T00:00:00Z", force: false };
    apply::note(Place::of(kind), None, &mut noted, writer);
}
