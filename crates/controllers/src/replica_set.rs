//! ReplicaSet, and the older ReplicationController: as many pods as it says, made, adopted, released and deleted. It never touches pods
//! that another controls.
use crate::conditions::{self, Wanted, put};
use crate::controller::Controller;
use crate::fields::{at, list, number, set, unset};
use crate::limits::{BURST_PODS, DRAFT_BYTES, REPORTS_EACH};
use crate::owners::{adoptable, controlled, controller_key, controller_reference, orphans, with_owner, without_owners};
use crate::pods::{Pod, free_name, from_template};
use crate::quota::room;
use crate::writes::{begin_deletion, create, replace, weight};
use crate::{readmission, reports, selectors};
use api::command::Write;
use api::decision::Decision;
use api::event::Event;
use api::key::Key;
use api::object::Object;
use api::planted::{Bug, planted};
use api::report::Report;
use api::revision::Millis;
use api::selector::Labels;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::view::View;

/// In what the two kinds differ.
struct Sets {
    resource: &'static str,
    kind: &'static str,
    api_version: &'static str,
    /// Who tells of it.
    component: &'static str,
    selector: fn(&Value) -> Option<Labels>,
}

static REPLICA_SETS: Sets = Sets {
    resource: "replicasets.apps",
    kind: "ReplicaSet",
    api_version: "apps/v1",
    component: "replicaset-controller",
    selector: |set| selectors::read(at(set, "/spec/selector")),
};

static REPLICATION_CONTROLLERS: Sets = Sets {
    resource: "replicationcontrollers",
    kind: "ReplicationController",
    api_version: "v1",
    component: "replication-controller",
    selector: |set| selectors::of_labels(at(set, "/spec/selector")),
};

/// The condition of a set that could not make what it wants.
const FAILED: &str = "ReplicaFailure";

/// Keys are ReplicaSets, and pods without a controller, for which one is sought.
pub(crate) const CONTROLLER: Controller = Controller {
    name: "replica_set",
    keys: |event, view| REPLICA_SETS.keys(event, view),
    all: |view| REPLICA_SETS.all(view),
    decide: |view, key, now| REPLICA_SETS.decide(view, key, now),
};

/// The same of ReplicationControllers.
pub(crate) const REPLICATION_CONTROLLER: Controller = Controller {
    name: "replication_controller",
    keys: |event, view| REPLICATION_CONTROLLERS.keys(event, view),
    all: |view| REPLICATION_CONTROLLERS.all(view),
    decide: |view, key, now| REPLICATION_CONTROLLERS.decide(view, key, now),
};

impl Sets {
    fn keys(&self, event: &Event, view: &View) -> Vec<Key> {
        let object = &event.object;
        match &*object.key.resource {
            own if own == self.resource => vec![object.key.clone()],
            "pods" => {
                let states = [Some(object), event.before.as_ref()];
                let sets = states.into_iter().flatten().filter_map(|pod| controller_key(pod, self.kind, self.resource));
                let mut keys: Vec<Key> = sets.collect();
                keys.dedup();
                if event.act != api::event::Act::Deleted && self.sought(view, object) {
                    keys.push(object.key.clone());
                }
                keys
            }
            // There may be room now for what a quota refused, and a way for what admission did.
            api::quota::RESOURCE => {
                let sets = view.list(self.resource, Some(&object.key.namespace));
                sets.filter(|set| failed(set)).map(|set| set.key.clone()).collect()
            }
            _ => {
                let mut keys = readmission::keys(event, view, self.resource);
                keys.retain(|key| view.get_key(key).is_some_and(failed));
                keys
            }
        }
    }

    /// Whether a set is sought for the pod, and there is one that might take it.
    fn sought(&self, view: &View, pod: &Object) -> bool {
        let any = || view.list(self.resource, Some(&pod.key.namespace)).next().is_some();
        adoptable(pod) && !pod.facet.labels.is_empty() && any()
    }

    fn all(&self, view: &View) -> Vec<Key> {
        let orphans = view.list("pods", None).filter(|pod| self.sought(view, pod));
        view.list(self.resource, None).chain(orphans).map(|object| object.key.clone()).collect()
    }

    fn decide(&'static self, view: &View, key: &Key, now: Millis) -> Decision {
        let Some(object) = view.get_key(key) else { return Decision::idle() };
        if &*key.resource == "pods" {
            return self.adopt_one(view, object);
        }
        let value = object.value();
        let Some(selector) = (self.selector)(&value) else { return Decision::idle() };
        Turn { sets: self, view, object, value, selector, now, writes: Vec::new(), bytes: 0, refused: None }.decide()
    }

    /// A pod that lost its controller, or never had one, goes to the oldest set that selects it.
    fn adopt_one(&self, view: &View, pod: &Arc<Object>) -> Decision {
        if !adoptable(pod) || Pod::read(pod).finished() {
            return Decision::idle();
        }
        let sets = view.list(self.resource, Some(&pod.key.namespace)).filter(|set| set.facet.deleting.is_none());
        let takes =
            |set: &&Arc<Object>| (self.selector)(&set.value()).is_some_and(|selector| selector.matches(&pod.facet));
        let Some(set) = sets.filter(takes).min_by_key(|set| (set.created, set.key.clone())) else {
            return Decision::idle();
        };
        let write = replace(pod, &with_owner(pod, self.owner(set)));
        Decision::one(write.into_iter().collect(), format!("adopted by {}", set.key.name))
    }

    /// What says of a pod that it is this set's.
    fn owner(&self, set: &Object) -> Value {
        controller_reference(self.api_version, self.kind, set)
    }
}

/// Whether the set could not make what it wants.
fn failed(set: &Arc<Object>) -> bool {
    conditions::is_true(&set.value(), FAILED)
}

/// One decision about one set.
struct Turn<'a> {
    sets: &'static Sets,
    view: &'a View,
    object: &'a Arc<Object>,
    value: Value,
    selector: Labels,
    now: Millis,
    writes: Vec<Write>,
    /// About how many bytes `writes` take.
    bytes: usize,
    /// Why no more pods may be made.
    refused: Option<String>,
}

impl Turn<'_> {
    fn put(&mut self, write: Option<Write>) {
        if let Some(write) = write {
            self.bytes += weight(&write);
            self.writes.push(write);
        }
    }

    /// Whether more would make too much for one command. What is left is decided when this is done.
    fn full(&self) -> bool {
        self.bytes >= DRAFT_BYTES || self.writes.len() >= 2 * BURST_PODS
    }

    fn decide(mut self) -> Decision {
        let mut pods = Vec::new();
        for pod in controlled(self.view, "pods", self.object) {
            if self.selector.matches(&pod.facet) {
                pods.push(Pod::read(pod));
            } else if pod.facet.deleting.is_none() {
                let uid = self.object.uid.to_string();
                self.put(replace(pod, &without_owners(pod, |owner| owner == uid)));
            }
            if self.full() {
                return Decision::one(self.writes, "lets go of pods, of some first");
            }
        }
        let deleting = self.object.facet.deleting.is_some();
        if !deleting && number(&self.value, "/status/observedGeneration").is_none() {
            self.adopt(&mut pods);
            if self.full() {
                // Its status would say that nothing is left to adopt.
                return Decision::one(self.writes, "adopts pods, some first");
            }
        }
        let counts = |pod: &Pod| pod.active() && !(planted(Bug::CountsBoundOnly) && pod.node.is_empty());
        let active: Vec<Pod> = pods.into_iter().filter(counts).collect();
        let wanted = usize::try_from(number(&self.value, "/spec/replicas").unwrap_or(1)).unwrap_or(0);
        let mut note = String::new();
        if !deleting && active.len() < wanted {
            let count = (wanted - active.len()).min(BURST_PODS);
            note = format!("create {} of {wanted}", self.make(count));
        } else if !deleting && active.len() > wanted {
            let count = (active.len() - wanted).min(BURST_PODS);
            note = format!("delete {}, keep {wanted}", self.shed(&active, count));
        }
        let wake_at = self.report_status(&active);
        Decision { wake_at, ..Decision::one(self.writes, note) }
    }

    /// A new set first takes what is already there; later orphans come one by one.
    fn adopt(&mut self, pods: &mut Vec<Pod>) {
        for pod in orphans(self.view, "pods", &self.object.key.namespace, &self.selector) {
            let seen = Pod::read(pod);
            if !seen.finished() {
                self.put(replace(pod, &with_owner(pod, self.sets.owner(self.object))));
                pods.push(seen);
            }
            if self.full() {
                return;
            }
        }
    }

    /// Makes as many of `count` pods as fit into one command; gives how many.
    fn make(&mut self, count: usize) -> usize {
        let namespace = &*self.object.key.namespace;
        if self.view.get("namespaces", "", namespace).is_some_and(|namespace| namespace.facet.deleting.is_some()) {
            return 0;
        }
        let stem = format!("{}-", self.object.key.name);
        let template = at(&self.value, "/spec/template").clone();
        let mut names = Vec::with_capacity(count);
        let mut number = 0;
        let mut count = count;
        while names.len() < count {
            let name = free_name(self.view, "pods", namespace, &stem, self.object.uid, &mut number);
            if names.contains(&name) {
                continue;
            }
            let owner = self.sets.owner(self.object);
            let pod = match from_template(self.view, &template, namespace, &name, &stem, &stem, owner) {
                Ok(pod) => pod,
                Err(why) => {
                    self.refused = Some(why);
                    break;
                }
            };
            if names.is_empty() {
                // They are all alike.
                let why;
                (count, why) = room(self.view, "pods", &pod, count);
                self.refused = why.map(|why| format!("pods {stem:?} is forbidden: {why}"));
                if count == 0 {
                    break;
                }
            }
            self.put(create("pods", &pod));
            names.push(name);
            if self.bytes >= DRAFT_BYTES {
                break;
            }
        }
        self.tell("SuccessfulCreate", "Created pod", &names);
        names.len()
    }

    /// The condition that says why pods are missing, told once; it goes when none could not be made.
    fn say_refused(&mut self, value: &mut Value) {
        let Some(message) = &self.refused else {
            let mut left = list(value, "/status/conditions").to_vec();
            left.retain(|condition| condition["type"] != FAILED);
            if left.is_empty() {
                unset(value, &["status", "conditions"]);
            } else {
                set(value, &["status", "conditions"], left);
            }
            return;
        };
        let known = conditions::find(value, FAILED).is_some_and(|known| known["message"] == message.as_str());
        put(value, Wanted { kind: FAILED, status: "True", reason: "FailedCreate", message }, self.now, false);
        if !known {
            let message = format!("Error creating: {message}");
            let report =
                Report { component: self.sets.component, warning: true, reason: "FailedCreate", message: &message };
            self.writes.extend(reports::write(self.view, &self.value, report, self.now));
        }
    }

    fn shed(&mut self, active: &[Pod], count: usize) -> usize {
        let mut names = Vec::with_capacity(count);
        for pod in first_to_go(active, self.now).into_iter().take(count) {
            self.put(begin_deletion(&pod.object, "", self.now));
            names.push(pod.object.key.name.to_string());
            if self.bytes >= DRAFT_BYTES {
                break;
            }
        }
        self.tell("SuccessfulDelete", "Deleted pod", &names);
        names.len()
    }

    fn tell(&mut self, reason: &str, what: &str, names: &[String]) {
        let messages = match names {
            [] => return,
            few if few.len() <= REPORTS_EACH => few.iter().map(|name| format!("{what}: {name}")).collect(),
            many => vec![format!("{what}s: {} ({}, ...)", many.len(), many[0])],
        };
        for message in messages {
            let report = Report { component: self.sets.component, warning: false, reason, message: &message };
            self.writes.extend(reports::write(self.view, &self.value, report, self.now));
        }
    }

    /// Writes what is observed of the pods in the view; returns when the next pod becomes available by time alone.
    fn report_status(&mut self, active: &[Pod]) -> Option<Millis> {
        let wait = number(&self.value, "/spec/minReadySeconds").unwrap_or(0);
        let labels = at(&self.value, "/spec/template/metadata/labels");
        let template = selectors::of_labels(labels);
        let labeled =
            active.iter().filter(|pod| template.as_ref().is_some_and(|labels| labels.matches(&pod.object.facet)));
        let available_at = |pod: &Pod| pod.available_at(wait);
        let mut status = json!({
            "replicas": active.len(), "fullyLabeledReplicas": labeled.count(),
            "readyReplicas": active.iter().filter(|pod| pod.ready.is_some()).count(),
            "availableReplicas": active.iter().filter_map(available_at).filter(|at| *at <= self.now).count(),
            "observedGeneration": number(&self.value, "/metadata/generation").unwrap_or(0),
        });
        let conditions = list(&self.value, "/status/conditions");
        if !conditions.is_empty() {
            status["conditions"] = conditions.to_vec().into();
        }
        let mut value = self.value.clone();
        set(&mut value, &["status"], status);
        self.say_refused(&mut value);
        self.writes.extend(replace(self.object, &value));
        active.iter().filter_map(available_at).filter(|at| *at > self.now).min()
    }
}

/// The order in which pods go when there are too many: those that serve least, and those whose like stands on the same node, first
/// (Kubernetes' `ActivePodsWithRanks`).
fn first_to_go(active: &[Pod], now: Millis) -> Vec<&Pod> {
    let mut on_node: BTreeMap<&str, usize> = BTreeMap::new();
    for pod in active {
        *on_node.entry(&pod.node).or_insert(0) += 1;
    }
    let rank = |pod: &Pod| {
        let phase = match &*pod.phase {
            "Pending" => 0,
            "Unknown" => 1,
            _ => 2,
        };
        let company = on_node.get(&*pod.node).copied().unwrap_or(0);
        let ready_for = pod.ready.map_or(0, |since| now.0.saturating_sub(since.0) / 1_000);
        let age = now.0.saturating_sub(pod.object.created.0) / 1_000;
        let standing = (!pod.node.is_empty(), phase, pod.ready.is_some(), pod.cost);
        (standing, std::cmp::Reverse(company), ready_for, -pod.restarts, age, pod.object.key.clone())
    };
    let mut order: Vec<&Pod> = active.iter().collect();
    order.sort_by_cached_key(|pod| rank(pod));
    order
}
