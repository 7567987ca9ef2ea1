//! Selectors against what they say: requirements are drawn, written as a client writes them, and asked of drawn labels.
use api::facet;
use api::key::Key;
use api::selector::{Fields, Labels};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;

#[derive(Clone, Debug)]
enum Want {
    In(Vec<String>),
    NotIn(Vec<String>),
    Exists,
    Absent,
    Greater(i64),
    Less(i64),
}

impl Want {
    fn text(&self, key: &str, spelling: usize) -> String {
        match (self, spelling) {
            (Self::In(values), 0) if values.len() == 1 => format!("{key}={}", values[0]),
            (Self::In(values), 1) if values.len() == 1 => format!(" {key} == {}", values[0]),
            (Self::NotIn(values), 0) if values.len() == 1 => format!("{key}!={}", values[0]),
            (Self::In(values), _) => format!("{key} in ({})", values.join(",")),
            (Self::NotIn(values), _) => format!("{key} notin ( {} )", values.join(" , ")),
            (Self::Exists, _) => key.to_owned(),
            (Self::Absent, _) => format!("!{key}"),
            (Self::Greater(limit), _) => format!("{key}>{limit}"),
            (Self::Less(limit), _) => format!("{key} < {limit}"),
        }
    }

    /// As LabelSelectors write it, which cannot compare.
    fn expression(&self, key: &str) -> Option<Value> {
        Some(match self {
            Self::In(values) => json!({"key": key, "operator": "In", "values": values}),
            Self::NotIn(values) => json!({"key": key, "operator": "NotIn", "values": values}),
            Self::Exists => json!({"key": key, "operator": "Exists"}),
            Self::Absent => json!({"key": key, "operator": "DoesNotExist", "values": []}),
            Self::Greater(_) | Self::Less(_) => return None,
        })
    }

    fn holds(&self, label: Option<&String>) -> bool {
        let number = label.and_then(|label| label.parse::<i64>().ok());
        match self {
            Self::In(values) => label.is_some_and(|label| values.contains(label)),
            Self::NotIn(values) => label.is_none_or(|label| !values.contains(label)),
            Self::Exists => label.is_some(),
            Self::Absent => label.is_none(),
            Self::Greater(limit) => number.is_some_and(|number| number > *limit),
            Self::Less(limit) => number.is_some_and(|number| number < *limit),
        }
    }
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("x".to_owned()),
        Just("in".to_owned()),
        Just(String::new()),
        (0..9_u8).prop_map(|number| number.to_string())
    ]
}

fn wants() -> impl Strategy<Value = Vec<(String, Want, usize)>> {
    let values = || proptest::collection::vec(value(), 1..4);
    let want = prop_oneof![
        values().prop_map(Want::In),
        values().prop_map(Want::NotIn),
        Just(Want::Exists),
        Just(Want::Absent),
        (0..9_i64).prop_map(Want::Greater),
        (0..9_i64).prop_map(Want::Less),
    ];
    let key = prop_oneof![Just("a"), Just("b"), Just("in"), Just("x.io/c")].prop_map(str::to_owned);
    proptest::collection::vec((key, want, 0..3_usize), 0..4)
}

fn labels() -> impl Strategy<Value = BTreeMap<String, String>> {
    let key = prop_oneof![Just("a"), Just("b"), Just("in"), Just("x.io/c")].prop_map(str::to_owned);
    proptest::collection::btree_map(key, value(), 0..4)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2_000, failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn labels_are_selected_as_the_text_says(wants in wants(), labels in labels()) {
        let text: Vec<String> = wants.iter().map(|(key, want, spelling)| want.text(key, *spelling)).collect();
        let text = text.join(",");
        let object = json!({"metadata": {"labels": labels}});
        let (facet, expected) = (facet::of("pods", &object), wants.iter().all(|(key, want, _)| want.holds(labels.get(key))));
        let selector = Labels::parse(&text).expect(&text);
        prop_assert_eq!(selector.matches(&facet), expected, "{} of {:?}", text, labels);
        prop_assert_eq!(selector.matches_map(&object["metadata"]["labels"]), expected);
        let expressions: Option<Vec<Value>> = wants.iter().map(|(key, want, _)| want.expression(key)).collect();
        if let Some(expressions) = expressions {
            let selector = Labels::of(&json!({"matchExpressions": expressions})).expect("a selector");
            prop_assert_eq!(selector.matches(&facet), expected);
        }
    }

    #[test]
    fn fields_are_selected_as_the_text_says(
        terms in proptest::collection::vec((0..4_usize, "[a,=\\\\b]{0,4}", any::<bool>()), 0..4),
        name in "[a,=\\\\b]{0,2}", node in "[a,=\\\\b]{0,2}",
    ) {
        const PATHS: [&str; 4] = ["metadata.name", "metadata.namespace", "spec.nodeName", "status.phase"];
        let escaped = |value: &str| value.replace('\\', "\\\\").replace(',', "\\,").replace('=', "\\=");
        let text: Vec<String> = terms
            .iter()
            .map(|(path, value, equal)| format!("{}{}{}", PATHS[*path], if *equal { "=" } else { "!=" }, escaped(value)))
            .collect();
        let text = text.join(",");
        let object = json!({"metadata": {"name": name, "namespace": "a"}, "spec": {"nodeName": node}});
        let has = [name.as_str(), "a", node.as_str(), ""];
        let expected = terms.iter().all(|(path, value, equal)| (has[*path] == value) == *equal);
        let fields = Fields::parse(&text, facet::fields::paths("pods")).expect(&text);
        prop_assert_eq!(fields.matches(&Key::new("pods", "a", &name), &facet::of("pods", &object)), expected, "{}", text);
    }
}
