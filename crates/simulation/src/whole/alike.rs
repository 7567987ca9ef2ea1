//! Whether it matters whom one asks: a quiet cluster, random requests, good and bad, each sent to every member, and writes through one that
//! are read through another. It judges nothing but equality.
use super::api::{Asked, Client};
use super::place::CLIENTS;
use super::run::{form, until};
use super::scenario::Scenario;
use super::site::Site;
use super::workload::{self, Counts, Worker};
use super::{converged, evidence::Watches};
use crate::stream::Stream;
use crate::trace::Node;
use crate::watchdog::fresh;
use crate::world::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// How long clients fill the cluster before it is compared, and how long it may take to come to rest.
const FILLED: Duration = Duration::from_secs(8);
const REST_MAX: Duration = Duration::from_secs(300);
const RUN_MAX: u64 = 3_600 * 1_000_000_000;
const MAPS: &str = "/api/v1/namespaces/verbs/configmaps";

/// What came of it.
#[derive(Clone, Debug, Default)]
pub struct Alike {
    /// Answers by their code, each counted once however many members gave it.
    pub codes: BTreeMap<u16, u64>,
    /// Writes that were read through another member.
    pub read: u64,
    /// What differed, or went wrong.
    pub differs: Vec<String>,
}

/// Sends so many requests to every member of a quiet cluster, and so many writes through one after the other.
#[must_use]
pub fn alike(scenario: &Scenario, requests: u64, writes: u64) -> Alike {
    let scenario = scenario.clone();
    let body = move || {
        let world = World::new(scenario.seed, scenario.order);
        let site = Site::new(&world, &scenario);
        let (over, found) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Alike::default())));
        let (flag, result, here) = (over.clone(), found.clone(), site.clone());
        world.spawn_on(Node::default(), "comparison", async move {
            let mut all = Comparison::new(&here, &scenario);
            if let Err(why) = all.made(&here, &scenario, requests, writes).await {
                all.found.differs.push(why);
            }
            *result.lock().unwrap_or_else(PoisonError::into_inner) = all.found;
            flag.store(true, Ordering::Relaxed);
        });
        world.run(RUN_MAX, |_| over.load(Ordering::Relaxed));
        world.enter(|| world.clear());
        let mut found = found.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if !over.load(Ordering::Relaxed) {
            found.differs.push("it came to no end".into());
        }
        found
    };
    fresh(1, body).unwrap_or_else(|stuck| Alike { differs: vec![stuck.to_string()], ..Alike::default() })
}

struct Comparison {
    /// One for each member.
    clients: Vec<Client>,
    random: Stream,
    found: Alike,
}

impl Comparison {
    fn new(site: &Site, scenario: &Scenario) -> Self {
        let client =
            |(number, at): (u16, String)| Client::new(&site.addresses, Node(CLIENTS + number), &[at], &site.speech);
        let clients = (1..).zip(site.apis()).map(client).collect();
        Self { clients, random: Stream::new(scenario.seed, "alike"), found: Alike::default() }
    }

    async fn made(&mut self, site: &Site, scenario: &Scenario, requests: u64, writes: u64) -> Result<(), String> {
        let nodes = usize::from(scenario.size.nodes);
        form(site, nodes).await?;
        site.heal();
        let node = Node(CLIENTS + 50);
        let client = Client::new(&site.addresses, node, &site.apis(), &site.speech);
        let worker = Worker::new(node, client, scenario, &Counts::default(), &Watches::default());
        worker.work(workload::find("verbs")?, rt::now().after(FILLED), 50).await;
        until(REST_MAX, || converged::unrest(site, nodes)).await?;
        let newest = site.view().map(|view| view.revision().0).ok_or("no member leads")?;
        for _ in 0..requests {
            let asked = request(&mut self.random, newest);
            self.compare(&asked).await?;
        }
        for number in 0..writes {
            self.written(number).await?;
        }
        Ok(())
    }

    /// Every member is asked the same, and what one says goes on is asked of all.
    async fn compare(&mut self, asked: &Asked) -> Result<(), String> {
        let mut asked = asked.clone();
        loop {
            let mut answers = Vec::new();
            for client in &mut self.clients {
                answers.push(client.bytes(&asked).await.ok_or_else(|| format!("no answer to {asked:?}"))?);
            }
            let plain: Vec<_> = answers.iter().map(|(code, body)| (code, untimed(body))).collect();
            if let Some(other) = plain.iter().find(|answer| **answer != plain[0]) {
                let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
                self.found.differs.push(format!(
                    "{asked:?}: {} {} and {} {}",
                    plain[0].0,
                    text(&plain[0].1),
                    other.0,
                    text(&other.1)
                ));
            }
            *self.found.codes.entry(answers[0].0).or_insert(0) += 1;
            let Some(next) = continued(&self.random.pick(&answers).1) else { return Ok(()) };
            let path = asked.path.split('?').next().unwrap_or_default();
            asked.path = format!("{path}?limit=2&continue={next}");
        }
    }

    /// A write through one member, and reads of it through the others at once.
    async fn written(&mut self, number: u64) -> Result<(), String> {
        let (one, value) = (format!("{MAPS}/written"), number.to_string());
        let body =
            json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "written"}, "data": {"n": value}});
        let (method, path, kind) = if number == 0 {
            ("POST", MAPS, "application/json")
        } else {
            ("PATCH", one.as_str(), "application/merge-patch+json")
        };
        let asked = |method: &str, path: &str, kind: &str, body: Value| Asked {
            method: method.into(),
            path: path.into(),
            content_type: kind.into(),
            body,
            ..Asked::default()
        };
        let count = self.clients.len() as u64;
        let by = usize::try_from(self.random.below(count)).unwrap_or(0);
        let write = asked(method, path, kind, body);
        let (code, _) = self.clients[by].bytes(&write).await.ok_or("no answer to a write")?;
        if code >= 300 {
            return Err(format!("{method} {path} was told {code}"));
        }
        for (at, client) in self.clients.iter_mut().enumerate() {
            for path in [&one, MAPS] {
                let read = asked("GET", path, "application/json", Value::Null);
                let (_, body) = client.bytes(&read).await.ok_or("no answer to a read")?;
                let answer: Value = serde_json::from_slice(&body).unwrap_or_default();
                let mut objects = answer["items"].as_array().into_iter().flatten().chain([&answer]);
                let seen = objects.any(|object| object["data"]["n"] == value.as_str());
                self.found.read += u64::from(seen);
                if !seen {
                    self.found.differs.push(format!("{path} at member {} lacks what member {} took", at + 1, by + 1));
                }
            }
        }
        Ok(())
    }
}

/// The token of the next page.
fn continued(body: &[u8]) -> Option<String> {
    let list: Value = serde_json::from_slice(body).ok()?;
    list["metadata"]["continue"].as_str().filter(|token| !token.is_empty()).map(str::to_owned)
}

/// An answer without the token of its next page, which says when it was given.
fn untimed(body: &[u8]) -> Vec<u8> {
    match continued(body) {
        Some(token) => String::from_utf8_lossy(body).replace(&token, "").into_bytes(),
        None => body.to_vec(),
    }
}

const RESOURCES: [&str; 14] = [
    "/api/v1/namespaces/verbs/configmaps",
    "/api/v1/namespaces/verbs/services",
    "/api/v1/namespaces/verbs/pods",
    "/api/v1/namespaces/nowhere/pods",
    "/api/v1/configmaps",
    "/api/v1/pods",
    "/api/v1/nodes",
    "/api/v1/namespaces",
    "/api/v1/secrets",
    "/apis/apps/v1/namespaces/verbs/deployments",
    "/apis/apps/v1/replicasets",
    "/apis/rbac.authorization.k8s.io/v1/clusterroles",
    "/apis/discovery.k8s.io/v1/endpointslices",
    "/apis/nobody.example/v1/widgets",
];
const NAMES: [&str; 8] = ["m0", "m1", "door", "scaled", "scaled/scale", "door/status", "n1", "no.such-thing"];
/// Not `/api`: there each member tells its own address.
const OTHERS: [&str; 9] = [
    "/apis",
    "/api/v1",
    "/apis/apps",
    "/apis/apps/v1",
    "/version",
    "/openapi/v3",
    "/nonsense",
    "/apis/nobody.example/v1",
    "/healthz",
];
const ACCEPTS: [&str; 6] = [
    "",
    "application/json",
    "application/vnd.kubernetes.protobuf",
    "application/yaml",
    "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
    "image/png",
];
const PARAMETERS: [&str; 14] = [
    "labelSelector=half%3Dleft",
    "labelSelector=half+in+(left,right)",
    "labelSelector=((",
    "fieldSelector=metadata.name%3Dm1",
    "fieldSelector=spec.wonder%3D1",
    "fieldSelector=metadata.namespace%21%3Dverbs",
    "limit=2",
    "limit=many",
    "continue=bm9uZQ",
    "watch=1&timeoutSeconds=1",
    "timeoutSeconds=soon",
    "resourceVersionMatch=Never",
    "resourceVersionMatch=NotOlderThan",
    "pretty=true",
];

/// A request, good or bad, that writes nothing. Nothing in its answer depends on the time; so no Table, which tells ages.
fn request(random: &mut Stream, newest: u64) -> Asked {
    let json = "application/json".to_owned();
    let mut asked = Asked { method: "GET".into(), content_type: json, ..Asked::default() };
    asked.accept = (*random.pick(&ACCEPTS)).into();
    if random.chance(100) {
        asked.path = (*random.pick(&OTHERS)).into();
        return asked;
    }
    asked.path = (*random.pick(&RESOURCES)).into();
    let one = random.chance(400);
    if one {
        asked.path = format!("{}/{}", asked.path, random.pick(&NAMES));
    }
    let then = random.between(newest / 2, newest);
    let mut parameters = match random.below(10) {
        0 => vec![format!("resourceVersion={}", newest + 1_000)],
        1 => vec!["resourceVersion=abc".into()],
        2 if !one => return Asked { path: format!("/asof/{then}{}", asked.path), ..asked },
        3 if !one => vec![format!("resourceVersion={then}&watch=1&timeoutSeconds=1")],
        4 | 5 if !one => vec![format!("resourceVersion={then}&resourceVersionMatch=Exact")],
        _ if one => vec![format!("resourceVersion={newest}")],
        _ => vec![format!("resourceVersion={newest}&resourceVersionMatch=Exact")],
    };
    if random.chance(400) {
        parameters.push((*random.pick(&PARAMETERS)).into());
    }
    if random.chance(150) {
        asked.user = "bob".into();
    }
    if random.chance(100) {
        // None of these can be done: the body is nothing that could be written.
        asked.method = (*random.pick(&["POST", "PUT", "PATCH"])).into();
        asked.content_type = (*random.pick(&["application/json", "text/plain", "application/merge-patch+json"])).into();
        asked.body = json!([1, "nothing that could be written"]);
    }
    asked.path = format!("{}?{}", asked.path, parameters.join("&"));
    asked
}
