//! Nothing is collected whose owner lives, and when all is at rest nothing is left whose owners are gone, nor anything in a namespace that
//! is (Kubernetes' garbage collection: owners and dependents; the end of a namespace). A namespace goes by who saw it empty, and by nobody
//! while its own finalizer holds it: that what is left in it goes later, too, excuses neither.
use crate::whole::deeds::Deed;
use crate::whole::evidence::Whole;
use api::event::Act;
use api::object::Object;
use std::collections::{BTreeMap, BTreeSet};

const COLLECTOR: &str = "system:controller:garbage";
const ENDER: &str = "system:controller:namespace";

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    let mut living: BTreeMap<u128, bool> = BTreeMap::new();
    for deed in &evidence.deeds {
        for event in &deed.changes {
            let object = &event.object;
            let ending = object.facet.deleting.is_some();
            let begins = event.act == Act::Deleted || ending;
            let was = event.before.as_ref().is_some_and(|before| before.facet.deleting.is_some());
            let owner = |object: &Object| {
                let lives = |uid: u128| living.get(&uid).is_some_and(|ending| !ending);
                object.facet.owners.iter().find(|owner| lives(owner.uid)).map(|owner| owner.name.to_string())
            };
            if &*deed.actor == COLLECTOR && begins && !was {
                if let Some(owner) = event.before.as_deref().and_then(owner) {
                    return Err(format!("{} is collected while its owner {owner} lives", object.key));
                }
            }
            if event.act == Act::Deleted && &*object.key.resource == "namespaces" {
                ended(deed, object)?;
            }
            if event.act == Act::Deleted {
                living.remove(&object.uid.0);
            } else {
                living.insert(object.uid.0, ending);
            }
        }
    }
    evidence.unrest.is_some().then_some(()).map_or_else(|| left(evidence), Ok)
}

/// That a namespace was taken away as it may be.
fn ended(deed: &Deed, namespace: &Object) -> Result<(), String> {
    let name = &namespace.key.name;
    if &*deed.actor == ENDER {
        let full = deed.read.resources().find(|resource| deed.read.count(resource, Some(name)) > 0);
        return full.map_or(Ok(()), |resource| Err(format!("namespace {name} is taken away with {resource} in it")));
    }
    let held = namespace.value()["spec"]["finalizers"].as_array().is_some_and(|all| !all.is_empty());
    if held { Err(format!("{} takes namespace {name} away, which is held", deed.actor)) } else { Ok(()) }
}

/// What is left at the end.
fn left(evidence: &Whole) -> Result<(), String> {
    let view = evidence.members.reference.at(u64::MAX);
    let uids: BTreeSet<u128> = view.all().map(|object| object.uid.0).collect();
    for object in view.all() {
        if !object.facet.owners.is_empty() && !object.facet.owners.iter().any(|owner| uids.contains(&owner.uid)) {
            return Err(format!("{} is left, and its owners are gone", object.key));
        }
        let namespace = &object.key.namespace;
        if !namespace.is_empty() && view.get("namespaces", "", namespace).is_none() {
            return Err(format!("{} is left, and its namespace is gone", object.key));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole::invariants::example::{Story, owner, pod, uid};
    use serde_json::json;

    #[test]
    fn breaks_are_found() {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "d"}});
        let story = || {
            let owning = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": "d", "name": "o"}});
            Story::default().put("a", "namespaces", namespace.clone()).put("a", "configmaps", owning)
        };
        let uid = uid(&story().whole(), "configmaps", "d", "o");
        let owned = || {
            let mut pod = pod("p", "", 1);
            pod["metadata"]["ownerReferences"] = owner("ConfigMap", "o", &uid);
            story().put("a", "pods", pod)
        };
        assert_eq!(check(&owned().whole()), Ok(()));
        let collected = owned().delete(COLLECTOR, "pods", "d", "p").whole();
        assert!(check(&collected).is_err_and(|found| found.contains("while its owner o lives")));
        let orphaned = owned().delete("a", "configmaps", "d", "o").whole();
        assert!(check(&orphaned).is_err_and(|found| found.contains("its owners are gone")));
        let early = story().delete(ENDER, "namespaces", "", "d").whole();
        assert!(check(&early).is_err_and(|found| found.contains("with configmaps in it")));
        let held = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "h"}, "spec": {"finalizers": ["kubernetes"]}});
        let forced = story().put("a", "namespaces", held).delete("a", "namespaces", "", "h").whole();
        assert!(check(&forced).is_err_and(|found| found.contains("which is held")));
        let lost = story().delete("a", "namespaces", "", "d").whole();
        assert!(check(&lost).is_err_and(|found| found.contains("its namespace is gone")));
    }
}
