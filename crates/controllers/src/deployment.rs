//! Deployment: a template rolled out by ReplicaSets, one for each template it has had. It never touches pods itself.
mod history;
mod rollout;
mod status;

use crate::controller::Controller;
use crate::fields::{annotation, at, bump_generation, flag, number, set};
use crate::limits::REVISION_HISTORY;
use crate::owners::{controlled, controller_key, controller_reference, orphans, with_owner, without_owners};
use crate::pods::Pod;
use crate::writes::{begin_deletion, create, replace};
use crate::{reports, selectors};
use api::command::Write;
use api::decision::Decision;
use api::event::{Act, Event};
use api::key::Key;
use api::object::Object;
use api::report::Report;
use api::revision::Millis;
use api::selector::Labels;
use rollout::{Plan, Set};
use serde_json::Value;
use status::{Counts, Newest, complete, put_status};
use std::sync::Arc;
use store::view::View;

const RESOURCE: &str = "deployments.apps";
const SETS: &str = "replicasets.apps";

pub(crate) const CONTROLLER: Controller = Controller { name: "deployment", keys, all, decide };

fn keys(event: &Event, view: &View) -> Vec<Key> {
    let object = &event.object;
    let states = [Some(object), event.before.as_ref()].into_iter().flatten();
    let mut keys: Vec<Key> = match &*object.key.resource {
        RESOURCE => vec![object.key.clone()],
        SETS if object.facet.controller().is_none() => claimants(view, object),
        SETS => states.filter_map(|set| controller_key(set, "Deployment", RESOURCE)).collect(),
        // Recreate waits until the old pods are gone.
        "pods" if event.act == Act::Deleted => {
            let set = controller_key(object, "ReplicaSet", SETS).and_then(|key| view.get_key(&key).cloned());
            set.and_then(|set| controller_key(&set, "Deployment", RESOURCE)).into_iter().collect()
        }
        _ => Vec::new(),
    };
    keys.dedup();
    keys
}

/// The Deployments that would adopt this ReplicaSet.
fn claimants(view: &View, set: &Object) -> Vec<Key> {
    let claims = |deployment: &&Arc<Object>| {
        selectors::read(at(&deployment.value(), "/spec/selector")).is_some_and(|selector| selector.matches(&set.facet))
    };
    view.list(RESOURCE, Some(&set.key.namespace)).filter(claims).map(|object| object.key.clone()).collect()
}

fn all(view: &View) -> Vec<Key> {
    view.list(RESOURCE, None).map(|object| object.key.clone()).collect()
}

fn decide(view: &View, key: &Key, now: Millis) -> Decision {
    let Some(object) = view.get_key(key).filter(|object| object.facet.deleting.is_none()) else {
        return Decision::idle();
    };
    let value = object.value();
    let Some(selector) = selectors::read(at(&value, "/spec/selector")) else { return Decision::idle() };
    let plan = Plan::read(&value);
    let mut turn = Turn { view, object, value, plan, now, sets: Vec::new(), writes: Vec::new(), note: String::new() };
    turn.claim(&selector);
    turn.decide()
}

/// One decision about one Deployment.
struct Turn<'a> {
    view: &'a View,
    object: &'a Arc<Object>,
    value: Value,
    plan: Plan,
    now: Millis,
    /// Its ReplicaSets, the oldest first.
    sets: Vec<Owned>,
    writes: Vec<Write>,
    note: String,
}

/// One of its ReplicaSets: as it is, as it shall be, and in numbers.
struct Owned {
    object: Arc<Object>,
    value: Value,
    numbers: Set,
}

impl Owned {
    fn new(object: &Arc<Object>, value: Value) -> Self {
        let numbers = Set {
            wanted: number(&value, "/spec/replicas").unwrap_or(1),
            available: number(&value, "/status/availableReplicas").unwrap_or(0),
            known_max: annotation(&value, history::MAX).parse().unwrap_or(0),
            known_desired: annotation(&value, history::DESIRED).parse().ok(),
        };
        Self { object: object.clone(), value, numbers }
    }
}

impl Turn<'_> {
    /// Gathers its ReplicaSets, adopts those that match and have no controller, lets go of those that no longer match.
    fn claim(&mut self, selector: &Labels) {
        for set in controlled(self.view, SETS, self.object) {
            if selector.matches(&set.facet) {
                self.sets.push(Owned::new(set, set.value()));
            } else if set.facet.deleting.is_none() {
                let uid = self.object.uid.to_string();
                self.writes.extend(replace(set, &without_owners(set, |owner| owner == uid)));
            }
        }
        for set in orphans(self.view, SETS, &self.object.key.namespace, selector) {
            let owner = controller_reference("apps/v1", "Deployment", self.object);
            self.sets.push(Owned::new(set, with_owner(set, owner)));
        }
        self.sets.sort_by_cached_key(|set| (set.object.created, set.object.key.clone()));
    }

    fn decide(mut self) -> Decision {
        let template = history::bare(at(&self.value, "/spec/template"));
        let new = self.sets.iter().position(|set| history::bare(at(&set.value, "/spec/template")) == template);
        let paused = flag(&self.value, "/spec/paused");
        let rescaled = self.sets.iter().any(|set| {
            set.numbers.wanted > 0 && set.numbers.known_desired.is_some_and(|known| known != self.plan.desired)
        });
        let mut created = None;
        if paused || rescaled {
            let mut numbers: Vec<Set> = self.sets.iter().map(|set| set.numbers.clone()).collect();
            rollout::scale(self.plan, &mut numbers, new);
            for (set, numbers) in self.sets.iter_mut().zip(numbers) {
                set.numbers = numbers;
            }
        } else {
            created = self.roll(new);
        }
        if let Some(new) = new.filter(|_| !paused) {
            self.mark_newest(new);
        }
        let wake_at = self.conclude(new, created, rescaled || paused);
        Decision { wake_at, ..Decision::one(self.writes, self.note) }
    }

    /// Moves the rollout on by a step; returns the name of a ReplicaSet it had to make.
    fn roll(&mut self, new: Option<usize>) -> Option<String> {
        if self.plan.recreate {
            let mut waiting = false;
            for (at, set) in self.sets.iter_mut().enumerate() {
                if Some(at) != new {
                    waiting |= set.numbers.wanted > 0 || pods_left(self.view, &set.object);
                    set.numbers.wanted = 0;
                }
            }
            return match new {
                _ if waiting => None,
                Some(new) => {
                    self.sets[new].numbers.wanted = self.plan.desired;
                    None
                }
                None => self.make(),
            };
        }
        let Some(new) = new else { return self.make() };
        let mut newest = self.sets[new].numbers.clone();
        let others = (0..self.sets.len()).filter(|at| *at != new).collect::<Vec<_>>();
        let mut old: Vec<Set> = others.iter().map(|at| self.sets[*at].numbers.clone()).collect();
        rollout::roll(self.plan, &mut newest, &mut old);
        self.sets[new].numbers = newest;
        for (at, numbers) in others.into_iter().zip(old) {
            self.sets[at].numbers = numbers;
        }
        None
    }

    /// A ReplicaSet for the present template.
    fn make(&mut self) -> Option<String> {
        let namespace = &*self.object.key.namespace;
        if self.view.get("namespaces", "", namespace).is_some_and(|namespace| namespace.facet.deleting.is_some()) {
            return None;
        }
        let mut collisions = number(&self.value, "/status/collisionCount").unwrap_or(0);
        let (name, hash) = loop {
            let hash = history::hash(at(&self.value, "/spec/template"), collisions);
            let name = format!("{}-{hash}", self.object.key.name);
            if self.view.get(SETS, namespace, &name).is_none() {
                break (name, hash);
            }
            collisions += 1;
        };
        if collisions > 0 {
            set(&mut self.value, &["status", "collisionCount"], collisions);
        }
        let owner = controller_reference("apps/v1", "Deployment", self.object);
        let mut new = history::replica_set(&self.value, &name, &hash, owner);
        let others: Vec<Set> = self.sets.iter().map(|set| set.numbers.clone()).collect();
        let replicas = rollout::start(self.plan, &others);
        set(&mut new, &["spec", "replicas"], replicas);
        history::note_size(&mut new, self.plan.desired, self.plan.most());
        let revision = self.sets.iter().map(|set| history::revision(&set.value)).max().unwrap_or(0) + 1;
        history::set_revision(&mut new, revision);
        history::set_revision_of_deployment(&mut self.value, revision);
        self.writes.extend(create(SETS, &new));
        self.tell_scaled(&name, 0, replicas);
        self.note = format!("new {name} of {replicas}");
        Some(name)
    }

    /// Sees to it that the newest ReplicaSet has the highest revision, and what its Deployment says of pods.
    fn mark_newest(&mut self, new: usize) {
        let others = self.sets.iter().enumerate().filter(|(at, _)| *at != new);
        let highest = others.map(|(_, set)| history::revision(&set.value)).max().unwrap_or(0);
        let newest = &mut self.sets[new].value;
        let revision = history::revision(newest).max(highest + 1);
        history::take_annotations(&self.value, newest);
        history::set_revision(newest, revision);
        let wait = number(&self.value, "/spec/minReadySeconds");
        if wait.unwrap_or(0) != number(newest, "/spec/minReadySeconds").unwrap_or(0) {
            set(newest, &["spec", "minReadySeconds"], wait.unwrap_or(0));
            bump_generation(newest);
        }
        history::set_revision_of_deployment(&mut self.value, revision);
    }

    /// Writes the ReplicaSets as they shall be, the history's end, and the status.
    fn conclude(&mut self, new: Option<usize>, created: Option<String>, resize: bool) -> Option<Millis> {
        let counts = self.counts(new);
        for at in 0..self.sets.len() {
            self.write_set(at, Some(at) == new, resize);
        }
        if complete(self.plan, counts) && created.is_none() {
            self.forget_old(new);
        }
        let newest = match (created, new) {
            (Some(name), _) => Newest::Created(name),
            (None, Some(new)) => Newest::Found(self.sets[new].object.key.name.to_string()),
            (None, None) => Newest::None,
        };
        let mut value = self.value.clone();
        let wake_at = put_status(&mut value, self.plan, counts, &newest, self.now);
        self.writes.extend(replace(self.object, &value));
        wake_at
    }

    fn counts(&self, new: Option<usize>) -> Counts {
        let of = |set: &Owned, member: &str| number(&set.value, &format!("/status/{member}")).unwrap_or(0);
        let sum = |member: &str| self.sets.iter().map(|set| of(set, member)).sum();
        Counts {
            replicas: sum("replicas"),
            updated: new.map_or(0, |new| of(&self.sets[new], "replicas")),
            ready: sum("readyReplicas"),
            available: sum("availableReplicas"),
            wanted: self.sets.iter().map(|set| set.numbers.wanted).sum(),
        }
    }

    fn write_set(&mut self, at: usize, newest: bool, resize: bool) {
        let set = &mut self.sets[at];
        let was = number(&set.value, "/spec/replicas").unwrap_or(1);
        let wanted = set.numbers.wanted;
        if wanted != was {
            crate::fields::set(&mut set.value, &["spec", "replicas"], wanted);
            bump_generation(&mut set.value);
        }
        if wanted != was || newest || (resize && wanted > 0) {
            history::note_size(&mut set.value, self.plan.desired, self.plan.most());
        }
        let name = set.object.key.name.to_string();
        self.writes.extend(replace(&set.object, &set.value));
        if wanted != was {
            self.tell_scaled(&name, was, wanted);
            let space = if self.note.is_empty() { "" } else { ", " };
            self.note = format!("{}{space}{name} {was}->{wanted}", self.note);
        }
    }

    fn tell_scaled(&mut self, name: &str, was: i64, wanted: i64) {
        let way = if wanted >= was { "up" } else { "down" };
        let message = format!("Scaled {way} replica set {name} from {was} to {wanted}");
        let report = Report {
            component: "deployment-controller",
            warning: false,
            reason: "ScalingReplicaSet",
            message: &message,
        };
        self.writes.extend(reports::write(self.view, &self.value, report, self.now));
    }

    /// Deletes the oldest empty ReplicaSets beyond the history limit.
    fn forget_old(&mut self, new: Option<usize>) {
        let limit = number(&self.value, "/spec/revisionHistoryLimit").and_then(|limit| usize::try_from(limit).ok());
        let mut old: Vec<&Owned> =
            (0..).zip(&self.sets).filter(|(at, _)| Some(*at) != new).map(|(_, set)| set).collect();
        old.sort_by_key(|set| history::revision(&set.value));
        let surplus = old.len().saturating_sub(limit.unwrap_or(REVISION_HISTORY));
        for set in old.into_iter().take(surplus) {
            let count = |path: &str| number(&set.value, path).unwrap_or(0);
            let seen = count("/metadata/generation") <= count("/status/observedGeneration");
            // A set that this decision writes goes another time: one command writes a key once.
            let written = self.writes.iter().any(|write| write.key == set.object.key);
            if count("/spec/replicas") == 0 && count("/status/replicas") == 0 && seen && !written {
                self.writes.extend(begin_deletion(&set.object, "", self.now));
            }
        }
    }
}

/// Whether pods of the set still run, those being deleted included.
fn pods_left(view: &View, set: &Object) -> bool {
    controlled(view, "pods", set).into_iter().any(|pod| !Pod::read(pod).finished())
}
