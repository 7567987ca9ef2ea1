//! Aggregated ClusterRoles: whose rules are the union of those that their `aggregationRule` selects. It keeps nothing up to date by itself.
use crate::selector::Labels;
use serde_json::Value;

/// What a ClusterRole selects by labels; `None` if it aggregates nothing, or one of its selectors cannot be read.
#[must_use]
pub fn selectors(role: &Value) -> Option<Vec<Labels>> {
    let selectors = role.get("aggregationRule")?.get("clusterRoleSelectors")?.as_array()?;
    let selectors: Vec<Labels> = selectors.iter().map(Labels::of).collect::<Result<_, _>>().ok()?;
    (!selectors.is_empty()).then_some(selectors)
}

/// All rules of `roles`, which come selector by selector and then by name; each rule once.
pub fn union(roles: impl Iterator<Item = Value>) -> Vec<Value> {
    let mut rules: Vec<Value> = Vec::new();
    for mut role in roles {
        let Some(Value::Array(more)) = role.get_mut("rules").map(Value::take) else { continue };
        for rule in more {
            if !rules.contains(&rule) {
                rules.push(rule);
            }
        }
    }
    rules
}

/// The rules that `role`, one of `roles`, should have; `roles` are in the order of their names.
#[must_use]
pub fn rules(role: &Value, roles: &[Value]) -> Option<Vec<Value>> {
    let name = &role["metadata"]["name"];
    let selectors = selectors(role)?;
    let selected = selectors.iter().flat_map(|selector| {
        let fits = move |other: &&Value| {
            other["metadata"]["name"] != *name && selector.matches_map(&other["metadata"]["labels"])
        };
        roles.iter().filter(fits).cloned()
    });
    Some(union(selected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_union_has_each_rule_once_and_never_its_own() {
        let rule = |verb: &str| json!({"verbs": [verb], "apiGroups": [""], "resources": ["pods"]});
        let role =
            |name: &str, rules: Value| json!({"metadata": {"name": name, "labels": {"to": "x"}}, "rules": rules});
        let mut whole = role("b", json!([rule("delete")]));
        whole["aggregationRule"] = json!({"clusterRoleSelectors": [{"matchLabels": {"to": "x"}}]});
        let roles = [role("a", json!([rule("get"), rule("list")])), whole.clone(), role("c", json!([rule("list")]))];
        assert_eq!(rules(&whole, &roles), Some(vec![rule("get"), rule("list")]));
        assert_eq!(rules(&roles[0], &roles), None);
        whole["aggregationRule"]["clusterRoleSelectors"] =
            json!([{"matchExpressions": [{"key": "to", "operator": "Never"}]}]);
        assert_eq!(rules(&whole, &roles), None, "what cannot be read changes nothing");
    }
}
