//! The executor: every task of every node in one thread, in virtual time, in an order drawn from the seed. It is what `rt`
//! finds in place of tokio, and it knows nothing of what the tasks do.
use crate::clock::{Clock, Nanos};
use crate::stream::Stream;
use crate::trace::{Line, Node, Trace};
use crate::{guard, panics, watchdog};
use std::collections::{BTreeMap, VecDeque};
use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Wake, Waker};

type Body = Pin<Box<dyn Future<Output = ()> + Send>>;
type Blow = Box<dyn FnOnce() + Send>;

/// What one poll costs. Time moves, so that a loop of polls is seen to take time.
const POLL_NANOS: Nanos = 100;
/// Polls within one virtual second after which the tasks are going round in a circle: of a small site, and for each node more.
const POLLS_A_SECOND_MAX: u64 = 1_000_000;
const POLLS_A_NODE_MAX: u64 = 10_000;
const SECOND: Nanos = 1_000_000_000;

/// Which of the ready tasks runs next.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub enum Order {
    /// The one that has been ready longest.
    Fifo,
    /// Any, by the seed.
    Random,
}

/// What came of a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// A task of this node ran.
    Ran(Node),
    /// Time moved on.
    Waited,
    /// Nothing is ready and nothing waits for time.
    Idle,
    /// The tasks go round in a circle; the name of the last.
    Livelock(&'static str),
}

/// A task that panicked.
#[derive(Clone, Debug)]
pub struct Panicked {
    pub node: Node,
    pub task: &'static str,
    pub message: String,
}

/// A simulated site. Cloning it clones the handle.
#[derive(Clone)]
pub struct World(Arc<Mutex<Core>>);

struct Core {
    now: Nanos,
    /// By how much all wall clocks are ahead of the usual beginning: milliseconds.
    later_millis: u64,
    seed: u64,
    order: Order,
    picks: Stream,
    tasks: BTreeMap<u64, Task>,
    tasks_made: u64,
    ready: VecDeque<u64>,
    woken: Arc<Mutex<Vec<u64>>>,
    timers: BTreeMap<(Nanos, u64), Timer>,
    timers_made: u64,
    nodes: BTreeMap<Node, Seat>,
    /// Whose task is running: node and life.
    current: Option<(Node, u32)>,
    /// The name of that task, or of the last.
    task: &'static str,
    polls: (u64, u64),
    trace: Trace,
    panics: Vec<Panicked>,
    /// What is to be done after so many more polls of a node.
    fuses: BTreeMap<Node, (u64, Blow)>,
}

struct Task {
    node: Node,
    name: &'static str,
    /// Absent while it is being polled.
    body: Option<Body>,
    alarm: Arc<Alarm>,
}

struct Timer {
    node: Node,
    /// By the node's own clock.
    local: Nanos,
    waker: Waker,
}

struct Alarm {
    task: u64,
    queued: AtomicBool,
    woken: Arc<Mutex<Vec<u64>>>,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        if !self.queued.swap(true, Ordering::Relaxed) {
            lock(&self.woken).push(self.task);
        }
    }
}

/// A node's place in the world.
struct Seat {
    clock: Clock,
    random: Stream,
    /// How often it was killed: what an earlier life still holds may start nothing in a later one.
    life: u32,
    paused: bool,
    suspended: bool,
    dying: bool,
    parked: Vec<u64>,
    /// Timers that fell due while its clock stood still.
    asleep: Vec<(u64, Timer)>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl World {
    /// An empty site at time 0.
    #[must_use]
    pub fn new(seed: u64, order: Order) -> Self {
        // What instants are counted from is the machine's to say, once a process and not from within a task. Nothing depends on it.
        let _ = rt::to_std(rt::Instant(0));
        let world = Self(Arc::new(Mutex::new(Core {
            now: 0,
            later_millis: 0,
            seed,
            order,
            picks: Stream::new(seed, "order"),
            tasks: BTreeMap::new(),
            tasks_made: 0,
            ready: VecDeque::new(),
            woken: Arc::default(),
            timers: BTreeMap::new(),
            timers_made: 0,
            nodes: BTreeMap::new(),
            current: None,
            task: "",
            polls: (0, 0),
            trace: Trace::default(),
            panics: Vec::new(),
            fuses: BTreeMap::new(),
        })));
        let here = Arc::downgrade(&world.0);
        watchdog::watched(Box::new(move || {
            let Some(core) = here.upgrade() else { return (0, None) };
            let core = lock(&core);
            (core.now, core.current.map(|(node, _)| (node, core.task)))
        }));
        world
    }

    /// Runs `body` with this world as the world of the thread.
    pub fn enter<T>(&self, body: impl FnOnce() -> T) -> T {
        rt::enter(std::rc::Rc::new(self.clone()), body)
    }

    /// Virtual time, the same for all.
    #[must_use]
    pub fn time(&self) -> Nanos {
        lock(&self.0).now
    }

    #[must_use]
    pub fn seed(&self) -> u64 {
        lock(&self.0).seed
    }

    /// A stream of its own for this purpose.
    #[must_use]
    pub fn stream(&self, name: &str) -> Stream {
        Stream::new(self.seed(), name)
    }

    /// Starts a task on `node`.
    pub fn spawn_on(&self, node: Node, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let mut core = lock(&self.0);
        core.seat(node);
        core.start(node, name, Box::pin(task));
    }

    /// All wall clocks begin so many milliseconds later.
    pub fn begin_later(&self, millis: u64) {
        lock(&self.0).later_millis = millis;
    }

    /// Changes the clocks of a node.
    pub fn set_clock(&self, node: Node, change: impl FnOnce(&mut Clock)) {
        change(&mut lock(&self.0).seat(node).clock);
    }

    /// Drops all tasks and timers of a node. Called by one of these tasks, it takes effect when that task yields.
    pub fn kill(&self, node: Node) {
        let mut core = lock(&self.0);
        if core.current.is_some_and(|(current, _)| current == node) {
            core.seat(node).dying = true;
            return;
        }
        let now = core.now;
        let seat = core.seat(node);
        let life = seat.life;
        seat.life += 1;
        (seat.paused, seat.dying) = (false, false);
        seat.parked.clear();
        let asleep = std::mem::take(&mut seat.asleep);
        if std::mem::take(&mut seat.suspended) {
            seat.clock.resume(now);
        }
        core.note_of(node, "killed", u64::from(life), 0);
        let dropped: Vec<u64> = core.tasks.iter().filter(|(_, task)| task.node == node).map(|(id, _)| *id).collect();
        let dropped: Vec<_> = dropped.into_iter().filter_map(|id| core.tasks.remove(&id)).collect();
        let timers: Vec<_> = core.timers.iter().filter(|(_, timer)| timer.node == node).map(|(at, _)| *at).collect();
        let timers: Vec<_> = timers.into_iter().filter_map(|at| core.timers.remove(&at)).collect();
        let before = core.current.replace((node, life));
        drop(core);
        // What is dropped may call the world, so it is dropped with the world unlocked, and as the life that has ended.
        drop((timers, asleep));
        for task in dropped {
            drop(task);
        }
        lock(&self.0).current = before;
    }

    /// Kills every node and the harness's own tasks: nothing is left.
    pub fn clear(&self) {
        let nodes: Vec<Node> = lock(&self.0).nodes.keys().copied().collect();
        for node in nodes {
            self.kill(node);
        }
    }

    /// Whether the node was killed by the task that runs now: what it still sends must reach nobody.
    #[must_use]
    pub fn dying(&self, node: Node) -> bool {
        lock(&self.0).nodes.get(&node).is_some_and(|seat| seat.dying)
    }

    /// Whether the node's tasks stand still.
    #[must_use]
    pub fn paused(&self, node: Node) -> bool {
        lock(&self.0).nodes.get(&node).is_some_and(|seat| seat.paused)
    }

    /// How often the node was killed.
    #[must_use]
    pub fn life(&self, node: Node) -> u32 {
        lock(&self.0).seat(node).life
    }

    /// Stops the node's tasks (its clocks go on).
    pub fn pause(&self, node: Node) {
        lock(&self.0).seat(node).paused = true;
    }

    /// Stops the node's tasks and its monotonic clock.
    pub fn suspend(&self, node: Node) {
        let mut core = lock(&self.0);
        let now = core.now;
        let seat = core.seat(node);
        (seat.paused, seat.suspended) = (true, true);
        seat.clock.suspend(now);
    }

    /// Ends a pause or a suspension.
    pub fn resume(&self, node: Node) {
        let mut core = lock(&self.0);
        let now = core.now;
        let seat = core.seat(node);
        seat.paused = false;
        if std::mem::take(&mut seat.suspended) {
            seat.clock.resume(now);
        }
        let (parked, asleep) = (std::mem::take(&mut seat.parked), std::mem::take(&mut seat.asleep));
        let clock = seat.clock.clone();
        core.timers
            .extend(asleep.into_iter().map(|(number, timer)| ((clock.when(timer.local).max(now), number), timer)));
        core.ready.extend(parked);
    }

    /// Does this as soon as the tasks of the node have been polled so many times more: between two awaits of one of them.
    pub fn light(&self, node: Node, polls: u64, blow: impl FnOnce() + Send + 'static) {
        lock(&self.0).fuses.insert(node, (polls, Box::new(blow)));
    }

    /// Whatever was to be done after some polls of the node is not done any more.
    pub fn douse(&self, node: Node) {
        let out = lock(&self.0).fuses.remove(&node);
        drop(out);
    }

    /// Adds an event of the node whose task runs to the trace.
    pub fn note(&self, what: &'static str, a: u64, b: u64) {
        let mut core = lock(&self.0);
        let node = core.current.map_or(Node::default(), |(node, _)| node);
        core.note_of(node, what, a, b);
    }

    /// Adds an event of this node to the trace.
    pub fn note_at(&self, node: Node, what: &'static str, a: u64, b: u64) {
        lock(&self.0).note_of(node, what, a, b);
    }

    /// Reads or sets up the trace.
    pub fn with_trace<T>(&self, body: impl FnOnce(&mut Trace) -> T) -> T {
        body(&mut lock(&self.0).trace)
    }

    /// The last events of a node.
    #[must_use]
    pub fn last_lines(&self, node: Node, count: usize) -> Vec<Line> {
        let core = lock(&self.0);
        let lines: Vec<Line> = core.trace.last_of(node).copied().collect();
        lines[lines.len().saturating_sub(count)..].to_vec()
    }

    /// The tasks that panicked so far.
    #[must_use]
    pub fn panics(&self) -> Vec<Panicked> {
        lock(&self.0).panics.clone()
    }

    /// Whose task is running.
    #[must_use]
    pub fn current(&self) -> Option<Node> {
        lock(&self.0).current.map(|(node, _)| node)
    }

    /// Runs one task once, or moves time to the next timer. The world must have been entered.
    #[must_use]
    pub fn step(&self) -> Step {
        let mut core = lock(&self.0);
        let Some(id) = core.pick() else { return core.wait() };
        let Some(task) = core.tasks.get_mut(&id) else { return Step::Waited };
        let (node, name, alarm) = (task.node, task.name, task.alarm.clone());
        let Some(mut body) = task.body.take() else { return Step::Waited };
        alarm.queued.store(false, Ordering::Relaxed);
        let life = core.seat(node).life;
        (core.current, core.task) = (Some((node, life)), name);
        core.now += POLL_NANOS;
        let second = core.now / SECOND;
        core.polls = if core.polls.0 == second { (second, core.polls.1 + 1) } else { (second, 1) };
        let livelock = core.polls.1 > POLLS_A_SECOND_MAX + POLLS_A_NODE_MAX * core.nodes.len() as u64;
        core.note_of(node, name, id, 0);
        drop(core);
        let waker = Waker::from(alarm);
        let result = guard::within(|| panics::catch(|| body.as_mut().poll(&mut Context::from_waker(&waker))));
        let ended = !matches!(result, Ok(Poll::Pending));
        if let Err(message) = result {
            lock(&self.0).panics.push(Panicked { node, task: name, message });
        }
        if ended {
            drop(body);
            lock(&self.0).tasks.remove(&id);
        } else if let Some(task) = lock(&self.0).tasks.get_mut(&id) {
            task.body = Some(body);
        }
        lock(&self.0).current = None;
        if self.dying(node) {
            self.kill(node);
        }
        let blow = lock(&self.0).burn(node);
        if let Some(blow) = blow {
            blow();
        }
        if livelock { Step::Livelock(name) } else { Step::Ran(node) }
    }

    /// Runs until `done` says so, virtual time passes `until`, or nothing is left to do.
    pub fn run(&self, until: Nanos, mut done: impl FnMut(Step) -> bool) -> Step {
        self.enter(|| {
            loop {
                let step = self.step();
                if done(step) || matches!(step, Step::Idle | Step::Livelock(_)) || self.time() > until {
                    return step;
                }
            }
        })
    }
}

impl Core {
    fn seat(&mut self, node: Node) -> &mut Seat {
        let seed = self.seed;
        self.nodes.entry(node).or_insert_with(|| Seat {
            clock: Clock::default(),
            random: Stream::new(seed, &format!("node {}", node.0)),
            life: 0,
            paused: false,
            suspended: false,
            dying: false,
            parked: Vec::new(),
            asleep: Vec::new(),
        })
    }

    /// One poll of the node less; what is to be done now.
    fn burn(&mut self, node: Node) -> Option<Blow> {
        let (polls, _) = self.fuses.get_mut(&node)?;
        *polls = polls.saturating_sub(1);
        if *polls > 0 {
            return None;
        }
        Some(self.fuses.remove(&node)?.1)
    }

    fn note_of(&mut self, node: Node, what: &'static str, a: u64, b: u64) {
        self.trace.note(self.now, node, what, a, b);
    }

    fn start(&mut self, node: Node, name: &'static str, body: Body) {
        let id = self.tasks_made;
        self.tasks_made += 1;
        let alarm = Arc::new(Alarm { task: id, queued: AtomicBool::new(true), woken: self.woken.clone() });
        self.tasks.insert(id, Task { node, name, body: Some(body), alarm });
        self.ready.push_back(id);
    }

    /// The next task to run; those of paused nodes are set aside.
    fn pick(&mut self) -> Option<u64> {
        self.ready.extend(std::mem::take(&mut *lock(&self.woken)));
        while !self.ready.is_empty() {
            let at = match self.order {
                Order::Fifo => 0,
                Order::Random => usize::try_from(self.picks.below(self.ready.len() as u64)).unwrap_or(0),
            };
            let Some(id) = self.ready.remove(at) else { break };
            // A task may have ended, or died with its node, since it was woken.
            let Some(node) = self.tasks.get(&id).map(|task| task.node) else { continue };
            let seat = self.seat(node);
            if seat.paused {
                seat.parked.push(id);
                continue;
            }
            return Some(id);
        }
        None
    }

    /// Moves time to the next timer and wakes it.
    fn wait(&mut self) -> Step {
        let Some(((when, number), timer)) = self.timers.pop_first() else { return Step::Idle };
        self.now = self.now.max(when);
        let now = self.now;
        let seat = self.seat(timer.node);
        if seat.suspended {
            seat.asleep.push((number, timer));
        } else if seat.clock.monotonic(now) < timer.local {
            // The node's clock stood still meanwhile.
            let again = seat.clock.when(timer.local).max(now + 1);
            self.timers.insert((again, number), timer);
        } else {
            timer.waker.wake();
        }
        Step::Waited
    }
}

impl rt::World for World {
    fn now(&self) -> rt::Instant {
        let mut core = lock(&self.0);
        let now = core.now;
        rt::Instant(core.current.map_or(now, |(node, _)| core.seat(node).clock.monotonic(now)))
    }

    fn wall(&self) -> u64 {
        let mut core = lock(&self.0);
        let now = core.now;
        let wall = match core.current {
            Some((node, _)) => core.seat(node).clock.wall(now),
            None => Clock::default().wall(now),
        };
        wall + core.later_millis
    }

    fn random(&self) -> u64 {
        let mut core = lock(&self.0);
        match core.current {
            Some((node, _)) => core.seat(node).random.bits(),
            None => core.picks.bits(),
        }
    }

    fn spawn(&self, name: &'static str, task: Body) {
        let mut core = lock(&self.0);
        let (node, life) = core.current.unwrap_or_default();
        if core.seat(node).life == life || node == Node::default() {
            return core.start(node, name, task);
        }
        // Something that died with its node started this while it was dropped. The world is unlocked before it is dropped in turn.
        drop(core);
        drop(task);
    }

    fn wake_at(&self, when: rt::Instant, waker: Waker) {
        let mut core = lock(&self.0);
        let (node, life) = core.current.unwrap_or_default();
        if core.seat(node).life != life && node != Node::default() {
            return;
        }
        let (now, number) = (core.now, core.timers_made);
        core.timers_made += 1;
        let at = core.seat(node).clock.when(when.0).max(now);
        core.timers.insert((at, number), Timer { node, local: when.0, waker });
    }
}

#[cfg(test)]
#[path = "world/tests.rs"]
mod tests;
