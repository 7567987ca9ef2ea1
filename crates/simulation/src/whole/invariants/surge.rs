//! Never more pods than wanted: a ReplicaSet makes no pod beyond its `replicas`, and a Deployment's ReplicaSets are never raised beyond
//! what it wants and may have in addition (Kubernetes' API: `spec.replicas`, `strategy.rollingUpdate.maxSurge`). Never fewer than must be
//! kept: a rollout takes no available pod away while no more are available than that (`maxUnavailable`).
use crate::whole::deeds::Deed;
use crate::whole::evidence::Whole;
use api::event::{Act, Event};
use api::object::Object;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::view::View;

const SETS: &str = "replicasets.apps";
const DEPLOYMENTS: &str = "deployments.apps";

/// The objects as they were at each revision in turn.
#[derive(Default)]
struct Now {
    /// By controller: its pods that count, and its ReplicaSets with their replicas.
    pods: BTreeMap<u128, BTreeMap<u128, ()>>,
    sets: BTreeMap<u128, BTreeMap<u128, i64>>,
    /// The newest of each.
    objects: BTreeMap<u128, Arc<Object>>,
}

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    let mut now = Now::default();
    for deed in &evidence.deeds {
        for event in &deed.changes {
            now.fold(event);
        }
        // A command is atomic: only what it leaves counts.
        for event in &deed.changes {
            match &*event.object.key.resource {
                "pods" if event.act == Act::Added => now.pod(deed, event)?,
                SETS => {
                    now.set(deed, event)?;
                    keeps(deed, event)?;
                }
                _ => {}
            }
        }
    }
    Ok(())
}

fn replicas(object: &Object) -> i64 {
    object.value()["spec"]["replicas"].as_i64().unwrap_or(1)
}

impl Now {
    fn fold(&mut self, event: &Event) {
        let object = &event.object;
        let gone = event.act == Act::Deleted;
        let resource = &*object.key.resource;
        if ![DEPLOYMENTS, SETS, "pods"].contains(&resource) {
            return;
        }
        if gone {
            self.objects.remove(&object.uid.0);
        } else {
            self.objects.insert(object.uid.0, object.clone());
        }
        let finished = matches!(object.facet.field("status.phase"), Some("Succeeded" | "Failed"));
        let counts = !gone && object.facet.deleting.is_none() && !finished;
        let before = event.before.as_deref().and_then(|before| before.facet.controller()).map(|owner| owner.uid);
        let owner = object.facet.controller().map(|owner| owner.uid);
        for uid in before.into_iter().chain(owner) {
            if resource == "pods" {
                self.pods.entry(uid).or_default().remove(&object.uid.0);
            } else {
                self.sets.entry(uid).or_default().remove(&object.uid.0);
            }
        }
        let Some(owner) = owner.filter(|_| counts) else { return };
        if resource == "pods" {
            self.pods.entry(owner).or_default().insert(object.uid.0, ());
        } else {
            self.sets.entry(owner).or_default().insert(object.uid.0, replicas(object));
        }
    }

    /// A pod was made: its ReplicaSet must have wanted it, on the view that was decided on or since.
    fn pod(&self, deed: &Deed, event: &Event) -> Result<(), String> {
        let owner = event.object.facet.controller().filter(|owner| &*owner.kind == "ReplicaSet");
        let Some(owner) = owner else { return Ok(()) };
        let wanted = self.most(deed, SETS, &event.object.key.namespace, owner, |set, _| replicas(set));
        let have = self.pods.get(&owner.uid).map_or(0, BTreeMap::len);
        if i64::try_from(have).unwrap_or(i64::MAX) > wanted {
            let key = &event.object.key;
            return Err(format!("{key} at revision {} is one of {have}, {wanted} are wanted", event.revision));
        }
        Ok(())
    }

    /// A ReplicaSet was made or raised: its Deployment must have wanted it.
    fn set(&self, deed: &Deed, event: &Event) -> Result<(), String> {
        let before = event.before.as_deref().map_or(0, replicas);
        let Some(owner) = event.object.facet.controller() else { return Ok(()) };
        if event.act == Act::Deleted || replicas(&event.object) <= before || owner.kind.as_ref() != "Deployment" {
            return Ok(());
        }
        let wanted = self.most(deed, DEPLOYMENTS, &event.object.key.namespace, owner, |object, _| {
            let value = object.value();
            let desired = replicas(object);
            desired + surge(&value, desired)
        });
        let have: i64 = self.sets.get(&owner.uid).map_or(0, |sets| sets.values().sum());
        if have > wanted {
            let key = &event.object.key;
            return Err(format!("with {key} at revision {} replicas are {have}, at most {wanted}", event.revision));
        }
        Ok(())
    }

    /// The most that the owner allows, as it was decided on or is now.
    fn most(
        &self,
        deed: &Deed,
        resource: &str,
        namespace: &str,
        owner: &api::facet::Owner,
        allows: impl Fn(&Object, &View) -> i64,
    ) -> i64 {
        let then = deed.read.get(resource, namespace, &owner.name).filter(|object| object.uid.0 == owner.uid);
        let now = self.objects.get(&owner.uid);
        then.into_iter().chain(now).map(|object| allows(object, &deed.read)).max().unwrap_or(0)
    }
}

/// A ReplicaSet was lowered by a rollout: enough pods of all must be left that are available, on the view that was decided on. When the
/// Deployment itself is scaled all are scaled with it, and nothing is promised.
fn keeps(deed: &Deed, event: &Event) -> Result<(), String> {
    let Some(before) = event.before.as_deref().filter(|_| event.act != Act::Deleted) else { return Ok(()) };
    let (Some(owner), namespace) = (event.object.facet.controller(), &event.object.key.namespace) else {
        return Ok(());
    };
    let deployment = deed.read.get(DEPLOYMENTS, namespace, &owner.name).filter(|object| object.uid.0 == owner.uid);
    let Some(deployment) = deployment.filter(|_| replicas(&event.object) < replicas(before)) else { return Ok(()) };
    let (desired, spec) = (replicas(deployment), deployment.value());
    let sets = deed.read.list(SETS, Some(namespace));
    let ours = |set: &&Arc<Object>| set.facet.controller().is_some_and(|other| other.uid == owner.uid);
    let (mut had, mut has) = (0, 0);
    for set in sets.filter(ours) {
        let value = set.value();
        let sized = &value["metadata"]["annotations"]["deployment.kubernetes.io/desired-replicas"];
        let sized = sized.as_str().is_some_and(|sized| sized.parse() == Ok(desired));
        if spec["spec"]["strategy"]["type"] == "Recreate" || replicas(set) > 0 && !sized {
            return Ok(());
        }
        let change = deed.changes.iter().rev().find(|change| change.object.uid == set.uid);
        let after = change.map_or_else(|| replicas(set), |change| replicas(&change.object));
        let available = value["status"]["availableReplicas"].as_i64().unwrap_or(0);
        had += available.min(replicas(set));
        has += available.min(after);
    }
    let least = (desired - unavailable(&spec, desired)).min(had);
    if has < least {
        let (key, at) = (&event.object.key, event.revision);
        return Err(format!(
            "lowering {key} at revision {at} leaves {has} pods available of {had}, {least} must be kept"
        ));
    }
    Ok(())
}

/// What a Deployment may have in addition.
fn surge(deployment: &Value, desired: i64) -> i64 {
    let strategy = &deployment["spec"]["strategy"];
    if strategy["type"] == "Recreate" { 0 } else { share(&strategy["rollingUpdate"]["maxSurge"], desired, 99) }
}

/// How many may be missing while it rolls: one at least, or it could not.
fn unavailable(deployment: &Value, desired: i64) -> i64 {
    let missing = share(&deployment["spec"]["strategy"]["rollingUpdate"]["maxUnavailable"], desired, 0);
    if missing == 0 && surge(deployment, desired) == 0 { 1 } else { missing }
}

/// A number, or a share of `desired` in percent, a quarter if nothing is said; `up` hundredths are added before it is cut.
fn share(value: &Value, desired: i64, up: i64) -> i64 {
    match value {
        Value::Number(number) => number.as_i64().unwrap_or(0),
        Value::String(text) => (desired * text.trim_end_matches('%').parse::<i64>().unwrap_or(25) + up) / 100,
        _ => (desired * 25 + up) / 100,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole::invariants::example::{Story, owner, pod, uid};
    use serde_json::json;

    fn set(replicas: u64, owner: Value) -> Value {
        json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"namespace": "d", "name": "s",
            "ownerReferences": owner}, "spec": {"replicas": replicas}})
    }

    fn owned(name: &str, uid: &str) -> Value {
        let mut pod = pod(name, "", 1);
        pod["metadata"]["ownerReferences"] = owner("ReplicaSet", "s", uid);
        pod
    }

    #[test]
    fn breaks_are_found() {
        let story = || Story::default().put("d", SETS, set(1, json!([])));
        let uid = uid(&story().whole(), SETS, "d", "s");
        let one = || story().put("r", "pods", owned("p", &uid));
        assert_eq!(check(&one().whole()), Ok(()));
        let two = one().put("r", "pods", owned("q", &uid)).whole();
        assert!(check(&two).is_err_and(|found| found.contains("one of 2, 1 are wanted")));
        let again = one().delete("a", "pods", "d", "p").put("r", "pods", owned("q", &uid)).whole();
        assert_eq!(check(&again), Ok(()));
    }

    #[test]
    fn what_a_deployment_may_have_in_addition_bounds_its_sets() {
        let deployment = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "d", "name": "w"},
            "spec": {"replicas": 3, "strategy": {"rollingUpdate": {"maxSurge": "25%"}}}});
        let story = || Story::default().put("a", DEPLOYMENTS, deployment.clone());
        let uid = uid(&story().whole(), DEPLOYMENTS, "d", "w");
        let owner = || owner("Deployment", "w", &uid);
        assert_eq!(check(&story().put("d", SETS, set(4, owner())).whole()), Ok(()));
        let more = story().put("d", SETS, set(5, owner())).whole();
        assert!(check(&more).is_err_and(|found| found.contains("replicas are 5, at most 4")));
    }

    #[test]
    fn what_a_deployment_must_keep_bounds_its_rollout() {
        let deployment = |replicas: u64| {
            json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "d", "name": "w"},
                "spec": {"replicas": replicas, "strategy": {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": "25%"}}}})
        };
        let start = || Story::default().put("a", DEPLOYMENTS, deployment(4));
        let uid = uid(&start().whole(), DEPLOYMENTS, "d", "w");
        let sized = |replicas: u64, available: u64| {
            let mut set = set(replicas, owner("Deployment", "w", &uid));
            set["metadata"]["annotations"] = json!({"deployment.kubernetes.io/desired-replicas": "4"});
            set["status"]["availableReplicas"] = available.into();
            set
        };
        let story = |available| start().put("d", SETS, sized(4, available));
        assert_eq!(check(&story(4).put("d", SETS, sized(3, 4)).whole()), Ok(()));
        let fewer = story(4).put("d", SETS, sized(2, 4)).whole();
        assert!(check(&fewer).is_err_and(|found| found.contains("leaves 2 pods available of 4, 3 must be kept")));
        // Those that are not available may go.
        assert_eq!(check(&story(2).put("d", SETS, sized(2, 2)).whole()), Ok(()));
        let scaled = story(4).put("a", DEPLOYMENTS, deployment(2)).put("d", SETS, sized(2, 4)).whole();
        assert_eq!(check(&scaled), Ok(()));
    }
}
