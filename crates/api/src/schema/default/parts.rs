//! How a default is written: only where nothing is. It never replaces a value.
use serde_json::{Map, Value};

/// Writes `default` if the object has no such member (or null).
pub(super) fn set(value: &mut Value, member: &str, default: Value) {
    if let Some(members) = value.as_object_mut()
        && members.get(member).is_none_or(|present| present.is_null() || (present == "" && default.is_string()))
    {
        members.insert(member.to_owned(), default);
    }
}

pub(super) fn missing(value: &Value, member: &str) -> bool {
    value.get(member).is_none_or(Value::is_null)
}

/// The member as an object, made if it is missing. If `value` is no object, `value` itself: there is nothing to fill then.
pub(super) fn inside<'a>(value: &'a mut Value, member: &str) -> &'a mut Value {
    if !value.is_object() {
        return value;
    }
    let inner = &mut value[member];
    if inner.is_null() {
        *inner = Value::Object(Map::new());
    }
    inner
}

/// The items of a list, none if there is no such list.
pub(super) fn items<'a>(value: &'a mut Value, member: &str) -> impl Iterator<Item = &'a mut Value> {
    value.get_mut(member).and_then(Value::as_array_mut).into_iter().flatten()
}
