//! Defaults of a schema: each must be what the schema allows where it stands, with nothing in it that would be pruned.
use crate::problem::Problems;
use crate::schema::structural::check;
use crate::schema::structural::node::Node;
use crate::schema::structural::prune;

pub(super) fn check(node: &Node, path: &str, problems: &mut Problems) {
    if let Some(default) = &node.default {
        let at = format!("{path}.default");
        let (mut pruned, mut gone) = (default.clone(), Vec::new());
        prune::place(node, &mut pruned, &mut gone);
        if pruned != *default {
            problems.invalid(at.as_str(), default, "must not have unknown fields");
        }
        check::place(node, default, &at, problems);
    }
    if let Some(inner) = &node.items {
        check(inner, &format!("{path}.items"), problems);
    }
    // Nothing is followed into additionalProperties, as in Kubernetes.
    for (name, inner) in &node.properties {
        check(inner, &format!("{path}.properties[{name}]"), problems);
    }
}
