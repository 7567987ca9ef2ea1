//! What is counted never exceeds what a ResourceQuota allows (Kubernetes' admission plug-in ResourceQuota, which promises less): whenever
//! something comes, all that is there of its like is within `spec.hard` as it then is. Lowering the limit takes nothing away. A write that was
//! decided on before a quota counted its like is as if it had been there before. Sums are made anew here, without production's.
use crate::whole::evidence::Whole;
use api::event::{Act, Event};
use api::key::Key;
use api::object::Object;
use api::revision::Revision;
use std::collections::{BTreeMap, BTreeSet};

const QUOTAS: &str = "resourcequotas";

#[derive(Default)]
struct Now {
    /// By namespace: what is there.
    objects: BTreeMap<std::sync::Arc<str>, BTreeMap<Key, std::sync::Arc<Object>>>,
    quotas: BTreeMap<Key, Limits>,
}

/// Limits in thousandths, from when on each has counted, and what came too early to be charged.
#[derive(Default)]
struct Limits {
    hard: BTreeMap<String, (i64, Revision)>,
    early: BTreeSet<u128>,
}

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    let mut now = Now::default();
    for deed in &evidence.deeds {
        for event in &deed.changes {
            now.fold(event);
        }
        // A command is atomic: only what it leaves counts.
        for event in deed.changes.iter().filter(|event| event.act != Act::Deleted) {
            now.judge(event, deed.read.revision())?;
        }
    }
    Ok(())
}

/// Thousandths that a quota counts of an object under this name; `None` for names that are not judged here.
fn takes(name: &str, object: &Object) -> i64 {
    let resource = &*object.key.resource;
    let finished = matches!(object.facet.field("status.phase"), Some("Succeeded" | "Failed"));
    let living = resource == "pods" && !finished;
    let is = |found: bool| if found { 1_000 } else { 0 };
    match name {
        "pods" => is(living),
        "requests.cpu" if living => object.facet.amount("cpu"),
        "requests.memory" if living => object.facet.amount("memory"),
        "configmaps" | "secrets" | "services" => is(resource == name),
        _ => is(name.strip_prefix("count/") == Some(resource)),
    }
}

impl Now {
    fn fold(&mut self, event: &Event) {
        let object = &event.object;
        let key = &object.key;
        if key.namespace.is_empty() || &*key.resource == "events" {
            return;
        }
        let there = self.objects.entry(key.namespace.clone()).or_default();
        if event.act == Act::Deleted {
            there.remove(key);
            self.quotas.remove(key);
            return;
        }
        there.insert(key.clone(), object.clone());
        let value = object.value();
        // Which pods a scope means is tested beside what reads it.
        if &*key.resource != QUOTAS || value["spec"]["scopes"].is_array() || value["spec"]["scopeSelector"].is_object()
        {
            return;
        }
        let limits = self.quotas.entry(key.clone()).or_default();
        let was = std::mem::take(&mut limits.hard);
        for (name, amount) in value["spec"]["hard"].as_object().into_iter().flatten() {
            let since = was.get(name).map_or(event.revision, |(_, since)| *since);
            let amount = api::quantity::thousandths(amount.as_str().unwrap_or("0"));
            limits.hard.insert(name.clone(), (amount, since));
        }
    }

    fn judge(&mut self, event: &Event, read: Revision) -> Result<(), String> {
        let object = &event.object;
        let Some(there) = self.objects.get(&object.key.namespace) else { return Ok(()) };
        for (key, limits) in self.quotas.iter_mut().filter(|(key, _)| key.namespace == object.key.namespace) {
            for (name, (hard, since)) in &limits.hard {
                let before = event.before.as_deref().map_or(0, |before| takes(name, before));
                if takes(name, object) <= before {
                    continue;
                }
                if read < *since {
                    limits.early.insert(object.uid.0);
                    continue;
                }
                let counted = there.values().filter(|other| !limits.early.contains(&other.uid.0));
                let sum: i64 = counted.map(|other| takes(name, other)).sum();
                if sum > *hard {
                    let revision = event.revision;
                    return Err(format!(
                        "with {} at revision {revision}, {key} has {sum} of {hard} thousandths of {name}",
                        object.key
                    ));
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole::invariants::example::{Story, pod};
    use serde_json::{Value, json};

    fn quota(pods: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"namespace": "d", "name": "q"},
            "spec": {"hard": {"pods": pods, "requests.cpu": "500m"}}})
    }

    #[test]
    fn breaks_are_found() {
        let one = || Story::default().put("a", QUOTAS, quota("1")).put("a", "pods", pod("p", "", 100));
        assert_eq!(check(&one().whole()), Ok(()));
        let two = one().put("a", "pods", pod("q", "", 100)).whole();
        assert!(check(&two).is_err_and(|found| found.contains("2000 of 1000 thousandths of pods")));
        let after = one().delete("a", "pods", "d", "p").put("a", "pods", pod("q", "", 100)).whole();
        assert_eq!(check(&after), Ok(()));
        let raised = one().put("a", QUOTAS, quota("2")).put("a", "pods", pod("q", "", 100));
        assert_eq!(check(&raised.clone().whole()), Ok(()));
        assert_eq!(check(&raised.put("a", QUOTAS, quota("1")).whole()), Ok(()), "lowering takes nothing away");
        let large = Story::default().put("a", QUOTAS, quota("9")).put("a", "pods", pod("p", "", 501)).whole();
        assert!(check(&large).is_err_and(|found| found.contains("requests.cpu")));
    }

    #[test]
    fn what_was_under_way_when_the_quota_came_was_there_before() {
        let late = |story: Story, behind| story.together("a", behind, vec![("pods", pod("late", "", 100))]);
        let story = || Story::default().put("a", QUOTAS, quota("0"));
        assert_eq!(check(&late(story(), 1).whole()), Ok(()));
        assert!(check(&late(story(), 0).whole()).is_err());
    }
}
