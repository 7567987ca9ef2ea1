//! JSON Patch (RFC 6902). It limits operations, what copies may grow to and how deep it all may nest, and does nothing else beside the crate.
use crate::depth;
use crate::limits::{OBJECT_BYTES_MAX, PATCH_OPERATIONS_MAX, PATCH_VALUES_MAX};
use crate::status::Status;
use json_patch::PatchOperation;
use serde_json::Value;

/// # Errors
/// 400 for what is no JSON patch, 413 for one with too many operations, 422 for one that does not apply (RFC 6902, section 5).
pub fn apply(old: &Value, patch: &Value) -> Result<Value, Status> {
    let Some(list) = patch.as_array() else {
        return Err(Status::bad_request("error decoding patch: a JSON patch is a list of operations"));
    };
    if list.len() > PATCH_OPERATIONS_MAX {
        let message =
            format!("The allowed maximum operations in a JSON patch is {PATCH_OPERATIONS_MAX}, got {}", list.len());
        return Err(Status::new(413, "RequestEntityTooLarge", message));
    }
    let mut new = old.clone();
    let (mut copied, mut brought) = (0, 0);
    for operation in list {
        if !operation.is_object() {
            return Err(Status::bad_request(
                "json: cannot unmarshal a value into Go value of type jsonpatch.Operation",
            ));
        }
        let operation = familiar(&new, operation);
        if absent_as_null(&new, &operation) {
            continue;
        }
        let operation: PatchOperation = serde_json::from_value(operation).map_err(|_| refused())?;
        if let PatchOperation::Copy(copy) = &operation {
            copied += new.pointer(copy.from.as_str()).map_or(0, |value| value.to_string().len());
            if copied > OBJECT_BYTES_MAX {
                return Err(refused());
            }
        }
        brought += not_too_deep(&new, &operation)?;
        if brought > PATCH_VALUES_MAX {
            return Err(refused());
        }
        json_patch::patch_unsafe(&mut new, std::slice::from_ref(&operation)).map_err(|_| refused())?;
    }
    Ok(new)
}

/// The operation as RFC 6902 has it. Clients were written against a server that counts negative indices from a list's end, and takes
/// a `test` without a value for one of null.
fn familiar(document: &Value, operation: &Value) -> Value {
    let mut operation = operation.clone();
    let Some(members) = operation.as_object_mut() else { return operation };
    let what = members.get("op").and_then(Value::as_str).unwrap_or_default().to_owned();
    if what == "test" {
        members.entry("value").or_insert(Value::Null);
    }
    for member in ["path", "from"] {
        let Some(path) = members.get(member).and_then(Value::as_str) else { continue };
        if path.contains("/-") {
            // Where something comes to stand, the place after the last counts too.
            let after = usize::from(member == "path" && matches!(what.as_str(), "add" | "copy" | "move"));
            let counted = from_the_start(document, path, after);
            members.insert(member.into(), counted.into());
        }
    }
    operation
}

/// A path whose negative indices are counted from the start; one that leads nowhere stays.
fn from_the_start(document: &Value, path: &str, after: usize) -> String {
    let (mut counted, mut at) = (String::with_capacity(path.len()), Some(document));
    let mut parts = path.split('/').skip(1).peekable();
    while let Some(part) = parts.next() {
        let back = part.strip_prefix('-').and_then(|number| number.parse::<usize>().ok());
        let length =
            at.and_then(Value::as_array).map(|list| list.len() + if parts.peek().is_none() { after } else { 0 });
        let index = back.zip(length).and_then(|(back, length)| length.checked_sub(back)).filter(|_| back != Some(0));
        let part = index.map_or_else(|| part.to_owned(), |index| index.to_string());
        at = at.and_then(|value| value.pointer(&format!("/{part}")));
        counted.push('/');
        counted.push_str(&part);
    }
    counted
}

/// Whether it tests that a member is null whose parent is there and which is not: so clients ask whether nobody has made it yet.
fn absent_as_null(document: &Value, operation: &Value) -> bool {
    if operation["op"] != "test" || !operation["value"].is_null() {
        return false;
    }
    let Some(path) = operation["path"].as_str() else { return false };
    let Some((parent, _)) = path.rsplit_once('/') else { return false };
    document.pointer(path).is_none() && document.pointer(parent).is_some_and(Value::is_object)
}

/// Refuses what would nest deeper than can be read back, before it is made; gives how many values are brought to a place.
fn not_too_deep(document: &Value, operation: &PatchOperation) -> Result<usize, Status> {
    let (path, value) = match operation {
        PatchOperation::Add(add) => (&add.path, Some(&add.value)),
        PatchOperation::Replace(replace) => (&replace.path, Some(&replace.value)),
        PatchOperation::Copy(copy) => (&copy.path, document.pointer(copy.from.as_str())),
        PatchOperation::Move(from) => (&from.path, document.pointer(from.from.as_str())),
        PatchOperation::Remove(_) | PatchOperation::Test(_) => return Ok(0),
    };
    let (levels, count) = value.map_or((0, 0), depth::measure);
    if path.count() + levels > depth::LEVELS_MAX {
        return Err(refused());
    }
    Ok(count)
}

/// Kubernetes gives no reason.
fn refused() -> Status {
    Status::new(422, "Invalid", "the server rejected our request due to an error in our request").detailed()
}

#[cfg(test)]
mod tests {
    use super::apply;
    use serde_json::json;

    #[test]
    fn operations_apply_in_order() {
        let old = json!({"data": {"k": "w"}, "list": [1, 2]});
        let patch = json!([{"op": "add", "path": "/data/x", "value": "y"}, {"op": "move", "from": "/data/k", "path": "/data/a~1b"},
            {"op": "remove", "path": "/list/0"}, {"op": "add", "path": "/list/-", "value": 3}, {"op": "test", "path": "/list/0", "value": 2}]);
        assert_eq!(apply(&old, &patch), Ok(json!({"data": {"x": "y", "a/b": "w"}, "list": [2, 3]})));
    }

    #[test]
    fn what_does_not_apply_is_422_and_what_is_no_patch_400() {
        let old = json!({"data": {}});
        let misfits = [
            json!([{"op": "test", "path": "/data/x", "value": 1}]),
            json!([{"op": "remove", "path": "/data/none"}]),
            json!([{"op": "replace", "path": "/no/where", "value": 1}]),
            json!([{"op": "fly"}]),
            json!([{"op": "add", "path": "no-slash", "value": 1}]),
            json!([{}]),
        ];
        for patch in misfits {
            assert_eq!(apply(&old, &patch).expect_err("does not apply").code, 422, "{patch}");
        }
        for patch in [json!({}), json!([5])] {
            assert_eq!(apply(&old, &patch).expect_err("no patch").code, 400, "{patch}");
        }
    }

    #[test]
    fn clients_of_kubernetes_find_what_they_know() {
        let old = json!({"metadata": {"name": "x"}, "list": [1, 2, 3], "deep": [{"a": [1, 2]}]});
        let patch = json!([{"op": "test", "path": "/metadata/finalizers", "value": null}, {"op": "test", "path": "/metadata/labels"},
            {"op": "remove", "path": "/list/-1"}, {"op": "add", "path": "/list/-1", "value": 4}, {"op": "replace", "path": "/list/-3", "value": 0},
            {"op": "remove", "path": "/deep/-1/a/-2"}, {"op": "test", "path": "/list/-1", "value": 4}]);
        let new = json!({"metadata": {"name": "x"}, "list": [0, 2, 4], "deep": [{"a": [2]}]});
        assert_eq!(apply(&old, &patch), Ok(new));
        for patch in [
            json!([{"op": "test", "path": "/metadata/name", "value": null}]),
            json!([{"op": "test", "path": "/none/finalizers", "value": null}]),
            json!([{"op": "remove", "path": "/list/-4"}]),
            json!([{"op": "remove", "path": "/list/-0"}]),
        ] {
            assert_eq!(apply(&old, &patch).expect_err("does not apply").code, 422, "{patch}");
        }
    }

    #[test]
    fn copies_cannot_grow_without_bound() {
        let old = json!({"a": "x".repeat(100_000)});
        let patch: Vec<_> = (0..30).map(|at| json!({"op": "copy", "from": "", "path": format!("/c{at}")})).collect();
        assert_eq!(apply(&old, &json!(patch)).expect_err("too large").code, 422);
    }
    #[test]
    fn a_patch_cannot_nest_without_bound() {
        let copies: Vec<_> = (0..20)
            .map(|at| json!({"op": "copy", "from": "/a", "path": format!("/a{}", "/a".repeat(1 << at))}))
            .collect();
        let half = crate::depth::LEVELS_MAX / 2 + 40;
        let nested = (0..half).fold(json!({"a": 1}), |value, _| json!({"a": value}));
        let add = json!([{"op": "add", "path": format!("/a{}", "/a".repeat(half - 1)), "value": nested}]);
        let moved = json!([{"op": "add", "path": "/b", "value": nested}, {"op": "move", "from": "/b", "path": format!("/a{}", "/a".repeat(half - 1))}]);
        assert_eq!(apply(&json!({"a": {"a": 1}}), &json!(copies)).expect_err("too deep").code, 422);
        assert_eq!(apply(&nested, &add).expect_err("too deep").code, 422);
        assert_eq!(apply(&nested, &moved).expect_err("too deep").code, 422);
    }
}
