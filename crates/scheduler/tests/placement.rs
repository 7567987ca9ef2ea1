//! Scenarios of placement: who goes where, who goes nowhere and in which words, and that nothing is ever overbooked.
use api::command::{Change, Command, CommandId, Condition, Entry, Outcome, Write};
use api::decision::Decision;
use api::event::Event;
use api::key::Key;
use api::revision::{Millis, Revision};
use proptest::prelude::*;
use scheduler::cluster::Cluster;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::apply::apply;
use store::state::State;
use store::view::View;

/// A state, and a cluster folded from its events.
#[derive(Default)]
struct World {
    state: State,
    folded: Cluster,
    followed: Cluster,
    now: u64,
    commands: u128,
}

impl World {
    fn new() -> Self {
        let mut world = Self { now: 1_800_000_000_000, ..Self::default() };
        world.put("namespaces", json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}}));
        world
    }

    fn view(&self) -> View {
        self.state.view()
    }

    fn submit(&mut self, writes: Vec<Write>) -> (Outcome, Vec<Arc<Event>>) {
        self.commands += 1;
        let command = Command {
            id: CommandId(self.commands),
            actor: "test".into(),
            agent: "test".into(),
            cause: Revision(0),
            read: self.view().revision(),
            note: "".into(),
            writes,
        };
        let index = self.view().index() + 1;
        let entry = Entry { time: Millis(self.now), epoch: 1, commands: vec![command] };
        let mut applied = apply(&mut self.state, index, &entry);
        for event in &applied.events {
            self.folded.fold(event);
        }
        (applied.outcomes.pop().expect("one outcome for one command"), applied.events)
    }

    /// Creates or replaces.
    fn put(&mut self, resource: &str, value: Value) {
        let text = |member: &str| value["metadata"][member].as_str().unwrap_or("").to_owned();
        let key = Key::new(resource, &text("namespace"), &text("name"));
        let condition = if self.view().get_key(&key).is_some() { Condition::Exists } else { Condition::Absent };
        let body = api::kinds::body(resource, &value).expect("an object");
        let (outcome, _) = self.submit(vec![Write { key, condition, change: Change::Put(body) }]);
        assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
    }

    fn delete(&mut self, resource: &str, namespace: &str, name: &str) {
        let key = Key::new(resource, namespace, name);
        self.submit(vec![Write { key, condition: Condition::Exists, change: Change::Delete }]);
    }

    fn decide(&mut self) -> Decision {
        let view = self.view();
        assert_eq!(self.folded, Cluster::rebuild(&view), "the fold is not its rebuild");
        let decision = scheduler::decide(&view, &scheduler::key(), Millis(self.now));
        let before = self.folded.clone();
        assert_eq!(scheduler::decide_with(&mut Cluster::rebuild(&view), &view, Millis(self.now)), decision);
        self.followed.follow(&view);
        assert_eq!(self.followed, before, "what followed the view is not its rebuild");
        assert_eq!(scheduler::decide_with(&mut self.folded, &view, Millis(self.now)), decision);
        assert_eq!(self.folded, before, "a decision leaves its cluster as it was");
        decision
    }

    /// Decides and applies until there is nothing left to do.
    fn settle(&mut self) {
        for _ in 0..20 {
            let decision = self.decide();
            if decision.drafts.is_empty() {
                return;
            }
            for draft in decision.drafts {
                serde_json::from_str::<Value>(&draft.note).expect("a note is JSON");
                let (outcome, _) = self.submit(draft.writes);
                assert!(matches!(outcome, Outcome::Done { .. }), "{outcome:?}");
            }
        }
        panic!("hot loop");
    }

    fn pod(&self, name: &str) -> Value {
        self.view().get("pods", "default", name).expect("the pod").value()
    }

    fn node_of(&self, name: &str) -> String {
        self.pod(name)["spec"]["nodeName"].as_str().unwrap_or("").to_owned()
    }

    /// What the pod's condition PodScheduled says, if it is False.
    fn refusal(&self, name: &str) -> String {
        let pod = self.pod(name);
        let condition = pod["status"]["conditions"].as_array().into_iter().flatten();
        let mut condition =
            condition.filter(|condition| condition["type"] == "PodScheduled" && condition["status"] == "False");
        condition.next().and_then(|condition| condition["message"].as_str()).unwrap_or("").to_owned()
    }
}

fn node(name: &str, cpu: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name}}, "spec": {},
        "status": {"allocatable": {"cpu": cpu, "memory": "8Gi", "pods": "10"}}})
}

fn zoned(name: &str, zone: &str) -> Value {
    let mut node = node(name, "8");
    node["metadata"]["labels"]["topology.kubernetes.io/zone"] = zone.into();
    node
}

fn pod(name: &str, cpu: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "labels": {"app": "web"}},
        "spec": {"schedulerName": "default-scheduler", "containers": [{"name": "c", "image": "i",
            "resources": {"requests": {"cpu": cpu, "memory": "64Mi"}}}]},
        "status": {"phase": "Pending"}})
}

/// The pod, asking for as much memory as can be counted.
fn large(pod: Value) -> Value {
    let container = json!([{"name": "c", "image": "i", "resources": {"requests": {"cpu": "1m", "memory": "10Pi"}}}]);
    with(pod, &["spec", "containers"], container)
}

fn with(mut value: Value, pointer: &[&str], new: Value) -> Value {
    let mut place = &mut value;
    for step in pointer {
        place = &mut place[*step];
    }
    *place = new;
    value
}

#[test]
fn a_pod_goes_where_there_is_most_room_and_is_told_so() {
    let mut world = World::new();
    world.put("nodes", node("small", "1"));
    world.put("nodes", node("large", "8"));
    world.put("pods", pod("a", "500m"));
    let note: Value = serde_json::from_str(&world.decide().drafts[0].note).expect("a note is JSON");
    assert_eq!(note["node"], "large");
    assert_eq!(note["scores"].as_array().map(Vec::len), Some(2));
    world.settle();
    assert_eq!(world.node_of("a"), "large");
    let events: Vec<Value> = world.view().list("events", None).map(|event| event.value()).collect();
    assert_eq!(events[0]["message"], "Successfully assigned default/a to large");
}

#[test]
fn one_decision_counts_what_it_places() {
    let mut world = World::new();
    for name in ["n1", "n2", "n3"] {
        world.put("nodes", node(name, "1"));
    }
    for number in 0..7 {
        world.put("pods", pod(&format!("p{number}"), "400m"));
    }
    world.settle();
    let mut by_node: BTreeMap<String, usize> = BTreeMap::new();
    for number in 0..7 {
        *by_node.entry(world.node_of(&format!("p{number}"))).or_insert(0) += 1;
    }
    assert_eq!(by_node.remove(""), Some(1));
    assert_eq!(by_node.into_values().collect::<Vec<_>>(), [2, 2, 2]);
    assert_eq!(world.refusal("p6"), "0/3 nodes are available: 3 Insufficient cpu.");
    // Room comes back when a pod finishes, or goes.
    let done = with(world.pod("p0"), &["status", "phase"], json!("Succeeded"));
    world.put("pods", done);
    world.settle();
    assert_ne!(world.node_of("p6"), "");
}

#[test]
fn refusals_are_told_in_kubernetes_words() {
    let mut world = World::new();
    world.put("pods", pod("early", "1"));
    world.settle();
    assert_eq!(world.refusal("early"), "no nodes available to schedule pods");
    world.put(
        "nodes",
        with(node("tainted", "4"), &["spec", "taints"], json!([{"key": "k", "value": "v", "effect": "NoSchedule"}])),
    );
    world.put("nodes", with(node("cordoned", "4"), &["spec", "unschedulable"], json!(true)));
    world.put("nodes", node("small", "100m"));
    world.put("pods", with(pod("picky", "1"), &["spec", "nodeSelector"], json!({"disk": "ssd"})));
    world.settle();
    assert_eq!(
        world.refusal("early"),
        "0/3 nodes are available: 1 Insufficient cpu, 1 node(s) had untolerated taint {k: v}, 1 node(s) were unschedulable."
    );
    assert!(
        world.refusal("picky").contains("1 node(s) didn't match Pod's node affinity/selector"),
        "{}",
        world.refusal("picky")
    );
    let events: Vec<Value> = world.view().list("events", None).map(|event| event.value()).collect();
    assert!(events.iter().all(|event| event["reason"] == "FailedScheduling" && event["type"] == "Warning"));
    // It has been said: nothing is written until something changes.
    assert!(world.decide().drafts.is_empty());
}

#[test]
fn a_changed_count_alone_is_told_again_only_after_a_while() {
    let mut world = World::new();
    world.put("nodes", node("n1", "100m"));
    world.put("pods", pod("big", "1"));
    world.settle();
    world.put("nodes", node("n2", "100m"));
    let decision = world.decide();
    assert!(decision.drafts.is_empty() && decision.wake_at.is_some());
    world.now = decision.wake_at.expect("it asks to be woken").0;
    world.settle();
    assert_eq!(world.refusal("big"), "0/2 nodes are available: 2 Insufficient cpu.");
}

#[test]
fn pods_of_others_are_left_alone() {
    let mut world = World::new();
    world.put("nodes", node("n1", "4"));
    world.put("pods", with(pod("theirs", "1"), &["spec", "schedulerName"], json!("another")));
    world.put("pods", with(pod("gated", "1"), &["spec", "schedulingGates"], json!([{"name": "g"}])));
    let mut going = pod("going", "1");
    going["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z".into();
    world.put("pods", going);
    assert!(world.decide().drafts.is_empty());
}

#[test]
fn the_highest_priority_goes_first() {
    let mut world = World::new();
    world.put("nodes", node("n1", "1"));
    world.put("pods", pod("first", "800m"));
    world.put("pods", with(pod("important", "800m"), &["spec", "priority"], json!(1_000)));
    world.settle();
    assert_eq!((world.node_of("important").as_str(), world.node_of("first").as_str()), ("n1", ""));
}

#[test]
fn a_host_port_can_be_had_once_a_node() {
    let mut world = World::new();
    world.put("nodes", node("n1", "4"));
    world.put("nodes", node("n2", "4"));
    for name in ["a", "b", "c"] {
        world.put(
            "pods",
            with(
                pod(name, "1"),
                &["spec", "containers"],
                json!([{"name": "c", "ports": [{"containerPort": 80, "hostPort": 80}]}]),
            ),
        );
    }
    world.settle();
    assert_ne!(world.node_of("a"), world.node_of("b"));
    assert_eq!(
        world.refusal("c"),
        "0/2 nodes are available: 2 node(s) didn't have free ports for the requested pod ports."
    );
}

#[test]
fn a_spread_constraint_keeps_the_zones_even() {
    let mut world = World::new();
    for (name, zone) in [("a1", "a"), ("a2", "a"), ("b1", "b")] {
        world.put("nodes", zoned(name, zone));
    }
    let constraint = json!([{"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}}}]);
    for number in 0..6 {
        world.put(
            "pods",
            with(pod(&format!("p{number}"), "10m"), &["spec", "topologySpreadConstraints"], constraint.clone()),
        );
    }
    world.settle();
    let zone_b = (0..6).filter(|number| world.node_of(&format!("p{number}")) == "b1").count();
    assert_eq!(zone_b, 3);
    // Zone b is closed: after one more in zone a there is no lawful place.
    world.put("nodes", with(zoned("b1", "b"), &["spec", "unschedulable"], json!(true)));
    for name in ["x", "y"] {
        world.put("pods", with(pod(name, "10m"), &["spec", "topologySpreadConstraints"], constraint.clone()));
    }
    world.settle();
    assert_eq!(
        world.refusal("y"),
        "0/3 nodes are available: 1 node(s) were unschedulable, 2 node(s) didn't match pod topology spread constraints."
    );
}

fn company(kind: &str, topology: &str) -> Value {
    json!({kind: {"requiredDuringSchedulingIgnoredDuringExecution":
        [{"topologyKey": topology, "labelSelector": {"matchLabels": {"app": "web"}}}]}})
}

#[test]
fn those_who_refuse_company_stand_alone() {
    let mut world = World::new();
    for name in ["n1", "n2"] {
        world.put("nodes", node(name, "4"));
    }
    for name in ["a", "b", "c"] {
        world.put(
            "pods",
            with(pod(name, "1"), &["spec", "affinity"], company("podAntiAffinity", "kubernetes.io/hostname")),
        );
    }
    world.settle();
    assert_ne!(world.node_of("a"), world.node_of("b"));
    assert_eq!(world.refusal("c"), "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.");
    world.put("pods", pod("plain", "1"));
    world.settle();
    assert_eq!(
        world.refusal("plain"),
        "0/2 nodes are available: 2 node(s) didn't satisfy existing pods anti-affinity rules."
    );
}

#[test]
fn those_who_want_company_stand_together() {
    let mut world = World::new();
    for (name, zone) in [("a1", "a"), ("b1", "b"), ("b2", "b")] {
        world.put("nodes", zoned(name, zone));
    }
    for number in 0..4 {
        let affinity = company("podAffinity", "topology.kubernetes.io/zone");
        world.put("pods", with(pod(&format!("p{number}"), "1"), &["spec", "affinity"], affinity));
    }
    world.settle();
    let zone = |world: &World, name: &str| world.node_of(name).chars().next();
    let zones: Vec<_> = (0..4).map(|number| zone(&world, &format!("p{number}"))).collect();
    assert!(zones[0].is_some() && zones.iter().all(|zone| *zone == zones[0]), "{zones:?}");
    // Company that nobody is: not even the first can be placed.
    let mut lonely =
        with(pod("lonely", "1"), &["spec", "affinity"], company("podAffinity", "topology.kubernetes.io/zone"));
    lonely["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"][0]["labelSelector"] =
        json!({"matchLabels": {"app": "nobody"}});
    world.put("pods", lonely);
    world.settle();
    assert_eq!(world.refusal("lonely"), "0/3 nodes are available: 3 node(s) didn't match pod affinity rules.");
}

#[test]
fn node_affinity_is_kept_and_preferred() {
    let mut world = World::new();
    for (name, zone) in [("a1", "a"), ("b1", "b"), ("c1", "c")] {
        world.put("nodes", zoned(name, zone));
    }
    let expression = |operator: &str, zone: &str| json!({"matchExpressions": [{"key": "topology.kubernetes.io/zone", "operator": operator, "values": [zone]}]});
    let affinity = json!({"nodeAffinity": {
        "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [expression("NotIn", "a")]},
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 50, "preference": expression("In", "c")}]}});
    for number in 0..4 {
        world.put("pods", with(pod(&format!("p{number}"), "10m"), &["spec", "affinity"], affinity.clone()));
    }
    world.settle();
    assert!((0..4).all(|number| world.node_of(&format!("p{number}")) == "c1"));
}

/// What a DaemonSet says of its pods: the node by name, and that a cordon does not keep them away.
#[test]
fn a_pod_goes_to_the_node_it_names_though_it_is_cordoned() {
    let mut world = World::new();
    world.put("nodes", node("n1", "4"));
    world.put("nodes", with(node("n2", "4"), &["spec", "unschedulable"], json!(true)));
    let term = json!({"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n2"]}]});
    let required = json!({"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}});
    let meant = with(pod("meant", "1"), &["spec", "affinity"], json!({"nodeAffinity": required}));
    let toleration = json!([{"key": "node.kubernetes.io/unschedulable", "operator": "Exists", "effect": "NoSchedule"}]);
    world.put("pods", with(meant.clone(), &["spec", "tolerations"], toleration));
    world.put("pods", with(meant, &["metadata", "name"], json!("shy")));
    world.settle();
    assert_eq!(world.node_of("meant"), "n2");
    assert_eq!(world.node_of("shy"), "", "nobody else goes to a cordoned node");
}

#[test]
fn pods_of_one_owner_spread() {
    let mut world = World::new();
    for name in ["n1", "n2", "n3"] {
        world.put("nodes", node(name, "8"));
    }
    for number in 0..6 {
        let owner = json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "controller": true, "uid": "00000000-0000-0000-0000-000000000007"}]);
        world.put("pods", with(pod(&format!("p{number}"), "10m"), &["metadata", "ownerReferences"], owner));
    }
    world.settle();
    for name in ["n1", "n2", "n3"] {
        assert_eq!((0..6).filter(|number| world.node_of(&format!("p{number}")) == name).count(), 2, "{name}");
    }
}

#[test]
fn a_pod_written_meanwhile_is_refused_alone() {
    let mut world = World::new();
    world.put("nodes", node("n1", "4"));
    world.put("pods", pod("a", "1"));
    world.put("pods", pod("b", "1"));
    let decision = world.decide();
    let changed = with(world.pod("a"), &["metadata", "labels"], json!({"app": "other"}));
    world.put("pods", changed);
    let outcomes: Vec<bool> =
        decision.drafts.into_iter().map(|draft| matches!(world.submit(draft.writes).0, Outcome::Done { .. })).collect();
    assert_eq!(outcomes, [false, true]);
    world.settle();
    assert_eq!((world.node_of("a").as_str(), world.node_of("b").as_str()), ("n1", "n1"));
}

#[test]
fn events_that_matter_wake_the_scheduler() {
    let mut world = World::new();
    world.put("nodes", node("n1", "4"));
    world.put("pods", pod("a", "1"));
    world.settle();
    let bound = world.pod("a");
    let key = Key::new("pods", "default", "a");
    let mut keys_of = |value: Value| {
        let body = api::kinds::body("pods", &value).expect("a pod");
        let (_, events) =
            world.submit(vec![Write { key: key.clone(), condition: Condition::Exists, change: Change::Put(body) }]);
        let view = world.view();
        events.iter().flat_map(|event| scheduler::keys(event, &view)).count()
    };
    let running = with(bound.clone(), &["status", "phase"], json!("Running"));
    assert_eq!(keys_of(running.clone()), 0, "that a pod runs makes no room");
    assert_eq!(keys_of(with(running, &["status", "phase"], json!("Failed"))), 1);
}

#[test]
fn amounts_as_large_as_can_be_are_summed() {
    let mut world = World::new();
    world.put("nodes", with(node("n1", "4"), &["status", "allocatable", "memory"], json!("10Pi")));
    for name in ["a", "b"] {
        world.put("pods", with(large(pod(name, "1")), &["spec", "nodeName"], json!("n1")));
    }
    world.put("pods", pod("c", "1"));
    world.settle();
    assert_eq!(world.refusal("c"), "0/1 nodes are available: 1 Insufficient memory.");
    world.delete("pods", "default", "a");
    world.delete("pods", "default", "b");
    world.settle();
    assert_eq!(world.node_of("c"), "n1");
}

/// One step of a random life of a cluster.
#[derive(Clone, Debug)]
enum Step {
    Node(u8, u8),
    NoNode(u8),
    Pod(u8, u16, bool),
    /// Somebody names the node themselves, and nobody asks whether it has room.
    Named(u8, u8),
    NoPod(u8),
    Finish(u8),
    Decide,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        (0..5_u8, 1..5_u8).prop_map(|(name, cpu)| Step::Node(name, cpu)),
        (0..5_u8).prop_map(Step::NoNode),
        (0..30_u8, 1..2_000_u16).prop_map(|(name, cpu)| Step::Pod(name, cpu, false)),
        (0..30_u8, 1..2_000_u16).prop_map(|(name, cpu)| Step::Pod(name, cpu, true)),
        (0..30_u8, 0..5_u8).prop_map(|(name, node)| Step::Named(name, node)),
        (0..30_u8).prop_map(Step::NoPod),
        (0..30_u8).prop_map(Step::Finish),
        Just(Step::Decide),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    /// Whatever happens, the fold is its rebuild, and no decision overbooks a node that did not shrink under its pods.
    #[test]
    fn nothing_is_overbooked(steps in proptest::collection::vec(step(), 1..60)) {
        let mut world = World::new();
        for step in steps {
            match step {
                // A node's size never changes while it is there: pods could not help that.
                Step::Node(name, cpu) => {
                    let name = format!("n{name}");
                    if world.view().get("nodes", "", &name).is_none() && world.view().list_by_field("pods", "spec.nodeName", &name).next().is_none() {
                        let memory = if cpu % 2 == 0 { "8Gi" } else { "10Pi" };
                        let node = node(&name, &cpu.to_string());
                        world.put("nodes", with(node, &["status", "allocatable", "memory"], json!(memory)));
                    }
                }
                Step::NoNode(name) => world.delete("nodes", "", &format!("n{name}")),
                Step::Pod(name, cpu, much) => {
                    let name = format!("p{name}");
                    if world.view().get("pods", "default", &name).is_none() {
                        let pod = pod(&name, &format!("{cpu}m"));
                        world.put("pods", if much { large(pod) } else { pod });
                    }
                }
                Step::Named(name, node) => {
                    let name = format!("p{name}");
                    if world.view().get("pods", "default", &name).is_none() {
                        let pod = with(large(pod(&name, "1m")), &["spec", "nodeName"], json!(format!("n{node}")));
                        world.put("pods", with(pod, &["metadata", "labels", "named"], json!("yes")));
                    }
                }
                Step::NoPod(name) => world.delete("pods", "default", &format!("p{name}")),
                Step::Finish(name) => {
                    let name = format!("p{name}");
                    if world.view().get("pods", "default", &name).is_some() {
                        let done = with(world.pod(&name), &["status", "phase"], json!("Succeeded"));
                        world.put("pods", done);
                    }
                }
                Step::Decide => {
                    world.now += 20_000;
                    world.settle();
                }
            }
            let view = world.view();
            for node in view.list("nodes", None) {
                let pods = view.list_by_field("pods", "spec.nodeName", &node.key.name);
                let live: Vec<_> = pods.filter(|pod| pod.facet.field("status.phase") != Some("Succeeded")).collect();
                if live.iter().any(|pod| pod.facet.label("named").is_some()) {
                    continue;
                }
                for resource in ["cpu", "memory"] {
                    let used: i128 = live.iter().map(|pod| i128::from(pod.facet.amount(resource))).sum();
                    prop_assert!(used <= i128::from(node.facet.amount(resource)), "{} has {used} {resource}", node.key);
                }
                prop_assert!(live.len() <= 10);
            }
        }
        world.settle();
    }
}

/// A thousand pods on two hundred nodes in one go: not a benchmark, but quadratic work in the wrong place would show.
#[test]
fn many_pods_are_placed_evenly() {
    let mut world = World::new();
    for number in 0..200 {
        world.put("nodes", node(&format!("n{number}"), "8"));
    }
    for number in 0..1_000 {
        world.put("pods", pod(&format!("p{number}"), "1"));
    }
    world.settle();
    let view = world.view();
    for node in view.list("nodes", None) {
        assert_eq!(view.list_by_field("pods", "spec.nodeName", &node.key.name).count(), 5, "{}", node.key);
    }
}
