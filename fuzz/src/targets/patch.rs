//! Patches: three lines, `WAY`, the object as it is, and the patch. WAY is json, merge, strategic or apply. Nobody is asked.
use crate::targets::body::kind_of;
use api::apply::place::Place;
use api::apply::{self, Writer};
use api::kind::Kind;
use api::schema::structure::message;
use api::{codec, patch};
use serde_json::Value;

pub fn run(bytes: &[u8]) {
    let mut lines = bytes.splitn(3, |byte| *byte == b'\n');
    let (Some(way), Some(old), Some(new)) = (lines.next(), lines.next(), lines.next()) else { return };
    let (Ok(old), Ok(new)) = (codec::json::parse(old), codec::json::parse(new)) else { return };
    let (old, new) = (old.value, new.value);
    let kind = kind_of(&old);
    let patched = match way {
        b"json" => patch::json::apply(&old, &new),
        b"merge" => patch::merge::apply(&old, &new),
        b"strategic" => match kind.message().and_then(message) {
            Some(message) => patch::strategic::apply(message, &old, &new),
            None => return,
        },
        b"apply" => return twice(&kind, &old, &new),
        _ => return,
    };
    // What a patch makes may be too deep for an object, which is then refused; it never ends the process.
    if let Ok(patched) = patched {
        let _ = api::kinds::body(&kind.resource, &patched);
    }
}

/// Who applies the same again changes nothing, nor does another, who then owns it too.
fn twice(kind: &Kind, old: &Value, config: &Value) {
    if !config.is_object() || !old.is_object() {
        return;
    }
    let writer = |name, time, force| Writer { name, api_version: "v1", subresource: "", time, force };
    let place = Place::of(kind);
    // What is applied is checked before, and what is there was.
    if apply::check(place, config).is_err() || apply::check(place, old).is_err() {
        return;
    }
    let Ok(once) = apply::apply(place, Some(old), config, writer("a", "2026-01-01T00:00:00Z", true)) else { return };
    let again = apply::apply(place, Some(&once), config, writer("a", "2026-01-01T00:00:01Z", false));
    assert_eq!(again.as_ref(), Ok(&once), "to apply it again changes something");
    let other = apply::apply(place, Some(&once), config, writer("b", "2026-01-01T00:00:02Z", false));
    let without = |mut value: Value| {
        if let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            meta.remove("managedFields");
        }
        value
    };
    assert_eq!(other.map(without), Ok(without(once)), "to apply it as another changes something");
}
