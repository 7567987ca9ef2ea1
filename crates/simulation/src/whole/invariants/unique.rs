//! No uid is given twice, and no object changes its own (Kubernetes' API: `metadata.uid` is unique in time and space). No two Services have
//! one address of the service network at a time, and no two nodes one range of pod addresses (KEP-1880; kube-controller-manager's
//! `--allocate-node-cidrs`).
use crate::whole::evidence::Whole;
use api::event::Act;
use api::key::Key;
use api::object::Object;
use std::collections::BTreeMap;

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    let mut born = BTreeMap::new();
    for event in &evidence.members.reference.events {
        let object = &event.object;
        if event.act == Act::Added {
            if let Some(before) = born.insert(object.uid.0, object.key.clone()) {
                return Err(format!("{} and {before} have the uid {}", object.key, object.uid));
            }
        } else if event.before.as_ref().is_some_and(|before| before.uid != object.uid) {
            return Err(format!("{} changes its uid at revision {}", object.key, event.revision));
        }
    }
    addresses(evidence)
}

/// Whoever has an address loses it before another gets it.
fn addresses(evidence: &Whole) -> Result<(), String> {
    let mut held: BTreeMap<String, Key> = BTreeMap::new();
    for event in &evidence.members.reference.events {
        if let Some(before) = event.before.as_deref().and_then(address) {
            held.remove(&before);
        }
        let Some(now) = address(&event.object).filter(|_| event.act != Act::Deleted) else { continue };
        let key = event.object.key.clone();
        if let Some(other) = held.insert(now.clone(), key.clone()).filter(|other| *other != key) {
            return Err(format!("{key} has {now} at revision {}, which {other} still has", event.revision));
        }
    }
    Ok(())
}

/// What nobody else may have at the same time.
fn address(object: &Object) -> Option<String> {
    let path = match &*object.key.resource {
        "services" => "/spec/clusterIP",
        "nodes" => "/spec/podCIDR",
        _ => return None,
    };
    let value = object.value();
    let address = value.pointer(path)?.as_str()?;
    (!address.is_empty() && address != "None").then(|| address.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole::invariants::example::{Story, pod};
    use serde_json::json;

    #[test]
    fn breaks_are_found() {
        let story = Story::default().put("a", "pods", pod("p", "", 1)).put("a", "pods", pod("q", "", 1));
        let mut whole = story.whole();
        assert_eq!(check(&whole), Ok(()));
        let mut again = (*whole.members.reference.events[0]).clone();
        again.revision = api::revision::Revision(9);
        whole.members.reference.events.push(std::sync::Arc::new(again));
        assert!(check(&whole).is_err_and(|found| found.contains("have the uid")));
    }

    #[test]
    fn one_address_for_two_is_found() {
        let service = |name: &str| {
            json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "a"},
            "spec": {"clusterIP": "10.96.0.9"}})
        };
        let one = Story::default().put("a", "services", service("s"));
        let after = one.clone().delete("a", "services", "a", "s").put("a", "services", service("t"));
        assert_eq!(check(&after.whole()), Ok(()));
        let twice = one.put("a", "services", service("t")).whole();
        assert!(check(&twice).is_err_and(|found| found.contains("10.96.0.9")));
    }
}
