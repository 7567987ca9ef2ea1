//! The leader's loop: what happens, through the pure deciders, becomes commands. It holds no rule of its own: which keys, which
//! writes and when to look again all come from the deciders. It runs only while this member leads.
mod queue;

use crate::limits::{DECISIONS_BURST, DECISIONS_IN_FLIGHT_MAX, LEADING_POLL};
use crate::stop::Stop;
use api::command::{Command, CommandId, Outcome};
use api::decision::Draft;
use api::planted::{Bug, planted};
use api::revision::{Millis, Revision};
use consensus::{Member, Watch};
use controllers::controller::Controller;
use futures::FutureExt;
use futures::future::join_all;
use queue::{Fared, Queue, Subject};
use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::task::Poll;
use std::time::Duration;
use store::watch::{Batch, Behind, Interest};
use tokio::sync::mpsc;

/// Who writes what the member itself must write: ticks, presence of nodes, tokens.
pub const MEMBER_ACTOR: &str = "system:rutter:control";

/// Runs `deciders` whenever this member leads, until `stop`.
pub async fn run(member: Member, deciders: Vec<Controller>, stop: Stop) {
    while !stop.stopping() {
        if let Some(term) = member.leading() {
            tracing::info!(term, "leads: deciding");
            // Whatever ends it, the next turn begins again from the whole view.
            match stop.unless(AssertUnwindSafe(lead(&member, &deciders, term)).catch_unwind()).await {
                Some(Err(panic)) => {
                    tracing::error!(term, why = told(&*panic), "the leader's loop met a defect; it begins anew")
                }
                why => tracing::info!(term, ?why, "no longer deciding"),
            }
        }
        stop.unless(rt::sleep(LEADING_POLL)).await;
    }
}

/// A decision's commands have been answered.
struct Report {
    subject: Subject,
    wake_at: Option<Millis>,
    fared: Fared,
}

enum Happened {
    Events(Result<Batch, Behind>),
    Reported(Report),
    Nothing,
}

/// Decides until this member no longer leads in `term`; says why it ended.
async fn lead(member: &Member, deciders: &[Controller], term: u64) -> &'static str {
    // The stamp of the newest entry is the deciders' clock, so a new leader first brings it up to now.
    tick(member, term).await;
    let Ok(view) = member.linearizable().await else { return "no majority" };
    let Ok(mut watch) = member.watch(Interest::default(), view.revision()) else { return "the log has moved on" };
    let (reports, mut reported) = mpsc::unbounded_channel();
    let mut queue = Queue::default();
    for (number, decider) in deciders.iter().enumerate() {
        for key in guarded(decider, "all", || (decider.all)(&view)).unwrap_or_default() {
            if !planted(Bug::LeaderBeginsWithoutAll) {
                queue.provoke((number, key), view.revision());
            }
        }
    }
    drop(view);
    loop {
        if member.leading() != Some(term) {
            return "another leads";
        }
        let now = Millis(rt::wall());
        if queue.next_wake().is_some_and(|at| at <= now && at > member.view().time()) {
            tick(member, term).await;
        }
        queue.wake(now);
        decide_some(member, deciders, term, &mut queue, &reports);
        // Others have their turn, even while there is always more to decide.
        tokio::task::yield_now().await;
        let busy = queue.has_ready() && queue.in_flight() < DECISIONS_IN_FLIGHT_MAX;
        match wait(&mut watch, &mut reported, busy, pause(&queue, now)).await {
            Happened::Events(Err(_)) => return "the log has moved on",
            Happened::Events(Ok(batch)) => provoke(member, deciders, &mut queue, &batch),
            Happened::Reported(report) => {
                let now = Millis(rt::wall());
                queue.finished(&report.subject, report.wake_at, report.fared, now);
            }
            Happened::Nothing => {}
        }
    }
}

/// An entry that changes nothing but the time: a timer becomes part of the log, so that a replay wakes at the same moment.
async fn tick(member: &Member, term: u64) {
    // If the log cannot be reached, the next turn of the loop tries again.
    let _ = member
        .submit_as_leader(term, command(MEMBER_ACTOR.into(), "tick".into(), Revision(0), Revision(0), Draft::default()))
        .await;
}

fn command(actor: Box<str>, agent: Box<str>, cause: Revision, read: Revision, draft: Draft) -> Command {
    let id = CommandId(rt::unique());
    Command { id, actor, agent, cause, read, note: draft.note.into(), writes: draft.writes }
}

fn provoke(member: &Member, deciders: &[Controller], queue: &mut Queue, batch: &Batch) {
    // The view is published before its events are, so it is at or after each of them.
    let view = member.view();
    for event in &batch.events {
        for (number, decider) in deciders.iter().enumerate() {
            for key in guarded(decider, &event.object.key, || (decider.keys)(event, &view)).unwrap_or_default() {
                queue.provoke((number, key), event.revision);
            }
        }
    }
}

/// Decides a burst of what is ready and sends the commands on their way.
fn decide_some(
    member: &Member,
    deciders: &[Controller],
    term: u64,
    queue: &mut Queue,
    reports: &mpsc::UnboundedSender<Report>,
) {
    let now = Millis(rt::wall());
    for _ in 0..DECISIONS_BURST {
        if queue.in_flight() >= DECISIONS_IN_FLIGHT_MAX {
            return;
        }
        let Some((subject, cause)) = queue.next(now) else { return };
        let Some(decider) = deciders.get(subject.0) else { continue };
        let view = member.view();
        let decide = || decider.decision(&view, &subject.1, view.time());
        let Some(decision) = guarded(decider, &subject.1, decide) else {
            queue.finished(&subject, None, Fared::Defect, now);
            continue;
        };
        let wake_at = decision.wake_at;
        if decision.drafts.is_empty() {
            queue.finished(&subject, wake_at, Fared::Well, now);
            continue;
        }
        let agent = format!("{} {}", decider.name, subject.1);
        let read = view.revision();
        let commands: Vec<Command> = decision
            .drafts
            .into_iter()
            .map(|draft| command(actor(decider.name), agent.as_str().into(), cause, read, draft))
            .collect();
        let (member, reports) = (member.clone(), reports.clone());
        rt::spawn("decision", async move {
            let fared = submit_all(&member, term, commands).await;
            // The loop that asked may have ended with its term.
            let _ = reports.send(Report { subject, wake_at, fared });
        });
    }
}

/// A defect of one decider must not end the others' work: it is told loudly, and gives `None`.
fn guarded<T>(decider: &Controller, what: impl std::fmt::Display, run: impl FnOnce() -> T) -> Option<T> {
    // Deciders are pure: a panic leaves nothing behind that was half changed.
    let panic = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(made) => return Some(made),
        Err(panic) => panic,
    };
    tracing::error!(decider = decider.name, about = %what, why = told(&*panic), "a decider met a defect; it rests, the others go on");
    None
}

fn told(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no reason was given")
}

fn actor(decider: &str) -> Box<str> {
    match decider {
        "kube-scheduler" => "system:kube-scheduler".into(),
        name => format!("system:controller:{name}").into(),
    }
}

/// Submits independent commands together, so that they share an entry.
async fn submit_all(member: &Member, term: u64, commands: Vec<Command>) -> Fared {
    let outcomes = join_all(commands.into_iter().map(|command| {
        let agent = command.agent.clone();
        async move { (agent, member.submit_as_leader(term, command).await) }
    }));
    let mut fared = Fared::Well;
    for (agent, outcome) in outcomes.await {
        match outcome {
            Ok(Outcome::Done { .. }) => {}
            Ok(Outcome::Refused { refusal, .. }) => {
                tracing::debug!(%agent, ?refusal, "decided on a view that is past");
                fared = if fared == Fared::Failed { fared } else { Fared::Refused };
            }
            Err(error) => {
                tracing::warn!(%agent, ?error, "a decision did not reach the log; it is made again");
                fared = Fared::Failed;
            }
        }
    }
    fared
}

/// How long nothing need be looked at: until the next timer, and never longer than leadership may be in doubt.
fn pause(queue: &Queue, now: Millis) -> Duration {
    let timer = queue.next_wake().map_or(u64::MAX, |at| at.0.saturating_sub(now.0));
    LEADING_POLL.min(Duration::from_millis(timer))
}

async fn wait(
    watch: &mut Watch,
    reported: &mut mpsc::UnboundedReceiver<Report>,
    busy: bool,
    pause: Duration,
) -> Happened {
    let mut events = std::pin::pin!(watch.next());
    let mut pause = std::pin::pin!(rt::sleep(pause));
    std::future::poll_fn(|context| {
        // In this order: a report frees a key, and events are best seen before the next decision.
        if let Poll::Ready(Some(report)) = reported.poll_recv(context) {
            return Poll::Ready(Happened::Reported(report));
        }
        if let Poll::Ready(batch) = events.as_mut().poll(context) {
            return Poll::Ready(Happened::Events(batch));
        }
        if busy {
            return Poll::Ready(Happened::Nothing);
        }
        pause.as_mut().poll(context).map(|()| Happened::Nothing)
    })
    .await
}
