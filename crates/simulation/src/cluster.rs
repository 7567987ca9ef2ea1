//! Real members over twins: started, killed, faulted and calmed. It holds no property to be checked; it shows what it sees.
use crate::careless::careless;
use crate::disk::Device;
use crate::evidence::{Afterwards, MemberLog};
use crate::faults::{Action, Step as Fault};
use crate::history::{Recorder, Sighting};
use crate::logs::committed;
use crate::network::Network;
use crate::scenario::{Planted, Scenario};
use crate::trace::Node;
use crate::workload::door::Doors;
use crate::world::World;
use consensus::{Health, Member, MemberInfo, Options};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::log::Log;

/// How often the member that keeps little looks, and how far another may be behind and still be sent its log.
const KEEP_EVERY: Duration = Duration::from_millis(300);
const KEEP_ENTRIES_BEHIND: u64 = 5;

/// The site. Cloning it clones the handle.
#[derive(Clone)]
pub struct Cluster {
    pub world: World,
    pub network: Network,
    pub doors: Doors,
    pub recorder: Recorder,
    scenario: Arc<Scenario>,
    devices: Arc<BTreeMap<Node, Device>>,
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    running: BTreeMap<Node, Running>,
    diverged: Vec<String>,
    failed: BTreeMap<Node, String>,
}

struct Running {
    life: u32,
    /// Absent while it boots.
    member: Option<Member>,
}

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

/// The nodes of the members.
#[must_use]
pub fn nodes(members: u16) -> Vec<Node> {
    (1..=members).map(Node).collect()
}

fn info(node: Node) -> MemberInfo {
    let name = format!("m{}", node.0);
    MemberInfo { id: u64::from(node.0), link: format!("{name}:1"), api: format!("{name}:2"), name }
}

impl Cluster {
    /// A site with empty disks, nothing running.
    #[must_use]
    pub fn new(world: &World, scenario: &Scenario) -> Self {
        let nodes = nodes(scenario.members);
        let network = Network::new(world, scenario.network_mean);
        let mut devices = BTreeMap::new();
        for (node, (offset, drift_ppm, wall)) in nodes.iter().zip(&scenario.clocks) {
            world.set_clock(*node, |clock| {
                (clock.offset, clock.drift_ppm, clock.wall_offset_millis) = (*offset, *drift_ppm, *wall);
            });
            let device = Device::new(world, *node, scenario.disk_mean);
            if scenario.planted == Some(Planted::LyingDisks) {
                device.lie(true);
            }
            devices.insert(*node, device);
        }
        Self {
            world: world.clone(),
            doors: Doors::new(world, &network, &nodes, scenario.planted == Some(Planted::LocalReads)),
            network,
            recorder: Recorder::default(),
            scenario: Arc::new(scenario.clone()),
            devices: Arc::new(devices),
            inner: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The members' nodes.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        self.doors.members()
    }

    /// Starts the member on `node`, unless it runs.
    pub fn start(&self, node: Node) {
        let life = self.world.life(node);
        {
            let mut inner = self.lock();
            if inner.running.get(&node).is_some_and(|running| running.life == life) {
                return;
            }
            inner.failed.remove(&node);
            inner.running.insert(node, Running { life, member: None });
        }
        let (cluster, world) = (self.clone(), self.world.clone());
        world.spawn_on(node, "boot", async move { cluster.boot(node, life).await });
    }

    async fn boot(&self, node: Node, life: u32) {
        let disk = self.devices[&node].open();
        let options =
            store::log::Options { segment_bytes: self.scenario.segment_bytes, ..store::log::Options::default() };
        let log = match Log::open(disk.clone(), options) {
            Ok(log) => log,
            Err(why) => return self.fail(node, why.to_string()),
        };
        rt::sleep(disk.owed()).await;
        let transport = Arc::new(self.network.transport(node));
        let member = match Member::start(Options {
            info: info(node),
            log,
            disk,
            checkpoints: None,
            transport,
            tuning: self.tuning(node),
        })
        .await
        {
            Ok(member) => member,
            Err(why) => return self.fail(node, why.to_string()),
        };
        let mut letters = self.network.listen(node);
        let server = member.clone();
        rt::spawn("link", async move {
            while let Some(((from, request), answer)) = letters.recv().await {
                let member = server.clone();
                rt::spawn("serve", async move {
                    // The caller may be gone.
                    let _ = answer.send(member.serve(from, request).await);
                });
            }
        });
        self.doors.open(node, member.clone());
        if let Some(running) = self.lock().running.get_mut(&node).filter(|running| running.life == life) {
            running.member = Some(member);
        }
    }

    fn tuning(&self, node: Node) -> consensus::Tuning {
        let itself = consensus::Tuning { careless: careless(), ..consensus::Tuning::default() };
        match self.scenario.keep_bytes {
            Some(bytes) if node.0 == 1 => {
                let keep = consensus::Keep { age: None, bytes: Some(bytes), every: KEEP_EVERY };
                consensus::Tuning { keep, entries_behind: KEEP_ENTRIES_BEHIND, ..itself }
            }
            _ => itself,
        }
    }

    fn fail(&self, node: Node, why: String) {
        let mut inner = self.lock();
        inner.failed.insert(node, why);
        inner.running.remove(&node);
    }

    /// The member on `node`, if it runs.
    #[must_use]
    pub fn member(&self, node: Node) -> Option<Member> {
        let life = self.world.life(node);
        let inner = self.lock();
        inner.running.get(&node).filter(|running| running.life == life)?.member.clone()
    }

    /// Ends the member on `node`: with its power, or only its process.
    pub fn crash(&self, node: Node, power: bool) {
        let device = &self.devices[&node];
        if power {
            device.lose_power();
        } else {
            device.stop();
        }
        let gone = self.lock().running.remove(&node);
        self.world.kill(node);
        drop(gone);
    }

    /// Forms the quorum: the first member founds it and adds the others.
    pub async fn form(&self) {
        for node in self.nodes().to_vec() {
            self.start(node);
        }
        for node in self.nodes().to_vec() {
            loop {
                rt::sleep(millis(20)).await;
                let (Some(first), Some(_)) = (self.member(self.nodes()[0]), self.member(node)) else { continue };
                // The handle is used on the harness's node: it only asks, by channels, what the member's own tasks do.
                let done = if node == self.nodes()[0] { first.found().await } else { first.add(info(node)).await };
                if done.is_ok() {
                    break;
                }
            }
        }
    }

    /// Begins a fault; undone by `end`.
    pub fn begin(&self, fault: &Fault) {
        let now = self.world.time();
        match &fault.action {
            Action::Stop { member } => self.crash(Node(*member), false),
            Action::Crash { member } => self.crash(Node(*member), true),
            Action::CrashAtWrite { member, writes } => self.devices[&Node(*member)].arm(Some(*writes)),
            Action::PowerLoss => self.nodes().to_vec().into_iter().for_each(|node| self.crash(node, true)),
            Action::Cut { from, to } => self.network.cut(Node(*from), Node(*to)),
            Action::Isolate { member } => self.cuts(Some(Node(*member)), Network::cut),
            Action::SplitAll => self.cuts(None, Network::cut),
            Action::Pause { member } => self.world.pause(Node(*member)),
            Action::Suspend { member } => self.world.suspend(Node(*member)),
            Action::Stall { member } => self.devices[&Node(*member)].stall(now + fault.lasts * 1_000_000),
            Action::Fill { member, room } => {
                self.devices[&Node(*member)].set_room(Some(usize::try_from(*room).unwrap_or(0)));
            }
            Action::Lose { thousandths } => self.network.set_loss(u64::from(*thousandths)),
            Action::Slow { times } => self.network.set_mean(self.scenario.network_mean * u64::from(*times)),
            Action::Jump { member, millis } => self.jump(Node(*member), i64::from(*millis)),
        }
    }

    /// Ends a fault.
    pub fn end(&self, fault: &Fault) {
        match &fault.action {
            Action::Stop { member } | Action::Crash { member } => self.start(Node(*member)),
            Action::CrashAtWrite { member, .. } => {
                self.devices[&Node(*member)].arm(None);
                self.start(Node(*member));
            }
            Action::PowerLoss => self.nodes().to_vec().into_iter().for_each(|node| self.start(node)),
            Action::Cut { from, to } => self.network.mend(Node(*from), Node(*to)),
            Action::Isolate { member } => self.cuts(Some(Node(*member)), Network::mend),
            Action::SplitAll => self.cuts(None, Network::mend),
            Action::Pause { member } | Action::Suspend { member } => self.world.resume(Node(*member)),
            Action::Stall { .. } => {}
            Action::Fill { member, .. } => {
                self.devices[&Node(*member)].set_room(None);
                self.revive(Node(*member));
            }
            Action::Lose { .. } => self.network.set_loss(0),
            Action::Slow { .. } => self.network.set_mean(self.scenario.network_mean),
            Action::Jump { member, millis } => self.jump(Node(*member), -i64::from(*millis)),
        }
    }

    fn cuts(&self, one: Option<Node>, change: fn(&Network, Node, Node)) {
        for from in self.nodes() {
            for to in self.nodes() {
                if from != to && one.is_none_or(|one| one == *from || one == *to) {
                    change(&self.network, *from, *to);
                }
            }
        }
    }

    fn jump(&self, node: Node, millis: i64) {
        self.world.set_clock(node, |clock| clock.wall_offset_millis += millis);
    }

    /// Why the member on `node` serves nothing.
    fn illness(&self, node: Node) -> Option<String> {
        match self.member(node).map(|member| member.status().health) {
            Some(Health::Well) => None,
            Some(other) => Some(format!("{other:?}")),
            None => Some(self.lock().failed.get(&node).cloned().unwrap_or_else(|| "it does not run".into())),
        }
    }

    /// What an operator does with a member that has stopped: starts it again.
    fn revive(&self, node: Node) {
        if self.member(node).is_some() && self.illness(node).is_some() {
            self.crash(node, false);
        }
        self.start(node);
    }

    /// Ends all faults and starts what does not run.
    pub fn heal(&self) {
        self.network.heal();
        self.network.set_mean(self.scenario.network_mean);
        for (node, device) in &*self.devices {
            device.arm(None);
            device.set_room(None);
            device.set_read_only(false);
            device.stall(0);
            self.world.resume(*node);
            self.revive(*node);
        }
    }

    /// Records what the member on `node` shows now.
    pub fn observe(&self, node: Node) {
        let Some(member) = self.member(node) else { return };
        let view = member.view();
        let (index, revision, hash) = (view.index(), view.revision(), view.hash());
        let (time, life) = (self.world.time(), self.world.life(node));
        self.recorder.with(|history| history.sight(Sighting { time, member: node, life, index, revision, hash }));
    }

    /// Notes members that say that they differ from the others.
    pub fn inquire(&self) {
        for node in self.nodes() {
            let health = self.member(*node).map(|member| member.status().health);
            if let Some(Health::Diverged { index, why }) = health {
                self.lock().diverged.push(format!("member {} at index {index}: {why}", node.0));
            }
        }
    }

    /// What members said of differing states.
    #[must_use]
    pub fn diverged(&self) -> Vec<String> {
        self.lock().diverged.clone()
    }

    /// Whether some member leads and may serve.
    #[must_use]
    pub fn led(&self) -> bool {
        self.nodes().iter().any(|node| self.member(*node).is_some_and(|member| member.leading().is_some()))
    }

    /// How all members are.
    #[must_use]
    pub fn afterwards(&self) -> Vec<Afterwards> {
        let one = |node: &Node| {
            let view = self.member(*node).map(|member| member.view()).unwrap_or_default();
            let (index, revision, hash) = (view.index(), view.revision().0, view.hash());
            Afterwards { member: *node, index, revision, hash, illness: self.illness(*node) }
        };
        self.nodes().iter().map(one).collect()
    }

    /// Whether all members serve the same state.
    #[must_use]
    pub fn equal(&self) -> bool {
        let states = self.afterwards();
        states.windows(2).all(|pair| (pair[0].index, pair[0].hash) == (pair[1].index, pair[1].hash))
            && states.iter().all(|after| after.illness.is_none())
    }

    /// Bytes that power losses took.
    #[must_use]
    pub fn bytes_lost(&self) -> u64 {
        self.devices.values().map(Device::lost).sum()
    }

    /// The committed logs of all members that run.
    #[must_use]
    pub fn logs(&self) -> Vec<MemberLog> {
        self.nodes()
            .iter()
            .filter_map(|node| Some(MemberLog { member: *node, records: committed(&self.member(*node)?, 0) }))
            .collect()
    }
}
