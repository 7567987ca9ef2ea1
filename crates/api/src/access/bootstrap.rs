//! The roles and bindings that every cluster has, as data (`data/access.txt`), and what of them an existing object lacks. It takes nothing
//! away that somebody added, and changes nothing that says `autoupdate: "false"`.
use super::rule::{Rule, missing};
use super::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, GROUP, ROLE_BINDINGS, ROLES, aggregate};
use serde_json::{Value, json};
use std::sync::LazyLock;

const DATA: &str = include_str!("../../data/access.txt");
/// Whether an object may be completed.
const AUTO_UPDATE: &str = "rbac.authorization.kubernetes.io/autoupdate";
const READ: [&str; 3] = ["get", "list", "watch"];
const WRITE: [&str; 5] = ["create", "delete", "deletecollection", "patch", "update"];

static OBJECTS: LazyLock<Vec<(&'static str, Value)>> = LazyLock::new(read);

/// Every role and binding that a cluster begins with, and where it is stored. Aggregated roles have their rules.
#[must_use]
pub fn objects() -> &'static [(&'static str, Value)] {
    &OBJECTS
}

fn read() -> Vec<(&'static str, Value)> {
    let mut objects: Vec<(&'static str, Value)> = Vec::new();
    // Where the role is that the following rules belong to.
    let mut role = 0;
    for line in DATA.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        if line.starts_with(' ') {
            if let Some(rules) = objects.get_mut(role).and_then(|(_, role)| role["rules"].as_array_mut()) {
                rules.push(rule(&words).to_value());
            }
            continue;
        }
        role = objects.len();
        match words[..] {
            ["ClusterRole", name, ref relations @ ..] => objects.push((CLUSTER_ROLES, cluster_role(name, relations))),
            ["Role", place] => objects.push((ROLES, object("Role", place, "rules"))),
            ["Controller", name] => {
                let full = format!("system:controller:{name}");
                let subject = format!("ServiceAccount:kube-system/{name}");
                objects.push((CLUSTER_ROLES, cluster_role(&full, &[])));
                let kinds = ("ClusterRoleBinding", "ClusterRole");
                objects.push((CLUSTER_ROLE_BINDINGS, binding(kinds, &full, &full, &[&subject])));
            }
            ["ClusterRoleBinding", name, ref subjects @ ..] => {
                let kinds = ("ClusterRoleBinding", "ClusterRole");
                objects.push((CLUSTER_ROLE_BINDINGS, binding(kinds, name, name, subjects)));
            }
            ["RoleBinding", place, name, ref subjects @ ..] => {
                objects.push((ROLE_BINDINGS, binding(("RoleBinding", "Role"), place, name, subjects)));
            }
            _ => {}
        }
    }
    aggregated(&mut objects);
    objects
}

/// Gives aggregated roles their rules; some aggregate others that do, so until nothing changes.
fn aggregated(objects: &mut [(&'static str, Value)]) {
    loop {
        let roles = objects.iter().filter(|(resource, _)| *resource == CLUSTER_ROLES).map(|(_, role)| role.clone());
        let mut roles: Vec<Value> = roles.collect();
        roles.sort_by(|one, other| one["metadata"]["name"].as_str().cmp(&other["metadata"]["name"].as_str()));
        let mut changed = false;
        for (_, object) in objects.iter_mut() {
            let Some(rules) = aggregate::rules(object, &roles) else { continue };
            changed |= object["rules"].as_array() != Some(&rules);
            object["rules"] = rules.into();
        }
        if !changed {
            return;
        }
    }
}

/// `place` is a name, or a namespace and a name.
fn object(kind: &str, place: &str, member: &str) -> Value {
    let (namespace, name) = place.split_once('/').unwrap_or(("", place));
    let mut object = json!({"apiVersion": format!("{GROUP}/v1"), "kind": kind, "metadata": {"name": name,
        "labels": {"kubernetes.io/bootstrapping": "rbac-defaults"}, "annotations": {AUTO_UPDATE: "true"}}, member: []});
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = namespace.into();
    }
    object
}

fn cluster_role(name: &str, relations: &[&str]) -> Value {
    let mut role = object("ClusterRole", name, "rules");
    let label = |to: &str| format!("rbac.authorization.k8s.io/aggregate-to-{to}");
    for relation in relations {
        match relation.split_once('-') {
            Some(("to", to)) => role["metadata"]["labels"][label(to)] = "true".into(),
            Some(("of", of)) => {
                let selector = json!({"matchLabels": {label(of): "true"}});
                role["aggregationRule"] = json!({"clusterRoleSelectors": [selector]});
            }
            _ => {}
        }
    }
    role
}

fn binding((kind, role_kind): (&str, &str), place: &str, role: &str, subjects: &[&str]) -> Value {
    let mut binding = object(kind, place, "subjects");
    binding["roleRef"] = json!({"apiGroup": GROUP, "kind": role_kind, "name": role});
    let subjects = subjects.iter().filter_map(|subject| {
        let (kind, name) = subject.split_once(':')?;
        Some(match name.split_once('/').filter(|_| kind == "ServiceAccount") {
            Some((namespace, name)) => json!({"kind": kind, "name": name, "namespace": namespace}),
            None => json!({"apiGroup": GROUP, "kind": kind, "name": name}),
        })
    });
    let subjects: Vec<Value> = subjects.collect();
    match (subjects.is_empty(), binding.as_object_mut()) {
        (true, Some(members)) => drop(members.remove("subjects")),
        _ => binding["subjects"] = subjects.into(),
    }
    binding
}

fn rule(words: &[&str]) -> Rule {
    let list = |text: &str| {
        let words = text.split(',').flat_map(|word| match word {
            "read" => READ.to_vec(),
            "write" => WRITE.to_vec(),
            "-" => vec![""],
            word => vec![word],
        });
        let mut list: Vec<Box<str>> = words.map(Into::into).collect();
        list.sort();
        list
    };
    match *words {
        ["events"] => rule(&["create,patch,update", "-,events.k8s.io", "events"]),
        [verbs, "url", paths] => Rule { verbs: list(verbs), paths: list(paths), ..Rule::default() },
        [verbs, groups, resources, ref names @ ..] => Rule {
            verbs: list(verbs),
            groups: list(groups),
            resources: list(resources),
            names: names.first().map(|names| list(names)).unwrap_or_default(),
            ..Rule::default()
        },
        _ => Rule::default(),
    }
}

/// `existing` with what it lacks of `expected`: labels, annotations, rules, selectors, subjects. `None` if it lacks nothing, or is not to be
/// completed. A binding that binds another role is given back as `expected`: the caller must make it anew, for its role cannot change.
#[must_use]
pub fn completed(expected: &Value, existing: &Value) -> Option<Value> {
    if existing["metadata"]["annotations"][AUTO_UPDATE] == "false" {
        return None;
    }
    if existing["roleRef"] != expected["roleRef"] {
        return Some(expected.clone());
    }
    let mut complete = existing.clone();
    for member in ["labels", "annotations"] {
        for (key, value) in expected["metadata"][member].as_object().into_iter().flatten() {
            if existing["metadata"][member].get(key).is_none() {
                complete["metadata"][member][key] = value.clone();
            }
        }
    }
    let selectors = "/aggregationRule/clusterRoleSelectors";
    if expected.pointer(selectors).is_some() {
        let lacking = lacking(expected.pointer(selectors), existing.pointer(selectors));
        append(&mut complete["aggregationRule"]["clusterRoleSelectors"], lacking);
    } else if expected.get("rules").is_some() {
        let more = missing(&Rule::all_of(existing), &Rule::all_of(expected));
        append(&mut complete["rules"], more.iter().map(Rule::to_value).collect());
    }
    if expected.get("subjects").is_some() {
        append(&mut complete["subjects"], lacking(expected.get("subjects"), existing.get("subjects")));
    }
    (complete != *existing).then_some(complete)
}

fn lacking(expected: Option<&Value>, existing: Option<&Value>) -> Vec<Value> {
    let existing = existing.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let expected = expected.and_then(Value::as_array).into_iter().flatten();
    expected.filter(|item| !existing.contains(item)).cloned().collect()
}

fn append(list: &mut Value, more: Vec<Value>) {
    match list.as_array_mut() {
        _ if more.is_empty() => {}
        Some(list) => list.extend(more),
        None => *list = more.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named<'a>(resource: &str, name: &str) -> &'a Value {
        let of_it = |(known, value): &&(&str, Value)| *known == resource && value["metadata"]["name"] == name;
        &objects().iter().find(of_it).unwrap_or_else(|| panic!("{name} is there")).1
    }

    #[test]
    fn a_cluster_begins_with_what_kubernetes_begins_with() {
        let count = |resource: &str, controllers: bool| {
            let of_controller = |value: &Value| {
                value["roleRef"]["name"]
                    .as_str()
                    .or(value["metadata"]["name"].as_str())
                    .is_some_and(|name| name.starts_with("system:controller:"))
            };
            objects().iter().filter(|(known, value)| *known == resource && of_controller(value) == controllers).count()
        };
        assert_eq!((count(CLUSTER_ROLES, false), count(CLUSTER_ROLE_BINDINGS, false)), (31, 12));
        assert_eq!((count(CLUSTER_ROLES, true), count(CLUSTER_ROLE_BINDINGS, true)), (37, 37));
        let namespaced = |resource: &str| objects().iter().filter(|(known, _)| *known == resource).count();
        assert_eq!((namespaced(ROLES), namespaced(ROLE_BINDINGS)), (7, 7));
    }

    #[test]
    fn every_object_is_valid_and_of_its_kind() {
        for (resource, value) in objects() {
            let kind = crate::kinds::builtin().iter().find(|kind| &*kind.resource == *resource).expect("a kind");
            let mut defaulted = value.clone();
            assert_eq!(crate::schema::check_fields(kind, &mut defaulted), Ok(Vec::new()), "{value}");
            crate::schema::default(kind, &mut defaulted);
            assert_eq!(defaulted, *value, "it has its defaults");
            assert_eq!(crate::schema::validate::new_object(kind, value), Ok(()), "{value}");
            if let Some(role) = value.get("roleRef").filter(|_| value["metadata"]["name"] != "x") {
                let roles = if role["kind"] == "Role" { ROLES } else { CLUSTER_ROLES };
                named(roles, role["name"].as_str().expect("a name"));
            }
        }
    }

    #[test]
    fn aggregated_roles_have_their_rules_from_the_first_moment() {
        let allows = |role: &str, verb: &str, group: &str, resource: &str| {
            Rule::all_of(named(CLUSTER_ROLES, role)).iter().any(|rule| rule.allows(verb, group, resource, "", "x"))
        };
        for (role, verb, group, resource, may) in [
            ("view", "get", "", "pods", true),
            ("view", "get", "", "secrets", false),
            ("view", "create", "", "pods", false),
            ("edit", "get", "", "pods", true),
            ("edit", "delete", "apps", "deployments", true),
            ("edit", "create", GROUP, "roles", false),
            ("admin", "create", GROUP, "roles", true),
            ("admin", "get", "", "configmaps", true),
            ("admin", "update", "", "resourcequotas", false),
        ] {
            assert_eq!(allows(role, verb, group, resource), may, "{role} {verb} {resource}");
        }
    }

    #[test]
    fn what_is_missing_is_added_and_what_was_added_stays() {
        let expected = named(CLUSTER_ROLES, "system:kube-dns");
        assert_eq!(completed(expected, expected), None);
        let mut existing = expected.clone();
        existing["metadata"]["labels"] = json!({"mine": "x"});
        existing["rules"] = json!([{"verbs": ["list"], "apiGroups": [""], "resources": ["*"]}]);
        let complete = completed(expected, &existing).expect("it lacks something");
        assert_eq!(
            complete["metadata"]["labels"],
            json!({"mine": "x", "kubernetes.io/bootstrapping": "rbac-defaults"})
        );
        let want = json!([{"verbs": ["list"], "apiGroups": [""], "resources": ["*"]},
            {"verbs": ["watch"], "apiGroups": [""], "resources": ["endpoints"]},
            {"verbs": ["watch"], "apiGroups": [""], "resources": ["services"]}]);
        assert_eq!(complete["rules"], want);
        assert_eq!(completed(expected, &complete), None);
        existing["metadata"]["annotations"][AUTO_UPDATE] = "false".into();
        assert_eq!(completed(expected, &existing), None);
        let expected = named(CLUSTER_ROLE_BINDINGS, "system:discovery");
        let mut existing = expected.clone();
        existing["subjects"] = json!([{"apiGroup": GROUP, "kind": "User", "name": "eve"}]);
        let complete = completed(expected, &existing).expect("it lacks a subject");
        assert_eq!(complete["subjects"].as_array().map(Vec::len), Some(2));
        let mut other = expected.clone();
        other["roleRef"]["name"] = "view".into();
        assert_eq!(completed(expected, &other).as_ref(), Some(expected));
        let edit = named(CLUSTER_ROLES, "edit");
        let mut existing = edit.clone();
        existing["rules"] = json!([]);
        assert_eq!(completed(edit, &existing), None, "the rules of an aggregated role are its controller's");
    }
}
