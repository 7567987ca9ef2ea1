//! What all kinds of work share: the client that does it, and the shape of a kind. It knows none of them.
use crate::stream::Stream;
use crate::trace::Node;
use crate::whole::api::{Asked, Client, Told};
use crate::whole::evidence::{Watched, Watches};
use crate::whole::scenario::Scenario;
use crate::whole::watcher;
use serde_json::{Value, json};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

pub(crate) const NAMESPACES: [&str; 2] = ["a", "b"];

pub(super) type Act<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

/// A kind of work.
pub struct Work {
    pub name: &'static str,
    /// What its clients do, in a line.
    pub says: &'static str,
    /// Clients that a seed has of it at most.
    pub most: u16,
    /// One thing that a client of this kind does.
    pub(super) act: for<'a> fn(&'a mut Worker) -> Act<'a>,
}

/// Where counters and leases stand, and where their invariant finds them: resource, namespace, name. Nobody ends that namespace.
pub const COUNTER: (&str, &str, &str) = ("configmaps", "counters", "counter");
pub(crate) const LEASE: (&str, &str, &str) = ("leases.coordination.k8s.io", "counters", "leader");

/// What clients were told, counted.
#[derive(Clone, Default)]
pub(crate) struct Counts {
    pub(crate) answered: Arc<AtomicU64>,
    pub(crate) unanswered: Arc<AtomicU64>,
}

/// One client, whatever its work.
pub(crate) struct Worker {
    pub(super) client: Client,
    pub(super) random: Stream,
    pub(super) counts: Counts,
    watches: Watches,
    pub(super) pod_millis: u64,
    pub(super) nodes: u64,
    /// Its number among all clients.
    pub(super) number: u16,
}

impl Worker {
    pub(crate) fn new(node: Node, client: Client, scenario: &Scenario, counts: &Counts, watches: &Watches) -> Self {
        let random = Stream::new(scenario.seed, &format!("client {}", node.0));
        let nodes = u64::from(scenario.size.nodes);
        let (counts, watches, pod_millis) = (counts.clone(), watches.clone(), scenario.pod_millis);
        Self { client, random, counts, watches, pod_millis, nodes, number: node.0 }
    }

    /// Does its work until `end`, with about so many milliseconds between two acts.
    pub(crate) async fn work(mut self, work: &'static Work, end: rt::Instant, pause: u64) {
        while rt::now() < end {
            (work.act)(&mut self).await;
            let pause = self.random.around(pause * 1_000);
            rt::sleep(Duration::from_micros(pause)).await;
            if self.random.chance(50) {
                self.client.turn();
            }
        }
    }

    pub(super) async fn ask(&mut self, method: &str, path: &str, body: Value) -> Option<(u16, Value)> {
        let told = self.client.ask(method, path, body).await;
        self.counted(told)
    }

    /// Sends a request of any form.
    pub(super) async fn send(&mut self, asked: Asked) -> Option<(u16, Value)> {
        let told = self.client.send(asked).await;
        self.counted(told)
    }

    fn counted(&self, told: Told) -> Option<(u16, Value)> {
        match told {
            Told::Answer(code, value) => {
                self.counts.answered.fetch_add(1, Ordering::Relaxed);
                Some((code, value))
            }
            Told::Unknown => {
                self.counts.unanswered.fetch_add(1, Ordering::Relaxed);
                None
            }
        }
    }

    /// Watches from a revision on for so many seconds, through one connection.
    pub(super) async fn watch(
        &mut self,
        (resource, path, namespace): (&'static str, &str, &'static str),
        label: Option<(&'static str, &'static str)>,
        from: u64,
        seconds: u64,
    ) {
        let watched =
            Watched { resource, label, namespace: Some(namespace), from, left: Some(from), ..Watched::default() };
        let number = self.watches.begin(watched);
        let mut at = from;
        watcher::follow(&mut self.client, &self.watches, (number, path, label), &mut at, Some(seconds)).await;
        self.watches.with(|all| all[number].left = Some(at));
    }

    pub(super) async fn namespace(&mut self, name: &str) -> Option<u16> {
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        Some(self.ask("POST", "/api/v1/namespaces", body).await?.0)
    }

    /// Closes a node for new pods, or opens it.
    pub(super) async fn cordon(&mut self, node: u64, closed: bool) -> Option<u16> {
        let path = format!("/api/v1/nodes/n{node}");
        Some(self.ask("PATCH", &path, json!({"spec": {"unschedulable": closed}})).await?.0)
    }
}

/// The items of a list.
pub(super) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list["items"].as_array().into_iter().flatten()
}

pub(super) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}
