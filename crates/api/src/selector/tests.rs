//! Tests of selectors: tables of the grammar, bad input, and that no text panics.
use super::{Fields, Labels};
use crate::facet::Facet;
use crate::key::Key;
use proptest::prelude::*;
use serde_json::json;

fn facet() -> Facet {
    Facet {
        labels: vec![("a".into(), "1".into()), ("b".into(), "2".into()), ("n".into(), "7".into())],
        fields: vec![("spec.nodeName".into(), "n1".into())],
        ..Facet::default()
    }
}

#[test]
fn the_grammar_of_query_strings() {
    let table = [
        ("", true),
        ("a=1", true),
        ("a==1,b!=3", true),
        ("a=2", false),
        ("a in (1, 2)", true),
        ("a in (2)", false),
        ("a notin (2),b", true),
        ("c notin (2)", true),
        ("c!=x", true),
        ("!c", true),
        ("!a", false),
        ("c", false),
        ("n>6,n<8", true),
        ("n>7", false),
        ("c=", false),
        ("x.y/z notin (q)", true),
    ];
    for (text, expected) in table {
        assert_eq!(Labels::parse(text).expect(text).matches(&facet()), expected, "{text}");
    }
}

#[test]
fn bad_label_selectors_are_bad_requests() {
    for text in ["==", "a=b=c", "a in", "a in (", "a in (b", "a,,b", "a,", "!!a", "a b", "a>x", "-a=1", "a=?", "(a)"] {
        let status = Labels::parse(text).expect_err(text);
        assert_eq!((status.code, status.reason), (400, "BadRequest"), "{text}");
    }
    let status = Labels::parse("==").expect_err("no key");
    assert_eq!(status.message, "found '==', expected: !, identifier, or 'end of string'");
    let status = Labels::parse("a in (").expect_err("no values");
    assert_eq!(status.message, "unable to parse requirement: found '', expected: ',', ')' or identifier");
}

#[test]
fn selector_objects() {
    let of = |value| Labels::of(&value).map(|labels| labels.matches(&facet()));
    assert_eq!(of(json!(null)), Ok(false));
    assert_eq!(of(json!({})), Ok(true));
    assert_eq!(
        of(json!({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "In", "values": ["2"]}]})),
        Ok(true)
    );
    assert_eq!(of(json!({"matchExpressions": [{"key": "b", "operator": "DoesNotExist"}]})), Ok(false));
    assert!(of(json!({"matchExpressions": [{"key": "b", "operator": "In", "values": []}]})).is_err());
    assert!(of(json!({"matchExpressions": [{"key": "b", "operator": "Like"}]})).is_err());
    assert!(Labels::of_map(&json!({"a": "1"})).matches_map(&json!({"a": "1", "z": "y"})));
}

#[test]
fn field_selectors() {
    let key = Key::new("pods", "d", "x");
    let known = ["spec.nodeName", "status.phase"];
    let of = |text| Fields::parse(text, &known).map(|fields| fields.matches(&key, &facet()));
    assert_eq!(of("metadata.name=x,spec.nodeName==n1"), Ok(true));
    assert_eq!(of("metadata.namespace!=d"), Ok(false));
    assert_eq!(of("status.phase!=Failed"), Ok(true));
    assert_eq!(of("status.phase="), Ok(true));
    assert_eq!(Fields::parse("spec.nodeName=a\\,b", &known).expect("escaped").exact("spec.nodeName"), Some("a,b"));
    let status = Fields::parse("data.k=v", &[]).expect_err("unknown path");
    assert_eq!(
        status.message,
        "\"data.k\" is not a known field selector: only \"metadata.name\", \"metadata.namespace\""
    );
    for text in ["x", "a!b", "metadata.name=a=b", "metadata.name=\\q"] {
        assert!(of(text).is_err(), "{text}");
    }
}

proptest! {
    #[test]
    fn no_text_panics(text in ".{0,60}", mixed in "[a-z=!,()<> /\\\\]{0,40}") {
        for text in [text, mixed] {
            let _ = Labels::parse(&text).map(|labels| labels.matches(&facet()));
            let _ = Fields::parse(&text, &["spec.nodeName"]);
        }
    }
}
