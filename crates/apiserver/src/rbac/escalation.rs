//! Nobody gives what they do not have: who writes a role or a binding must have its permissions, or be allowed to `escalate` or `bind`.
//! It judges objects on their way into the log; who may write roles at all was judged before.
use crate::call::Call;
use crate::draft;
use crate::identity::MASTERS;
use crate::permission;
use api::access::rule::{Rule, compact, missing};
use api::access::{CLUSTER_ROLE_BINDINGS, CLUSTER_ROLES, GROUP, ROLE_BINDINGS, ROLES};
use api::attempt::Attempt;
use api::status::Status;
use serde_json::Value;
use std::collections::BTreeSet;
use store::view::View;

/// # Errors
/// 403 that names what is missing; 404 for a binding of a role that is not there.
pub fn create(call: &Call, view: &View, new: &Value) -> Result<(), Status> {
    judge(call, view, None, new)
}

/// # Errors
/// As `create`. What the garbage collector changes (owners and finalizers) is no new grant.
pub fn update(call: &Call, view: &View, old: &Value, new: &Value) -> Result<(), Status> {
    if concerned(call).is_none() || only_kept_by(old, new) {
        return Ok(());
    }
    judge(call, view, Some(old), new)
}

fn concerned(call: &Call) -> Option<&str> {
    let resource = &*call.kind.resource;
    let ours = matches!(resource, ROLES | CLUSTER_ROLES | ROLE_BINDINGS | CLUSTER_ROLE_BINDINGS);
    (ours && call.target.subresource.is_empty() && !call.user.in_group(MASTERS)).then_some(resource)
}

/// Whether nothing but owners, finalizers and the notes of who wrote what differs.
fn only_kept_by(old: &Value, new: &Value) -> bool {
    let stripped = |value: &Value| {
        let mut value = value.clone();
        if let Some(meta) = value.get_mut("metadata").and_then(Value::as_object_mut) {
            for member in ["ownerReferences", "finalizers", "managedFields", "resourceVersion"] {
                meta.remove(member);
            }
        }
        value
    };
    stripped(old) == stripped(new)
}

fn judge(call: &Call, view: &View, old: Option<&Value>, new: &Value) -> Result<(), Status> {
    let Some(resource) = concerned(call) else { return Ok(()) };
    if matches!(resource, ROLE_BINDINGS | CLUSTER_ROLE_BINDINGS) {
        return binding(call, view, new);
    }
    let escalate = Attempt {
        verb: "escalate",
        group: GROUP,
        resource: &call.target.resource,
        namespace: &call.target.namespace,
        name: &call.target.name,
        ..Attempt::default()
    };
    if allowed(call, view, &escalate) {
        return Ok(());
    }
    held(call, view, new, &Rule::all_of(new))?;
    let aggregates = |role: &Value| {
        let selectors = role.pointer("/aggregationRule/clusterRoleSelectors").and_then(Value::as_array);
        selectors.is_some_and(|selectors| !selectors.is_empty())
    };
    if resource == CLUSTER_ROLES && (aggregates(new) || old.is_some_and(aggregates)) {
        let all = || vec!["*".into()];
        let everything = [
            Rule { verbs: all(), groups: all(), resources: all(), ..Rule::default() },
            Rule { verbs: all(), paths: all(), ..Rule::default() },
        ];
        let why = "must have cluster-admin privileges to use an aggregationRule";
        held(call, view, new, &everything).map_err(|_| forbidden(call, new, why))?;
    }
    Ok(())
}

fn allowed(call: &Call, view: &View, attempt: &Attempt<'_>) -> bool {
    permission::decide(&call.room, view, &call.user, attempt).is_ok()
}

/// The author of a binding is allowed to bind that role, or has what it gives.
fn binding(call: &Call, view: &View, new: &Value) -> Result<(), Status> {
    let namespace = call.target.namespace.as_str();
    let text = |member: &str| new["roleRef"][member].as_str().unwrap_or_default();
    let (resource, plural, of) = match text("kind") {
        "ClusterRole" => (CLUSTER_ROLES, "clusterroles", ""),
        "Role" => (ROLES, "roles", namespace),
        // Validation says what is wrong with it.
        _ => return Ok(()),
    };
    let bind = Attempt {
        verb: "bind",
        group: text("apiGroup"),
        resource: plural,
        namespace,
        name: text("name"),
        ..Attempt::default()
    };
    if allowed(call, view, &bind) {
        return Ok(());
    }
    let role = view.get(resource, of, text("name"));
    let role = role.ok_or_else(|| Status::not_found(GROUP, plural, text("name")))?;
    held(call, view, new, &Rule::all_of(&role.value()))
}

/// # Errors
/// 403 if the user does not have all of `rules` where the call is made.
fn held(call: &Call, view: &View, new: &Value, rules: &[Rule]) -> Result<(), Status> {
    let held = call.room.policies.held(view, &call.user, &call.target.namespace);
    let missing = missing(&held.rules, rules);
    if missing.is_empty() {
        return Ok(());
    }
    let shown: BTreeSet<String> = compact(&missing).iter().map(Rule::shown).collect();
    let shown: Vec<String> = shown.into_iter().collect();
    let groups: Vec<String> = call.user.groups.iter().map(|group| format!("{group:?}")).collect();
    let mut why = format!(
        "user {:?} (groups=[{}]) is attempting to grant RBAC permissions not currently held:\n{}",
        call.user.name,
        groups.join(" "),
        shown.join("\n")
    );
    if !held.missing.is_empty() {
        why.push_str(&format!("; resolution errors: [{}]", held.missing.join(", ")));
    }
    Err(forbidden(call, new, &why))
}

fn forbidden(call: &Call, new: &Value, why: &str) -> Status {
    Status::forbidden(&call.kind.group, &call.kind.plural, draft::text(new, "name"), why)
}
