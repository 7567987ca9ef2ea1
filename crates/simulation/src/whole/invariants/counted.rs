//! No update is lost and none is made twice: who writes under the version it read writes upon that version and no other (compare-and-swap on
//! `resourceVersion`; Kubernetes API conventions, "Concurrency Control and Consistency"; client-go's leader election rests on it).
use crate::whole::evidence::Whole;
use crate::whole::workload::{COUNTER, LEASE};
use api::object::Object;
use serde_json::Value;

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    for event in &evidence.members.reference.events {
        let (Some(before), key) = (event.before.as_deref(), &event.object.key) else { continue };
        let is = |(resource, namespace, name): (&str, &str, &str)| {
            (&*key.resource, &*key.namespace, &*key.name) == (resource, namespace, name)
        };
        // Made anew, it begins anew.
        if before.uid != event.object.uid || event.act == api::event::Act::Deleted {
            continue;
        }
        let (old, new) = (before.value(), event.object.value());
        if is(COUNTER) {
            counter(&old, &new).map_err(|why| format!("{key} at revision {}: {why}", revision(&event.object)))?;
        }
        if is(LEASE) {
            lease(&old, &new).map_err(|why| format!("{key} at revision {}: {why}", revision(&event.object)))?;
        }
    }
    Ok(())
}

fn revision(object: &Object) -> u64 {
    object.revision.0
}

fn counter(old: &Value, new: &Value) -> Result<(), String> {
    let count = |value: &Value| value["data"]["count"].as_str().and_then(|count| count.parse::<u64>().ok());
    match (count(old), count(new)) {
        (Some(before), Some(after)) if after == before + 1 => Ok(()),
        // A change of something else leaves it as it is.
        (before, after) if before == after && old["data"] == new["data"] => Ok(()),
        (before, after) => Err(format!("the count goes from {before:?} to {after:?}")),
    }
}

fn lease(old: &Value, new: &Value) -> Result<(), String> {
    let transitions = |value: &Value| value["spec"]["leaseTransitions"].as_u64().unwrap_or(0);
    let taken = old["spec"]["holderIdentity"] != new["spec"]["holderIdentity"];
    let (before, after) = (transitions(old), transitions(new));
    if after == before + u64::from(taken) {
        return Ok(());
    }
    Err(format!(
        "held by {} and then by {}, transitions {before} and {after}",
        old["spec"]["holderIdentity"], new["spec"]["holderIdentity"]
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole::invariants::example::Story;
    use serde_json::json;

    #[test]
    fn breaks_are_found() {
        let count = |count: u64| {
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": COUNTER.1, "name": COUNTER.2},
                "data": {"count": count.to_string()}})
        };
        let counted = |counts: &[u64]| {
            counts.iter().fold(Story::default(), |story, at| story.put("a", "configmaps", count(*at))).whole()
        };
        assert_eq!(check(&counted(&[0, 1, 2])), Ok(()));
        assert!(check(&counted(&[0, 1, 3])).is_err_and(|found| found.contains("from Some(1) to Some(3)")));
        assert!(check(&counted(&[5, 5])).is_ok() && check(&counted(&[5, 4])).is_err());
        let lease = |holder: &str, transitions: u64| {
            let spec = json!({"holderIdentity": holder, "leaseTransitions": transitions});
            json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "spec": spec,
                "metadata": {"namespace": LEASE.1, "name": LEASE.2}})
        };
        let led = |spans: &[(&str, u64)]| {
            let put = |story: Story, at: &(&str, u64)| story.put("a", LEASE.0, lease(at.0, at.1));
            spans.iter().fold(Story::default(), put).whole()
        };
        assert_eq!(check(&led(&[("a", 0), ("a", 0), ("b", 1)])), Ok(()));
        assert!(check(&led(&[("a", 1), ("b", 1)])).is_err_and(|found| found.contains("then by")));
    }
}
