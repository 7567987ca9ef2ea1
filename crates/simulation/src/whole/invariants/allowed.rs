//! Nobody wrote or read where no rule allowed it (Kubernetes' RBAC: what is not allowed is forbidden). A client's write names the rule that
//! let it pass in its note. Who is no member of `system:masters` stands in the log only where a role in that namespace says so, and was
//! answered only there. Roles are read anew here, without production's; those of the whole cluster are believed.
use crate::whole::deeds::Deed;
use crate::whole::evidence::Whole;
use crate::whole::spoken::{Named, Spoken, named};
use crate::whole::workload::PLACE;
use api::event::{Act, Event};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const MASTERS: &str = "a member of system:masters";
const NODE: &str = "a node and what its pods need";
const MAPS: &str = "configmaps";

/// Everything that roles and bindings of namespaces ever said: a member that decides may be behind.
#[derive(Default)]
struct Rights {
    /// Resources by namespace and role.
    roles: BTreeMap<(String, String), BTreeSet<String>>,
    /// Namespaces and roles by user.
    bound: BTreeMap<String, BTreeSet<(String, String)>>,
}

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    let mut rights = Rights::default();
    for deed in &evidence.deeds {
        rights.judge(deed)?;
        deed.changes.iter().filter(|event| event.act != Act::Deleted).for_each(|event| rights.fold(event));
    }
    evidence.spoken.iter().try_for_each(answered)
}

/// That who may little was answered in their own place alone.
fn answered(one: &Spoken) -> Result<(), String> {
    let own = match named(&one.path) {
        Named::One(key) => *key.resource == *MAPS && *key.namespace == *PLACE,
        Named::All { resource, namespace } => resource == MAPS && namespace.as_deref() == Some(PLACE),
        Named::Other => false,
    };
    // In another's name who may not is nobody at all.
    let may = own && !one.by.contains(" as ");
    if one.by.is_empty() || one.code >= 300 || may {
        return Ok(());
    }
    Err(format!("{} may not {} {} and was told {}", one.by, one.method, one.path, one.code))
}

impl Rights {
    fn judge(&self, deed: &Deed) -> Result<(), String> {
        let note: Value = serde_json::from_str(&deed.note).unwrap_or_default();
        // Controllers and members are no clients: their notes are no objects.
        if note["audit"].is_null() {
            return Ok(());
        }
        let first = deed.changes.first();
        let (at, what) = first.map_or((0, String::new()), |event| (event.revision.0, event.object.key.to_string()));
        let wrong = |why: &str| Err(format!("{} wrote {what} at revision {at}: {why}", deed.actor));
        let rule = note["rule"].as_str().unwrap_or_default();
        let bound = self.bound.get(&*deed.actor);
        if rule.is_empty() {
            return wrong("no rule allowed it");
        }
        if rule == MASTERS && bound.is_none() || rule == NODE || rule.contains("ClusterRoleBinding") {
            return Ok(());
        }
        let within = |(namespace, role): &(String, String)| {
            let resources = self.roles.get(&(namespace.clone(), role.clone()));
            let has = |resource: &str| resources.is_some_and(|all| all.contains(resource) || all.contains("*"));
            deed.changes.iter().all(|event| *event.object.key.namespace == **namespace)
                && deed.changes.iter().any(|event| has(plural(&event.object.key.resource)))
        };
        if deed.changes.is_empty() || bound.is_some_and(|bound| bound.iter().any(within)) {
            return Ok(());
        }
        wrong(&format!("their roles are {:?}, and the rule is said to be {rule:?}", bound.unwrap_or(&BTreeSet::new())))
    }

    fn fold(&mut self, event: &Event) {
        let key = &event.object.key;
        let place = |name: &str| (key.namespace.to_string(), name.to_owned());
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
        };
        match &*key.resource {
            "roles.rbac.authorization.k8s.io" => {
                let value = event.object.value();
                let resources = value["rules"].as_array().into_iter().flatten();
                let resources = resources.flat_map(|rule| texts(&rule["resources"]));
                self.roles.entry(place(&key.name)).or_default().extend(resources);
            }
            "rolebindings.rbac.authorization.k8s.io" => {
                let value = event.object.value();
                if value["roleRef"]["kind"] != "Role" {
                    return;
                }
                let role = place(value["roleRef"]["name"].as_str().unwrap_or_default());
                for subject in value["subjects"].as_array().into_iter().flatten() {
                    let text = |member: &str| subject[member].as_str().unwrap_or_default();
                    let name = match text("kind") {
                        "User" => text("name").to_owned(),
                        "ServiceAccount" => format!("system:serviceaccount:{}:{}", text("namespace"), text("name")),
                        _ => continue,
                    };
                    self.bound.entry(name).or_default().insert(role.clone());
                }
            }
            _ => {}
        }
    }
}

fn plural(resource: &str) -> &str {
    resource.split('.').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole::invariants::example::Story;
    use serde_json::json;

    fn map(namespace: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": namespace, "name": "m"}})
    }

    fn story() -> Story {
        let meta = json!({"namespace": PLACE, "name": "r"});
        let role = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role", "metadata": meta,
            "rules": [{"apiGroups": [""], "resources": [MAPS], "verbs": ["*"]}]});
        let binding = json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding", "metadata": meta,
            "roleRef": {"kind": "Role", "name": "r"}, "subjects": [{"kind": "User", "name": "bob"}]});
        Story::default().put("simulated", "roles.rbac.authorization.k8s.io", role).put(
            "simulated",
            "rolebindings.rbac.authorization.k8s.io",
            binding,
        )
    }

    fn judged(resource: &str, object: Value, actor: &str, rule: &str) -> Result<(), String> {
        let mut whole = story().put(actor, resource, object).whole();
        let last = whole.deeds.last_mut().expect("a deed");
        last.note = json!({"audit": "1", "rule": rule}).to_string().into();
        check(&whole)
    }

    #[test]
    fn breaks_are_found() {
        const RULE: &str = "RBAC: allowed by RoleBinding \"r/verbs\" of Role \"r\" to User \"bob\"";
        assert_eq!(judged(MAPS, map(PLACE), "bob", RULE), Ok(()));
        assert_eq!(judged(MAPS, map("beside"), "simulated", MASTERS), Ok(()));
        let broken = |resource: &str, object: Value, actor: &str, rule: &str, word: &str| {
            let found = judged(resource, object, actor, rule).err().unwrap_or_default();
            assert!(found.contains(word), "{word}: {found}");
        };
        broken(MAPS, map(PLACE), "simulated", "", "no rule");
        broken(MAPS, map("beside"), "bob", RULE, "their roles");
        broken(MAPS, map("beside"), "bob", MASTERS, "their roles");
        broken(MAPS, map(PLACE), "eve", RULE, "their roles");
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": PLACE, "name": "s"}});
        broken("secrets", secret, "bob", RULE, "their roles");
    }

    #[test]
    fn answers_that_nobody_may_have_are_found() {
        let told = |by: &str, path: &str, code| {
            let (method, path, by) = ("GET".to_owned(), path.to_owned(), by.to_owned());
            let spoken = vec![Spoken { begin: 0, end: 1, method, path, name: None, by, code, answer: Value::Null }];
            check(&Whole { spoken, ..story().whole() })
        };
        let (own, other) = ("/api/v1/namespaces/verbs/configmaps/m", "/api/v1/namespaces/beside/configmaps");
        assert_eq!(told("bob", own, 200), Ok(()));
        assert_eq!(told("bob", other, 403), Ok(()));
        assert_eq!(told("", other, 200), Ok(()));
        assert!(told("bob", other, 200).is_err() && told("bob", "/api/v1/configmaps", 200).is_err());
        assert!(told("bob as simulated", own, 200).is_err());
    }
}
