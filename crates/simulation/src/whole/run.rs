//! One run of a whole cluster: form it, work and fault it, calm it, wait for rest and for silence, then let every invariant look.
use super::api::Client;
use super::evidence::{Marked, SILENCE, Watches, Whole};
use super::faults::{self, Prey};
use super::place::{CLIENTS, WATCHED, WATCHERS};
use super::scenario::Scenario;
use super::site::Site;
use super::watcher::Watcher;
use super::workload::{Counts, Worker};
use super::{converged, counted, deeds, expect, invariants, workload};
use crate::clock::Nanos;
use crate::disk::Files;
use crate::evidence::{Calm, Evidence, Violation};
use crate::records;
use crate::run::Keep;
use crate::trace::{Node, Trace};
use crate::watchdog::Stuck;
use crate::world::{Step, World};
use api::command::{Change, Command, Entry};
use consensus::Logged;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

const SECOND: Nanos = 1_000_000_000;
/// Virtual time after which a run is over whatever happens, beside its span.
const RUN_MAX: Nanos = 3_600 * SECOND;
/// How long a cluster without faults may take to form, and to come to rest: a container that often crashed waits five minutes.
const FORM_MAX: Duration = Duration::from_secs(120);
const REST_MAX: Duration = Duration::from_secs(900);
const LOOK: Duration = Duration::from_millis(500);

const LAST: Node = Node(299);

/// One run's result.
#[derive(Clone, Debug)]
pub struct Run {
    pub violations: Vec<Violation>,
    pub trace: Trace,
    pub evidence: Whole,
    /// Virtual time at the end, and polls and timers until then.
    pub time: Nanos,
    pub steps: u64,
    pub faults: u64,
    pub messages: (u64, u64),
    /// The last lines that each node logged, if they were wanted.
    pub lines: Vec<(Node, Vec<String>)>,
    /// How often each kind of thing happened.
    pub sometimes: BTreeMap<&'static str, u64>,
    /// What each member has on its disk, by the member's name, if it was wanted.
    pub disks: BTreeMap<String, Files>,
}

impl Run {
    /// One that came to no end.
    pub(super) fn stuck(stuck: &Stuck) -> Self {
        Self {
            violations: vec![Violation::new("sound", stuck.to_string())],
            trace: Trace::default(),
            evidence: Whole::default(),
            time: stuck.time,
            steps: 0,
            faults: 0,
            messages: (0, 0),
            lines: Vec::new(),
            sometimes: BTreeMap::new(),
            disks: BTreeMap::new(),
        }
    }
}

/// What the conductor found when all was calm.
#[derive(Default)]
struct Found {
    calm: Calm,
    unrest: Option<String>,
    noise: Vec<String>,
}

/// Runs a scenario.
#[must_use]
pub(super) fn run(scenario: &Scenario, keep: Keep) -> Run {
    let world = World::new(scenario.seed, scenario.order);
    world.with_trace(|trace| trace.window = keep.window);
    let site = Site::new(&world, scenario);
    let ((mut evidence, steps, messages), lines) =
        records::during(&world, keep.records, || sail(&world, &site, scenario));
    let disks = if keep.disks { site.disks() } else { BTreeMap::new() };
    evidence.members.panics = world.panics();
    evidence.members.fold();
    evidence.deeds = deeds::read(&evidence.members);
    let mut violations = invariants::check(&evidence);
    let (trace, time) = (world.with_trace(|trace| trace.clone()), world.time());
    // The tasks hold the world and the world holds the tasks; ending the nodes breaks the circle.
    world.enter(|| world.clear());
    let mut sometimes = counted::sometimes(scenario, &evidence, time);
    sometimes.extend(site.outcomes());
    violations.extend(expect::check(&scenario.expected, &sometimes));
    let faults = scenario.plan.len() as u64;
    Run { violations, trace, evidence, time, steps, faults, messages, lines, sometimes, disks }
}

fn sail(world: &World, site: &Site, scenario: &Scenario) -> (Whole, u64, (u64, u64)) {
    let (watches, counts) = (Watches::default(), Counts::default());
    let (over, found) = (Arc::new(AtomicBool::new(false)), Arc::new(Mutex::new(Found::default())));
    {
        let (site, scenario, watches, counts) = (site.clone(), scenario.clone(), watches.clone(), counts.clone());
        let (over, found) = (over.clone(), found.clone());
        world.spawn_on(Node::default(), "conductor", async move {
            let what = conduct(&site, &scenario, &watches, &counts).await;
            *found.lock().unwrap_or_else(PoisonError::into_inner) = what;
            over.store(true, Ordering::Relaxed);
        });
    }
    let mut steps = 0;
    let last = world.run(RUN_MAX + scenario.size.span * 1_000_000, |step| {
        steps += 1;
        if let Step::Ran(node) = step
            && (1..CLIENTS).contains(&node.0)
        {
            site.observe(node);
        }
        over.load(Ordering::Relaxed)
    });
    let Found { calm, unrest, noise } = std::mem::take(&mut *found.lock().unwrap_or_else(PoisonError::into_inner));
    let livelock = match last {
        Step::Livelock(task) => Some(task.to_owned()),
        _ => None,
    };
    let logs = world.enter(|| site.logs());
    let history = site.recorder.with(std::mem::take);
    let members = Evidence {
        history,
        logs,
        calm,
        livelock,
        diverged: site.diverged(),
        begun: site.begun(),
        ..Evidence::default()
    };
    let lives = site.machines().values().flat_map(|machine| machine.lives()).collect();
    let count = |number: &AtomicU64| number.load(Ordering::Relaxed);
    let whole = Whole {
        members,
        watches: watches.with(std::mem::take),
        forgets: scenario.keep_bytes.is_some(),
        spoken: site.speech.take(),
        lives,
        marks: site.marks(),
        unrest,
        noise,
        answered: count(&counts.answered),
        unanswered: count(&counts.unanswered),
        ..Whole::default()
    };
    (whole, steps, site.network.counts())
}

async fn conduct(site: &Site, scenario: &Scenario, watches: &Watches, counts: &Counts) -> Found {
    let nodes = usize::from(scenario.size.nodes);
    if let Err(why) = form(site, nodes).await {
        return Found { calm: calm(site, false), unrest: Some(format!("it does not form: {why}")), noise: Vec::new() };
    }
    let working = work(site, scenario, watches, counts);
    fault(site, scenario);
    site.mark(Node::default(), Marked::Up);
    let last = scenario.plan.iter().map(|step| step.at + step.lasts).max().unwrap_or(0);
    let end = rt::now().after(Duration::from_millis(last.max(scenario.size.span)));
    while rt::now() < end {
        rt::sleep(LOOK).await;
        site.inquire();
        site.tend();
    }
    site.heal();
    site.mark(Node::default(), Marked::Down);
    let done = until(REST_MAX, || {
        site.tend();
        if working.load(Ordering::Relaxed) == 0 { Ok(()) } else { Err("clients".into()) }
    });
    // What clients may still wait for is bounded by their own patience.
    let _ = done.await;
    let mut worker =
        Worker::new(LAST, Client::new(&site.addresses, LAST, &site.apis(), &site.speech), scenario, counts, watches);
    let began = rt::now();
    let mut wrote = false;
    while !wrote && rt::now().since(began) < REST_MAX {
        wrote = worker.leave_something().await;
        rt::sleep(LOOK).await;
        site.tend();
    }
    let rests = || {
        site.tend();
        converged::unrest(site, nodes)
    };
    let unrest = until(REST_MAX, rests).await.err();
    let noise = if unrest.is_none() { silence(site).await } else { Vec::new() };
    site.inquire();
    Found { calm: calm(site, wrote), unrest, noise }
}

/// Members first, as they would be put up; then the workers.
pub(super) async fn form(site: &Site, nodes: usize) -> Result<(), String> {
    for node in site.members() {
        // One after another: a member is given its id when the one before it has entered.
        site.start(node);
        until(FORM_MAX, || site.member(node).map(|_| ()).ok_or_else(|| format!("member {} does not enter", node.0)))
            .await?;
    }
    let members = site.members().len();
    until(FORM_MAX, || {
        let standing = site.leader().map(|leader| leader.members()).unwrap_or_default();
        let voters = standing.iter().filter(|standing| standing.voter).count();
        let run = site.members().iter().filter(|node| site.member(**node).is_some()).count();
        if voters == members && run == members { Ok(()) } else { Err(format!("{voters} of {members} members vote")) }
    })
    .await?;
    site.heal();
    until(FORM_MAX, || match site.view() {
        Some(view) => converged::nodes(&view, nodes, site.spared()),
        None => Err("no member leads".into()),
    })
    .await
}

/// Waits until it is so; the last reason why it is not.
pub(super) async fn until(limit: Duration, look: impl Fn() -> Result<(), String>) -> Result<(), String> {
    let end = rt::now().after(limit);
    loop {
        match look() {
            Err(why) if rt::now() >= end => return Err(why),
            Err(_) => rt::sleep(LOOK).await,
            Ok(()) => return Ok(()),
        }
    }
}

fn calm(site: &Site, wrote: bool) -> Calm {
    Calm { leader: site.leader().is_some(), wrote, members: site.afterwards() }
}

/// Whether it is due by the clock alone, in silence too: Kubernetes Events end after an hour (kube-apiserver's `--event-ttl`).
fn expires(command: &Command) -> bool {
    command.writes.iter().all(|write| &*write.key.resource == "events" && write.change == Change::Delete)
}

/// What is written in a while in which nothing is to be done.
async fn silence(site: &Site) -> Vec<String> {
    let Some(before) = site.view().map(|view| view.index()) else { return vec!["no member leads".into()] };
    rt::sleep(SILENCE).await;
    let Some(leader) = site.leader() else { return vec!["no member leads any more".into()] };
    let lines = leader.log(before + 1, leader.view().index()).unwrap_or_default();
    let told = |entry: Entry| {
        let keys = |writes: &[api::command::Write]| {
            writes.iter().map(|write| write.key.to_string()).collect::<Vec<_>>().join(" ")
        };
        let commands = entry.commands;
        commands
            .into_iter()
            .filter(|command| !expires(command))
            .map(move |one| format!("{} ({}): {} {}", one.actor, one.agent, keys(&one.writes), one.note))
    };
    let entries = lines.into_iter().filter_map(|line| match line.what {
        Logged::Entry(entry) => Some(entry),
        _ => None,
    });
    entries.flat_map(told).collect()
}

/// Starts clients and watchers; the number of clients that still work.
fn work(site: &Site, scenario: &Scenario, watches: &Watches, counts: &Counts) -> Arc<AtomicU64> {
    let working = Arc::new(AtomicU64::new(scenario.crews.iter().map(|crew| u64::from(crew.count)).sum()));
    let client = |node: Node| Client::new(&site.addresses, node, &site.apis(), &site.speech);
    let crews = scenario.crews.iter().flat_map(|crew| (0..crew.count).map(|_| crew.work.as_str()));
    for (number, work) in (1..).zip(crews) {
        let Ok(work) = workload::find(work) else { continue };
        let node = Node(CLIENTS + number);
        let worker = Worker::new(node, client(node), scenario, counts, watches);
        let (working, span, pause) = (working.clone(), Duration::from_millis(scenario.size.span), scenario.pause);
        site.world.spawn_on(node, "client", async move {
            worker.work(work, rt::now().after(span), pause).await;
            working.fetch_sub(1, Ordering::Relaxed);
        });
    }
    for (number, label) in (1..).zip(WATCHED) {
        let node = Node(WATCHERS + number);
        site.world.spawn_on(node, "watcher", Watcher::of_pods(client(node), watches, label).work());
    }
    working
}

fn fault(site: &Site, scenario: &Scenario) {
    let lasting: Arc<Mutex<BTreeMap<usize, faults::Step>>> = Arc::default();
    for (number, step) in scenario.plan.iter().cloned().enumerate() {
        let (here, lasting) = (site.clone(), lasting.clone());
        site.world.spawn_on(Node::default(), "fault", async move {
            rt::sleep(Duration::from_millis(step.at)).await;
            (step.fault.begin)(&here, &step);
            lasting.lock().unwrap_or_else(PoisonError::into_inner).insert(number, step.clone());
            rt::sleep(Duration::from_millis(step.lasts)).await;
            let others: Vec<faults::Step> = {
                let mut lasting = lasting.lock().unwrap_or_else(PoisonError::into_inner);
                lasting.remove(&number);
                lasting.values().filter(|other| other.holds_beside(&step)).cloned().collect()
            };
            (step.fault.undo)(&here, &step);
            // What sets a state, and does not count, must be set again where another fault still has it.
            others.iter().for_each(|other| (other.fault.begin)(&here, other));
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::command::{CommandId, Condition, Write};
    use api::key::Key;
    use api::revision::Revision;

    #[test]
    fn only_events_that_end_are_no_noise() {
        let command = |writes: &[(&str, Change)]| {
            let write = |(resource, change): &(&str, Change)| Write {
                key: Key::new(resource, "default", "a"),
                condition: Condition::Exists,
                change: change.clone(),
            };
            Command {
                id: CommandId(1),
                actor: "a".into(),
                agent: "b".into(),
                cause: Revision(0),
                read: Revision(0),
                note: "".into(),
                writes: writes.iter().map(write).collect(),
            }
        };
        let put = || Change::Put(crate::workload::client::body(&Key::new("events", "default", "a"), CommandId(1)));
        assert!(expires(&command(&[("events", Change::Delete), ("events", Change::Delete)])));
        assert!(!expires(&command(&[("events", put())])) && !expires(&command(&[("pods", Change::Delete)])));
        assert!(!expires(&command(&[("events", Change::Delete), ("pods", Change::Delete)])));
    }
}
