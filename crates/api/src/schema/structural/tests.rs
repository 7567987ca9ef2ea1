//! A structural schema over objects: what is pruned, what is filled in, what is refused.
use super::Structural;
use crate::problem::Problems;
use serde_json::{Value, json};

fn schema() -> Structural {
    let source = json!({"type": "object", "required": ["spec"], "properties": {"spec": {"type": "object", "required": ["name"], "properties": {
        "name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 8},
        "masts": {"type": "integer", "minimum": 1, "maximum": 7, "default": 2},
        "rig": {"type": "string", "enum": ["sloop", "ketch"]},
        "sails": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["id"],
            "items": {"type": "object", "properties": {"id": {"type": "string"}, "area": {"type": "number", "default": 10}}}},
        "port": {"x-kubernetes-int-or-string": true},
        "crew": {"type": "object", "additionalProperties": {"type": "object", "properties": {"rank": {"type": "string", "default": "hand"}}}},
        "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": true},
        "none": {"type": "string", "nullable": true},
    }}}});
    let mut problems = Problems::default();
    let schema = Structural::read(&source, "", &mut problems);
    assert!(problems.causes.is_empty(), "{:?}", problems.causes);
    schema
}

fn problems(value: &Value) -> Vec<String> {
    let mut problems = Problems::default();
    schema().check(value, None, &mut problems);
    problems.causes.into_iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
}

#[test]
fn what_is_not_known_goes() {
    let mut value = json!({"apiVersion": "a/v1", "kind": "K", "metadata": {"name": "x"}, "top": 1, "spec": {"name": "a", "mast": 1,
        "sails": [{"id": "m", "colour": "red"}], "crew": {"ann": {"rank": "mate", "age": 9}}, "free": {"any": {"thing": 1}}}});
    let gone = schema().prune(&mut value);
    assert_eq!(gone, ["spec.crew.ann.age", "spec.mast", "spec.sails[0].colour", "top"]);
    assert_eq!(value["spec"]["free"]["any"]["thing"], 1);
    assert!(schema().prune(&mut value).is_empty());
}

#[test]
fn what_is_missing_is_filled_in_once() {
    let mut value =
        json!({"spec": {"name": "a", "masts": null, "none": null, "sails": [{"id": "m"}], "crew": {"ann": {}}}});
    schema().default(&mut value);
    let want = json!({"spec": {"name": "a", "masts": 2, "none": null, "sails": [{"id": "m", "area": 10}], "crew": {"ann": {"rank": "hand"}}}});
    assert_eq!(value, want);
    schema().default(&mut value);
    assert_eq!(value, want);
    assert_eq!(problems(&value), [""; 0]);
}

#[test]
fn what_does_not_fit_is_refused_in_words_clients_know() {
    let told = |spec: Value| problems(&json!({ "spec": spec }));
    assert_eq!(problems(&json!({})), ["spec: Required value"]);
    assert_eq!(told(json!({})), ["spec.name: Required value"]);
    assert_eq!(
        told(json!({"name": "a", "masts": "two"})),
        ["spec.masts: Invalid value: \"string\": spec.masts in body must be of type integer: \"string\""]
    );
    assert_eq!(
        told(json!({"name": "a", "masts": 0})),
        ["spec.masts: Invalid value: 0: spec.masts in body should be greater than or equal to 1"]
    );
    assert_eq!(
        told(json!({"name": "A"})),
        ["spec.name: Invalid value: \"A\": spec.name in body should match '^[a-z]+$'"]
    );
    assert_eq!(
        told(json!({"name": "a", "rig": "brig"})),
        ["spec.rig: Unsupported value: \"brig\": supported values: \"sloop\", \"ketch\""]
    );
    assert_eq!(
        told(json!({"name": "a", "sails": [{"id": "m"}, {"id": "m"}]})),
        ["spec.sails[1]: Duplicate value: {\"id\":\"m\"}"]
    );
    assert_eq!(told(json!({"name": "a", "port": "http"})), [""; 0]);
    assert_eq!(told(json!({"name": "a", "port": true})).len(), 1);
}
