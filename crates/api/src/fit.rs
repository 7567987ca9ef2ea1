//! Which nodes may have a pod, by what stands in its spec: `nodeSelector`, required node affinity, and the taints that it tolerates.
//! What a node has room for, and which one is best, is the scheduler's.
use serde_json::Value;

/// The labels of a facet.
pub type Labels = [(Box<str>, Box<str>)];

/// The taint of a node that takes no more pods (`kubectl cordon`).
pub const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// A node's taint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Taint {
    pub key: String,
    pub value: String,
    /// `NoSchedule`, `PreferNoSchedule` or `NoExecute`.
    pub effect: String,
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or("")
}

fn list<'a>(value: &'a Value, member: &str) -> &'a [Value] {
    value.get(member).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The value of the label `key`.
#[must_use]
pub fn label<'a>(labels: &'a Labels, key: &str) -> Option<&'a str> {
    labels.iter().find(|(name, _)| &**name == key).map(|(_, value)| &**value)
}

/// One requirement `{key, operator, values}` of a label selector or a node selector. A malformed one matches nothing.
#[must_use]
pub fn holds(requirement: &Value, labels: &Labels) -> bool {
    let label = label(labels, text(requirement, "key"));
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

/// Whether all requirements of a node selector term hold for the node `name`; an empty term matches nothing.
#[must_use]
pub fn term_matches(term: &Value, name: &str, labels: &Labels) -> bool {
    let (expressions, fields) = (list(term, "matchExpressions"), list(term, "matchFields"));
    let known = |field: &Value| text(field, "key") == NAME && holds(field, &[(NAME.into(), name.into())]);
    (!expressions.is_empty() || !fields.is_empty())
        && expressions.iter().all(|requirement| holds(requirement, labels))
        && fields.iter().all(known)
}

/// The one field that a node selector term may name.
pub const NAME: &str = "metadata.name";

/// Whether `nodeSelector` and the required node affinity of a pod's `spec` let it be on the node `name`.
#[must_use]
pub fn selects(spec: &Value, name: &str, labels: &Labels) -> bool {
    let selector = spec["nodeSelector"].as_object().into_iter().flatten();
    let mut selector = selector.map(|(key, value)| label(labels, key) == value.as_str());
    let required = &spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    let mut terms = list(required, "nodeSelectorTerms").iter();
    selector.all(|holds| holds) && (required.is_null() || terms.any(|term| term_matches(term, name, labels)))
}

/// The taints of a decoded node.
#[must_use]
pub fn taints(node: &Value) -> Vec<Taint> {
    let taint = |taint: &Value| Taint {
        key: text(taint, "key").into(),
        value: text(taint, "value").into(),
        effect: text(taint, "effect").into(),
    };
    list(&node["spec"], "taints").iter().map(taint).collect()
}

/// Whether one of the tolerations bears the taint.
#[must_use]
pub fn tolerated(tolerations: &[Value], taint: &Taint) -> bool {
    tolerations.iter().any(|toleration| {
        let key = text(toleration, "key");
        let effect = text(toleration, "effect");
        let exists = text(toleration, "operator") == "Exists";
        (effect.is_empty() || effect == taint.effect)
            && (key == taint.key || (key.is_empty() && exists))
            && (exists || text(toleration, "value") == taint.value)
    })
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

    #[test]
    fn a_node_is_selected_by_labels_and_by_name() {
        let labels: Vec<(Box<str>, Box<str>)> = vec![("zone".into(), "a".into())];
        let terms = |terms: Value| {
            let required = json!({"nodeSelectorTerms": terms});
            json!({"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}})
        };
        let named = |key: &str, operator: &str, name: &str| {
            terms(json!([{"matchFields": [{"key": key, "operator": operator, "values": [name]}]}]))
        };
        let zone = |zone: &str| json!({"key": "zone", "operator": "In", "values": [zone]});
        for (spec, want) in [
            (json!({}), true),
            (json!({"nodeSelector": {"zone": "a"}}), true),
            (json!({"nodeSelector": {"zone": "b"}}), false),
            (named("metadata.name", "In", "n1"), true),
            (named("metadata.name", "In", "n2"), false),
            (named("metadata.name", "NotIn", "n2"), true),
            (named("metadata.uid", "NotIn", "n2"), false),
            (terms(json!([])), false),
            (terms(json!([{}])), false),
            (terms(json!([{"matchExpressions": [zone("b")]}, {"matchExpressions": [zone("a")]}])), true),
            (terms(json!([{"matchExpressions": [zone("a"), zone("b")]}])), false),
        ] {
            assert_eq!(selects(&spec, "n1", &labels), want, "{spec}");
        }
    }

    #[test]
    fn tolerations_bear_taints_as_kubernetes_has_it() {
        let taint = Taint { key: "k".into(), value: "v".into(), effect: "NoSchedule".into() };
        for (toleration, want) in [
            (json!({"key": "k", "operator": "Equal", "value": "v", "effect": "NoSchedule"}), true),
            (json!({"key": "k", "value": "v"}), true),
            (json!({"key": "k", "value": "w"}), false),
            (json!({"key": "k", "operator": "Exists"}), true),
            (json!({"operator": "Exists"}), true),
            (json!({"key": "k", "operator": "Exists", "effect": "NoExecute"}), false),
            (json!({}), false),
        ] {
            assert_eq!(tolerated(std::slice::from_ref(&toleration), &taint), want, "{toleration}");
        }
    }
}
