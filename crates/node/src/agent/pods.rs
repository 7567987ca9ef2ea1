//! The agent's loop: words of the cluster, changes of the runtime and outcomes of actions in; plans' actions and reports out.
//! It decides nothing itself: what is to be done is the plan's to say, what is to be said is `pod::status`'s.
use super::entry::Entry;
use super::events::{Event, Told};
use super::held::{Held, Name};
use super::machine::Machine;
use super::specs::Cluster;
use super::work::{self, Finished, Job, Tools};
use super::{observe, register};
use crate::limits::{NODE_STATUS_EVERY, REGISTER_AGAIN, RELIST_EVERY, RELIST_WITHOUT_EVENTS, SERVICE_SETTLE};
use crate::pod::plan::{Action, plan};
use crate::pod::spec::Pod;
use crate::pod::status::{self, Host};
use crate::service::Services;
use api::planted::{Bug, planted};
use api::revision::Millis;
use link::message::{FromNode, ToNode};
use serde_json::Value;
use serde_json::value::RawValue;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc::{self, Receiver, Sender, UnboundedReceiver, UnboundedSender};

const PODS: &str = "pods";

/// What can make the loop move.
pub(crate) enum Happened {
    /// A session stands.
    Linked,
    Unlinked,
    Heard(ToNode),
    /// Something of the pod with this uid changed in the runtime.
    Changed(String),
    /// An action of a pod has ended.
    Done(String, Finished),
    /// What people are to be told of a pod.
    Tell(String, Event),
    ServicesDone(Result<(), String>),
    Swept,
}

pub(crate) struct Pods {
    tools: Arc<Tools>,
    services: Arc<dyn Services>,
    machine: Machine,
    held: Held,
    entries: BTreeMap<String, Entry>,
    cluster: Cluster,
    told: Told,
    outbox: Sender<FromNode>,
    happened: UnboundedSender<Happened>,
    tell: UnboundedSender<(String, Event)>,
    linked: bool,
    /// Everything that is wanted here has been told at least once: what is not wanted may be taken away.
    complete: bool,
    /// A session has begun, and not everything is told yet: then all that was said and not answered is said again.
    greeted: bool,
    sweeping: bool,
    /// The node's own object is to be said again then.
    register_at: Option<u64>,
    /// The services' rules are to be written then.
    services_at: Option<u64>,
    services_busy: bool,
    reports: u64,
}

impl Pods {
    #[must_use]
    pub(crate) fn new(
        tools: Arc<Tools>,
        services: Arc<dyn Services>,
        machine: Machine,
        outbox: Sender<FromNode>,
        happened: UnboundedSender<Happened>,
    ) -> Self {
        let cluster =
            Cluster { resolver: machine.resolver.clone(), memory_bytes: machine.memory_bytes, ..Cluster::default() };
        let (tell, mut hears) = mpsc::unbounded_channel();
        let told = happened.clone();
        rt::spawn("pod events", async move {
            while let Some((uid, event)) = hears.recv().await {
                if told.send(Happened::Tell(uid, event)).is_err() {
                    break;
                }
            }
        });
        Self {
            tools,
            services,
            machine,
            held: Held::default(),
            entries: BTreeMap::new(),
            cluster,
            told: Told::default(),
            outbox,
            happened,
            tell,
            linked: false,
            complete: false,
            greeted: false,
            sweeping: false,
            register_at: None,
            services_at: None,
            services_busy: false,
            reports: 0,
        }
    }

    /// Runs for ever: dropping it ends it, and disturbs no pod. `seen` is told the last revision that was folded.
    pub(crate) async fn run(
        mut self,
        mut happened: UnboundedReceiver<Happened>,
        mut heard: Receiver<ToNode>,
        seen: Arc<std::sync::atomic::AtomicU64>,
    ) {
        loop {
            let wait = Duration::from_millis(self.next_wake().saturating_sub(rt::wall()));
            let next = std::future::poll_fn(|context| {
                // Outcomes first: they free what words may ask for again.
                if let std::task::Poll::Ready(Some(one)) = happened.poll_recv(context) {
                    return std::task::Poll::Ready(one);
                }
                match heard.poll_recv(context) {
                    std::task::Poll::Ready(Some(word)) => std::task::Poll::Ready(Happened::Heard(word)),
                    _ => std::task::Poll::Pending,
                }
            });
            if let Some(one) = rt::timeout(wait, next).await {
                self.handle(one).await;
            }
            seen.store(self.held.seen, std::sync::atomic::Ordering::SeqCst);
            self.timers().await;
        }
    }

    /// When something can be done next. What is due but cannot be done yet does not count: it would be tried without end.
    fn next_wake(&self) -> u64 {
        let pods = self.entries.values().map(|entry| entry.wake);
        let far = rt::wall() + RELIST_EVERY;
        let register = self.register_at.filter(|_| self.linked);
        let services = self.services_at.filter(|_| self.services_ready());
        pods.chain(register).chain(services).min().unwrap_or(far).min(far)
    }

    fn services_ready(&self) -> bool {
        self.complete && !self.services_busy
    }

    async fn handle(&mut self, happened: Happened) {
        match happened {
            Happened::Linked => self.linked = true,
            Happened::Unlinked => {
                self.linked = false;
                self.register_at = None;
            }
            Happened::Heard(word) => self.hear(word).await,
            Happened::Changed(uid) => self.look(&uid).await,
            Happened::Done(uid, finished) => {
                if let Some(entry) = self.entries.get_mut(&uid) {
                    entry.finish(finished, rt::wall());
                }
                self.look(&uid).await;
            }
            Happened::Tell(uid, event) => self.say_event(&uid, &event),
            Happened::ServicesDone(result) => {
                self.services_busy = false;
                if let Err(why) = result {
                    tracing::warn!(why, "the rules of services could not be written; it is tried again");
                    self.services_at.get_or_insert(rt::wall() + RELIST_WITHOUT_EVENTS);
                }
            }
            Happened::Swept => self.sweeping = false,
        }
    }

    async fn hear(&mut self, word: ToNode) {
        match word {
            ToNode::Welcome { full, cluster_domain, dns, .. } => {
                (self.cluster.domain, self.cluster.dns) = (cluster_domain, dns);
                self.held.begin(full);
                self.greeted = true;
                // Whatever was on its way to another member is said again.
                if !planted(Bug::SaysOnce) {
                    self.entries.values_mut().for_each(|entry| entry.sent = None);
                }
                self.entries.values_mut().for_each(|entry| entry.tokens.forget_asked());
            }
            ToNode::Set { resource, object } => match serde_json::from_str::<Value>(object.get()) {
                Ok(object) => {
                    let name = self.held.set(&resource, object);
                    self.changed(&name).await;
                }
                Err(why) => tracing::warn!(resource, %why, "an object that cannot be read was told"),
            },
            ToNode::Gone { resource, namespace, name } => {
                let name = Name::new(&resource, &namespace, &name);
                self.held.gone(&name);
                self.changed(&name).await;
            }
            ToNode::Through { revision } => {
                for name in self.held.through(revision) {
                    self.changed(&name).await;
                }
                if self.register_at.is_none() {
                    self.register_at = Some(0);
                }
                if !self.complete {
                    self.complete = true;
                    self.services_at.get_or_insert(rt::wall());
                    self.sweep();
                }
                if std::mem::take(&mut self.greeted) {
                    let all: Vec<String> = self.entries.keys().cloned().collect();
                    all.iter().for_each(|uid| self.ask_tokens(uid));
                    all.iter().for_each(|uid| self.report(uid));
                }
            }
            ToNode::Reported { id, error, .. } => {
                let now = rt::wall();
                self.entries.values_mut().for_each(|entry| entry.answered(id, &error, now));
            }
            ToNode::Token { id, token, expires, error } => {
                let answer = if error.is_empty() { Ok((token, expires)) } else { Err(error.as_str()) };
                self.token_came(id, answer).await;
            }
            ToNode::Pong { .. } | ToNode::Elsewhere { .. } => {}
        }
    }

    /// The object called `name` is another now, or gone.
    async fn changed(&mut self, name: &Name) {
        match name.resource.as_str() {
            PODS => self.pod_changed(name).await,
            "services" | "endpointslices.discovery.k8s.io" => {
                self.services_at.get_or_insert(rt::wall() + SERVICE_SETTLE);
            }
            "nodes" if name.name == self.tools.node => self.node_changed(name),
            "configmaps" | "secrets" => self.refresh(|_, entry| entry.namespace == name.namespace),
            _ => {}
        }
    }

    async fn pod_changed(&mut self, name: &Name) {
        let object = self.held.get(name).cloned();
        let uid = object.as_ref().and_then(|object| object["metadata"]["uid"].as_str()).unwrap_or_default().to_owned();
        let now = Millis(rt::wall()).rfc3339();
        let others: Vec<String> = self
            .entries
            .iter()
            .filter(|(known, entry)| entry.namespace == name.namespace && entry.name == name.name && **known != uid)
            .map(|(uid, _)| uid.clone())
            .collect();
        for other in others {
            if let Some(entry) = self.entries.get_mut(&other) {
                entry.forsake(&now);
            }
            self.look(&other).await;
        }
        if let Some(object) = object.filter(|_| !uid.is_empty()) {
            match self.entries.get_mut(&uid) {
                Some(entry) => entry.want(&object),
                None => _ = self.entries.insert(uid.clone(), Entry::new(&object)),
            }
            self.look(&uid).await;
        }
    }

    fn node_changed(&mut self, name: &Name) {
        let cidr = self.held.get(name).and_then(|node| node["spec"]["podCIDR"].as_str()).unwrap_or_default().to_owned();
        let Some(network) = self.tools.network.as_ref().filter(|_| !cidr.is_empty()) else { return };
        match network.set_range(&cidr) {
            Ok(()) => self.services.set_pod_range(&cidr),
            Err(why) => tracing::warn!(cidr, why, "the node's podCIDR is of no use"),
        }
        // Only what is not said yet: two words under way, each an answer to the other's, would never end.
        let conditions = self.held.get(name).and_then(|node| node["status"]["conditions"].as_array());
        let ready =
            conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] == "True"));
        if !ready || planted(Bug::AnswersItself) {
            self.register_at = Some(0);
        }
    }

    /// Asks for the tokens that the pod's volumes need, or will need soon.
    fn ask_tokens(&mut self, uid: &str) {
        let now = rt::wall();
        let Some(entry) = self.entries.get_mut(uid) else { return };
        let Ok(pod) = &entry.pod else { return };
        if pod.metadata.deletion_timestamp.is_none() && !entry.gone && !entry.removed {
            if let Some(at) = entry.tokens.wake(pod).filter(|at| *at > now) {
                entry.wake = entry.wake.min(at);
            }
            for key in entry.tokens.due(pod, now).into_iter().filter(|_| self.linked) {
                self.reports += 1;
                let id = self.reports;
                let word = FromNode::Token {
                    id,
                    namespace: entry.namespace.clone(),
                    pod: entry.name.clone(),
                    uid: uid.to_owned(),
                    audience: key.audience.clone(),
                    seconds: key.seconds,
                };
                // A full outbox means that the member hears slowly: it is asked at the next look.
                if self.outbox.try_send(word).is_ok() {
                    entry.tokens.asked(key, id, now);
                }
            }
        }
    }

    async fn token_came(&mut self, id: u64, answer: Result<(String, u64), &str>) {
        let now = rt::wall();
        let mut entries = self.entries.iter_mut();
        let own = entries.find_map(|(uid, entry)| entry.token(id, answer.clone(), now).then(|| uid.clone()));
        let Some(uid) = own else { return };
        self.refresh(|known, _| *known == uid);
        self.look(&uid).await;
    }

    /// Files of volumes follow what they are made of.
    fn refresh(&mut self, which: impl Fn(&String, &Entry) -> bool) {
        for (_, entry) in self.entries.iter().filter(|(uid, entry)| entry.seen.volumes_ready && which(uid, entry)) {
            let Ok(pod) = &entry.pod else { continue };
            if pod.spec.volumes.is_empty() || entry.gone || entry.removed || !entry.tokens.complete(pod) {
                continue;
            }
            let sources = self.sources(pod, entry);
            if let Err(why) = self.tools.volumes.make(pod, &sources) {
                tracing::info!(pod = pod.metadata.name, why, "a volume was not brought up to date");
            }
        }
    }

    fn sources(&self, pod: &Pod, entry: &Entry) -> crate::pod::env::Sources {
        let mut sources = self.held.sources(&pod.metadata.namespace);
        sources.tokens = entry.tokens.texts();
        sources.node_name.clone_from(&self.tools.node);
        sources.host_ip.clone_from(&self.machine.ip);
        sources.pod_ips = entry.seen.sandbox.as_ref().map(|sandbox| sandbox.ips.clone()).unwrap_or_default();
        (sources.cpu_milli, sources.memory_bytes) = (self.machine.cores * 1_000, self.machine.memory_bytes);
        sources
    }

    /// Looks at one pod: what is seen of it, what is to be done, what is to be said.
    async fn look(&mut self, uid: &str) {
        let now = rt::wall();
        if !self.entries.contains_key(uid) {
            return self.sweep();
        }
        let views = self.tools.runtime.list(Some(uid)).await;
        let about = self.tools.runtime.about();
        let Some(entry) = self.entries.get_mut(uid) else { return };
        entry.wake = now + if about.events { RELIST_EVERY } else { RELIST_WITHOUT_EVENTS };
        match views {
            Ok(views) => {
                observe::fold(&mut entry.seen, &views, (!about.pod_network).then_some(self.machine.ip.as_str()));
            }
            Err(why) => return tracing::warn!(uid, %why, "the runtime does not say how a pod is"),
        }
        if let Ok(pod) = entry.pod.clone() {
            if entry.removed {
                if entry.gone {
                    self.entries.remove(uid);
                    return;
                }
            } else {
                let plan = plan(&pod, &entry.seen, now);
                if let Some(at) = plan.wake_at {
                    entry.wake = entry.wake.min(at);
                }
                let complete = entry.tokens.complete(&pod);
                self.ask_tokens(uid);
                // Volumes wait for their tokens, whose coming makes it look again.
                for action in plan.actions.into_iter().filter(|action| complete || *action != Action::Volumes) {
                    self.act(uid, &pod, action, now);
                }
            }
        } else if entry.gone {
            self.entries.remove(uid);
            return;
        }
        self.report(uid);
    }

    fn act(&mut self, uid: &str, pod: &Arc<Pod>, action: Action, now: u64) {
        let Some(entry) = self.entries.get(uid) else { return };
        let sources = self.sources(pod, entry);
        let sandbox = entry.seen.sandbox.clone().unwrap_or_default();
        let ip = if pod.spec.host_network { Some(self.machine.ip.clone()) } else { sandbox.ips.first().cloned() };
        let job = Job {
            pod: pod.clone(),
            action: action.clone(),
            sources,
            cluster: self.cluster.clone(),
            sandbox: sandbox.id,
            ip: ip.unwrap_or_else(|| "127.0.0.1".into()),
            tell: self.tell.clone(),
        };
        if let Some(entry) = self.entries.get_mut(uid) {
            entry.begin(&action, now);
        }
        let (tools, happened, uid) = (self.tools.clone(), self.happened.clone(), uid.to_owned());
        rt::spawn("pod action", async move {
            let finished = work::perform(tools, job).await;
            // The loop may have ended; what was done is seen again by the next one.
            let _ = happened.send(Happened::Done(uid, finished));
        });
    }

    /// Says how the pod is, if that is news.
    fn report(&mut self, uid: &str) {
        let host = Host { ip: self.machine.ip.clone(), runtime: self.tools.runtime.about().scheme };
        let now = rt::wall();
        let Some(entry) = self.entries.get_mut(uid) else { return };
        if !self.linked || entry.gone {
            return;
        }
        let status = match (&entry.pod, entry.removed) {
            (_, true) => None,
            (Ok(pod), _) => Some(status::make(pod, &entry.seen, entry.said.as_ref(), &host, now)),
            (Err(why), _) => match entry.said.clone() {
                Some(said) => Some(said),
                None => Some(status::unreadable(why, &host, now)),
            },
        };
        if status.is_some() {
            entry.said.clone_from(&status);
        }
        if !entry.to_say(status.as_ref(), now) {
            return;
        }
        self.reports += 1;
        let id = self.reports;
        let (namespace, name, uid) = (entry.namespace.clone(), entry.name.clone(), uid.to_owned());
        let word = match status.as_ref().map(serde_json::value::to_raw_value) {
            None => FromNode::Removed { id, namespace, name, uid },
            Some(Ok(status)) => FromNode::Status { id, resource: PODS.into(), namespace, name, uid, status },
            Some(Err(_)) => return,
        };
        // A full outbox means that the member hears slowly: it is said at the next look.
        if self.outbox.try_send(word).is_ok() {
            entry.sent = Some((id, status, now));
        }
    }

    fn say_event(&mut self, uid: &str, event: &Event) {
        let Some(Ok(pod)) = self.entries.get(uid).map(|entry| &entry.pod) else { return };
        let object = self.told.object(&self.tools.node, pod, event, rt::wall());
        if let Ok(object) = serde_json::value::to_raw_value(&object).map(|object: Box<RawValue>| object)
            && self.linked
        {
            // Events are for people: one that finds no room is lost.
            let _ = self.outbox.try_send(FromNode::Event { object });
        }
    }

    /// Takes away what runs here and is not wanted here.
    fn sweep(&mut self) {
        if !self.complete || self.sweeping || planted(Bug::NeverSweeps) {
            return;
        }
        self.sweeping = true;
        let known: std::collections::BTreeSet<String> = self.entries.keys().cloned().collect();
        let (tools, happened) = (self.tools.clone(), self.happened.clone());
        rt::spawn("sweep", async move {
            let running = tools.runtime.list(None).await.unwrap_or_default();
            let mut uids: std::collections::BTreeSet<String> = running.into_iter().map(|view| view.uid).collect();
            uids.extend(tools.volumes.uids());
            for uid in uids.difference(&known) {
                match work::remove(&tools, uid, None).await {
                    Ok(()) => tracing::info!(uid, "what is not wanted here was taken away"),
                    Err(why) => tracing::warn!(uid, why, "what is not wanted here could not be taken away"),
                }
            }
            let _ = happened.send(Happened::Swept);
        });
    }

    async fn timers(&mut self) {
        let now = rt::wall();
        if self.linked && self.register_at.is_some_and(|at| at <= now) {
            self.register(now);
        }
        if self.services_at.is_some_and(|at| at <= now) && self.services_ready() {
            self.services_at = None;
            self.services_busy = true;
            let services: Vec<Value> = self.held.list("services").cloned().collect();
            let slices: Vec<Value> = self.held.list("endpointslices.discovery.k8s.io").cloned().collect();
            let (adapter, happened) = (self.services.clone(), self.happened.clone());
            rt::spawn("services", async move {
                let result = adapter.apply(&services, &slices).await;
                let _ = happened.send(Happened::ServicesDone(result));
            });
        }
        let due: Vec<String> =
            self.entries.iter().filter(|(_, entry)| entry.wake <= now).map(|(uid, _)| uid.clone()).collect();
        for uid in due {
            self.look(&uid).await;
        }
    }

    fn register(&mut self, now: u64) {
        let live = self.held.get(&Name::new("nodes", "", &self.tools.node));
        let about = self.tools.runtime.about();
        let range = live.and_then(|node| node["spec"]["podCIDR"].as_str()).unwrap_or_default();
        let waits = (about.pod_network && range.is_empty()).then_some("the node has no podCIDR yet");
        let node = register::node(&self.tools.node, &self.machine, &about, waits, live, now);
        let said = serde_json::value::to_raw_value(&node)
            .is_ok_and(|object| self.outbox.try_send(FromNode::Register { object }).is_ok());
        self.register_at = Some(now + if said { NODE_STATUS_EVERY } else { REGISTER_AGAIN });
    }
}
