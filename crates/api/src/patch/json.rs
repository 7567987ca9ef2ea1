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
        let operation: PatchOperation = serde_json::from_value(operation.clone())
            .map_err(|why| Status::bad_request(format!("error decoding patch: {why}")))?;
        if let PatchOperation::Copy(copy) = &operation {
            copied += new.pointer(copy.from.as_str()).map_or(0, |value| value.to_string().len());
            if copied > OBJECT_BYTES_MAX {
                return Err(refused("the patch copies more than an object may have"));
            }
        }
        brought += not_too_deep(&new, &operation)?;
        if brought > PATCH_VALUES_MAX {
            return Err(refused("the patch brings more values to other places than a patch may"));
        }
        json_patch::patch_unsafe(&mut new, std::slice::from_ref(&operation))
            .map_err(|why| refused(&why.kind.to_string()))?;
    }
    Ok(new)
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
        return Err(refused(&format!("the patch nests more than {} levels", depth::LEVELS_MAX)));
    }
    Ok(count)
}

fn refused(why: &str) -> Status {
    // Kubernetes answers the first half alone; the reason helps a person and harms no client.
    Status::new(422, "Invalid", format!("the server rejected our request due to an error in our request: {why}"))
        .detailed()
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
        ];
        for patch in misfits {
            assert_eq!(apply(&old, &patch).expect_err("does not apply").code, 422, "{patch}");
        }
        for patch in
            [json!({}), json!([{"op": "fly"}]), json!([5]), json!([{"op": "add", "path": "no-slash", "value": 1}])]
        {
            assert_eq!(apply(&old, &patch).expect_err("no patch").code, 400, "{patch}");
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
        let nested = (0..100).fold(json!({"a": 1}), |value, _| json!({"a": value}));
        let add = json!([{"op": "add", "path": format!("/a{}", "/a".repeat(99)), "value": nested}]);
        let moved = json!([{"op": "add", "path": "/b", "value": nested}, {"op": "move", "from": "/b", "path": format!("/a{}", "/a".repeat(99))}]);
        assert_eq!(apply(&json!({"a": {"a": 1}}), &json!(copies)).expect_err("too deep").code, 422);
        assert_eq!(apply(&nested, &add).expect_err("too deep").code, 422);
        assert_eq!(apply(&nested, &moved).expect_err("too deep").code, 422);
    }
}
