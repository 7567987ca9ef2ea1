//! Reading and setting members of decoded objects by path. A missing member reads as empty, never as an error.
use serde_json::{Map, Value};

static NULL: Value = Value::Null;

/// The member at a JSON pointer (RFC 6901); null if there is none.
pub(crate) fn at<'a>(value: &'a Value, pointer: &str) -> &'a Value {
    value.pointer(pointer).unwrap_or(&NULL)
}

/// The text there; empty if there is none.
pub(crate) fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    at(value, pointer).as_str().unwrap_or("")
}

pub(crate) fn number(value: &Value, pointer: &str) -> Option<i64> {
    at(value, pointer).as_i64()
}

pub(crate) fn flag(value: &Value, pointer: &str) -> bool {
    at(value, pointer).as_bool().unwrap_or(false)
}

/// The list there; empty if there is none.
pub(crate) fn list<'a>(value: &'a Value, pointer: &str) -> &'a [Value] {
    at(value, pointer).as_array().map_or(&[], Vec::as_slice)
}

/// Puts `new` at `path`, making the objects on the way.
pub(crate) fn set(value: &mut Value, path: &[&str], new: impl Into<Value>) {
    let mut place = value;
    for step in path {
        if !place.is_object() {
            *place = Value::Object(Map::new());
        }
        place = &mut place[*step];
    }
    *place = new.into();
}

/// Takes the member at `path` away, if it is there.
pub(crate) fn unset(value: &mut Value, path: &[&str]) {
    let Some((last, way)) = path.split_last() else { return };
    let mut place = value;
    for step in way {
        match place.get_mut(*step) {
            Some(next) => place = next,
            None => return,
        }
    }
    if let Some(map) = place.as_object_mut() {
        map.remove(*last);
    }
}

/// The annotation `name`; empty if there is none.
pub(crate) fn annotation<'a>(value: &'a Value, name: &str) -> &'a str {
    at(value, "/metadata/annotations").get(name).and_then(Value::as_str).unwrap_or("")
}

/// Counts a change of the desired state, as admission does for clients.
pub(crate) fn bump_generation(value: &mut Value) {
    let generation = number(value, "/metadata/generation").unwrap_or(0);
    set(value, &["metadata", "generation"], generation + 1);
}

/// `20%` of `whole` or a plain number; percentages are rounded up or down.
pub(crate) fn share(value: &Value, whole: i64, up: bool) -> Option<i64> {
    match value {
        Value::Number(number) => number.as_i64(),
        Value::String(text) => {
            let percent: i64 = text.strip_suffix('%')?.parse().ok()?;
            let parts = percent.checked_mul(whole)?;
            Some(if up { parts.div_euclid(100) + i64::from(parts.rem_euclid(100) != 0) } else { parts.div_euclid(100) })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn shares_round_as_asked() {
        for (value, whole, up, want) in [
            (json!("25%"), 3, true, Some(1)),
            (json!("25%"), 3, false, Some(0)),
            (json!("100%"), 7, true, Some(7)),
            (json!(2), 9, true, Some(2)),
            (json!("x"), 9, true, None),
            (json!("9223372036854775807%"), 9, true, None),
        ] {
            assert_eq!(share(&value, whole, up), want, "{value} of {whole}");
        }
    }

    #[test]
    fn setting_makes_the_way_and_unsetting_needs_none() {
        let mut value = json!({"a": 1});
        set(&mut value, &["b", "c"], 2);
        unset(&mut value, &["x", "y"]);
        unset(&mut value, &["a"]);
        assert_eq!(value, json!({"b": {"c": 2}}));
    }
}
