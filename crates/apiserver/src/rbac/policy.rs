//! Who may do what by the roles and bindings of a view: they are read once, and a changed one again before the next question is answered.
//! It is asked with a view and never looks for one itself.
use crate::identity::User;
use api::access::rule::Rule;
use api::access::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, GROUP, ROLE_BINDINGS, ROLES};
use api::attempt::Attempt;
use api::object::Object;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};
use store::view::{Part, View};

const RESOURCES: [&str; 4] = [CLUSTER_ROLES, CLUSTER_ROLE_BINDINGS, ROLES, ROLE_BINDINGS];

/// The roles and bindings of the view that was last asked about, ready to be asked.
#[derive(Debug, Default)]
pub struct Policies(RwLock<Policy>);

#[derive(Debug, Default)]
struct Policy {
    /// What it was read from.
    part: Part,
    /// By namespace and name; ClusterRoles have no namespace.
    roles: BTreeMap<Box<str>, BTreeMap<Box<str>, Arc<[Rule]>>>,
    /// By the namespace they hold in: what ClusterRoleBindings give stands under none.
    grants: BTreeMap<Box<str>, Subjects>,
}

#[derive(Debug, Default)]
struct Subjects {
    users: BTreeMap<Box<str>, Vec<Grant>>,
    groups: BTreeMap<Box<str>, Vec<Grant>>,
}

/// That a binding gives a role to one of its subjects.
#[derive(Debug)]
struct Grant {
    binding: Box<str>,
    cluster_role: bool,
    role: Box<str>,
    reason: Arc<str>,
}

/// The rules somebody has in a namespace, and which roles they are bound to that are not there.
#[derive(Debug, Default)]
pub struct Held {
    pub rules: Vec<Rule>,
    pub missing: Vec<String>,
}

impl Policies {
    /// The binding that allows it.
    ///
    /// # Errors
    /// What a refusal should say; mostly nothing.
    pub fn decide(&self, view: &View, user: &User, attempt: &Attempt<'_>) -> Result<Arc<str>, String> {
        self.with(view, |policy| policy.decide(user, attempt))
    }

    /// All that `user` has in `namespace`; in none, only what holds everywhere.
    #[must_use]
    pub fn held(&self, view: &View, user: &User, namespace: &str) -> Held {
        self.with(view, |policy| {
            let mut held = Held::default();
            for (scope, grant) in policy.grants(user, namespace) {
                match policy.rules(scope, grant) {
                    Some(rules) => held.rules.extend(rules.iter().cloned()),
                    None => held.missing.push(absent(grant)),
                }
            }
            held.missing.dedup();
            held
        })
    }

    fn with<T>(&self, view: &View, ask: impl FnOnce(&Policy) -> T) -> T {
        if let Ok(policy) = self.0.read()
            && policy.part.is_of(view)
        {
            return ask(&policy);
        }
        let poisoned = self.0.is_poisoned();
        let mut policy = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if poisoned {
            // Whoever changed it did not come to the end.
            *policy = Policy::default();
            self.0.clear_poison();
        }
        policy.follow(view);
        ask(&policy)
    }
}

impl Policy {
    /// Reads what is different in `view`, be it newer or older.
    fn follow(&mut self, view: &View) {
        let part = view.part(&RESOURCES);
        let old = std::mem::replace(&mut self.part, part.clone());
        for (before, after) in old.diff(&part) {
            if let Some(before) = before {
                self.forget(before);
            }
            if let Some(after) = after {
                self.learn(after);
            }
        }
    }

    fn learn(&mut self, object: &Object) {
        let (key, value) = (&object.key, object.value());
        if matches!(&*key.resource, ROLES | CLUSTER_ROLES) {
            let roles = self.roles.entry((*key.namespace).into()).or_default();
            roles.insert((*key.name).into(), Rule::all_of(&value).into());
            return;
        }
        let subjects = self.grants.entry((*key.namespace).into()).or_default();
        let role = &value["roleRef"];
        for (subject, reason) in grants(object, &value) {
            let grant = Grant {
                binding: (*key.name).into(),
                cluster_role: role["kind"] == "ClusterRole",
                role: role["name"].as_str().unwrap_or_default().into(),
                reason,
            };
            let (of_kind, name) = subjects.of(subject);
            of_kind.entry(name).or_default().push(grant);
        }
    }

    fn forget(&mut self, object: &Object) {
        let key = &object.key;
        if matches!(&*key.resource, ROLES | CLUSTER_ROLES) {
            if let Some(roles) = self.roles.get_mut(&*key.namespace) {
                roles.remove(&*key.name);
            }
            return;
        }
        let Some(subjects) = self.grants.get_mut(&*key.namespace) else { return };
        for (subject, _) in grants(object, &object.value()) {
            let (of_kind, name) = subjects.of(subject);
            if let Some(grants) = of_kind.get_mut(&name) {
                grants.retain(|grant| *grant.binding != *key.name);
                if grants.is_empty() {
                    of_kind.remove(&name);
                }
            }
        }
        if subjects.users.is_empty() && subjects.groups.is_empty() {
            self.grants.remove(&*key.namespace);
        }
    }

    /// What `user` is given everywhere, then what in `namespace`: where it holds, and the grant.
    fn grants<'a>(&'a self, user: &'a User, namespace: &'a str) -> impl Iterator<Item = (&'a str, &'a Grant)> {
        let scopes = [Some(""), Some(namespace).filter(|namespace| !namespace.is_empty())];
        scopes.into_iter().flatten().flat_map(move |scope| {
            let subjects = self.grants.get(scope);
            let own = subjects.and_then(|subjects| subjects.users.get(&user.name));
            let shared = subjects
                .into_iter()
                .flat_map(|subjects| user.groups.iter().filter_map(|group| subjects.groups.get(group)));
            own.into_iter().chain(shared).flatten().map(move |grant| (scope, grant))
        })
    }

    fn rules(&self, scope: &str, grant: &Grant) -> Option<&Arc<[Rule]>> {
        self.roles.get(if grant.cluster_role { "" } else { scope })?.get(&grant.role)
    }

    fn decide(&self, user: &User, attempt: &Attempt<'_>) -> Result<Arc<str>, String> {
        let mut missing = Vec::new();
        for (scope, grant) in self.grants(user, attempt.namespace) {
            match self.rules(scope, grant) {
                Some(rules) if any_allows(rules, attempt) => return Ok(grant.reason.clone()),
                Some(_) => {}
                None => missing.push(absent(grant)),
            }
        }
        Err(told(missing))
    }
}

/// Whether one of `rules` allows it.
#[must_use]
pub fn any_allows(rules: &[Rule], attempt: &Attempt<'_>) -> bool {
    let Attempt { verb, group, resource, subresource, name, path, .. } = *attempt;
    if path.is_empty() {
        return rules.iter().any(|rule| rule.allows(verb, group, resource, subresource, name));
    }
    rules.iter().any(|rule| rule.allows_path(verb, path))
}

enum Subject {
    User(Box<str>),
    Group(Box<str>),
}

impl Subjects {
    fn of(&mut self, subject: Subject) -> (&mut BTreeMap<Box<str>, Vec<Grant>>, Box<str>) {
        match subject {
            Subject::User(name) => (&mut self.users, name),
            Subject::Group(name) => (&mut self.groups, name),
        }
    }
}

/// To whom a binding gives its role, and what is said of it.
fn grants(object: &Object, binding: &Value) -> Vec<(Subject, Arc<str>)> {
    let (namespace, name) = (&*object.key.namespace, &*object.key.name);
    let role = &binding["roleRef"];
    let (role_kind, role_name) = (text(role, "kind"), text(role, "name"));
    let (kind, place) = match namespace {
        "" => ("ClusterRoleBinding", name.to_owned()),
        namespace => ("RoleBinding", format!("{name}/{namespace}")),
    };
    let reason = |what: &str, whom: &str| {
        format!("RBAC: allowed by {kind} {place:?} of {role_kind} {role_name:?} to {what} {whom:?}").into()
    };
    let grant = |subject: &Value| {
        let name = text(subject, "name");
        match text(subject, "kind") {
            "User" => Some((Subject::User(name.into()), reason("User", name))),
            "Group" => Some((Subject::Group(name.into()), reason("Group", name))),
            "ServiceAccount" => {
                let own = text(subject, "namespace");
                let at = if own.is_empty() { namespace } else { own };
                let user = format!("system:serviceaccount:{at}:{name}");
                (!at.is_empty())
                    .then(|| (Subject::User(user.into()), reason("ServiceAccount", &format!("{name}/{at}"))))
            }
            _ => None,
        }
    };
    binding["subjects"].as_array().into_iter().flatten().filter_map(grant).collect()
}

fn text<'a>(value: &'a Value, member: &str) -> &'a str {
    value.get(member).and_then(Value::as_str).unwrap_or_default()
}

fn absent(grant: &Grant) -> String {
    let kind = if grant.cluster_role { "clusterrole" } else { "role" };
    format!("{kind}.{GROUP} {:?} not found", grant.role)
}

/// Roles that are not there, in the words of Kubernetes; empty if there are none.
fn told(mut missing: Vec<String>) -> String {
    missing.dedup();
    match &missing[..] {
        [] => String::new(),
        [one] => format!("RBAC: {one}"),
        many => format!("RBAC: [{}]", many.join(", ")),
    }
}
