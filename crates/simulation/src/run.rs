//! One run from one scenario: form a quorum, work and fault it, calm it, then let every invariant look. Everything happens in
//! the calling thread, which should be fresh: what a thread keeps between runs is a leak.
use crate::clock::Nanos;
use crate::cluster::Cluster;
use crate::evidence::{Calm, Evidence, MemberLog, Violation};
use crate::history::{Asked, Told};
use crate::invariants;
use crate::records::{self, Wanted};
use crate::scenario::Scenario;
use crate::trace::{Node, Trace};
use crate::watchdog::Stuck;
use crate::workload::client::{Client, RESOURCE, body, command};
use crate::workload::watcher::Watcher;
use crate::world::{Step, World};
use api::command::{Change, CommandId, Condition, Write};
use api::key::Key;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const SECOND: Nanos = 1_000_000_000;
/// Virtual time after which a run is over whatever happens.
const RUN_MAX: Nanos = 600 * SECOND;
/// How long a calm cluster may take for each of: a leader, a write, equal members.
const CALM_MAX: Duration = Duration::from_secs(60);
/// How long every watcher has to come to the end after that.
const WATCHERS_END: Duration = Duration::from_secs(8);

const CLIENTS: u16 = 100;
const WATCHERS: u16 = 200;
const PROBE: Node = Node(299);

/// What is kept of a run besides its verdict.
#[derive(Clone, Copy, Debug, Default)]
pub struct Keep {
    /// All trace lines after this event number, for a while.
    pub window: Option<u64>,
    /// What members logged.
    pub records: Wanted,
    /// What is on the members' disks at the end.
    pub disks: bool,
}

/// One run's result.
#[derive(Clone, Debug)]
pub struct Run {
    pub violations: Vec<Violation>,
    pub trace: Trace,
    pub evidence: Evidence,
    /// Virtual time at the end.
    pub time: Nanos,
    /// The last lines that each node logged, oldest first, if they were wanted.
    pub lines: Vec<(Node, Vec<String>)>,
    pub messages: (u64, u64),
    /// Faults that were done.
    pub faults: u64,
    /// How often each kind of thing happened.
    pub sometimes: BTreeMap<&'static str, u64>,
}

impl Run {
    /// One that came to no end.
    pub(crate) fn stuck(stuck: &Stuck) -> Self {
        Self {
            violations: vec![Violation::new("sound", stuck.to_string())],
            trace: Trace::default(),
            evidence: Evidence::default(),
            time: stuck.time,
            lines: Vec::new(),
            messages: (0, 0),
            faults: 0,
            sometimes: BTreeMap::new(),
        }
    }
}

/// Runs a scenario.
#[must_use]
pub(crate) fn run(scenario: &Scenario, keep: Keep) -> Run {
    let world = World::new(scenario.seed, scenario.order);
    world.with_trace(|trace| trace.window = keep.window);
    let (result, lines) = records::during(&world, keep.records, || sail(&world, scenario));
    let (mut evidence, messages, lost) = result;
    evidence.panics = world.panics();
    evidence.fold();
    let violations = invariants::check(&evidence);
    let trace = world.with_trace(|trace| trace.clone());
    let time = world.time();
    // The tasks hold the world and the world holds the tasks; ending the nodes breaks the circle.
    world.enter(|| world.clear());
    let sometimes = sometimes(scenario, &evidence, lost);
    Run { violations, trace, evidence, time, lines, messages, faults: scenario.plan.len() as u64, sometimes }
}

fn sail(world: &World, scenario: &Scenario) -> (Evidence, (u64, u64), u64) {
    let cluster = Cluster::new(world, scenario);
    let over = Arc::new(AtomicBool::new(false));
    let calm = Arc::new(std::sync::Mutex::new(Calm::default()));
    {
        let (cluster, over, calm, scenario) = (cluster.clone(), over.clone(), calm.clone(), scenario.clone());
        world.spawn_on(Node::default(), "conductor", async move {
            let found = conduct(&cluster, &scenario).await;
            *calm.lock().expect("one thread, no panic while it is held") = found;
            over.store(true, Ordering::Relaxed);
        });
    }
    let members = u16::try_from(cluster.nodes().len()).unwrap_or(0);
    let last = world.run(RUN_MAX, |step| {
        if let Step::Ran(node) = step
            && (1..=members).contains(&node.0)
        {
            cluster.observe(node);
        }
        over.load(Ordering::Relaxed)
    });
    let calm = calm.lock().expect("one thread, no panic while it is held").clone();
    let logs = world.enter(|| cluster.logs());
    let livelock = match last {
        Step::Livelock(task) => Some(task.to_owned()),
        _ => None,
    };
    let history = cluster.recorder.with(std::mem::take);
    let diverged = cluster.diverged();
    let evidence = Evidence { history, logs, calm, livelock, diverged, ..Evidence::default() };
    (evidence, cluster.network.counts(), cluster.bytes_lost())
}

/// What happened in this run that does not happen in every one.
fn sometimes(scenario: &Scenario, evidence: &Evidence, lost: u64) -> BTreeMap<&'static str, u64> {
    let mut counts = BTreeMap::new();
    for step in &scenario.plan {
        *counts.entry(step.action.name()).or_insert(0) += 1;
    }
    let lives: BTreeSet<_> = evidence.history.sightings.iter().map(|sight| (sight.member, sight.life)).collect();
    let terms: BTreeSet<_> = evidence.logs.iter().flat_map(|log| &log.records).map(|record| record.term).collect();
    let first = |log: &MemberLog| log.records.first().map_or(0, |record| record.index);
    let begun_later = evidence.logs.iter().filter(|log| first(log) > 1).count();
    let retried = evidence.reference.commands.values().filter(|places| places.len() > 1).count();
    let reconnected: u32 = evidence.history.watches.iter().map(|watched| watched.connections.saturating_sub(1)).sum();
    let count =
        |calls: fn(&Told) -> bool| evidence.history.calls.iter().filter(|call| calls(&call.told)).count() as u64;
    counts.extend([
        ("restarts", (lives.len() as u64).saturating_sub(u64::from(scenario.members))),
        ("logs that begin later", begun_later as u64),
        ("terms", terms.len() as u64),
        ("bytes lost with the power", lost),
        ("commands twice in the log", retried as u64),
        ("watchers resumed", u64::from(reconnected)),
        ("refused by a condition", count(|told| matches!(told, Told::Outcome(api::command::Outcome::Refused { .. })))),
        ("surely not done", count(|told| matches!(told, Told::NotDone))),
        ("unknown", count(|told| matches!(told, Told::Unknown))),
    ]);
    counts
}

async fn conduct(cluster: &Cluster, scenario: &Scenario) -> Calm {
    if rt::timeout(CALM_MAX, cluster.form()).await.is_none() {
        return look(cluster, false);
    }
    let working = work(cluster, scenario);
    fault(cluster, scenario);
    let last = scenario.plan.iter().map(|step| step.at + step.lasts).max().unwrap_or(0);
    let end = rt::now().after(Duration::from_millis(last.max(scenario.span)));
    while rt::now() < end {
        rt::sleep(Duration::from_millis(500)).await;
        cluster.inquire();
    }
    cluster.heal();
    until(|| working.load(Ordering::Relaxed) == 0).await;
    until(|| cluster.led()).await;
    let wrote = probe(cluster).await;
    until(|| cluster.equal()).await;
    rt::sleep(WATCHERS_END).await;
    cluster.inquire();
    look(cluster, wrote)
}

fn look(cluster: &Cluster, wrote: bool) -> Calm {
    Calm { leader: cluster.led(), wrote, members: cluster.afterwards() }
}

async fn until(mut done: impl FnMut() -> bool) {
    let end = rt::now().after(CALM_MAX);
    while !done() && rt::now() < end {
        rt::sleep(Duration::from_millis(50)).await;
    }
}

/// Starts clients and watchers; the number of clients that still work.
fn work(cluster: &Cluster, scenario: &Scenario) -> Arc<AtomicU64> {
    let (world, load) = (&cluster.world, &scenario.workload);
    let working = Arc::new(AtomicU64::new(u64::from(load.clients)));
    for number in 1..=load.clients {
        let node = Node(CLIENTS + number);
        let client = Client::new(node, world, &cluster.doors, &cluster.recorder);
        let (load, working) = (load.clone(), working.clone());
        world.spawn_on(node, "client", async move {
            client.work(load).await;
            working.fetch_sub(1, Ordering::Relaxed);
        });
    }
    for number in 1..=load.watchers {
        let node = Node(WATCHERS + number);
        world.spawn_on(node, "watcher", Watcher::new(node, world, &cluster.doors, &cluster.recorder).work());
    }
    working
}

fn fault(cluster: &Cluster, scenario: &Scenario) {
    for step in scenario.plan.clone() {
        let here = cluster.clone();
        cluster.world.spawn_on(Node::default(), "fault", async move {
            rt::sleep(Duration::from_millis(step.at)).await;
            here.begin(&step);
            rt::sleep(Duration::from_millis(step.lasts)).await;
            here.end(&step);
        });
    }
}

/// A write when all is calm.
async fn probe(cluster: &Cluster) -> bool {
    let id = CommandId(u128::MAX);
    let key = Key::new(RESOURCE, "a", "probe");
    let write = Write { change: Change::Put(body(&key, id)), key, condition: Condition::Absent };
    let mut client = Client::new(PROBE, &cluster.world, &cluster.doors, &cluster.recorder);
    let told = client.call(Asked::Write(command(PROBE, id, vec![write]))).await;
    matches!(told, Told::Outcome(api::command::Outcome::Done { .. }))
}

#[cfg(test)]
#[path = "run/tests.rs"]
mod tests;
