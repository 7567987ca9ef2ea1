//! The twin of a worker's machine: images, sandboxes, containers with programs that run, end and crash by the seed. It outlives the
//! agent's process, as shims do, and dies with the machine's power. It decides nothing: it does what the agent asks, or fails to.
use crate::clock::Nanos;
use crate::stream::Stream;
use crate::trace::{Node, hash};
use crate::world::World;
use node::runtime::{ContainerSpec, ContainerView, End, SandboxSpec, SandboxView};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// How a machine behaves, drawn from the seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Temper {
    /// Milliseconds that a pull, and anything else, takes on average.
    pub pull_millis: u64,
    pub work_millis: u64,
    /// Of a thousand operations so many fail, and of a thousand containers so many end by themselves.
    pub failing: u64,
    pub crashing: u64,
}

impl Temper {
    /// Nothing fails any more.
    #[must_use]
    pub fn calm(self) -> Self {
        Self { failing: 0, crashing: 0, ..self }
    }
}

/// A container's life, as it was in fact.
#[derive(Clone, Debug)]
pub struct Life {
    pub machine: Node,
    pub uid: String,
    pub container: String,
    pub from: Nanos,
    /// `None`: it runs.
    pub to: Option<Nanos>,
}

/// Cloning it clones the handle.
#[derive(Clone)]
pub struct Machine(Arc<Mutex<Hull>>);

pub(crate) struct Hull {
    pub(crate) world: World,
    /// Where its containers' tasks run.
    seat: Node,
    pub(crate) random: Stream,
    pub(crate) temper: Temper,
    pub(crate) boots: u32,
    /// How often another machine has taken its place.
    installs: u32,
    pub(crate) images: BTreeSet<String>,
    sandboxes: BTreeMap<String, Sandbox>,
    made: u64,
    changed: Option<UnboundedSender<String>>,
    lives: Vec<Life>,
}

struct Sandbox {
    spec: SandboxSpec,
    ready: bool,
    ips: Vec<String>,
    created: u64,
    containers: BTreeMap<String, Container>,
}

struct Container {
    spec: ContainerSpec,
    started: Option<u64>,
    end: Option<End>,
    /// Its place in `lives`.
    life: usize,
}

impl Machine {
    /// A machine whose containers' tasks run on `seat`.
    #[must_use]
    pub fn new(world: &World, seat: Node, temper: Temper) -> Self {
        Self(Arc::new(Mutex::new(Hull {
            world: world.clone(),
            seat,
            random: world.stream(&format!("machine {}", seat.0)),
            temper,
            boots: 1,
            installs: 0,
            images: BTreeSet::new(),
            sandboxes: BTreeMap::new(),
            made: 0,
            changed: None,
            lives: Vec::new(),
        })))
    }

    pub(crate) fn lock(&self) -> MutexGuard<'_, Hull> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on it behaves so.
    pub fn set_temper(&self, temper: Temper) {
        self.lock().temper = temper;
    }

    /// How often it was started.
    #[must_use]
    pub fn boots(&self) -> u32 {
        self.lock().boots
    }

    /// Its power goes and comes: nothing runs any more. The agent's process ends too, and is the caller's to end.
    pub fn reboot(&self) {
        let (world, seat) = {
            let mut hull = self.lock();
            hull.boots += 1;
            hull.changed = None;
            let ids: Vec<String> = hull.sandboxes.keys().cloned().collect();
            for id in ids {
                hull.halt(&id, 255, "ContainerStatusUnknown");
            }
            (hull.world.clone(), hull.seat)
        };
        world.kill(seat);
    }

    /// It is lost, and another with nothing on it takes its place. The agent's process is the caller's to end.
    pub fn reinstall(&self) {
        self.reboot();
        let mut hull = self.lock();
        hull.installs += 1;
        hull.images.clear();
        hull.sandboxes.clear();
    }

    /// How many machines there have been in this place before.
    #[must_use]
    pub fn installs(&self) -> u32 {
        self.lock().installs
    }

    /// The lives of all containers so far.
    #[must_use]
    pub fn lives(&self) -> Vec<Life> {
        self.lock().lives.clone()
    }

    /// Everything on it, or of one pod.
    #[must_use]
    pub fn views(&self, uid: Option<&str>) -> Vec<SandboxView> {
        let hull = self.lock();
        let wanted = hull.sandboxes.iter().filter(|(_, sandbox)| uid.is_none_or(|uid| sandbox.spec.uid == uid));
        wanted.map(|(id, sandbox)| sandbox.view(id)).collect()
    }

    /// The machine's events go to the agent that asked last.
    pub(crate) fn listen(&self) -> UnboundedReceiver<String> {
        let (sender, receiver) = unbounded_channel();
        self.lock().changed = Some(sender);
        receiver
    }

    /// How long the next operation takes, and whether it fails.
    pub(crate) fn fate(&self, mean: impl FnOnce(&Temper) -> u64) -> (Duration, bool) {
        let mut hull = self.lock();
        let temper = hull.temper;
        let micros = hull.random.around(mean(&temper) * 1_000);
        (Duration::from_micros(micros), hull.random.chance(temper.failing))
    }

    /// The id that the next sandbox or container has.
    pub(crate) fn number(&self) -> u64 {
        let mut hull = self.lock();
        hull.made += 1;
        hull.made
    }

    pub(crate) fn add_sandbox(&self, id: &str, spec: SandboxSpec, ips: Vec<String>) {
        let uid = spec.uid.clone();
        let mut hull = self.lock();
        let sandbox = Sandbox { spec, ready: true, ips, created: rt::wall(), containers: BTreeMap::new() };
        hull.sandboxes.insert(id.to_owned(), sandbox);
        hull.tell(&uid);
    }

    /// Ends all that runs in the sandbox; false if there is none.
    pub(crate) fn stop_sandbox(&self, id: &str) -> bool {
        let mut hull = self.lock();
        hull.halt(id, 137, "Error");
        let Some(sandbox) = hull.sandboxes.get_mut(id) else { return false };
        sandbox.ips.clear();
        true
    }

    pub(crate) fn remove_sandbox(&self, id: &str) {
        let mut hull = self.lock();
        hull.halt(id, 137, "Error");
        if let Some(sandbox) = hull.sandboxes.remove(id) {
            hull.tell(&sandbox.spec.uid);
        }
    }

    /// Makes a container in a sandbox that is there; its id.
    pub(crate) fn create(&self, sandbox: &str, spec: ContainerSpec) -> Option<String> {
        let id = format!("{sandbox}.{}", self.number());
        let mut hull = self.lock();
        let container = Container { spec, started: None, end: None, life: usize::MAX };
        hull.sandboxes.get_mut(sandbox)?.containers.insert(id.clone(), container);
        Some(id)
    }

    /// Starts a container's program.
    pub(crate) fn start(&self, id: &str) -> Result<(), String> {
        let mut hull = self.lock();
        let hull = &mut *hull;
        let now = hull.world.time();
        let gone = || format!("container {id} is not here");
        let sandbox = hull.sandboxes.get_mut(sandbox_of(id)).ok_or_else(gone)?;
        if !sandbox.ready {
            return Err("its sandbox has ended".into());
        }
        let uid = sandbox.spec.uid.clone();
        let container = sandbox.containers.get_mut(id).ok_or_else(gone)?;
        if container.started.is_some() {
            return Ok(());
        }
        container.started = Some(rt::wall());
        container.life = hull.lives.len();
        let (machine, name) = (hull.seat, container.spec.name.clone());
        let program = Program::read(&container.spec, &mut hull.random, hull.temper.crashing);
        hull.lives.push(Life { machine, uid: uid.clone(), container: name, from: now, to: None });
        hull.world.note_at(machine, "started", hash(uid.as_bytes()), u64::from(container.spec.attempt));
        if let Some((after, code)) = program.ends {
            let (here, id) = (self.clone(), id.to_owned());
            hull.world.spawn_on(machine, "program", async move {
                rt::sleep(after).await;
                let reason = if code == 0 { "Completed" } else { "Error" };
                here.end(&id, code, reason);
            });
        }
        hull.tell(&uid);
        Ok(())
    }

    /// The program is asked to end, and is killed after `grace` milliseconds, whoever waits for it.
    pub(crate) fn ask_to_end(&self, id: &str, grace: u64) {
        let here = self.clone();
        let mut hull = self.lock();
        let stubborn = hull.random.chance(100);
        let takes = if stubborn { grace } else { hull.random.below(2_000.min(grace + 1)) };
        let code = if takes >= grace { 137 } else { 143 };
        let (machine, id) = (hull.seat, id.to_owned());
        hull.world.spawn_on(machine, "ending", async move {
            rt::sleep(Duration::from_millis(takes)).await;
            here.end(&id, code, "Error");
        });
    }

    pub(crate) fn running(&self, id: &str) -> bool {
        let hull = self.lock();
        let container = hull.sandboxes.get(sandbox_of(id)).and_then(|sandbox| sandbox.containers.get(id));
        container.is_some_and(|container| container.started.is_some() && container.end.is_none())
    }

    /// Takes a container away that does not run; false if it does.
    pub(crate) fn remove(&self, id: &str) -> bool {
        if self.running(id) {
            return false;
        }
        if let Some(sandbox) = self.lock().sandboxes.get_mut(sandbox_of(id)) {
            sandbox.containers.remove(id);
        }
        true
    }

    fn end(&self, id: &str, code: i32, reason: &str) {
        self.lock().end(id, code, reason);
    }
}

/// Container ids begin with their sandbox's.
fn sandbox_of(id: &str) -> &str {
    id.split_once('.').map_or(id, |(sandbox, _)| sandbox)
}

impl Hull {
    fn tell(&self, uid: &str) {
        if let Some(changed) = &self.changed {
            // The agent may have ended; the next one looks at everything.
            let _ = changed.send(uid.to_owned());
        }
    }

    fn end(&mut self, id: &str, code: i32, reason: &str) {
        let now = self.world.time();
        let Some(sandbox) = self.sandboxes.get_mut(sandbox_of(id)) else { return };
        let uid = sandbox.spec.uid.clone();
        let Some(container) = sandbox.containers.get_mut(id) else { return };
        if container.started.is_none() || container.end.is_some() {
            return;
        }
        let signal = if code > 128 && code < 255 { code - 128 } else { 0 };
        container.end = Some(End { code, signal, reason: reason.into(), message: String::new(), finished: rt::wall() });
        if let Some(life) = self.lives.get_mut(container.life) {
            life.to = Some(now);
        }
        self.world.note_at(self.seat, "ended", hash(uid.as_bytes()), u64::from(code.unsigned_abs()));
        self.tell(&uid);
    }

    /// The sandbox and all in it end.
    fn halt(&mut self, id: &str, code: i32, reason: &str) {
        let Some(sandbox) = self.sandboxes.get_mut(id) else { return };
        sandbox.ready = false;
        let uid = sandbox.spec.uid.clone();
        let containers: Vec<String> = sandbox.containers.keys().cloned().collect();
        for container in containers {
            self.end(&container, code, reason);
        }
        self.tell(&uid);
    }
}

impl Sandbox {
    fn view(&self, id: &str) -> SandboxView {
        let containers = self.containers.iter().map(|(id, container)| ContainerView {
            id: id.clone(),
            name: container.spec.name.clone(),
            attempt: container.spec.attempt,
            level: container.spec.level,
            image: container.spec.image.clone(),
            image_id: format!("sha256:{:016x}", hash(container.spec.image.as_bytes())),
            log: self.spec.log_dir.join(&container.spec.log_path),
            started: container.started,
            end: container.end.clone(),
        });
        SandboxView {
            id: id.to_owned(),
            uid: self.spec.uid.clone(),
            name: self.spec.name.clone(),
            namespace: self.spec.namespace.clone(),
            attempt: self.spec.attempt,
            ready: self.ready,
            ips: self.ips.clone(),
            created: self.created,
            containers: containers.collect(),
        }
    }
}

/// What a container's process does.
struct Program {
    /// After how long it ends, and with which code; `None`: it runs on.
    ends: Option<(Duration, i32)>,
}

impl Program {
    /// `exit CODE MILLISECONDS` ends by itself, and so does `toss CHANCE MILLISECONDS`, well or not, by that chance of a thousand;
    /// everything else runs on, unless the seed lets it crash.
    fn read(spec: &ContainerSpec, random: &mut Stream, crashing: u64) -> Self {
        let words: Vec<&str> = spec.command.iter().map(String::as_str).collect();
        let after = |millis: &str| Duration::from_millis(millis.parse().unwrap_or(0));
        let ends = match words.as_slice() {
            ["exit", code, millis] => Some((after(millis), code.parse().unwrap_or(1))),
            ["toss", chance, millis] => {
                let well = random.chance(chance.parse().unwrap_or(0));
                Some((after(millis), i32::from(!well)))
            }
            _ => random.chance(crashing).then(|| (Duration::from_millis(random.between(5, 20_000)), 1)),
        };
        Self { ends }
    }
}
