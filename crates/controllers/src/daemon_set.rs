//! DaemonSet: one pod on each node that shall have one. It says to which node a pod goes and leaves the binding to the scheduler.
//! It never touches pods that another controls.
mod back_off;
mod kind;
mod nodes;
mod place;
mod roll;
mod rules;
mod status;
mod template;

use crate::controller::Controller;
use crate::fields::{at, number, set, text};
use crate::limits::{ADMISSION_RETRY_MILLIS, BURST_DAEMONS, DRAFT_BYTES, QUOTA_RETRY_MILLIS, REPORTS_EACH};
use crate::owners::{adoptable, controlled, controller_key, controller_reference, orphans, with_owner, without_owners};
use crate::pods::{Pod, free_name, from_template};
use crate::quota::room;
use crate::revisions::{self, History};
use crate::writes::{begin_deletion, create, replace, weight};
use crate::{readmission, reports};
use api::command::Write;
use api::decision::Decision;
use api::event::{Act, Event};
use api::key::Key;
use api::object::Object;
use api::report::Report;
use api::revision::Millis;
use api::selector::Labels;
use kind::{COMPONENT, HASH, KEEPER, KIND, RESOURCE};
use place::Plan;
use rules::Rules;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use store::view::View;

/// Keys are DaemonSets, and pods without a controller, for which one is sought.
pub(crate) const CONTROLLER: Controller = Controller { name: "daemon_set", keys, all, decide };

fn keys(event: &Event, view: &View) -> Vec<Key> {
    let object = &event.object;
    let states = [Some(object), event.before.as_ref()].into_iter().flatten();
    let controllers = states.filter_map(|one| controller_key(one, KIND, RESOURCE));
    let mut keys: Vec<Key> = match &*object.key.resource {
        RESOURCE => vec![object.key.clone()],
        "pods" => {
            let orphan = (event.act != Act::Deleted && sought(view, object)).then(|| object.key.clone());
            controllers.chain(orphan).collect()
        }
        revisions::RESOURCE => controllers.chain(takers(view, object)).collect(),
        nodes::RESOURCE if view.list(RESOURCE, None).next().is_none() || !nodes::concerns(event) => Vec::new(),
        nodes::RESOURCE => view.list(RESOURCE, None).map(|set| set.key.clone()).collect(),
        // There may be room now for what a quota refused, and a way for what admission did.
        api::quota::RESOURCE => {
            view.list(RESOURCE, Some(&object.key.namespace)).filter(lacks).map(|set| set.key.clone()).collect()
        }
        _ => {
            let mut keys = readmission::keys(event, view, RESOURCE);
            keys.retain(|key| view.get_key(key).is_some_and(|set| lacks(&set)));
            keys
        }
    };
    keys.sort();
    keys.dedup();
    keys
}

/// The sets that may take up a revision that nobody controls.
fn takers<'a>(view: &'a View, revision: &'a Object) -> impl Iterator<Item = Key> + 'a {
    let sets = view.list(RESOURCE, Some(&revision.key.namespace)).filter(|_| adoptable(revision));
    let takes = |set: &&Arc<Object>| kind::selector(&set.value()).is_some_and(|it| it.matches(&revision.facet));
    sets.filter(takes).map(|set| set.key.clone())
}

/// Whether a set is sought for the pod, and there is one that might take it.
fn sought(view: &View, pod: &Object) -> bool {
    let any = || view.list(RESOURCE, Some(&pod.key.namespace)).next().is_some();
    adoptable(pod) && !pod.facet.labels.is_empty() && any()
}

/// Whether nodes lack a pod of the set.
fn lacks(set: &&Arc<Object>) -> bool {
    let value = set.value();
    number(&value, "/status/currentNumberScheduled") < number(&value, "/status/desiredNumberScheduled")
}

fn all(view: &View) -> Vec<Key> {
    let orphans = view.list("pods", None).filter(|pod| sought(view, pod));
    view.list(RESOURCE, None).chain(orphans).map(|object| object.key.clone()).collect()
}

fn decide(view: &View, key: &Key, now: Millis) -> Decision {
    let Some(object) = view.get_key(key) else { return Decision::idle() };
    let ending = view.get("namespaces", "", &key.namespace).is_some_and(|namespace| namespace.facet.deleting.is_some());
    if object.facet.deleting.is_some() || ending {
        // What it has goes with it, or is let go by others.
        return Decision::idle();
    }
    if &*key.resource == "pods" {
        return adopt_one(view, object);
    }
    let value = object.value();
    // What it makes must be its own, or it would make more for ever.
    let own = |selector: &Labels| selector.matches_map(at(&value, "/spec/template/metadata/labels"));
    let Some(selector) = kind::selector(&value).filter(own) else { return Decision::idle() };
    Turn {
        view,
        object,
        value,
        selector,
        now,
        writes: Vec::new(),
        written: BTreeSet::new(),
        bytes: 0,
        notes: Vec::new(),
        retry_at: None,
    }
    .decide()
}

/// A pod that lost its controller, or never had one, goes to the oldest set that selects it.
fn adopt_one(view: &View, pod: &Arc<Object>) -> Decision {
    let sets = view.list(RESOURCE, Some(&pod.key.namespace)).filter(|set| set.facet.deleting.is_none());
    let takes = |set: &&Arc<Object>| kind::selector(&set.value()).is_some_and(|selector| selector.matches(&pod.facet));
    let oldest = sets.filter(takes).min_by_key(|set| (set.created, set.key.clone()));
    let Some(set) = oldest.filter(|_| adoptable(pod)) else { return Decision::idle() };
    let write = replace(pod, &with_owner(pod, owner(set)));
    Decision::one(write.into_iter().collect(), format!("adopted by {}", set.key.name))
}

/// What says of a pod that it is this set's.
fn owner(set: &Object) -> Value {
    controller_reference("apps/v1", KIND, set)
}

/// One decision about one DaemonSet.
struct Turn<'a> {
    view: &'a View,
    object: &'a Arc<Object>,
    value: Value,
    selector: Labels,
    now: Millis,
    writes: Vec<Write>,
    /// What is written already: one command writes a key once.
    written: BTreeSet<Key>,
    /// About how many bytes `writes` take.
    bytes: usize,
    notes: Vec<String>,
    /// When to try again what was refused.
    retry_at: Option<Millis>,
}

impl Turn<'_> {
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
        self.bytes >= DRAFT_BYTES || self.writes.len() >= 2 * BURST_DAEMONS
    }

    fn decide(mut self) -> Decision {
        let pods = self.gather();
        let mut history = History::read(self.view, self.object, &self.selector, &KEEPER);
        history.choose(self.view, self.object, &mut self.value);
        self.rename(&pods, &history);
        if self.full() {
            return Decision::one(self.writes, "takes up, lets go of or names pods anew, of some first");
        }
        let rules = Rules::read(&self.value, history.update_hash(), self.now);
        let template = template::complete(&self.value, &rules.hash);
        let nodes = nodes::gather(self.view, &template, &pods);
        let mut plan = place::plan(&nodes, &rules);
        let wake = plan.wake;
        if plan.is_empty() && self.written.is_empty() && rules.rolls() {
            plan = roll::plan(&nodes, &rules);
        }
        self.delete(&plan);
        self.make(&plan, &template);
        let live = pods.iter().filter_map(|pod| history.named(kind::hash(&pod.object))).map(str::to_owned).collect();
        let writes = history.writes(&live, number(&self.value, "/spec/revisionHistoryLimit"), self.now);
        writes.into_iter().for_each(|write| _ = self.put(Some(write)));
        let mut value = self.value.clone();
        status::put(&mut value, &nodes, &rules);
        self.put(replace(self.object, &value));
        let available = pods.iter().filter_map(|pod| pod.available_at(rules.wait)).filter(|at| *at > self.now);
        let wake_at = available.chain(self.retry_at).chain(wake).min();
        Decision { wake_at, ..Decision::one(self.writes, self.notes.join(", ")) }
    }

    /// Its pods. It lets go of those that it does not select any more; when it is new, it takes up what is there already.
    fn gather(&mut self) -> Vec<Pod> {
        let mut pods = Vec::new();
        let uid = self.object.uid.to_string();
        for pod in controlled(self.view, "pods", self.object) {
            if self.selector.matches(&pod.facet) {
                pods.push(Pod::read(pod));
            } else if pod.facet.deleting.is_none() && !self.full() {
                self.put(replace(pod, &without_owners(pod, |owner| owner == uid)));
            }
        }
        if number(&self.value, "/status/observedGeneration").is_none() {
            for pod in orphans(self.view, "pods", &self.object.key.namespace, &self.selector) {
                if self.full() {
                    break;
                }
                self.put(replace(pod, &with_owner(pod, owner(self.object))));
                pods.push(Pod::read(pod));
            }
        }
        pods
    }

    /// Pods that have the present template under the hash of another revision get the hash of the present one.
    fn rename(&mut self, pods: &[Pod], history: &History) {
        let aliases = history.aliases();
        for pod in pods.iter().filter(|pod| pod.object.facet.deleting.is_none()) {
            if !self.full() && aliases.contains(kind::hash(&pod.object)) {
                let mut value = pod.object.value();
                set(&mut value, &["metadata", "labels", HASH], history.update_hash());
                self.put(replace(&pod.object, &value));
            }
        }
    }

    fn delete(&mut self, plan: &Plan) {
        let mut names = Vec::new();
        for pod in plan.delete.iter().take(BURST_DAEMONS) {
            if self.bytes >= DRAFT_BYTES {
                break;
            }
            if !self.put(begin_deletion(&pod.object, "", self.now)) {
                continue;
            }
            names.push(pod.object.key.name.to_string());
            let (of, node) = (format!("{}/{}", pod.object.key.namespace, pod.object.key.name), &pod.node);
            match &*pod.phase {
                "Failed" => {
                    let message = format!("Found failed daemon pod {of} on node {node}, will try to kill it");
                    self.tell(true, "FailedDaemonPod", &message);
                }
                "Succeeded" => {
                    let message = format!("Found succeeded daemon pod {of} on node {node}, will try to delete it");
                    self.tell(false, "SucceededDaemonPod", &message);
                }
                _ => {}
            }
        }
        self.tell_each("SuccessfulDelete", "Deleted pod", &names);
        if !names.is_empty() {
            self.notes.push(format!("delete {}", names.len()));
        }
    }

    /// Makes as many of the pods as there is room for, and as fit into one command.
    fn make(&mut self, plan: &Plan, template: &Value) {
        let (view, namespace) = (self.view, &*self.object.key.namespace);
        let stem = format!("{}-", self.object.key.name);
        let mut names: Vec<String> = Vec::new();
        let (mut number, mut count) = (0, plan.make.len().min(BURST_DAEMONS));
        for (node, failures) in &plan.make {
            if names.len() >= count || self.bytes >= DRAFT_BYTES {
                break;
            }
            let mut template = template::bound_for(template, node);
            back_off::note(&mut template, *failures);
            let mut name = free_name(view, "pods", namespace, &stem, self.object.uid, &mut number);
            while names.contains(&name) {
                name = free_name(view, "pods", namespace, &stem, self.object.uid, &mut number);
            }
            let pod = match from_template(view, &template, namespace, &name, &stem, &stem, owner(self.object)) {
                Ok(pod) => pod,
                Err(why) => {
                    self.refuse(&why, ADMISSION_RETRY_MILLIS);
                    break;
                }
            };
            if names.is_empty() {
                // They are all alike.
                let why;
                (count, why) = room(view, "pods", &pod, count);
                if let Some(why) = why {
                    self.refuse(&format!("pods {stem:?} is forbidden: {why}"), QUOTA_RETRY_MILLIS);
                }
                if count == 0 {
                    break;
                }
            }
            self.put(create("pods", &pod));
            names.push(text(&pod, "/metadata/name").to_owned());
        }
        self.tell_each("SuccessfulCreate", "Created pod", &names);
        if !names.is_empty() {
            self.notes.push(format!("create {} of {}", names.len(), plan.make.len()));
        }
    }

    /// Tells once what could not be made, and has it tried again after a while.
    fn refuse(&mut self, why: &str, millis: u64) {
        self.retry_at = Some(Millis(self.now.0.saturating_add(millis)));
        let message = format!("Error creating: {why}");
        let report = Report { component: COMPONENT, warning: true, reason: "FailedCreate", message: &message };
        if self.view.get_key(&report.key(&self.value)).is_none() {
            self.tell(true, "FailedCreate", &message);
        }
    }

    fn tell_each(&mut self, reason: &str, what: &str, names: &[String]) {
        match names {
            [] => {}
            few if few.len() <= REPORTS_EACH => {
                few.iter().for_each(|name| self.tell(false, reason, &format!("{what}: {name}")));
            }
            many => self.tell(false, reason, &format!("{what}s: {} ({}, ...)", many.len(), many[0])),
        }
    }

    fn tell(&mut self, warning: bool, reason: &str, message: &str) {
        let report = Report { component: COMPONENT, warning, reason, message };
        let write = reports::write(self.view, &self.value, report, self.now);
        self.put(write);
    }
}
