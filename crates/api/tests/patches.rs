//! The examples of RFC 7396 (appendix A) and RFC 6902 (appendix A), and that a merge patch of two objects gives the second.
use api::patch::{json, merge};
use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Appendix A, where target and patch are objects; a patch that is none is refused, as it would replace the object.
#[test]
fn merge_patches_as_in_the_rfc() {
    let table = [
        (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
        (r#"{"a":"b"}"#, r#"{"a":null}"#, r"{}"),
        (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
        (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
        (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
        (r#"{"a":{"b":"c"}}"#, r#"{"a":{"b":"d","c":null}}"#, r#"{"a":{"b":"d"}}"#),
        (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
        (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"e":null,"a":1}"#),
        (r"[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
        (r"{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
    ];
    let read = |text: &str| -> Value { serde_json::from_str(text).expect("JSON") };
    for (target, patch, result) in table {
        assert_eq!(merge::apply(&read(target), &read(patch)), Ok(read(result)), "{target} {patch}");
    }
    for patch in [r#"["c"]"#, "null", r#""bar""#, "7"] {
        assert_eq!(merge::apply(&read(r#"{"a":"foo"}"#), &read(patch)).expect_err("no object").code, 400, "{patch}");
    }
}

/// Appendix A: document, patch, and the result or none.
#[test]
fn json_patches_as_in_the_rfc() {
    let table = [
        (
            json!({"foo": "bar"}),
            json!([{"op": "add", "path": "/baz", "value": "qux"}]),
            Some(json!({"baz": "qux", "foo": "bar"})),
        ),
        (
            json!({"foo": ["bar", "baz"]}),
            json!([{"op": "add", "path": "/foo/1", "value": "qux"}]),
            Some(json!({"foo": ["bar", "qux", "baz"]})),
        ),
        (json!({"baz": "qux", "foo": "bar"}), json!([{"op": "remove", "path": "/baz"}]), Some(json!({"foo": "bar"}))),
        (
            json!({"foo": ["bar", "qux", "baz"]}),
            json!([{"op": "remove", "path": "/foo/1"}]),
            Some(json!({"foo": ["bar", "baz"]})),
        ),
        (
            json!({"baz": "qux", "foo": "bar"}),
            json!([{"op": "replace", "path": "/baz", "value": "boo"}]),
            Some(json!({"baz": "boo", "foo": "bar"})),
        ),
        (
            json!({"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}}),
            json!([{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}]),
            Some(json!({"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}})),
        ),
        (
            json!({"foo": ["all", "grass", "cows", "eat"]}),
            json!([{"op": "move", "from": "/foo/1", "path": "/foo/3"}]),
            Some(json!({"foo": ["all", "cows", "eat", "grass"]})),
        ),
        (
            json!({"baz": "qux", "foo": ["a", 2, "c"]}),
            json!([{"op": "test", "path": "/baz", "value": "qux"}, {"op": "test", "path": "/foo/1", "value": 2}]),
            Some(json!({"baz": "qux", "foo": ["a", 2, "c"]})),
        ),
        (json!({"baz": "qux"}), json!([{"op": "test", "path": "/baz", "value": "bar"}]), None),
        (
            json!({"foo": "bar"}),
            json!([{"op": "add", "path": "/child", "value": {"grandchild": {}}}]),
            Some(json!({"foo": "bar", "child": {"grandchild": {}}})),
        ),
        (
            json!({"foo": "bar"}),
            json!([{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}]),
            Some(json!({"foo": "bar", "baz": "qux"})),
        ),
        (json!({"foo": "bar"}), json!([{"op": "add", "path": "/baz/bat", "value": "qux"}]), None),
        (
            json!({"/": 9, "~1": 10}),
            json!([{"op": "test", "path": "/~01", "value": 10}]),
            Some(json!({"/": 9, "~1": 10})),
        ),
        (json!({"/": 9, "~1": 10}), json!([{"op": "test", "path": "/~01", "value": "10"}]), None),
        (
            json!({"foo": ["bar"]}),
            json!([{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}]),
            Some(json!({"foo": ["bar", ["abc", "def"]]})),
        ),
        // Of the sections before: a place must be there, a document may be replaced, nothing moves into itself.
        (json!({"foo": [1, 2]}), json!([{"op": "add", "path": "/foo/3", "value": 3}]), None),
        (json!({"foo": [1, 2]}), json!([{"op": "add", "path": "/foo/01", "value": 3}]), None),
        (json!({"foo": 1}), json!([{"op": "replace", "path": "", "value": {"a": 1}}]), Some(json!({"a": 1}))),
        (json!({"foo": {"a": 1}}), json!([{"op": "move", "from": "/foo", "path": "/foo/b"}]), None),
        (
            json!({"foo": {"a": 1}}),
            json!([{"op": "copy", "from": "/foo", "path": "/bar"}]),
            Some(json!({"foo": {"a": 1}, "bar": {"a": 1}})),
        ),
    ];
    for (document, patch, result) in table {
        let code = json::apply(&document, &patch).map_err(|status| status.code);
        assert_eq!(code, result.ok_or(422), "{document} {patch}");
    }
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        any::<bool>().prop_map(Value::from),
        (0..3).prop_map(Value::from),
        "[x-z]{0,1}".prop_map(Value::from)
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::btree_map("[a-c]", inner, 0..4)
                .prop_map(|all| Value::Object(all.into_iter().collect())),
        ]
    })
}

fn object(value: Value) -> Value {
    if value.is_object() { value } else { json!({"a": value}) }
}

fn merging(old: &Map<String, Value>, new: &Map<String, Value>) -> Value {
    let mut patch: Map<String, Value> =
        old.keys().filter(|name| !new.contains_key(*name)).map(|name| (name.clone(), Value::Null)).collect();
    for (name, after) in new.iter().filter(|(name, after)| old.get(*name) != Some(after)) {
        let change = match (old.get(name).and_then(Value::as_object), after.as_object()) {
            (Some(old), Some(new)) => merging(old, new),
            _ => after.clone(),
        };
        patch.insert(name.clone(), change);
    }
    Value::Object(patch)
}

proptest! {
    #[test]
    fn a_merge_patch_of_two_objects_makes_the_second_of_the_first(old in values(), new in values()) {
        let (old, new) = (object(old), object(new));
        let patch = merging(old.as_object().expect("an object"), new.as_object().expect("an object"));
        prop_assert_eq!(merge::apply(&old, &patch), Ok(new));
    }

    #[test]
    fn a_json_patch_is_carried_out_as_a_whole_or_not(old in values(), value in values(), path in "(/[a-c0-2~-]{1,2}){0,3}") {
        let old = object(old);
        for op in ["add", "replace", "remove", "test"] {
            let twice = json!([{"op": op, "path": path, "value": value}, {"op": "test", "path": path, "value": value}]);
            match (json::apply(&old, &twice), op) {
                (Ok(new), "add" | "replace") => prop_assert!(path.ends_with('-') || new.pointer(&path) == Some(&value)),
                (Ok(new), "test") => prop_assert_eq!(&new, &old),
                (Ok(_), _) => {}
                (Err(status), _) => prop_assert!(matches!(status.code, 400 | 422)),
            }
        }
    }
}
