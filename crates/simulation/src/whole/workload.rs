//! What is asked of a whole cluster: clients that make, scale, roll and delete Deployments, Services and namespaces, delete pods and cordon
//! nodes, all in the same few places. They count what they were told and check nothing.
use super::api::{Client, Told};
use super::scenario::Scenario;
use crate::stream::Stream;
use crate::trace::Node;
use serde_json::{Value, json};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const NAMESPACES: [&str; 2] = ["a", "b"];
const DEPLOYMENTS: [&str; 2] = ["web0", "web1"];
const REPLICAS_MAX: u64 = 5;
const POLICIES: [&str; 3] = ["Background", "Foreground", "Orphan"];

/// What clients were told, counted.
#[derive(Clone, Default)]
pub(super) struct Counts {
    pub(super) answered: Arc<AtomicU64>,
    pub(super) unanswered: Arc<AtomicU64>,
}

pub(super) struct Worker {
    client: Client,
    random: Stream,
    counts: Counts,
    pod_millis: u64,
    nodes: u64,
}

impl Worker {
    pub(super) fn new(node: Node, client: Client, scenario: &Scenario, counts: &Counts) -> Self {
        let random = Stream::new(scenario.seed, &format!("client {}", node.0));
        let nodes = u64::from(scenario.size.nodes);
        Self { client, random, counts: counts.clone(), pod_millis: scenario.pod_millis, nodes }
    }

    /// Works until `end`, with about so many milliseconds between two calls.
    pub(super) async fn work(mut self, end: rt::Instant, pause: u64) {
        while rt::now() < end {
            self.act().await;
            let pause = self.random.around(pause * 1_000);
            rt::sleep(Duration::from_micros(pause)).await;
            if self.random.chance(50) {
                self.client.turn();
            }
        }
    }

    async fn ask(&mut self, method: &str, path: &str, body: Value) -> Option<(u16, Value)> {
        match self.client.ask(method, path, body).await {
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

    async fn act(&mut self) {
        let namespace = *self.random.pick(&NAMESPACES);
        let name = *self.random.pick(&DEPLOYMENTS);
        let all = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
        let one = format!("{all}/{name}");
        match self.random.below(100) {
            0..=9 => _ = self.namespace(namespace).await,
            10..=12 => _ = self.ask("DELETE", &format!("/api/v1/namespaces/{namespace}"), Value::Null).await,
            13..=39 => {
                let replicas = self.random.below(REPLICAS_MAX + 1);
                let made = self.make(namespace, name, replicas).await;
                if made == Some(404) {
                    self.namespace(namespace).await;
                }
            }
            40..=59 => {
                let replicas = self.random.below(REPLICAS_MAX + 1);
                self.ask("PATCH", &one, json!({"spec": {"replicas": replicas}})).await;
            }
            60..=74 => {
                let version = self.random.below(1_000).to_string();
                let template = json!({"metadata": {"annotations": {"version": version}}});
                self.ask("PATCH", &one, json!({"spec": {"template": template}})).await;
            }
            75..=79 => {
                let policy = *self.random.pick(&POLICIES);
                self.ask("DELETE", &one, json!({"kind": "DeleteOptions", "propagationPolicy": policy})).await;
            }
            80..=87 => self.end_pod(namespace).await,
            88..=92 => self.service(namespace, name).await,
            93..=96 => {
                let (node, closed) = (self.random.between(1, self.nodes), self.random.chance(500));
                self.cordon(node, closed).await;
            }
            _ => _ = self.ask("GET", &one, Value::Null).await,
        }
    }

    async fn namespace(&mut self, name: &str) -> Option<u16> {
        let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        Some(self.ask("POST", "/api/v1/namespaces", body).await?.0)
    }

    async fn make(&mut self, namespace: &str, name: &str, replicas: u64) -> Option<u16> {
        let surge = *self.random.pick(&["0", "25%", "100%"]);
        let strategy = match self.random.below(10) {
            0 => json!({"type": "Recreate"}),
            _ if surge == "0" => json!({"rollingUpdate": {"maxSurge": 0, "maxUnavailable": 1}}),
            _ => json!({"rollingUpdate": {"maxSurge": surge, "maxUnavailable": "25%"}}),
        };
        let container = json!({"name": "c", "image": "registry.example/web:1", "command": ["run"],
            "resources": {"requests": {"cpu": format!("{}m", self.pod_millis)}}});
        let template = json!({"metadata": {"labels": {"app": name}},
            "spec": {"terminationGracePeriodSeconds": self.random.below(10), "containers": [container]}});
        let spec = json!({"replicas": replicas, "selector": {"matchLabels": {"app": name}}, "strategy": strategy,
            "template": template});
        let body = json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": spec});
        let path = format!("/apis/apps/v1/namespaces/{namespace}/deployments");
        Some(self.ask("POST", &path, body).await?.0)
    }

    /// Makes a Service of a Deployment's pods, or takes it away.
    async fn service(&mut self, namespace: &str, name: &str) {
        let all = format!("/api/v1/namespaces/{namespace}/services");
        if self.random.chance(300) {
            self.ask("DELETE", &format!("{all}/{name}"), Value::Null).await;
            return;
        }
        let spec = json!({"selector": {"app": name}, "ports": [{"port": 80, "targetPort": 8_080}]});
        let body = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec});
        self.ask("POST", &all, body).await;
    }

    /// Closes a node for new pods, or opens it.
    async fn cordon(&mut self, node: u64, closed: bool) -> Option<u16> {
        let path = format!("/api/v1/nodes/n{node}");
        Some(self.ask("PATCH", &path, json!({"spec": {"unschedulable": closed}})).await?.0)
    }

    async fn end_pod(&mut self, namespace: &str) {
        let path = format!("/api/v1/namespaces/{namespace}/pods");
        let Some((200, list)) = self.ask("GET", &path, Value::Null).await else { return };
        let names: Vec<&str> =
            list["items"].as_array().into_iter().flatten().filter_map(|pod| pod["metadata"]["name"].as_str()).collect();
        if names.is_empty() {
            return;
        }
        let path = format!("{path}/{}", self.random.pick(&names));
        self.ask("DELETE", &path, Value::Null).await;
    }

    /// When all is calm: opens all nodes, and sees to it that there is something that must run. True if it could.
    pub(super) async fn leave_something(&mut self) -> bool {
        for node in 1..=self.nodes {
            if self.cordon(node, false).await != Some(200) {
                return false;
            }
        }
        let namespace = self.namespace(NAMESPACES[0]).await;
        // It may be there, and it may be on its way out: then there is nothing to be made in yet.
        matches!(namespace, Some(201 | 409))
            && matches!(self.make(NAMESPACES[0], DEPLOYMENTS[0], 3).await, Some(201 | 409))
    }
}
