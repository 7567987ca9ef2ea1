//! Roles and bindings (rbac.authorization.k8s.io). It never asks who may do what.
use super::labels;
use super::words::{go_role, invalid_shown, items, one_of, text};
use crate::field::Problems;
use serde_json::Value;

const GROUP: &str = "rbac.authorization.k8s.io";

/// The rules of a Role or ClusterRole.
pub(super) fn rules(value: &Value, namespaced: bool, problems: &mut Problems) {
    for (at, rule) in items(value, "rules").iter().enumerate() {
        let path = format!("rules[{at}]");
        let empty = |member: &str| items(rule, member).is_empty();
        if empty("verbs") {
            problems.required(format!("{path}.verbs"), "verbs must contain at least one value");
        }
        if !empty("nonResourceURLs") {
            let field = format!("{path}.nonResourceURLs");
            let urls = &rule["nonResourceURLs"];
            if namespaced {
                problems.invalid(field.as_str(), urls, "namespaced rules cannot apply to non-resource URLs");
            }
            if ["apiGroups", "resources", "resourceNames"].into_iter().any(|member| !empty(member)) {
                problems.invalid(field, urls, "rules cannot apply to both regular resources and non-resource URLs");
            }
            continue;
        }
        if empty("apiGroups") {
            problems.required(format!("{path}.apiGroups"), "resource rules must supply at least one api group");
        }
        if empty("resources") {
            problems.required(format!("{path}.resources"), "resource rules must supply at least one resource");
        }
    }
}

/// How a ClusterRole is put together of others.
pub(super) fn aggregation(value: &Value, problems: &mut Problems) {
    let rule = &value["aggregationRule"];
    if !rule.is_object() {
        return;
    }
    let selectors = items(rule, "clusterRoleSelectors");
    if selectors.is_empty() {
        let why = "at least one clusterRoleSelector required if aggregationRule is non-nil";
        problems.required("aggregationRule.clusterRoleSelectors", why);
    }
    for (at, selector) in selectors.iter().enumerate() {
        labels::selector(selector, &format!("aggregationRule.clusterRoleSelectors[{at}]"), problems);
    }
}

/// A RoleBinding or ClusterRoleBinding.
pub(super) fn binding(value: &Value, namespaced: bool, problems: &mut Problems) {
    let role = &value["roleRef"];
    one_of("roleRef.apiGroup", text(role, "apiGroup"), &[GROUP], problems);
    let kinds: &[&str] = if namespaced { &["Role", "ClusterRole"] } else { &["ClusterRole"] };
    one_of("roleRef.kind", text(role, "kind"), kinds, problems);
    match text(role, "name") {
        "" => problems.required("roleRef.name", ""),
        name => {
            for why in crate::name::path_segment(name) {
                problems.invalid_text("roleRef.name", name, &why);
            }
        }
    }
    for (at, subject) in items(value, "subjects").iter().enumerate() {
        self::subject(subject, &format!("subjects[{at}]"), namespaced, problems);
    }
}

fn subject(subject: &Value, path: &str, namespaced: bool, problems: &mut Problems) {
    let (kind, name, group) = (text(subject, "kind"), text(subject, "name"), text(subject, "apiGroup"));
    if name.is_empty() {
        problems.required(format!("{path}.name"), "");
    }
    match kind {
        "ServiceAccount" => {
            if !name.is_empty() {
                for why in crate::name::subdomain(name) {
                    problems.invalid_text(format!("{path}.name"), name, &why);
                }
            }
            one_of(&format!("{path}.apiGroup"), group, &[""], problems);
            // A RoleBinding's own namespace does not stand in.
            if text(subject, "namespace").is_empty() && !namespaced {
                problems.required(format!("{path}.namespace"), "");
            }
        }
        "User" | "Group" => one_of(&format!("{path}.apiGroup"), group, &[GROUP], problems),
        other => one_of(&format!("{path}.kind"), other, &["ServiceAccount", "User", "Group"], problems),
    }
}

/// What is bound stays: to bind another role is another binding.
pub(super) fn binding_change(old: &Value, new: &Value, problems: &mut Problems) {
    if old["roleRef"] != new["roleRef"] {
        invalid_shown("roleRef", &go_role(&new["roleRef"]), "cannot change roleRef", problems);
    }
}
