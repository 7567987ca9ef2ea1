//! Label selectors as controllers use them: `matchLabels` and `matchExpressions` against the labels of a facet.
use crate::fields::{at, list, text};
use api::facet::Facet;
use serde_json::Value;

/// What must hold of an object's labels; all requirements must.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Selector {
    requirements: Vec<Requirement>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    operator: Operator,
    values: Vec<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operator {
    In,
    NotIn,
    Exists,
    DoesNotExist,
}

impl Selector {
    /// Reads a `LabelSelector`; `None` if it is malformed or empty: a controller that selects everything would take what is not its own.
    pub(crate) fn read(selector: &Value) -> Option<Self> {
        let mut requirements = pairs(at(selector, "/matchLabels"));
        for expression in list(selector, "/matchExpressions") {
            let operator = match text(expression, "/operator") {
                "In" => Operator::In,
                "NotIn" => Operator::NotIn,
                "Exists" => Operator::Exists,
                "DoesNotExist" => Operator::DoesNotExist,
                _ => return None,
            };
            let values =
                list(expression, "/values").iter().filter_map(|value| value.as_str().map(str::to_owned)).collect();
            requirements.push(Requirement { key: text(expression, "/key").to_owned(), operator, values });
        }
        (!requirements.is_empty()).then_some(Self { requirements })
    }

    /// Reads a plain map of labels, as a Service has it; `None` if it is empty.
    pub(crate) fn of_labels(labels: &Value) -> Option<Self> {
        let requirements = pairs(labels);
        (!requirements.is_empty()).then_some(Self { requirements })
    }

    pub(crate) fn matches(&self, facet: &Facet) -> bool {
        self.requirements.iter().all(|requirement| {
            let label = facet.label(&requirement.key);
            let named = label.is_some_and(|label| requirement.values.iter().any(|value| value == label));
            match requirement.operator {
                Operator::In => named,
                Operator::NotIn => !named,
                Operator::Exists => label.is_some(),
                Operator::DoesNotExist => label.is_none(),
            }
        })
    }
}

fn pairs(labels: &Value) -> Vec<Requirement> {
    let labels = labels.as_object().into_iter().flatten();
    let pair = |(key, value): (&String, &Value)| {
        let values = vec![value.as_str()?.to_owned()];
        Some(Requirement { key: key.clone(), operator: Operator::In, values })
    };
    labels.filter_map(pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn expressions_and_labels_must_all_hold() {
        let facet =
            Facet { labels: vec![("app".into(), "web".into()), ("tier".into(), "front".into())], ..Facet::default() };
        for (selector, want) in [
            (json!({"matchLabels": {"app": "web"}}), Some(true)),
            (json!({"matchLabels": {"app": "db"}}), Some(false)),
            (json!({"matchExpressions": [{"key": "tier", "operator": "In", "values": ["back", "front"]}]}), Some(true)),
            (json!({"matchExpressions": [{"key": "zone", "operator": "NotIn", "values": ["a"]}]}), Some(true)),
            (json!({"matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}), Some(false)),
            (
                json!({"matchLabels": {"app": "web"}, "matchExpressions": [{"key": "x", "operator": "Exists"}]}),
                Some(false),
            ),
            (json!({"matchExpressions": [{"key": "x", "operator": "Near"}]}), None),
            (json!({}), None),
        ] {
            assert_eq!(Selector::read(&selector).map(|selector| selector.matches(&facet)), want, "{selector}");
        }
    }
}
