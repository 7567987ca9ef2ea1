//! A StatefulSet that keeps an order makes a pod only when all of lower ordinals are ready, and takes one away only while no other is on its
//! way out (Kubernetes' API: `spec.podManagementPolicy: OrderedReady`). Judged is each decision by the view that it was made on.
use crate::whole::evidence::Whole;
use api::event::{Act, Event};
use api::object::Object;
use serde_json::Value;
use store::view::View;

const ACTOR: &str = "system:controller:stateful_set";
const SETS: &str = "statefulsets.apps";

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    for deed in evidence.deeds.iter().filter(|deed| &*deed.actor == ACTOR) {
        for event in deed.changes.iter().filter(|event| &*event.object.key.resource == "pods") {
            one(&deed.read, event)?;
        }
    }
    Ok(())
}

fn one(view: &View, event: &Event) -> Result<(), String> {
    let pod = event.before.as_ref().unwrap_or(&event.object);
    let Some(owner) = pod.facet.controller() else { return Ok(()) };
    let namespace = &*pod.key.namespace;
    let set = view.get(SETS, namespace, &owner.name).filter(|set| set.uid.0 == owner.uid).map(|set| set.value());
    let Some(set) = set.filter(|set| set["spec"]["podManagementPolicy"] != "Parallel") else { return Ok(()) };
    let (key, revision) = (&pod.key, event.revision);
    if event.act == Act::Added {
        let start = set["spec"]["ordinals"]["start"].as_u64().unwrap_or(0);
        let ordinal = pod.key.name.rsplit('-').next().and_then(|digits| digits.parse().ok()).unwrap_or(0);
        let ready =
            |at: &u64| view.get("pods", namespace, &format!("{}-{at}", owner.name)).is_some_and(|pod| ready(pod));
        return match (start..ordinal).find(|at| !ready(at)) {
            Some(at) => Err(format!("{key} is made at revision {revision}, and {}-{at} is not ready", owner.name)),
            None => Ok(()),
        };
    }
    let begins = (event.act == Act::Deleted || event.object.facet.deleting.is_some()) && pod.facet.deleting.is_none();
    let finished = matches!(pod.facet.field("status.phase"), Some("Succeeded" | "Failed"));
    if !begins || finished {
        return Ok(());
    }
    let ending = |other: &&Object| {
        other.facet.deleting.is_some() && other.facet.controller().is_some_and(|controller| controller.uid == owner.uid)
    };
    match view.list("pods", Some(namespace)).map(|other| &**other).find(ending) {
        Some(other) => Err(format!("{key} is taken away at revision {revision}, and {} is not gone yet", other.key)),
        None => Ok(()),
    }
}

fn ready(pod: &Object) -> bool {
    let value = pod.value();
    let is = |one: &Value| one["type"] == "Ready" && one["status"] == "True";
    pod.facet.deleting.is_none() && value["status"]["conditions"].as_array().into_iter().flatten().any(is)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole::invariants::example::{Story, owner, pod, uid};
    use serde_json::json;

    fn story(policy: &str) -> (Story, String) {
        let set = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"namespace": "d", "name": "db"},
            "spec": {"replicas": 3, "podManagementPolicy": policy}});
        let story = Story::default().put("a", SETS, set);
        let uid = uid(&story.clone().whole(), SETS, "d", "db");
        (story, uid)
    }

    fn one(name: &str, uid: &str, ready: &str, ending: bool) -> Value {
        let mut pod = pod(name, "n", 1);
        pod["metadata"]["ownerReferences"] = owner("StatefulSet", "db", uid);
        pod["status"]["conditions"] = json!([{"type": "Ready", "status": ready}]);
        if ending {
            pod["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
        }
        pod
    }

    #[test]
    fn breaks_are_found() {
        for (policy, breaks) in [("OrderedReady", true), ("Parallel", false)] {
            let (begun, uid) = story(policy);
            let put = |story: Story, name: &str, ready: &str, ending: bool| {
                story.put(ACTOR, "pods", one(name, &uid, ready, ending))
            };
            let two = |ready: &str| put(put(begun.clone(), "db-0", ready, false), "db-1", "True", false);
            assert_eq!(check(&two("True").whole()), Ok(()));
            let found = check(&two("False").whole());
            assert_eq!(found.is_err_and(|found| found.contains("db-0 is not ready")), breaks, "{policy}");
            let ending = put(two("True"), "db-1", "True", true);
            assert_eq!(check(&ending.clone().whole()), Ok(()));
            let found = check(&put(ending, "db-0", "True", true).whole());
            assert_eq!(found.is_err_and(|found| found.contains("is not gone yet")), breaks, "{policy}");
        }
    }
}
