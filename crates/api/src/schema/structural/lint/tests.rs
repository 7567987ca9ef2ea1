//! What is said of schemas, a row a rule.
use super::lint;
use crate::problem::Problems;
use serde_json::{Value, json};

fn told(schema: &Value, status: bool) -> Vec<String> {
    let mut problems = Problems::default();
    lint(schema, status, "s", &mut problems);
    problems.causes.into_iter().map(|cause| format!("{}: {}", cause.field, cause.message)).collect()
}

/// A schema whose property `a` is this.
fn with(a: &Value) -> Value {
    json!({"type": "object", "properties": {"a": a}})
}

#[test]
fn every_rule_of_a_property() {
    let at = "s.properties[a]";
    for (schema, want) in [
        (json!({"type": "string"}), ""),
        (json!({}), ".type: Required value: must not be empty for specified object fields"),
        (json!({"type": "array"}), ".items: Required value: must be specified"),
        (
            json!({"type": "array", "items": {}}),
            ".items.type: Required value: must not be empty for specified array items",
        ),
        (json!({"x-kubernetes-int-or-string": true}), ""),
        (json!({"x-kubernetes-int-or-string": true, "anyOf": [{"type": "integer"}, {"type": "string"}]}), ""),
        (
            json!({"x-kubernetes-int-or-string": true, "allOf": [{"anyOf": [{"type": "integer"}, {"type": "string"}]}]}),
            "",
        ),
        (json!({"x-kubernetes-preserve-unknown-fields": true}), ""),
        (
            json!({"x-kubernetes-int-or-string": true, "x-kubernetes-preserve-unknown-fields": true}),
            ".x-kubernetes-preserve-unknown-fields: Invalid value: true: must be false if x-kubernetes-int-or-string is true",
        ),
        (
            json!({"x-kubernetes-embedded-resource": true, "type": "string", "x-kubernetes-preserve-unknown-fields": true}),
            ".type: Invalid value: \"string\": must be object if x-kubernetes-embedded-resource is true",
        ),
        (
            json!({"x-kubernetes-embedded-resource": true, "type": "object"}),
            ".properties: Required value: must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields",
        ),
        (
            json!({"type": "object", "properties": {"b": {"type": "string"}}, "additionalProperties": {"type": "string"}}),
            ".additionalProperties: Forbidden: additionalProperties and properties are mutual exclusive",
        ),
        (json!({"type": "object", "additionalProperties": {"type": "string"}}), ""),
        (
            json!({"type": "string", "anyOf": [{"type": "string"}]}),
            ".anyOf[0].type: Forbidden: must be empty to be structural",
        ),
        (
            json!({"type": "string", "not": {"nullable": true}}),
            ".not.nullable: Forbidden: must be false to be structural",
        ),
        (
            json!({"type": "array", "uniqueItems": true, "items": {"type": "string"}}),
            ".uniqueItems: Forbidden: uniqueItems cannot be set to true since the runtime complexity becomes quadratic",
        ),
        (
            json!({"type": "object", "x-kubernetes-list-type": "set"}),
            ".type: Invalid value: \"object\": must be array if x-kubernetes-list-type is specified",
        ),
        (
            json!({"type": "object", "x-kubernetes-map-type": "odd"}),
            ".x-kubernetes-map-type: Unsupported value: \"odd\": supported values: \"atomic\", \"granular\"",
        ),
        (
            json!({"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "object"}}),
            ".items.x-kubernetes-map-type: Invalid value: null: must be atomic as item of a list with x-kubernetes-list-type=set",
        ),
        (
            json!({"type": "array", "x-kubernetes-list-map-keys": ["k"], "items": {"type": "string"}}),
            ".x-kubernetes-list-type: Required value: must be map if x-kubernetes-list-map-keys is non-empty",
        ),
        (
            json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                "items": {"type": "object", "properties": {"k": {"type": "string"}}}}),
            ".items.properties[k].default: Required value: this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property",
        ),
        (
            json!({"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["k"],
                "items": {"type": "object", "required": ["k"], "properties": {"l": {"type": "string"}}}}),
            ".x-kubernetes-list-map-keys: Invalid value: [\"k\"]: entries must all be names of item properties",
        ),
        (json!({"type": "string", "$ref": "#/a"}), ".$ref: Forbidden: $ref is not supported"),
        (json!({"type": "string", "default": "x", "enum": ["x", "y"]}), ""),
        (
            json!({"type": "string", "default": "z", "enum": ["x", "y"]}),
            ".default: Unsupported value: \"z\": supported values: \"x\", \"y\"",
        ),
        (
            json!({"type": "object", "default": {"b": 1, "c": 2}, "properties": {"b": {"type": "integer"}}}),
            ".default: Invalid value: {\"b\":1,\"c\":2}: must not have unknown fields",
        ),
        (
            json!({"type": "object", "x-kubernetes-preserve-unknown-fields": false}),
            ".x-kubernetes-preserve-unknown-fields: Invalid value: false: must be true or undefined",
        ),
    ] {
        let want: Vec<String> = if want.is_empty() { Vec::new() } else { vec![format!("{at}{want}")] };
        let got = told(&with(&schema), false);
        assert_eq!(got, want, "{schema}");
    }
}

#[test]
fn every_rule_of_the_root() {
    let text = json!({"type": "string"});
    for (schema, status, want) in [
        (json!({"type": "object"}), true, &[][..]),
        (json!({}), false, &["s.type: Required value: must not be empty at the root"]),
        (json!({"type": "string"}), false, &["s.type: Invalid value: \"string\": must be object at the root"]),
        (
            json!({"type": "object", "nullable": true}),
            false,
            &["s.nullable: Forbidden: nullable cannot be true at the root"],
        ),
        (
            json!({"type": "object", "additionalProperties": text}),
            false,
            &["s.additionalProperties: Forbidden: must not be used at the root"],
        ),
        (
            json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"name": text}}}}),
            false,
            &[],
        ),
        (
            json!({"type": "object", "properties": {"metadata": {"type": "object", "properties": {"labels": {"type": "object"}}}}}),
            false,
            &[
                "s.properties[metadata]: Forbidden: must not specify anything other than name and generateName, but metadata is implicitly specified",
            ],
        ),
        (
            json!({"type": "object", "properties": {"kind": {"type": "integer"}}}),
            false,
            &["s.properties[kind].type: Invalid value: \"integer\": must be string"],
        ),
        (
            json!({"type": "object", "properties": {"kind": {"type": "string", "default": "K"}}}),
            false,
            &["s.properties[kind].default: Forbidden: must not be set in top-level kind"],
        ),
    ] {
        assert_eq!(told(&schema, status), want, "{schema}");
    }
    // Only what the root limits is looked for, as in Kubernetes.
    let limits = json!([{"required": ["b"]}, {"properties": {"c": {"minimum": 1}}}]);
    assert_eq!(
        told(&json!({"type": "object", "oneOf": limits}), false),
        ["s.properties[c]: Required value: because it is defined in s.oneOf[1].properties[c]"]
    );
    let above = told(&json!({"type": "object", "anyOf": [{"required": ["a"]}]}), true);
    assert!(above[0].contains("only [Description Type Format"), "{above:?}");
    let bad = told(&with(&json!({"type": "string", "pattern": "("})), false);
    assert!(bad[0].contains("must be a valid regular expression, but isn't: error parsing regexp: "), "{bad:?}");
    assert_eq!(bad.len(), 1);
}
