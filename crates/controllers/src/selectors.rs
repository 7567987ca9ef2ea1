//! Which selectors a controller may follow: never one that selects everything, for it would take what is not its own.
use api::selector::Labels;
use serde_json::Value;

/// A `LabelSelector`; `None` if it is malformed, null or empty.
pub(crate) fn read(selector: &Value) -> Option<Labels> {
    Labels::of(selector).ok().filter(|labels| !labels.requirements.is_empty())
}

/// A plain map of labels, as a Service has it; `None` if it is empty.
pub(crate) fn of_labels(labels: &Value) -> Option<Labels> {
    Some(Labels::of_map(labels)).filter(|labels| !labels.requirements.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn nothing_selects_everything() {
        for selector in
            [json!({}), json!({"matchLabels": {}}), json!(null), json!({"matchExpressions": [{"operator": "Near"}]})]
        {
            assert_eq!(read(&selector), None, "{selector}");
        }
        assert!(read(&json!({"matchLabels": {"a": "b"}})).is_some());
        assert!(of_labels(&json!({})).is_none() && of_labels(&json!({"a": "b"})).is_some());
    }
}
