//! JSON Merge Patch (RFC 7396). It knows no schema.
use crate::status::Status;
use serde_json::Value;

/// # Errors
/// 400 if the patch is no object: it would replace the object as a whole.
pub fn apply(old: &Value, patch: &Value) -> Result<Value, Status> {
    if !patch.is_object() {
        return Err(Status::bad_request("error decoding patch: a merge patch is a JSON object"));
    }
    let mut new = old.clone();
    json_patch::merge(&mut new, patch);
    Ok(new)
}

#[cfg(test)]
mod tests {
    use super::apply;
    use serde_json::json;

    #[test]
    fn null_deletes_and_lists_are_replaced() {
        let old = json!({"a": {"b": 1, "c": 2}, "l": [1, 2]});
        let patch = json!({"a": {"b": null, "d": {"e": null}}, "l": [3]});
        assert_eq!(apply(&old, &patch), Ok(json!({"a": {"c": 2, "d": {}}, "l": [3]})));
        assert_eq!(apply(&old, &json!([])).expect_err("no object").code, 400);
    }
}
