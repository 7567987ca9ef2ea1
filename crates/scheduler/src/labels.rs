//! The requirements of node selector terms, matched against sorted labels. A malformed requirement matches nothing.
use crate::spec::{list, text};
use serde_json::Value;

/// The labels of a facet.
pub(crate) type Labels = [(Box<str>, Box<str>)];

pub(crate) fn get<'a>(labels: &'a Labels, key: &str) -> Option<&'a str> {
    labels.iter().find(|(name, _)| &**name == key).map(|(_, value)| &**value)
}

/// One requirement `{key, operator, values}` of a label selector or a node selector.
pub(crate) fn holds(requirement: &Value, labels: &Labels) -> bool {
    let label = get(labels, text(requirement, "key"));
    let values = list(requirement, "values");
    let named = || label.is_some_and(|label| values.iter().any(|value| value == label));
    let number = |text: &str| text.parse::<i64>().ok();
    let compared = |wanted: std::cmp::Ordering| {
        let bound = values.first().and_then(Value::as_str).and_then(number);
        label.and_then(number).zip(bound).is_some_and(|(have, bound)| have.cmp(&bound) == wanted)
    };
    match text(requirement, "operator") {
        "In" => named(),
        "NotIn" => !named(),
        "Exists" => label.is_some(),
        "DoesNotExist" => label.is_none(),
        "Gt" => compared(std::cmp::Ordering::Greater),
        "Lt" => compared(std::cmp::Ordering::Less),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn requirements_hold_as_kubernetes_has_it() {
        let labels: Vec<(Box<str>, Box<str>)> = vec![("cores".into(), "8".into()), ("zone".into(), "a".into())];
        for (requirement, want) in [
            (json!({"key": "zone", "operator": "In", "values": ["a", "b"]}), true),
            (json!({"key": "zone", "operator": "NotIn", "values": ["a"]}), false),
            (json!({"key": "rack", "operator": "NotIn", "values": ["a"]}), true),
            (json!({"key": "rack", "operator": "DoesNotExist"}), true),
            (json!({"key": "cores", "operator": "Gt", "values": ["4"]}), true),
            (json!({"key": "cores", "operator": "Lt", "values": ["8"]}), false),
            (json!({"key": "zone", "operator": "Gt", "values": ["4"]}), false),
            (json!({"key": "zone", "operator": "Like"}), false),
        ] {
            assert_eq!(holds(&requirement, &labels), want, "{requirement}");
        }
    }
}
