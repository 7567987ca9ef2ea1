//! The site: members wired by `control::wiring`, agents by `node::agent`, each over twins; started, killed, faulted and calmed. It
//! holds no property to be checked; it shows what it sees.
use super::api::serve;
use super::authority::{CERTIFICATE, KEY};
use super::backup::Backup;
use super::evidence::{Mark, Marked};
use super::faults::{AGENTS, MEMBERS_MIN, PLACED, Prey};
use super::place::{FOUNDER, SEATS, WATCHED, WATCHERS, api, info, link, name};
use super::scenario::{Carrier, Scenario};
use super::size::{NODE_CORES, NODE_MEMORY_BYTES};
use super::spoken::Speech;
use crate::careless::careless;
use crate::disk::{Device, Files};
use crate::evidence::{Afterwards, MemberLog, Record};
use crate::history::{Recorder, Sighting};
use crate::logs::{between, committed};
use crate::machine::Machine;
use crate::network::Network;
use crate::pod_network::SimulatedPodNetwork;
use crate::quic::{Identities, Quic, Sockets};
use crate::runtime::SimulatedRuntime;
use crate::services::SimulatedServices;
use crate::sessions::{Addresses, Endpoint};
use crate::trace::Node;
use crate::volumes::SimulatedVolumes;
use crate::world::World;
use api::uid::Uid;
use consensus::{Health, Keep, Member, Tuning};
use control::directory::MemberIdentity;
use control::error::ControlError;
use control::wiring::{Given, wire};
use link::authority::Authority;
use link::error::LinkError;
use link::peer::Peer;
use link::sessions::Sessions;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::log::Log;
use store::state::State;
use store::view::View;

const CLUSTER: &str = "simulated";
/// What starts a process again that has ended by itself waits so long.
const AGAIN: Duration = Duration::from_secs(1);
/// Where the ports begin that machines choose.
const PORTS: u16 = 30_000;
/// How often the member that keeps little looks, and how far another may be behind and still be sent its log.
const KEEP_EVERY: Duration = Duration::from_secs(2);
const KEEP_ENTRIES_BEHIND: u64 = 50;

/// Cloning it clones the handle.
#[derive(Clone)]
pub(super) struct Site {
    pub(super) world: World,
    pub(super) network: Network,
    pub(super) addresses: Addresses,
    pub(super) recorder: Recorder,
    pub(super) speech: Speech,
    scenario: Arc<Scenario>,
    authority: Arc<Authority>,
    quic: Arc<Quic>,
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
    marks: Vec<Mark>,
    /// Every committed record, taken from whoever showed it first: in the end no member may have them all.
    witnessed: Vec<Record>,
    /// The member whose machine was lost, and whether another has its place.
    lost: Option<(Node, bool)>,
    /// The one member whose disk may break its word, and what came of that.
    doubtful: Option<Node>,
    outcomes: BTreeMap<&'static str, u64>,
    /// Who led last, as far as was seen, and in which term.
    led: BTreeMap<Node, Option<u64>>,
}

struct Running {
    life: u32,
    /// Absent while it boots; always for an agent.
    member: Option<Member>,
}

impl Site {
    /// A site with empty disks and machines, nothing running.
    pub(super) fn new(world: &World, scenario: &Scenario) -> Self {
        let network = Network::new(world, scenario.network_micros * 1_000);
        let (mut devices, mut workers) = (BTreeMap::new(), BTreeMap::new());
        let mut clocks = scenario.clocks.iter().copied();
        let mut set_clock = |nodes: &[Node]| {
            let (drift, wall) = clocks.next().unwrap_or_default();
            for node in nodes {
                world.set_clock(*node, |clock| (clock.drift_ppm, clock.wall_offset_millis) = (drift, wall));
            }
        };
        if let Some(backup) = &scenario.from {
            world.begin_later(backup.later_millis());
        }
        for node in (1..=scenario.size.members).map(Node) {
            set_clock(&[node]);
            for node in [node, Node(node.0 + PLACED)] {
                devices.insert(node, Device::new(world, node, scenario.disk_micros * 1_000));
            }
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
        if let (Some(backup), Some(device)) = (&scenario.from, devices.get(&FOUNDER)) {
            device.hold(backup.files());
        }
        let authority = Arc::new(Authority::open(CERTIFICATE, KEY).expect("the fixed authority can be read"));
        let quic = Quic { sockets: Sockets::new(world, &network), identities: Identities::new(&authority) };
        Self {
            world: world.clone(),
            quic: Arc::new(quic),
            addresses: Addresses::new(world, &network),
            network,
            recorder: Recorder::default(),
            speech: Speech::default(),
            scenario: Arc::new(scenario.clone()),
            authority,
            devices: Arc::new(devices),
            workers: Arc::new(workers),
            inner: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn everybody(&self) -> Vec<Node> {
        self.members().into_iter().chain(self.workers.keys().copied()).collect()
    }

    /// Whether this member's machine is in use: it is not lost, and not a spare one.
    fn stands(&self, node: Node) -> bool {
        match self.lock().lost {
            Some((lost, _)) if lost == node => false,
            Some((lost, true)) if lost.0 + PLACED == node.0 => true,
            _ => node.0 <= self.scenario.size.members,
        }
    }

    /// Where the members serve the API.
    pub(super) fn apis(&self) -> Vec<String> {
        (1..=self.scenario.size.members).map(|number| api(Node(number)).to_string()).collect()
    }

    /// The machines, by the name of their node.
    pub(super) fn machines(&self) -> BTreeMap<String, Machine> {
        self.workers.iter().map(|(node, worker)| (self.worker(*node), worker.machine.clone())).collect()
    }

    /// What is to be reachable on each machine, by the name of its node.
    pub(super) fn services(&self) -> BTreeMap<String, SimulatedServices> {
        self.workers.iter().map(|(node, worker)| (self.worker(*node), worker.services.clone())).collect()
    }

    /// What the cluster calls the worker whose agent is on `node`.
    fn worker(&self, node: Node) -> String {
        self.scenario.node(node.0 - AGENTS)
    }

    /// The state before the first entry of any log, and the index of that entry.
    pub(super) fn begun(&self) -> State {
        self.scenario.from.as_ref().map(|backup| backup.begun().clone()).unwrap_or_default()
    }

    fn first(&self) -> u64 {
        match self.scenario.from.as_ref().map(|backup| backup.begun().view().index()) {
            Some(index) if index > 0 => index + 1,
            _ => 0,
        }
    }

    /// What need not come to rest, by uid.
    pub(super) fn spared(&self) -> &BTreeSet<Uid> {
        static NOTHING: BTreeSet<Uid> = BTreeSet::new();
        self.scenario.from.as_ref().map_or(&NOTHING, Backup::restless)
    }

    /// What is on the members' disks, by the names of the members.
    pub(super) fn disks(&self) -> BTreeMap<String, Files> {
        self.members().into_iter().map(|node| (name(node), self.devices[&node].files())).collect()
    }

    async fn boot(&self, node: Node, life: u32) {
        let disk = self.devices[&node].open();
        let options =
            store::log::Options { segment_bytes: self.scenario.segment_bytes, ..store::log::Options::default() };
        let log = match Log::open(disk.clone(), options) {
            Ok(log) => log,
            Err(why) if why.lost() => return self.spoiled(node, life, "damage found at a start", why.to_string()),
            Err(why) => return self.fail(node, life, why.to_string()),
        };
        rt::sleep(disk.owed()).await;
        if self.devices[&node].forgot() {
            let why = "its disk has forgotten what it promised, and it does not know";
            return self.spoiled(node, life, "promises forgotten unnoticed", why.into());
        }
        let (id, name) = (u64::from(node.0), name(node));
        let members = self.members().into_iter().map(link).collect();
        let identity = MemberIdentity {
            cluster: CLUSTER.into(),
            name: name.clone(),
            id,
            founder: node == FOUNDER,
            members,
            replaces: node.0.checked_sub(PLACED).filter(|id| *id > 0).map(u64::from),
            removed: false,
            entered: self.lock().entered.contains(&node),
        };
        let peer = Peer::Member(name.clone());
        let sessions = match self.sessions(node, &peer, &link(node)) {
            Ok(sessions) => sessions,
            Err(why) => return self.fail(node, life, why.to_string()),
        };
        let given = Given {
            info: info(node),
            identity,
            authority: self.authority.clone(),
            log,
            disk,
            checkpoints: None,
            sessions,
            tuning: self.tuning(node),
            audit: None,
            others: Vec::new(),
        };
        let mut wired = match wire(given).await {
            Ok(wired) => wired,
            Err(ControlError::Lost(why)) => return self.spoiled(node, life, "damage found at a start", why),
            Err(why) => return self.fail(node, life, why.to_string()),
        };
        let edge = Endpoint::new(&self.addresses, node, peer, Some(&api(node).to_string()));
        rt::spawn("api", serve(edge, wired.api.clone()));
        wired.begin(api(node));
        let mut inner = self.lock();
        inner.entered.insert(node);
        if let Some(running) = inner.running.get_mut(&node).filter(|running| running.life == life) {
            running.member = Some(wired.member);
        }
    }

    /// What the process that runs on `node` now has for sessions; a member is dialled at `address`.
    fn sessions(&self, node: Node, peer: &Peer, address: &str) -> Result<Arc<dyn Sessions>, LinkError> {
        let served = matches!(peer, Peer::Member(_)).then_some(address);
        Ok(match self.scenario.carrier {
            Carrier::Twin => Arc::new(Endpoint::new(&self.addresses, node, peer.clone(), served)),
            Carrier::Quic => {
                let wrong = |why: std::net::AddrParseError| LinkError::Address {
                    address: address.into(),
                    why: why.to_string(),
                };
                Arc::new(self.quic.endpoint(node, peer, address.parse().map_err(wrong)?)?)
            }
        })
    }

    /// The last member keeps little where the scenario says so; the others keep everything, and so can be compared with.
    fn tuning(&self, node: Node) -> Tuning {
        let (ring_events, checkpoint_entries) = (self.scenario.ring_events, self.scenario.checkpoint_entries);
        let itself = Tuning { ring_events, checkpoint_entries, careless: careless(), ..Tuning::default() };
        match self.scenario.keep_bytes {
            Some(bytes) if node.0 == self.scenario.size.members && node.0 > 1 => {
                let keep = Keep { age: None, bytes: Some(bytes), every: KEEP_EVERY };
                Tuning { keep, entries_behind: KEEP_ENTRIES_BEHIND, ..itself }
            }
            _ => itself,
        }
    }

    /// An agent, until it is killed.
    async fn work(&self, node: Node) {
        let worker = &self.workers[&node];
        let network = Arc::new(worker.network.clone());
        let number = node.0 - AGENTS;
        let ip = format!("10.0.{}.{}", 1 + number / 250, 1 + number % 250);
        // A port that the machine chooses, another in each life.
        let port = PORTS + u16::try_from(self.world.life(node) % u32::from(PORTS)).unwrap_or_default();
        let (peer, address) = (Peer::Node(self.worker(node)), format!("{ip}:{port}"));
        let sessions = self.sessions(node, &peer, &address).expect("an agent's name and address are good");
        let seat = self.scenario.from.as_ref().and_then(|backup| backup.seat(number));
        let (cores, memory_bytes) =
            seat.map_or((NODE_CORES, NODE_MEMORY_BYTES), |seat| (seat.cores, seat.memory_bytes));
        let machine = node::agent::machine::Machine {
            cores,
            memory_bytes,
            disk_bytes: 64 << 30,
            kernel: "simulated".into(),
            system: "simulated".into(),
            machine_id: format!("machine-{number}.{}", worker.machine.installs()),
            boot_id: format!("boot-{}", worker.machine.boots()),
            ip,
            ..node::agent::machine::Machine::default()
        };
        let given = node::agent::Given {
            node: self.worker(node),
            members: self.devices.keys().map(|node| link(*node)).collect(),
            sessions,
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

    /// A member whose log is not what it was. Where a fault did that, an operator puts another in its place; else it is as any that fails.
    fn spoiled(&self, node: Node, life: u32, what: &'static str, why: String) {
        let expected = {
            let mut inner = self.lock();
            let expected = inner.doubtful == Some(node) && inner.lost.is_none();
            *inner.outcomes.entry(what).or_insert(0) += u64::from(expected);
            expected
        };
        if !expected {
            return self.fail(node, life, why);
        }
        tracing::warn!(node = node.0, why, "a member is to be replaced");
        let site = self.clone();
        self.world.spawn_on(Node::default(), "replace", async move {
            site.lose(node);
            rt::sleep(AGAIN).await;
            site.place(node);
        });
    }

    /// What an operator does who looks after the member whose disk is in doubt: one that serves nothing any more is started again, or
    /// replaced if it says that its log is damaged.
    pub(super) fn tend(&self) {
        let doubtful = {
            let inner = self.lock();
            inner.doubtful.filter(|_| inner.lost.is_none())
        };
        let Some(node) = doubtful else { return };
        match self.member(node).map(|member| member.status().health) {
            Some(Health::Damaged(why)) => {
                self.spoiled(node, self.world.life(node), "damage found while running", why);
            }
            Some(Health::Well) | None => {}
            Some(_) => self.revive(node),
        }
    }

    /// What came of broken disks.
    pub(super) fn outcomes(&self) -> BTreeMap<&'static str, u64> {
        self.lock().outcomes.clone()
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
        if gone.is_some() {
            self.mark(node, Marked::Down);
        }
        self.world.kill(node);
        drop(gone);
    }

    /// Ends all faults and starts what does not run; nothing on the machines fails any more.
    pub(super) fn heal(&self) {
        // Who was lost is replaced sooner or later.
        let lost = self.lock().lost;
        if let Some((lost, false)) = lost {
            self.place(lost);
        }
        self.network.heal();
        self.network.set_mean(self.scenario.network_micros * 1_000);
        self.lock().down.clear();
        for device in self.devices.values() {
            device.stall(0);
            device.arm(None);
            device.set_room(None);
            device.stray(false);
        }
        for worker in self.workers.values() {
            worker.machine.set_temper(self.scenario.temper.calm());
            worker.volumes.set_broken(false);
            worker.network.set_broken(false);
        }
        for node in self.everybody() {
            self.world.douse(node);
            self.world.resume(node);
            self.revive(node);
        }
    }

    /// Records what the member on `node` shows now.
    pub(super) fn observe(&self, node: Node) {
        let Some(member) = self.member(node) else { return };
        let view = member.view();
        let (index, revision, hash) = (view.index(), view.revision(), view.hash());
        let (time, life) = (self.world.time(), self.world.life(node));
        self.recorder.with(|history| history.sight(Sighting { time, member: node, life, index, revision, hash }));
        let leads = member.leading();
        let (next, led) = {
            let mut inner = self.lock();
            (
                inner.witnessed.last().map_or_else(|| self.first(), |last| last.index + 1),
                inner.led.insert(node, leads).unwrap_or_default(),
            )
        };
        if next <= index {
            let records = between(&member, next, index);
            self.lock().witnessed.extend(records);
        }
        if led != leads {
            self.mark(node, leads.map_or(Marked::Follows, Marked::Leads));
        }
    }

    /// Notes what becomes of a process, for whoever draws the run.
    pub(super) fn mark(&self, node: Node, what: Marked) {
        let mark = Mark { time: self.world.time(), who: name(node), what };
        self.lock().marks.push(mark);
    }

    pub(super) fn marks(&self) -> Vec<Mark> {
        self.lock().marks.clone()
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

    /// What each member that runs has committed in its log, and at the end, as of nobody, what was seen of all.
    pub(super) fn logs(&self) -> Vec<MemberLog> {
        let log = |node: Node| Some(MemberLog { member: node, records: committed(&self.member(node)?, self.first()) });
        let witnessed = MemberLog { member: Node::default(), records: std::mem::take(&mut self.lock().witnessed) };
        // Last: of equally long ones it counts.
        self.members().into_iter().filter_map(log).chain([witnessed]).collect()
    }
}

impl Prey for Site {
    fn world(&self) -> &World {
        &self.world
    }

    fn network(&self) -> &Network {
        &self.network
    }

    fn members(&self) -> Vec<Node> {
        self.devices.keys().copied().filter(|node| self.stands(*node)).collect()
    }

    fn lose(&self, member: Node) {
        {
            let mut inner = self.lock();
            // One a run, and where a disk is in doubt it is that one.
            if inner.lost.is_some() || inner.doubtful.is_some_and(|doubtful| doubtful != member) {
                return;
            }
            inner.lost = Some((member, false));
        }
        self.end(member, true);
    }

    fn place(&self, member: Node) {
        let placed = {
            let mut inner = self.lock();
            let now = inner.lost == Some((member, false));
            inner.lost = if now { Some((member, true)) } else { inner.lost };
            now
        };
        if placed {
            self.start(Node(member.0 + PLACED));
        }
    }

    fn doubt(&self, member: Node) -> bool {
        let mut inner = self.lock();
        let may = inner.lost.is_none() && self.scenario.size.members >= MEMBERS_MIN;
        may && *inner.doubtful.get_or_insert(member) == member
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

    fn start(&self, node: Node) {
        if self.devices.contains_key(&node) && !self.stands(node) {
            return;
        }
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
        self.mark(node, Marked::Up);
        let site = self.clone();
        if self.devices.contains_key(&node) {
            self.world.spawn_on(node, "boot", async move { site.boot(node, life).await });
        } else {
            self.world.spawn_on(node, "agent", async move { site.work(node).await });
        }
    }

    fn device(&self, node: Node) -> Option<&Device> {
        self.devices.get(&node)
    }

    fn reboot(&self, agent: Node) {
        if let Some(worker) = self.workers.get(&agent) {
            worker.machine.reboot();
        }
    }

    fn migrate(&self, agent: Node) {
        self.quic.sockets.migrate(agent);
    }

    fn delay(&self, times: u64) {
        self.network.set_mean(self.scenario.network_micros * 1_000 * times);
    }

    fn jump(&self, node: Node, millis: i64) {
        let seat = (node.0 > AGENTS).then(|| Node(node.0 - AGENTS + SEATS));
        for node in [Some(node), seat].into_iter().flatten() {
            self.world.set_clock(node, |clock| clock.wall_offset_millis += millis);
        }
    }

    fn reinstall(&self, agent: Node) {
        if let Some(worker) = self.workers.get(&agent) {
            worker.machine.reinstall();
            worker.network.reinstall();
            worker.services.reinstall();
            worker.volumes.reinstall();
        }
    }

    fn break_volumes(&self, agent: Node, broken: bool) {
        if let Some(worker) = self.workers.get(&agent) {
            worker.volumes.set_broken(broken);
        }
    }

    fn break_network(&self, agent: Node, broken: bool) {
        if let Some(worker) = self.workers.get(&agent) {
            worker.network.set_broken(broken);
        }
    }

    fn die_after(&self, node: Node, polls: u64) {
        let site = self.clone();
        self.world.light(node, polls, move || site.end(node, false));
    }

    fn watchers(&self) -> Vec<Node> {
        (WATCHERS + 1..).map(Node).take(WATCHED.len()).collect()
    }

    fn ways(&self, between: &dyn Fn(Node, Node) -> bool, change: fn(&Network, Node, Node)) {
        let all: Vec<Node> = self.devices.keys().chain(self.workers.keys()).copied().collect();
        for one in &all {
            for other in all.iter().filter(|other| *other != one && between(*one, **other)) {
                change(&self.network, *one, *other);
            }
        }
    }

    fn revive(&self, node: Node) {
        if self.member(node).is_some_and(|member| member.status().health != Health::Well) {
            self.end(node, false);
        }
        self.start(node);
    }
}
