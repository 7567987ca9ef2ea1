//! A whole cluster in memory for tests of controllers: the fold, all deciders run to rest, and a pretended kubelet.
//! Each time it comes to rest it checks that a decision over its own outcome is empty, and that every decision made can be made again.
#![allow(dead_code, reason = "each scenario file uses a part of it")]
pub mod daemons;
pub mod jobs;

use api::command::{Change, Command, CommandId, Condition, Entry, Outcome, Write};
use api::decision::{Decision, Draft};
use api::key::Key;
use api::object::Object;
use api::revision::{Millis, Revision};
use controllers::controller::Controller;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use store::apply::apply;
use store::state::State;
use store::view::View;

/// More decisions than this before rest is a hot loop.
const DECISIONS_MAX: usize = 5_000;

pub struct Cluster {
    state: State,
    pub now: Millis,
    commands: u128,
    queue: BTreeSet<(usize, Key)>,
    timers: BTreeMap<(usize, Key), Millis>,
    /// Every decision that wrote something: (controller, key, view, time, drafts).
    made: Vec<(usize, Key, View, Millis, Vec<Draft>)>,
    /// The kubelet makes pods ready; otherwise they only start.
    pub pods_become_ready: bool,
    /// The kubelet of these nodes is silent.
    pub lost: BTreeSet<String>,
    pub pending_max: usize,
}

pub fn all() -> &'static [Controller] {
    controllers::all()
}

impl Cluster {
    /// A cluster with the standard namespaces and `nodes` ready nodes, at rest.
    pub fn new(nodes: usize) -> Self {
        let mut cluster = Self {
            state: State::default(),
            now: Millis(1_800_000_000_000),
            commands: 0,
            queue: BTreeSet::new(),
            timers: BTreeMap::new(),
            made: Vec::new(),
            pods_become_ready: true,
            lost: BTreeSet::new(),
            pending_max: usize::MAX,
        };
        for (number, controller) in all().iter().enumerate() {
            cluster.queue.extend((controller.all)(&cluster.state.view()).into_iter().map(|key| (number, key)));
        }
        for name in ["default", "kube-system"] {
            if cluster.view().get("namespaces", "", name).is_none() {
                cluster.create("namespaces", namespace(name));
            }
        }
        for number in 1..=nodes {
            cluster.create("nodes", node(&format!("n{number}")));
        }
        cluster.settle();
        cluster
    }

    pub fn view(&self) -> View {
        self.state.view()
    }

    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        self.view().get(resource, namespace, name).map(|object| object.value())
    }

    pub fn list(&self, resource: &str, namespace: &str) -> Vec<Value> {
        let namespace = (!namespace.is_empty()).then_some(namespace);
        self.view().list(resource, namespace).map(|object| object.value()).collect()
    }

    /// Pods that count: neither finished nor being deleted.
    pub fn active(&self, namespace: &str) -> Vec<Value> {
        let mut pods = self.list("pods", namespace);
        pods.retain(|pod| pod["metadata"]["deletionTimestamp"].is_null() && pod["status"]["phase"] != "Failed");
        pods
    }

    pub fn create(&mut self, resource: &str, value: Value) {
        let meta = |member: &str| value["metadata"][member].as_str().unwrap_or("").to_owned();
        let key = Key::new(resource, &meta("namespace"), &meta("name"));
        let body = api::kinds::body(resource, &value).expect("an object");
        let outcome = self.submit(vec![Write { key, condition: Condition::Absent, change: Change::Put(body) }], "");
        assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    }

    /// Changes an object as a client does: a changed spec is a new generation.
    pub fn update(&mut self, resource: &str, namespace: &str, name: &str, change: impl FnOnce(&mut Value)) {
        let object = self.view().get(resource, namespace, name).cloned().expect("the object to update");
        let mut value = object.value();
        let spec = value["spec"].clone();
        change(&mut value);
        if value["spec"] != spec {
            value["metadata"]["generation"] = (value["metadata"]["generation"].as_u64().unwrap_or(0) + 1).into();
        }
        self.put(&object, &value);
    }

    fn put(&mut self, object: &Object, value: &Value) {
        let body = api::kinds::body(&object.key.resource, value).expect("an object");
        let condition = Condition::Revision(object.revision);
        let outcome = self.submit(vec![Write { key: object.key.clone(), condition, change: Change::Put(body) }], "");
        assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    }

    /// Deletes as the API does: at once, or with a finalizer (`orphan`, `foregroundDeletion`), or, of a namespace, by its content first.
    pub fn delete(&mut self, resource: &str, namespace: &str, name: &str, finalizer: &str) {
        let object = self.view().get(resource, namespace, name).cloned().expect("the object to delete");
        let graceful = resource == "namespaces" || resource == "pods";
        if finalizer.is_empty() && !object.facet.finalizers && !graceful {
            let write = Write { key: object.key.clone(), condition: Condition::Exists, change: Change::Delete };
            self.submit(vec![write], "");
            return;
        }
        let mut value = object.value();
        value["metadata"]["deletionTimestamp"] = self.now.rfc3339().into();
        value["metadata"]["deletionGracePeriodSeconds"] = if resource == "pods" { 30 } else { 0 }.into();
        if !finalizer.is_empty() {
            value["metadata"]["finalizers"] = json!([finalizer]);
        }
        if resource == "namespaces" {
            value["status"]["phase"] = "Terminating".into();
        }
        self.put(&object, &value);
    }

    fn submit(&mut self, writes: Vec<Write>, note: &str) -> Outcome {
        self.commands += 1;
        let read = self.view().revision();
        let command = Command {
            id: CommandId(self.commands),
            actor: "test".into(),
            agent: "test".into(),
            cause: Revision(0),
            read,
            note: note.into(),
            writes,
        };
        let entry = Entry { time: self.now, epoch: 1, commands: vec![command] };
        let index = self.state.view().index() + 1;
        let mut applied = apply(&mut self.state, index, &entry);
        let view = self.view();
        for event in &applied.events {
            for (number, controller) in all().iter().enumerate() {
                self.queue.extend((controller.keys)(event, &view).into_iter().map(|key| (number, key)));
            }
        }
        applied.outcomes.pop().expect("one outcome for one command")
    }

    /// Runs deciders and kubelet until nothing is left to do, then checks that nothing is.
    pub fn settle(&mut self) {
        self.settle_deciders();
        while self.kubelet() {
            self.settle_deciders();
        }
        self.check_rest();
    }

    /// Runs the deciders alone.
    pub fn settle_deciders(&mut self) {
        let mut decisions = 0;
        while let Some((number, key)) = self.queue.pop_first() {
            decisions += 1;
            assert!(decisions < DECISIONS_MAX, "hot loop: {} at {key}", all()[number].name);
            let view = self.view();
            let decision = all()[number].decision(&view, &key, self.now);
            self.timers.remove(&(number, key.clone()));
            if let Some(at) = decision.wake_at {
                self.timers.insert((number, key.clone()), at);
            }
            for draft in &decision.drafts {
                assert!(!draft.writes.is_empty(), "an empty draft of {}", all()[number].name);
                let outcome = self.submit(draft.writes.clone(), &draft.note);
                assert!(matches!(outcome, Outcome::Done { .. }), "{} at {key}: {outcome:?}", all()[number].name);
            }
            if !decision.drafts.is_empty() {
                self.made.push((number, key, view, self.now, decision.drafts));
            }
        }
    }

    /// Another leads: it knows of no timer and of nothing that happened, and looks at everything.
    pub fn elect(&mut self) {
        self.queue.clear();
        self.timers.clear();
        for (number, controller) in all().iter().enumerate() {
            self.queue.extend((controller.all)(&self.view()).into_iter().map(|key| (number, key)));
        }
    }

    /// A decision over its own outcome is empty, for every controller and key; and every decision can be made again.
    pub fn check_rest(&mut self) {
        let view = self.view();
        for controller in all() {
            for key in (controller.all)(&view) {
                let Decision { drafts, .. } = controller.decision(&view, &key, self.now);
                assert!(drafts.is_empty(), "{} is not at rest at {key}: {drafts:?}", controller.name);
            }
        }
        for (number, key, view, now, drafts) in self.made.drain(..) {
            let again = all()[number].decision(&view, &key, now);
            assert_eq!(again.drafts, drafts, "{} decides otherwise at {key}", all()[number].name);
        }
    }

    /// Lets time pass: due timers fire in order, and all come to rest between them.
    pub fn advance(&mut self, seconds: u64) {
        let end = Millis(self.now.0 + seconds * 1_000);
        while let Some(at) = self.timers.values().min().copied().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            let due: Vec<_> =
                self.timers.iter().filter(|(_, time)| **time <= self.now).map(|(key, _)| key.clone()).collect();
            for key in due {
                self.timers.remove(&key);
                self.queue.insert(key);
            }
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    /// Another member leads: what was to be looked at is forgotten, and everything is looked at once.
    pub fn new_leader(&mut self) {
        self.timers.clear();
        self.queue.clear();
        let view = self.view();
        for (number, controller) in all().iter().enumerate() {
            self.queue.extend((controller.all)(&view).into_iter().map(|key| (number, key)));
        }
    }

    /// Binds, starts, readies and removes pods, all at once; true if there was anything to do.
    pub fn kubelet(&mut self) -> bool {
        let view = self.view();
        let nodes: Vec<String> = view.list("nodes", None).map(|node| node.key.name.to_string()).collect();
        let alive: Vec<&String> = nodes.iter().filter(|name| !self.lost.contains(*name)).collect();
        let mut changed = false;
        for (number, pod) in view.list("pods", None).enumerate() {
            let mut value = pod.value();
            let node = value["spec"]["nodeName"].as_str().unwrap_or("").to_owned();
            if node.is_empty() {
                let named = named_node(&value);
                let able = named.as_ref().map_or(!alive.is_empty(), |name| alive.contains(&name));
                if pod.facet.deleting.is_none() && able && number < self.pending_max {
                    let node = named.unwrap_or_else(|| alive[number % alive.len()].clone());
                    value["spec"]["nodeName"] = node.into();
                    self.put(pod, &value);
                    changed = true;
                }
            } else if self.lost.contains(&node) || !nodes.contains(&node) {
            } else if pod.facet.deleting.is_some() {
                if !pod.facet.finalizers {
                    let write = Write { key: pod.key.clone(), condition: Condition::Exists, change: Change::Delete };
                    self.submit(vec![write], "");
                    changed = true;
                }
            } else if value["status"]["phase"] == "Pending" {
                let ready = if self.pods_become_ready { "True" } else { "False" };
                let condition =
                    |kind: &str| json!({"type": kind, "status": ready, "lastTransitionTime": self.now.rfc3339()});
                value["status"] = json!({"phase": "Running", "podIP": format!("10.244.0.{}", number + 2),
                    "conditions": [condition("Ready"), condition("ContainersReady")]});
                self.put(pod, &value);
                changed = true;
            }
        }
        changed
    }
}

/// The node that a pod asks for by name.
fn named_node(pod: &Value) -> Option<String> {
    let required = &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    required["nodeSelectorTerms"][0]["matchFields"][0]["values"][0].as_str().map(str::to_owned)
}

pub fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}, "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"}})
}

pub fn node(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}, "spec": {},
        "status": {"allocatable": {"cpu": "4", "memory": "8Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True", "reason": "KubeletReady"}]}})
}

/// A Deployment as admission leaves it.
pub fn deployment(name: &str, replicas: u64) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default", "generation": 1, "labels": {"app": name}},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "revisionHistoryLimit": 10,
            "progressDeadlineSeconds": 600,
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "one"}]}}}})
}

pub fn replica_set(name: &str, replicas: u64) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": name, "namespace": "default", "generation": 1},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "one"}]}}}})
}

/// A StatefulSet as admission leaves it.
pub fn stateful_set(name: &str, replicas: u64) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": name, "namespace": "default", "generation": 1},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "serviceName": "peers",
            "podManagementPolicy": "OrderedReady", "revisionHistoryLimit": 10,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 0}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "one"}]}}}})
}

/// A DaemonSet as admission leaves it.
pub fn daemon_set(name: &str) -> Value {
    json!({"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": name, "namespace": "default", "generation": 1},
        "spec": {"selector": {"matchLabels": {"app": name}}, "revisionHistoryLimit": 10,
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": "one"}]}}}})
}

pub fn pod(name: &str, labels: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {"containers": [{"name": "c", "image": "one"}]}, "status": {"phase": "Pending"}})
}

/// The condition of type `kind`: (status, reason).
pub fn condition<'a>(object: &'a Value, kind: &str) -> (&'a str, &'a str) {
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions.into_iter().flatten().find(|condition| condition["type"] == kind);
    found.map_or(("", ""), |found| (found["status"].as_str().unwrap_or(""), found["reason"].as_str().unwrap_or("")))
}
