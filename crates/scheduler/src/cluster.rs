//! The nodes and what stands on them: a fold of the view's events that must always equal its rebuild from the view.
//! It knows nothing of filters or scores.
use crate::spec::{HostPort, host_ports, mentions};
use crate::terms::{Term, anti_affinity};
use api::event::{Act, Event};
use api::fit::{Taint, taints};
use api::key::Key;
use api::object::Object;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use store::view::View;

/// Amounts by resource name, in thousandths.
pub(crate) type Amounts = BTreeMap<Box<str>, i64>;
/// Sums of amounts. One amount may already be as large as 64 bits hold.
pub(crate) type Sums = BTreeMap<Box<str>, i128>;

/// Everything placement reads. Equal views give equal clusters, however they were reached.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cluster {
    pub(crate) nodes: BTreeMap<Arc<str>, Node>,
    /// All pods, as last seen.
    known: BTreeMap<Key, Arc<Object>>,
    /// Pods that wait for this scheduler.
    pub(crate) pending: BTreeSet<Key>,
    /// Pods on nodes that refuse company by required anti-affinity, and their node.
    pub(crate) refusing: BTreeMap<Key, Arc<str>>,
}

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Node {
    /// `None`: pods name this node, but it is not there.
    pub(crate) has: Option<Has>,
    pub(crate) used: Sums,
    pub(crate) pods: BTreeMap<Key, Placed>,
    /// Pods by the uid of their controller.
    pub(crate) owners: BTreeMap<u128, i64>,
}

/// What the node's own object says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Has {
    pub(crate) object: Arc<Object>,
    pub(crate) amounts: Amounts,
    pub(crate) taints: Vec<Taint>,
    pub(crate) unschedulable: bool,
}

/// A pod on a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Placed {
    pub(crate) object: Arc<Object>,
    pub(crate) ports: Vec<HostPort>,
    pub(crate) refuses: Vec<Term>,
}

impl Node {
    pub(crate) fn free(&self, resource: &str) -> i128 {
        let has = self.has.as_ref().and_then(|has| has.amounts.get(resource)).copied().unwrap_or(0);
        i128::from(has) - self.used.get(resource).copied().unwrap_or(0)
    }
}

impl Has {
    pub(crate) fn labels(&self) -> &api::fit::Labels {
        &self.object.facet.labels
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        &self.object.key.name
    }

    fn read(object: &Arc<Object>) -> Self {
        let taints = if mentions(object, "\"taints\":") { taints(&object.value()) } else { Vec::new() };
        let unschedulable = object.facet.field("spec.unschedulable") == Some("true");
        let amounts = object.facet.amounts.iter().cloned().collect();
        Self { object: object.clone(), amounts, taints, unschedulable }
    }
}

impl Placed {
    fn read(object: &Arc<Object>) -> Self {
        let rare = ["\"hostPort\":", "\"podAntiAffinity\":"].map(|member| mentions(object, member));
        let value = if rare.contains(&true) { object.value() } else { serde_json::Value::Null };
        let refuses = anti_affinity(&value, &object.key.namespace);
        Self { object: object.clone(), ports: host_ports(&value), refuses }
    }
}

/// The scheduler's own name, as pods name it.
pub const SCHEDULER_NAME: &str = "default-scheduler";

/// Whether the pod takes part of a node; one that finished gives it back.
fn takes_room(pod: &Object) -> bool {
    !matches!(pod.facet.field("status.phase"), Some("Succeeded" | "Failed"))
}

/// Whether the pod waits for this scheduler.
pub(crate) fn waits(pod: &Object) -> bool {
    let mine = pod.facet.field("spec.schedulerName").is_none_or(|name| name.is_empty() || name == SCHEDULER_NAME);
    let unbound = pod.facet.field("spec.nodeName").is_none_or(str::is_empty);
    mine && unbound && pod.facet.deleting.is_none() && takes_room(pod) && !mentions(pod, "\"schedulingGates\":[{")
}

impl Cluster {
    /// From nothing: O(pods + nodes).
    #[must_use]
    pub fn rebuild(view: &View) -> Self {
        let mut cluster = Self::default();
        for node in view.list("nodes", None) {
            cluster.put_node(node);
        }
        for pod in view.list("pods", None) {
            cluster.put_pod(pod);
        }
        cluster
    }

    /// Brings it from whatever view it was at to `view`: O(objects) comparisons of pointers, and work for what changed only.
    pub fn follow(&mut self, view: &View) {
        let known = self.nodes.values().filter_map(|node| node.has.as_ref()).map(|has| &has.object);
        let (put, drop) = differences(known, view.list("nodes", None));
        drop.iter().for_each(|node| self.drop_node(&node.key.name));
        put.iter().for_each(|node| self.put_node(node));
        let (put, drop) = differences(self.known.values(), view.list("pods", None));
        drop.iter().for_each(|pod| self.drop_pod(pod));
        put.iter().for_each(|pod| self.put_pod(pod));
    }

    /// Takes in one event; they must come in order and without a gap.
    pub fn fold(&mut self, event: &Event) {
        match &*event.object.key.resource {
            "nodes" if event.act == Act::Deleted => self.drop_node(&event.object.key.name),
            "nodes" => self.put_node(&event.object),
            "pods" => {
                if let Some(before) = &event.before {
                    self.drop_pod(before);
                }
                if event.act != Act::Deleted {
                    self.put_pod(&event.object);
                }
            }
            _ => {}
        }
    }

    fn put_node(&mut self, object: &Arc<Object>) {
        self.nodes.entry(object.key.name.clone()).or_default().has = Some(Has::read(object));
    }

    fn drop_node(&mut self, name: &Arc<str>) {
        if let Some(node) = self.nodes.get_mut(name) {
            node.has = None;
        }
        self.sweep(name);
    }

    fn put_pod(&mut self, pod: &Arc<Object>) {
        self.known.insert(pod.key.clone(), pod.clone());
        if waits(pod) {
            self.pending.insert(pod.key.clone());
        }
        if let Some(node) = pod.facet.field("spec.nodeName").filter(|name| !name.is_empty())
            && takes_room(pod)
        {
            self.place(&node.into(), pod);
        }
    }

    /// Counts `pod` as standing on `node`: because it does, or because this decision puts it there.
    pub(crate) fn place(&mut self, node: &Arc<str>, pod: &Arc<Object>) {
        let placed = Placed::read(pod);
        if !placed.refuses.is_empty() {
            self.refusing.insert(pod.key.clone(), node.clone());
        }
        let node = self.nodes.entry(node.clone()).or_default();
        for (resource, amount) in requests(pod) {
            *node.used.entry(resource.into()).or_insert(0) += i128::from(amount);
        }
        if let Some(owner) = pod.facet.controller() {
            *node.owners.entry(owner.uid).or_insert(0) += 1;
        }
        node.pods.insert(pod.key.clone(), placed);
    }

    fn drop_pod(&mut self, pod: &Object) {
        self.known.remove(&pod.key);
        self.pending.remove(&pod.key);
        if let Some(name) = pod.facet.field("spec.nodeName") {
            self.unplace(&name.into(), pod);
        }
    }

    pub(crate) fn unplace(&mut self, name: &Arc<str>, pod: &Object) {
        self.refusing.remove(&pod.key);
        let Some(node) = self.nodes.get_mut(name) else { return };
        if node.pods.remove(&pod.key).is_none() {
            return;
        }
        for (resource, amount) in requests(pod) {
            if let Some(used) = node.used.get_mut(resource) {
                *used -= i128::from(amount);
                if *used == 0 {
                    node.used.remove(resource);
                }
            }
        }
        if let Some(owner) = pod.facet.controller()
            && let Some(count) = node.owners.get_mut(&owner.uid)
        {
            *count -= 1;
            if *count == 0 {
                node.owners.remove(&owner.uid);
            }
        }
        self.sweep(name);
    }

    /// Forgets a node that is neither there nor named by a pod.
    fn sweep(&mut self, name: &Arc<str>) {
        if self.nodes.get(name).is_some_and(|node| node.has.is_none() && node.pods.is_empty()) {
            self.nodes.remove(name);
        }
    }
}

/// What must be put and what dropped first to come from `old` to `new`; both are ordered by key. A changed object is in both.
fn differences<'a>(
    old: impl Iterator<Item = &'a Arc<Object>>,
    new: impl Iterator<Item = &'a Arc<Object>>,
) -> (Vec<Arc<Object>>, Vec<Arc<Object>>) {
    let (mut old, mut new) = (old.peekable(), new.peekable());
    let (mut put, mut drop) = (Vec::new(), Vec::new());
    loop {
        // An old object is compared by where it lies: it is held here, so no other can lie there.
        let (left, right) = match (old.peek(), new.peek()) {
            (None, None) => return (put, drop),
            (Some(_), None) => (true, false),
            (None, Some(_)) => (false, true),
            (Some(a), Some(b)) if Arc::ptr_eq(a, b) => {
                old.next();
                new.next();
                continue;
            }
            (Some(a), Some(b)) => (a.key <= b.key, b.key <= a.key),
        };
        drop.extend(old.next_if(|_| left).cloned());
        put.extend(new.next_if(|_| right).cloned());
    }
}

/// What the pod asks of a node, in thousandths, itself counted among `pods`; nothing of amount 0.
pub(crate) fn requests(pod: &Object) -> impl Iterator<Item = (&str, i64)> {
    let named = pod.facet.amounts.iter().map(|(resource, amount)| (&**resource, *amount));
    named.filter(|(resource, amount)| *resource != "pods" && *amount > 0).chain([("pods", 1_000)])
}
