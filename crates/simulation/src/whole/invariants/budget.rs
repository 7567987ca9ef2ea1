//! An eviction that was granted leaves as many healthy pods as the budget wanted (Kubernetes: policy/v1 PodDisruptionBudget, the eviction
//! subresource): of those that were healthy when it was decided, those that evictions have left are enough. What pods lose by themselves
//! meanwhile is no eviction's fault. And what was spent for a pod ends that pod, in the same command.
use crate::whole::deeds::Deed;
use crate::whole::evidence::Whole;
use api::event::{Act, Event};
use api::object::Object;
use api::selector::Labels;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

const BUDGETS: &str = "poddisruptionbudgets.policy";

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    let mut evicted: BTreeSet<u128> = BTreeSet::new();
    for deed in &evidence.deeds {
        for event in deed.changes.iter().filter(|event| &*event.object.key.resource == BUDGETS) {
            for name in granted(event) {
                let pod = deed.changes.iter().find(|change| {
                    let key = &change.object.key;
                    (&*key.resource, &key.namespace, &*key.name) == ("pods", &event.object.key.namespace, name.as_str())
                });
                let Some(pod) = pod.filter(|pod| pod.act == Act::Deleted || pod.object.facet.deleting.is_some()) else {
                    let (key, revision) = (&event.object.key, event.revision);
                    return Err(format!("{key} is spent at revision {revision} for {name}, which does not end by it"));
                };
                evicted.insert(pod.object.uid.0);
                enough(deed, event, &evicted)?;
            }
        }
    }
    Ok(())
}

/// The pods whose eviction this change of a budget notes.
fn granted(event: &Event) -> Vec<String> {
    let noted = |object: &Object| -> BTreeMap<String, Value> {
        let value = object.value();
        let noted = value["status"]["disruptedPods"].as_object().cloned().unwrap_or_default();
        noted.into_iter().collect()
    };
    let before = event.before.as_deref().map(noted).unwrap_or_default();
    noted(&event.object)
        .into_iter()
        .filter(|(name, when)| before.get(name) != Some(when))
        .map(|(name, _)| name)
        .collect()
}

fn enough(deed: &Deed, event: &Event, evicted: &BTreeSet<u128>) -> Result<(), String> {
    let budget = event.object.value();
    let Ok(labels) = Labels::of(&budget["spec"]["selector"]) else { return Ok(()) };
    let namespace = &event.object.key.namespace;
    let healthy = |pod: &&std::sync::Arc<Object>| {
        labels.matches(&pod.facet) && pod.facet.deleting.is_none() && ready(pod) && !evicted.contains(&pod.uid.0)
    };
    let left = deed.read.list("pods", Some(namespace)).filter(healthy).count();
    let wanted = wanted(&budget["spec"], budget["status"]["expectedPods"].as_u64().unwrap_or(0));
    if left as u64 >= wanted {
        return Ok(());
    }
    let (key, revision) = (&event.object.key, event.revision);
    Err(format!("an eviction at revision {revision} leaves {left} healthy pods, {key} wants {wanted}"))
}

/// How many of so many pods must stay healthy: shares are rounded up.
fn wanted(spec: &Value, expected: u64) -> u64 {
    let of = |value: &Value| match value.as_str() {
        Some(share) => (expected * share.trim_end_matches('%').parse::<u64>().unwrap_or(0)).div_ceil(100),
        None => value.as_u64().unwrap_or(0),
    };
    let may_miss = |value: &Value| expected.saturating_sub(of(value));
    if spec["maxUnavailable"].is_null() { of(&spec["minAvailable"]) } else { may_miss(&spec["maxUnavailable"]) }
}

fn ready(pod: &Object) -> bool {
    let value = pod.value();
    let mut conditions = value["status"]["conditions"].as_array().into_iter().flatten();
    conditions.any(|one| one["type"] == "Ready" && one["status"] == "True")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole::invariants::example::{Story, pod};
    use serde_json::json;

    fn well(name: &str) -> Value {
        let mut pod = pod(name, "n1", 1);
        pod["metadata"]["labels"] = json!({"app": "a"});
        pod["status"] = json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
        pod
    }

    fn ending(name: &str) -> Value {
        let mut pod = well(name);
        pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        pod
    }

    fn budget(noted: &[&str]) -> Value {
        let noted: serde_json::Map<String, Value> =
            noted.iter().map(|name| ((*name).to_owned(), "2026-01-01T00:00:00Z".into())).collect();
        json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"namespace": "d", "name": "b"},
            "spec": {"minAvailable": 2, "selector": {"matchLabels": {"app": "a"}}},
            "status": {"desiredHealthy": 2, "disruptedPods": noted}})
    }

    #[test]
    fn breaks_are_found() {
        let pods = |names: &[&str]| {
            let put = |story: Story, name: &&str| story.put("n", "pods", well(name));
            names.iter().fold(Story::default(), put).put("d", BUDGETS, budget(&[]))
        };
        let evict = |story: Story, behind, name: &str, noted: &[&str]| {
            story.together("c", behind, vec![("pods", ending(name)), (BUDGETS, budget(noted))])
        };
        let one = || evict(pods(&["p", "q", "r"]), 0, "p", &["p"]);
        assert_eq!(check(&one().whole()), Ok(()));
        let few = evict(pods(&["p", "q"]), 0, "p", &["p"]).whole();
        assert!(check(&few).is_err_and(|found| found.contains("leaves 1 healthy pods")));
        let raced = evict(one(), 2, "q", &["p", "q"]).whole();
        assert!(check(&raced).is_err_and(|found| found.contains("leaves 1 healthy pods")), "it had not seen the other");
        let apart = pods(&["p", "q", "r"]).put("c", BUDGETS, budget(&["p"])).put("c", "pods", ending("p")).whole();
        assert!(check(&apart).is_err_and(|found| found.contains("does not end by it")));
        let lost = pods(&["p", "q", "r"]).delete("n", "pods", "d", "r");
        assert_eq!(check(&evict(lost.clone(), 1, "p", &["p"]).whole()), Ok(()), "it was lost meanwhile");
        assert!(check(&evict(lost, 0, "p", &["p"]).whole()).is_err(), "it was seen to be lost");
    }

    #[test]
    fn shares_are_rounded_up() {
        let spec = |member: &str, value: Value| json!({member: value});
        assert_eq!(wanted(&spec("minAvailable", json!("50%")), 3), 2);
        assert_eq!(wanted(&spec("minAvailable", json!(2)), 9), 2);
        assert_eq!(wanted(&spec("maxUnavailable", json!("40%")), 4), 2);
        assert_eq!(wanted(&spec("maxUnavailable", json!(5)), 4), 0);
    }
}
