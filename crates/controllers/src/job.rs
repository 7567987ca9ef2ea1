//! Job: pods that run until they have succeeded often enough. A pod is counted, its finalizer taken from it and the count written in
//! one atomic command, so that it is counted once whatever happens in between: Kubernetes needs two steps and a list of pods that are
//! half counted (`status.uncountedTerminatedPods`), which is always empty here. It never counts a pod without that finalizer.
mod back_off;
mod end;
mod failure_policy;
mod indexes;
mod make;
mod own;
mod per_index;
mod run;
mod spec;
mod success_policy;
mod turn;
mod verdict;

use crate::controller::Controller;
use crate::owners::{adoptable, controller_key, controller_reference, with_owner};
use crate::pods::Pod;
use crate::readmission;
use crate::writes::{drop_finalizer, replace};
use api::decision::Decision;
use api::event::{Act, Event};
use api::key::Key;
use api::object::Object;
use api::revision::Millis;
use own::{TRACKING, tracked};
use std::sync::Arc;
use store::view::View;

const RESOURCE: &str = "jobs.batch";

/// Keys are Jobs, pods without a controller, and pods that are held for a Job that is gone.
pub(crate) const CONTROLLER: Controller = Controller { name: "job", keys, all, decide };

fn keys(event: &Event, view: &View) -> Vec<Key> {
    let object = &event.object;
    let gone = event.act == Act::Deleted;
    match &*object.key.resource {
        RESOURCE => {
            let mut keys = vec![object.key.clone()];
            if gone {
                keys.extend(view.list_by_owner(object.uid).filter(|pod| held(view, pod)).map(|pod| pod.key.clone()));
            }
            keys
        }
        "pods" => {
            let states = [Some(object), event.before.as_ref()];
            let mut keys: Vec<Key> =
                states.into_iter().flatten().filter_map(|pod| controller_key(pod, "Job", RESOURCE)).collect();
            keys.dedup();
            if !gone && (held(view, object) || orphan(view, object)) {
                keys.push(object.key.clone());
            }
            keys
        }
        _ => readmission::keys(event, view, RESOURCE),
    }
}

fn all(view: &View) -> Vec<Key> {
    let pods = view.list("pods", None).filter(|pod| held(view, pod) || orphan(view, pod));
    view.list(RESOURCE, None).chain(pods).map(|object| object.key.clone()).collect()
}

fn decide(view: &View, key: &Key, now: Millis) -> Decision {
    let Some(object) = view.get_key(key) else { return Decision::idle() };
    if &*key.resource != "pods" {
        return verdict::decide(view, object, now);
    }
    if held(view, object) && tracked(object) {
        let write = drop_finalizer(object, TRACKING);
        return Decision::one(write.into_iter().collect(), "nobody is left to count it");
    }
    if orphan(view, object) { adopt(view, object) } else { Decision::idle() }
}

/// The Job that controls `pod`, if it is there.
fn job<'a>(view: &'a View, pod: &Object) -> Option<&'a Arc<Object>> {
    let owner = pod.facet.controller().filter(|owner| &*owner.kind == "Job")?;
    view.get(RESOURCE, &pod.key.namespace, &owner.name).filter(|job| job.uid.0 == owner.uid)
}

/// Whether `pod` may be held for a Job that is not there.
fn held(view: &View, pod: &Object) -> bool {
    pod.facet.finalizers && job(view, pod).is_none()
}

/// Whether a Job may want to take `pod`.
fn orphan(view: &View, pod: &Object) -> bool {
    adoptable(pod) && !pod.facet.labels.is_empty() && view.count(RESOURCE, Some(&pod.key.namespace)) > 0
}

/// A pod without a controller goes to the oldest Job that selects it. One that has ended may have been counted by another: it stays.
fn adopt(view: &View, pod: &Arc<Object>) -> Decision {
    if Pod::read(pod).finished() {
        return Decision::idle();
    }
    let jobs = view.list(RESOURCE, Some(&pod.key.namespace)).filter(|job| job.facet.deleting.is_none());
    let takes = |job: &&Arc<Object>| verdict::takes(&job.value(), pod);
    let Some(job) = jobs.filter(takes).min_by_key(|job| (job.created, job.key.clone())) else {
        return Decision::idle();
    };
    let mut value = with_owner(pod, controller_reference("batch/v1", "Job", job));
    own::track(&mut value);
    Decision::one(replace(pod, &value).into_iter().collect(), format!("adopted by {}", job.key.name))
}
