//! StatefulSet: pods with names that stay, made, updated and taken away in their order. A name is given again only when the pod that bore
//! it is gone from the API altogether; it never takes a pod away at once that may still run, whatever its node says.
mod claims;
mod identity;
mod status;

use crate::controller::Controller;
use crate::fields::{at, number, text};
use crate::limits::{ADMISSION_RETRY_MILLIS, BURST_PODS, DRAFT_BYTES};
use crate::owners::{adoptable, controlled, controller_key, controller_reference, orphans, with_owner, without_owners};
use crate::pods::Pod;
use crate::revisions::{self, History};
use crate::writes::{begin_deletion, create, remove, replace, weight};
use crate::{readmission, reports, selectors};
use api::command::Write;
use api::decision::Decision;
use api::event::{Act, Event};
use api::key::Key;
use api::object::Object;
use api::planted::{Bug, planted};
use api::report::Report;
use api::revision::Millis;
use api::selector::Labels;
use claims::Claims;
use identity::{KEEPER, KIND, RESOURCE};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::view::View;

const COMPONENT: &str = "statefulset-controller";

/// Keys are StatefulSets, and pods without a controller that bear a name of one.
pub(crate) const CONTROLLER: Controller = Controller { name: "stateful_set", keys, all, decide };

fn keys(event: &Event, view: &View) -> Vec<Key> {
    let object = &event.object;
    let states = [Some(object), event.before.as_ref()].into_iter().flatten();
    let mut keys: Vec<Key> = match &*object.key.resource {
        RESOURCE => vec![object.key.clone()],
        "pods" | revisions::RESOURCE => states.filter_map(|one| controller_key(one, KIND, RESOURCE)).collect(),
        claims::RESOURCE => claims::claimants(view, object),
        _ => readmission::keys(event, view, RESOURCE),
    };
    if &*object.key.resource == "pods"
        && let Some(set) = namesake(view, object)
    {
        // Whoever bore the name before, it is free now.
        if event.act == Act::Deleted {
            keys.push(set);
        } else if adoptable(object) {
            keys.push(object.key.clone());
        }
    }
    keys.sort();
    keys.dedup();
    keys
}

fn all(view: &View) -> Vec<Key> {
    let orphans = view.list("pods", None).filter(|pod| adoptable(pod) && namesake(view, pod).is_some());
    view.list(RESOURCE, None).chain(orphans).map(|object| object.key.clone()).collect()
}

/// The StatefulSet that the pod is named after, if it is there.
fn namesake(view: &View, pod: &Object) -> Option<Key> {
    let (set, _) = identity::parse(&pod.key.name)?;
    let key = Key::new(RESOURCE, &pod.key.namespace, set);
    view.get_key(&key).map(|_| key)
}

fn decide(view: &View, key: &Key, now: Millis) -> Decision {
    let Some(object) = view.get_key(key) else { return Decision::idle() };
    if &*key.resource == "pods" {
        return adopt_one(view, object);
    }
    let value = object.value();
    let Some(selector) = selectors::read(at(&value, "/spec/selector")) else { return Decision::idle() };
    Turn::new(view, object, value, selector, now).decide()
}

/// A pod that lost its controller, or never had one, goes to the StatefulSet whose name it bears, if that selects it.
fn adopt_one(view: &View, pod: &Arc<Object>) -> Decision {
    let set = namesake(view, pod).and_then(|key| view.get_key(&key)).filter(|set| set.facet.deleting.is_none());
    let Some(set) = set.filter(|_| adoptable(pod) && !Pod::read(pod).finished()) else { return Decision::idle() };
    let value = set.value();
    if !selectors::read(at(&value, "/spec/selector")).is_some_and(|selector| selector.matches(&pod.facet)) {
        return Decision::idle();
    }
    let write = replace(pod, &with_owner(pod, controller_reference("apps/v1", KIND, set)));
    Decision::one(write.into_iter().collect(), format!("adopted by {}", set.key.name))
}

/// One decision about one StatefulSet.
struct Turn<'a> {
    view: &'a View,
    object: &'a Arc<Object>,
    value: Value,
    selector: Labels,
    now: Millis,
    /// The first ordinal, and how many there shall be.
    start: u64,
    wanted: u64,
    /// One after the other, each ready before the next.
    ordered: bool,
    /// Seconds that a pod must have been ready to count as available.
    wait: i64,
    claims: Claims,
    /// Its pods by ordinal.
    pods: BTreeMap<u64, Pod>,
    writes: Vec<Write>,
    /// What is written already: one command writes a key once.
    written: BTreeSet<Key>,
    /// About how many bytes `writes` take.
    bytes: usize,
    notes: Vec<String>,
    /// When to try again what admission refused.
    retry_at: Option<Millis>,
}

impl<'a> Turn<'a> {
    fn new(view: &'a View, object: &'a Arc<Object>, value: Value, selector: Labels, now: Millis) -> Self {
        let count = |path: &str| number(&value, path).and_then(|count| u64::try_from(count).ok());
        Self {
            view,
            object,
            start: count("/spec/ordinals/start").unwrap_or(0),
            wanted: count("/spec/replicas").unwrap_or(1),
            ordered: text(&value, "/spec/podManagementPolicy") != "Parallel",
            wait: number(&value, "/spec/minReadySeconds").unwrap_or(0),
            claims: Claims::read(&value),
            value,
            selector,
            now,
            pods: BTreeMap::new(),
            writes: Vec::new(),
            written: BTreeSet::new(),
            bytes: 0,
            notes: Vec::new(),
            retry_at: None,
        }
    }

    /// Adds a write, unless its object is written already: then it is decided again on what comes of that.
    fn put(&mut self, write: Option<Write>) -> bool {
        let Some(write) = write.filter(|write| !self.written.contains(&write.key)) else { return false };
        self.bytes += weight(&write);
        self.written.insert(write.key.clone());
        self.writes.push(write);
        true
    }

    /// Whether more would make too much for one command. What is left is decided when this is done.
    fn full(&self) -> bool {
        self.bytes >= DRAFT_BYTES || self.writes.len() >= 2 * BURST_PODS
    }

    fn decide(mut self) -> Decision {
        self.gather();
        if self.full() {
            return Decision::one(self.writes, "takes up and lets go of pods, of some first");
        }
        let mut history = History::read(self.view, self.object, &self.selector, &KEEPER);
        if self.object.facet.deleting.is_none() {
            history.choose(self.view, self.object, &mut self.value);
            // Each step only when the one before has nothing left to wait for.
            _ = self.fill(&history) && self.shed() && self.roll(&history);
        }
        let live = self.pods.values().map(|pod| identity::revision(&pod.object).to_owned()).collect();
        let writes = history.writes(&live, number(&self.value, "/spec/revisionHistoryLimit"), self.now);
        writes.into_iter().for_each(|write| _ = self.put(Some(write)));
        self.report_status(&history);
        let wake_at = self.next_available().into_iter().chain(self.retry_at).min();
        Decision { wake_at, ..Decision::one(self.writes, self.notes.join(", ")) }
    }

    /// Lets go of pods that are no longer its own, and takes up what is there already when it is new.
    fn gather(&mut self) {
        let uid = self.object.uid.to_string();
        for pod in controlled(self.view, "pods", self.object) {
            match self.ordinal(pod).filter(|_| self.selector.matches(&pod.facet)) {
                Some(ordinal) => _ = self.pods.insert(ordinal, Pod::read(pod)),
                None if pod.facet.deleting.is_none() => {
                    let released = replace(pod, &without_owners(pod, |owner| owner == uid));
                    self.put(released);
                }
                None => {}
            }
            if self.full() {
                return;
            }
        }
        if self.object.facet.deleting.is_some() || number(&self.value, "/status/observedGeneration").is_some() {
            return;
        }
        for pod in orphans(self.view, "pods", &self.object.key.namespace, &self.selector) {
            let seen = Pod::read(pod);
            if let Some(ordinal) = self.ordinal(pod).filter(|_| !seen.finished()) {
                self.put(replace(pod, &with_owner(pod, controller_reference("apps/v1", KIND, self.object))));
                self.pods.insert(ordinal, seen);
            }
            if self.full() {
                return;
            }
        }
    }

    /// The pod's ordinal, if its name is one of this set's.
    fn ordinal(&self, pod: &Object) -> Option<u64> {
        identity::parse(&pod.key.name).filter(|(set, _)| *set == &*self.object.key.name).map(|(_, ordinal)| ordinal)
    }

    fn available(&self, pod: &Pod) -> bool {
        pod.available_at(self.wait).is_some_and(|at| at <= self.now)
    }

    /// Whether nothing need be waited for: it runs, is ready for long enough, and stays.
    fn healthy(&self, pod: &Pod) -> bool {
        pod.active() && self.available(pod)
    }

    fn wanted_ordinals(&self) -> std::ops::Range<u64> {
        self.start..self.start.saturating_add(self.wanted)
    }

    /// Sees to it that each wanted pod is there; true if the next step may be taken.
    fn fill(&mut self, history: &History) -> bool {
        for ordinal in self.wanted_ordinals() {
            let Some(pod) = self.pods.get(&ordinal).cloned() else {
                self.make(ordinal, history);
                if self.ordered || self.full() {
                    return false;
                }
                continue;
            };
            if pod.finished() && pod.object.facet.deleting.is_none() {
                let message = format!("pod {} has {}; it is made anew", pod.object.key.name, pod.phase);
                self.tell(true, "RecreatingFailedPod", &message);
                self.delete(&pod);
                if self.ordered {
                    return false;
                }
                continue;
            }
            if pod.object.facet.deleting.is_some() {
                if planted(Bug::MakesAgainEarly) {
                    self.put(Some(remove(&pod.object)));
                }
            } else {
                self.keep(ordinal, &pod);
            }
            if (self.ordered && !self.healthy(&pod)) || self.full() {
                return false;
            }
        }
        true
    }

    /// A pod that is there has its labels and its claims.
    fn keep(&mut self, ordinal: u64, pod: &Pod) {
        for claim in self.claims.wanted(self.object, &self.value, ordinal) {
            let there = self.view.get(claims::RESOURCE, &self.object.key.namespace, text(&claim, "/metadata/name"));
            let write = match there {
                None => match claims::make(self.view, claim) {
                    Ok(write) => write,
                    Err(why) => {
                        self.refuse(&pod.object.key.name, &why);
                        None
                    }
                },
                Some(there) => self.claims.owned(there, self.object, &pod.object, false),
            };
            self.put(write);
        }
        if let Some(repaired) = identity::repaired(&pod.object, ordinal) {
            self.put(replace(&pod.object, &repaired));
        }
    }

    /// Makes the pod of this ordinal and its claims, if its name is free.
    fn make(&mut self, ordinal: u64, history: &History) {
        let (view, namespace) = (self.view, &*self.object.key.namespace);
        if view.get("namespaces", "", namespace).is_some_and(|namespace| namespace.facet.deleting.is_some()) {
            return;
        }
        let name = identity::name(self.object, ordinal);
        let revision = self.revision_for(ordinal, history);
        if let Some(other) = view.get("pods", namespace, &name) {
            let ours = adoptable(other) && self.selector.matches(&other.facet);
            if other.facet.deleting.is_none() && !ours {
                self.fail(&name, "another pod has this name");
            }
            return;
        }
        if name.len().max(revision.len()) > identity::LABEL_BYTES_MAX {
            return self.fail(&name, "its name is too long for a label");
        }
        let template = history.template(revision);
        let mut pod = match identity::pod(view, self.object, &self.value, &template, ordinal, revision) {
            Ok(pod) => pod,
            Err(why) => return self.refuse(&name, &why),
        };
        self.claims.mount(&mut pod, self.object, ordinal);
        let mut missing = Vec::new();
        for claim in self.claims.wanted(self.object, &self.value, ordinal) {
            match view.get(claims::RESOURCE, namespace, text(&claim, "/metadata/name")) {
                // What goes with the pod that was goes before this one comes.
                Some(there) if claims::ends(there, &name) => return,
                Some(_) => {}
                None => missing.push(claim),
            }
        }
        for claim in missing {
            let said = format!("created claim {} of pod {name}", text(&claim, "/metadata/name"));
            let write = match claims::make(view, claim) {
                Ok(write) => write,
                Err(why) => return self.refuse(&name, &why),
            };
            if self.put(write) {
                self.tell(false, "SuccessfulCreate", &said);
            }
        }
        if self.put(create("pods", &pod)) {
            self.tell(false, "SuccessfulCreate", &format!("created pod {name}"));
            self.notes.push(format!("create {name}"));
        }
    }

    /// Which revision a pod that is made now is of: below the partition nothing is updated.
    fn revision_for<'h>(&self, ordinal: u64, history: &'h History) -> &'h str {
        if ordinal < self.start.saturating_add(self.partition()) { history.current() } else { history.update() }
    }

    /// How many ordinals a rolling update leaves as they are.
    fn partition(&self) -> u64 {
        let partition = number(&self.value, "/spec/updateStrategy/rollingUpdate/partition");
        partition.and_then(|partition| u64::try_from(partition).ok()).filter(|_| self.rolls()).unwrap_or(0)
    }

    fn rolls(&self) -> bool {
        text(&self.value, "/spec/updateStrategy/type") != "OnDelete"
    }

    /// Takes pods away that are too many, from the top; true if there are none, or nothing is waited for.
    fn shed(&mut self) -> bool {
        let wanted = self.wanted_ordinals();
        let condemned: Vec<(u64, Pod)> =
            self.pods.iter().rev().filter(|(at, _)| !wanted.contains(at)).map(|(at, pod)| (*at, pod.clone())).collect();
        // One at a time, whoever sent the other away.
        if self.ordered && condemned.iter().any(|(_, pod)| pod.object.facet.deleting.is_some()) {
            return false;
        }
        // One that will never be ready does not hold up its own end.
        let sick = condemned.iter().rev().find(|(_, pod)| !self.healthy(pod)).map(|(at, _)| *at);
        for (ordinal, pod) in condemned {
            if pod.object.facet.deleting.is_none() && (!self.ordered || self.healthy(&pod) || sick == Some(ordinal)) {
                for claim in self.claims.wanted(self.object, &self.value, ordinal) {
                    let name = text(&claim, "/metadata/name");
                    let there = self.view.get(claims::RESOURCE, &self.object.key.namespace, name);
                    let write = there.and_then(|there| self.claims.owned(there, self.object, &pod.object, true));
                    self.put(write);
                }
                self.delete(&pod);
            }
            if self.ordered || self.full() {
                return false;
            }
        }
        true
    }

    /// Takes the highest pod away that is of another revision, when all above it are well again.
    fn roll(&mut self, history: &History) -> bool {
        if !self.rolls() {
            return true;
        }
        let wanted = self.wanted_ordinals();
        for ordinal in (wanted.start.saturating_add(self.partition())..wanted.end).rev() {
            let Some(pod) = self.pods.get(&ordinal).cloned() else { return false };
            if pod.object.facet.deleting.is_none() && identity::revision(&pod.object) != history.update() {
                self.delete(&pod);
                return false;
            }
            if !self.healthy(&pod) {
                return false;
            }
        }
        true
    }

    fn delete(&mut self, pod: &Pod) {
        let name = &pod.object.key.name;
        if self.put(begin_deletion(&pod.object, "", self.now)) {
            self.tell(false, "SuccessfulDelete", &format!("deleted pod {name}"));
            self.notes.push(format!("delete {name}"));
        }
    }

    /// Says why a pod cannot be made: once, for it is tried at every change.
    fn fail(&mut self, name: &str, why: &str) {
        let message = format!("pod {name} cannot be made: {why}");
        let report = Report { component: COMPONENT, warning: true, reason: "FailedCreate", message: &message };
        if self.view.get_key(&report.key(&self.value)).is_none() {
            self.tell(true, "FailedCreate", &message);
        }
    }

    /// Tells once what admission refused, and has it tried again after a while.
    fn refuse(&mut self, name: &str, why: &str) {
        self.retry_at = Some(Millis(self.now.0.saturating_add(ADMISSION_RETRY_MILLIS)));
        self.fail(name, why);
    }

    fn tell(&mut self, warning: bool, reason: &str, message: &str) {
        let report = Report { component: COMPONENT, warning, reason, message };
        let write = reports::write(self.view, &self.value, report, self.now);
        self.put(write);
    }

    /// Writes what is observed of the pods in the view.
    fn report_status(&mut self, history: &History) {
        let available = self.pods.values().filter(|pod| pod.phase == "Running" && self.available(pod)).count();
        let of = |revision: &str| {
            let is = |pod: &&Pod| pod.object.facet.deleting.is_none() && identity::revision(&pod.object) == revision;
            self.pods.values().filter(is).count()
        };
        let counts = status::Counts {
            wanted: self.wanted,
            replicas: self.pods.len(),
            ready: self.pods.values().filter(|pod| pod.phase == "Running" && pod.ready.is_some()).count(),
            available,
            current: of(history.current()),
            updated: of(history.update()),
        };
        let mut value = self.value.clone();
        status::put(&mut value, counts, history, self.rolls());
        self.put(replace(self.object, &value));
    }

    /// When the next pod becomes available by time alone.
    fn next_available(&self) -> Option<Millis> {
        self.pods.values().filter_map(|pod| pod.available_at(self.wait)).filter(|at| *at > self.now).min()
    }
}
