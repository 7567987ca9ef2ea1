//! The site: members wired by `control::wiring`, agents by `node::agent`, each over twins; started, killed, faulted and calmed. It
//! holds no property to be checked; it shows what it sees.
use super::api::serve;
use super::authority::{CERTIFICATE, KEY};
use super::faults::{Action, Step as Fault, Who};
use super::scenario::Scenario;
use crate::disk::Device;
use crate::evidence::{Afterwards, MemberLog};
use crate::history::{Recorder, Sighting};
use crate::logs::committed;
use crate::machine::Machine;
use crate::network::Network;
use crate::pod_network::SimulatedPodNetwork;
use crate::runtime::SimulatedRuntime;
use crate::services::SimulatedServices;
use crate::sessions::{Addresses, Endpoint};
use crate::trace::Node;
use crate::volumes::SimulatedVolumes;
use crate::world::World;
use consensus::{Health, Member, MemberInfo, Tuning};
use control::directory::MemberIdentity;
use control::wiring::{Given, wire};
use link::authority::Authority;
use link::peer::Peer;
use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::log::Log;
use store::view::View;

/// Where agents and their machines' containers run.
const AGENTS: u16 = 20;
const SEATS: u16 = 60;
const CLUSTER: &str = "simulated";
/// What starts a process again that has ended by itself waits so long.
const AGAIN: Duration = Duration::from_secs(1);
const SEGMENT_BYTES: u64 = 256 << 10;

/// Cloning it clones the handle.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) world: World,
    pub(super) network: Network,
    pub(super) addresses: Addresses,
    pub(super) recorder: Recorder,
    scenario: Arc<Scenario>,
    authority: Arc<Authority>,
    devices: Arc<BTreeMap<Node, Device>>,
    workers: Arc<BTreeMap<Node, Worker>>,
    inner: Arc<Mutex<Inner>>,
}

/// A worker's machine, which outlives its agent.
pub(super) struct Worker {
    pub(super) machine: Machine,
    network: SimulatedPodNetwork,
    services: SimulatedServices,
    volumes: SimulatedVolumes,
}

#[derive(Default)]
struct Inner {
    running: BTreeMap<Node, Running>,
    entered: BTreeSet<Node>,
    /// Processes that are down because of a fault: nobody starts them before it ends.
    down: BTreeMap<Node, u32>,
    failed: BTreeMap<Node, String>,
    diverged: Vec<String>,
}

struct Running {
    life: u32,
    /// Absent while it boots; always for an agent.
    member: Option<Member>,
}

fn link(node: Node) -> String {
    format!("10.0.0.{}:7443", node.0)
}

fn api(node: Node) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, u8::try_from(node.0).unwrap_or(255)], 6443))
}

impl Site {
    /// A site with empty disks and machines, nothing running.
    pub(super) fn new(world: &World, scenario: &Scenario) -> Self {
        let network = Network::new(world, scenario.network_mean);
        let (mut devices, mut workers) = (BTreeMap::new(), BTreeMap::new());
        let mut clocks = scenario.clocks.iter().copied();
        let mut set_clock = |nodes: &[Node]| {
            let (drift, wall) = clocks.next().unwrap_or_default();
            for node in nodes {
                world.set_clock(*node, |clock| (clock.drift_ppm, clock.wall_offset_millis) = (drift, wall));
            }
        };
        for node in (1..=scenario.size.members).map(Node) {
            set_clock(&[node]);
            devices.insert(node, Device::new(world, node, scenario.disk_mean));
        }
        for number in 1..=scenario.size.nodes {
            let (agent, seat) = (Node(AGENTS + number), Node(SEATS + number));
            set_clock(&[agent, seat]);
            let worker = Worker {
                machine: Machine::new(world, seat, scenario.temper),
                network: SimulatedPodNetwork::default(),
                services: SimulatedServices::default(),
                volumes: SimulatedVolumes::default(),
            };
            workers.insert(agent, worker);
        }
        Self {
            world: world.clone(),
            addresses: Addresses::new(world, &network),
            network,
            recorder: Recorder::default(),
            scenario: Arc::new(scenario.clone()),
            authority: Arc::new(Authority::open(CERTIFICATE, KEY).expect("the fixed authority can be read")),
            devices: Arc::new(devices),
            workers: Arc::new(workers),
            inner: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn members(&self) -> Vec<Node> {
        self.devices.keys().copied().collect()
    }

    fn everybody(&self) -> Vec<Node> {
        self.devices.keys().chain(self.workers.keys()).copied().collect()
    }

    /// Where the members serve the API.
    pub(super) fn apis(&self) -> Vec<String> {
        self.devices.keys().map(|node| api(*node).to_string()).collect()
    }

    /// The machines, by the name of their node.
    pub(super) fn machines(&self) -> BTreeMap<String, Machine> {
        self.workers.iter().map(|(node, worker)| (name(*node), worker.machine.clone())).collect()
    }

    /// What is to be reachable on each machine, by the name of its node.
    pub(super) fn services(&self) -> BTreeMap<String, SimulatedServices> {
        self.workers.iter().map(|(node, worker)| (name(*node), worker.services.clone())).collect()
    }

    /// Starts the process on `node`, unless it runs or a fault holds it down.
    pub(super) fn start(&self, node: Node) {
        let life = self.world.life(node);
        {
            let mut inner = self.lock();
            let runs = inner.running.get(&node).is_some_and(|running| running.life == life);
            if runs || inner.down.get(&node).is_some_and(|count| *count > 0) {
                return;
            }
            inner.failed.remove(&node);
            inner.running.insert(node, Running { life, member: None });
        }
        let site = self.clone();
        if self.devices.contains_key(&node) {
            self.world.spawn_on(node, "boot", async move { site.boot(node, life).await });
        } else {
            self.world.spawn_on(node, "agent", async move { site.work(node).await });
        }
    }

    async fn boot(&self, node: Node, life: u32) {
        let disk = self.devices[&node].open();
        let options = store::log::Options { segment_bytes: SEGMENT_BYTES, ..store::log::Options::default() };
        let log = match Log::open(disk.clone(), options) {
            Ok(log) => log,
            Err(why) => return self.fail(node, life, why.to_string()),
        };
        rt::sleep(disk.owed()).await;
        let (id, name) = (u64::from(node.0), name(node));
        let members = self.devices.keys().map(|node| link(*node)).collect();
        let identity = MemberIdentity {
            cluster: CLUSTER.into(),
            name: name.clone(),
            id,
            founder: node.0 == 1,
            members,
            replaces: None,
            removed: false,
            entered: self.lock().entered.contains(&node),
        };
        let endpoint = |address: &str| Endpoint::new(&self.addresses, node, Peer::Member(name.clone()), Some(address));
        let given = Given {
            info: MemberInfo { id, name: name.clone(), link: link(node), api: api(node).to_string() },
            identity,
            authority: self.authority.clone(),
            log,
            disk,
            checkpoints: None,
            sessions: Arc::new(endpoint(&link(node))),
            tuning: Tuning::default(),
        };
        let mut wired = match wire(given).await {
            Ok(wired) => wired,
            Err(why) => return self.fail(node, life, why.to_string()),
        };
        rt::spawn("api", serve(endpoint(&api(node).to_string()), wired.api.clone()));
        wired.begin(api(node));
        let mut inner = self.lock();
        inner.entered.insert(node);
        if let Some(running) = inner.running.get_mut(&node).filter(|running| running.life == life) {
            running.member = Some(wired.member);
        }
    }

    /// An agent, until it is killed.
    async fn work(&self, node: Node) {
        let worker = &self.workers[&node];
        let network = Arc::new(worker.network.clone());
        let number = node.0 - AGENTS;
        let machine = node::agent::machine::Machine {
            cores: 4,
            memory_bytes: 8 << 30,
            disk_bytes: 64 << 30,
            kernel: "simulated".into(),
            system: "simulated".into(),
            machine_id: format!("machine-{number}"),
            boot_id: format!("boot-{}", worker.machine.boots()),
            ip: format!("10.0.1.{number}"),
            ..node::agent::machine::Machine::default()
        };
        let given = node::agent::Given {
            node: name(node),
            members: self.devices.keys().map(|node| link(*node)).collect(),
            sessions: Arc::new(Endpoint::new(&self.addresses, node, Peer::Node(name(node)), None)),
            machine,
            runtime: Arc::new(SimulatedRuntime::new(&worker.machine, network.clone())),
            network: Some(network),
            services: Arc::new(worker.services.clone()),
            volumes: Arc::new(worker.volumes.clone()),
            logs: "logs".into(),
        };
        node::agent::Agent::new(given).run().await;
    }

    /// A process that cannot go on ends, and is started again, as a service manager does.
    fn fail(&self, node: Node, life: u32, why: String) {
        tracing::warn!(node = node.0, why, "a member did not start");
        self.lock().failed.insert(node, why);
        let site = self.clone();
        self.world.spawn_on(Node::default(), "again", async move {
            rt::sleep(AGAIN).await;
            if site.world.life(node) == life {
                site.end(node, false);
                site.start(node);
            }
        });
    }

    /// The member on `node`, if it runs.
    pub(super) fn member(&self, node: Node) -> Option<Member> {
        let life = self.world.life(node);
        let inner = self.lock();
        inner.running.get(&node).filter(|running| running.life == life)?.member.clone()
    }

    /// The member that leads.
    pub(super) fn leader(&self) -> Option<Member> {
        self.devices.keys().filter_map(|node| self.member(*node)).find(|member| member.leading().is_some())
    }

    /// The newest state that a leader shows.
    pub(super) fn view(&self) -> Option<Arc<View>> {
        Some(self.leader()?.view())
    }

    /// Ends the process on `node`: with its power, or only the process.
    fn end(&self, node: Node, power: bool) {
        if let Some(device) = self.devices.get(&node) {
            if power { device.lose_power() } else { device.stop() }
        }
        let gone = self.lock().running.remove(&node);
        self.world.kill(node);
        drop(gone);
    }

    fn down(&self, node: Node, power: bool) {
        *self.lock().down.entry(node).or_insert(0) += 1;
        self.end(node, power);
    }

    fn up(&self, node: Node) {
        if let Some(count) = self.lock().down.get_mut(&node) {
            *count = count.saturating_sub(1);
        }
        self.start(node);
    }

    /// Begins a fault; undone by `undo`.
    pub(super) fn begin(&self, fault: &Fault) {
        let slow = |times: u16| self.network.set_mean(self.scenario.network_mean * u64::from(times));
        match &fault.action {
            Action::Stop { who } => self.down(seat(*who), false),
            Action::Crash { member } => self.down(Node(*member), true),
            Action::PowerLoss => self.members().into_iter().for_each(|node| self.down(node, true)),
            Action::Reboot { node } => {
                let agent = seat(Who::Agent(*node));
                self.down(agent, false);
                if let Some(worker) = self.workers.get(&agent) {
                    worker.machine.reboot();
                }
            }
            Action::Pause { who } => self.world.pause(seat(*who)),
            Action::Cut { from, to } => self.network.cut(seat(*from), seat(*to)),
            Action::Isolate { who } => self.cuts(seat(*who), Network::cut),
            Action::Stall { member } => {
                let until = self.world.time() + fault.lasts * 1_000_000;
                self.devices[&Node(*member)].stall(until);
            }
            Action::Lose { thousandths } => self.network.set_loss(u64::from(*thousandths)),
            Action::Slow { times } => slow(*times),
        }
    }

    /// Ends a fault.
    pub(super) fn undo(&self, fault: &Fault) {
        match &fault.action {
            Action::Stop { who } => self.up(seat(*who)),
            Action::Crash { member } => self.up(Node(*member)),
            Action::PowerLoss => self.members().into_iter().for_each(|node| self.up(node)),
            Action::Reboot { node } => self.up(seat(Who::Agent(*node))),
            Action::Pause { who } => self.world.resume(seat(*who)),
            Action::Cut { from, to } => self.network.mend(seat(*from), seat(*to)),
            Action::Isolate { who } => self.cuts(seat(*who), Network::mend),
            Action::Stall { .. } => {}
            Action::Lose { .. } => self.network.set_loss(0),
            Action::Slow { .. } => self.network.set_mean(self.scenario.network_mean),
        }
    }

    fn cuts(&self, who: Node, change: fn(&Network, Node, Node)) {
        for other in self.everybody().into_iter().filter(|other| *other != who) {
            change(&self.network, who, other);
            change(&self.network, other, who);
        }
    }

    /// Ends all faults and starts what does not run; nothing on the machines fails any more.
    pub(super) fn heal(&self) {
        self.network.heal();
        self.network.set_mean(self.scenario.network_mean);
        self.lock().down.clear();
        for device in self.devices.values() {
            device.stall(0);
        }
        for worker in self.workers.values() {
            worker.machine.set_temper(self.scenario.temper.calm());
        }
        for node in self.everybody() {
            self.world.resume(node);
            if self.member(node).is_some_and(|member| member.status().health != Health::Well) {
                self.end(node, false);
            }
            self.start(node);
        }
    }

    /// Records what the member on `node` shows now.
    pub(super) fn observe(&self, node: Node) {
        let Some(member) = self.member(node) else { return };
        let view = member.view();
        let (index, revision, hash) = (view.index(), view.revision(), view.hash());
        let (time, life) = (self.world.time(), self.world.life(node));
        self.recorder.with(|history| history.sight(Sighting { time, member: node, life, index, revision, hash }));
    }

    /// Notes members that say that they differ from the others.
    pub(super) fn inquire(&self) {
        for node in self.members() {
            let health = self.member(node).map(|member| member.status().health);
            if let Some(Health::Diverged { index, why } | Health::Disputed { index, why }) = health {
                self.lock().diverged.push(format!("member {} at index {index}: {why}", node.0));
            }
        }
    }

    pub(super) fn diverged(&self) -> Vec<String> {
        self.lock().diverged.clone()
    }

    /// How all members are.
    pub(super) fn afterwards(&self) -> Vec<Afterwards> {
        let one = |node: Node| {
            let member = self.member(node);
            let view = member.as_ref().map(Member::view).unwrap_or_default();
            let illness = match member.map(|member| member.status().health) {
                Some(Health::Well) => None,
                Some(other) => Some(format!("{other:?}")),
                None => Some(self.lock().failed.get(&node).cloned().unwrap_or_else(|| "it does not run".into())),
            };
            let (index, revision, hash) = (view.index(), view.revision().0, view.hash());
            Afterwards { member: node, index, revision, hash, illness }
        };
        self.members().into_iter().map(one).collect()
    }

    /// Whether all members serve the same state.
    pub(super) fn equal(&self) -> bool {
        let states = self.afterwards();
        states.windows(2).all(|pair| (pair[0].index, pair[0].hash) == (pair[1].index, pair[1].hash))
            && states.iter().all(|after| after.illness.is_none())
    }

    /// The committed logs of all members that run.
    pub(super) fn logs(&self) -> Vec<MemberLog> {
        let log = |node: Node| Some(MemberLog { member: node, records: committed(&self.member(node)?) });
        self.members().into_iter().filter_map(log).collect()
    }
}

/// What the process on `node` is called.
fn name(node: Node) -> String {
    if node.0 > AGENTS { format!("n{}", node.0 - AGENTS) } else { format!("m{}", node.0) }
}

fn seat(who: Who) -> Node {
    match who {
        Who::Member(number) => Node(number),
        Who::Agent(number) => Node(AGENTS + number),
    }
}
