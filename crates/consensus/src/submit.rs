//! Commands on their way into the log: taken in at any member, batched, stamped by the leader or forwarded to it, tried
//! again with the same id while the outcome is in doubt. It never says that nothing happened when something may have.
use crate::frame::{Answer, Request};
use crate::limits::{
    BATCH_BYTES_MAX, BATCHES_IN_FLIGHT_MAX, COMMAND_BYTES_MAX, FORWARD_WAIT_MAX, QUEUE_COMMANDS_MAX, RETRY_PAUSE,
    SUBMIT_PATIENCE,
};
use crate::machine::Raft;
use crate::peers::Peers;
use crate::room::{Leadership, Room};
use crate::types::{Record, Term, Types};
use api::command::{Change, Command, Entry, Outcome};
use api::limits::{COMMAND_WRITES_MAX, ENTRY_COMMANDS_MAX};
use api::record;
use api::revision::Millis;
use futures::future::{BoxFuture, Either, select};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, Stream, StreamExt};
use openraft::impls::ProgressResponder;
use openraft_rt::WatchReceiver;
use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use tokio::sync::{mpsc, oneshot};

/// Why a command has no outcome.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SubmitError {
    /// It was not accepted: no leader, or the member stops. It did not happen and will not.
    Unavailable(String),
    /// It may have happened, or may happen yet. Submit it again with the same id to learn its outcome.
    Unknown(String),
    /// It is larger than a command may be.
    TooLarge(String),
}

impl std::fmt::Display for SubmitError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Unavailable(why) => write!(f, "not accepted, try again: {why}"),
            Self::Unknown(why) => write!(f, "accepted, but its outcome is unknown; ask again with the same id: {why}"),
            Self::TooLarge(why) => write!(f, "too large, split it: {why}"),
        }
    }
}

impl std::error::Error for SubmitError {}

/// What became of one attempt to get commands into the log.
#[derive(Clone, Debug)]
pub(crate) enum Verdict {
    /// They are applied on the leader, in or before the entry at `index`.
    Applied {
        index: u64,
    },
    NotTaken(String),
    Doubt(String),
}

/// Commands that arrived together and share a fate.
struct Group {
    commands: Vec<Command>,
    bytes: usize,
    /// Only a leader of this term may take them.
    epoch: Option<u64>,
    /// Another member sent them here as the leader; they are not sent on.
    forwarded: bool,
    verdict: oneshot::Sender<Verdict>,
}

/// The way into the log.
#[derive(Clone)]
pub(crate) struct Submitter {
    room: Arc<Room>,
    queue: mpsc::Sender<Group>,
}

impl Submitter {
    /// Starts the submit task of a member.
    pub(crate) fn start(me: u64, room: Arc<Room>, raft: Raft, peers: Peers) -> Self {
        let (queue, receiver) = mpsc::channel(QUEUE_COMMANDS_MAX);
        let desk = Batcher { me, room: room.clone(), raft, peers, queue: receiver, held: None, stamped: Millis(0) };
        rt::spawn("submit", desk.run());
        Self { room, queue }
    }

    /// Puts the command into the log and waits for its outcome in this member's own view.
    pub(crate) async fn submit(&self, command: Command, epoch: Option<u64>) -> Result<Outcome, SubmitError> {
        let bytes = weigh(&command)?;
        let deadline = rt::now().after(SUBMIT_PATIENCE);
        let mut seat = self.room.desk.wait(command.id);
        let mut leaderships = self.room.leaderships();
        let mut doubt = None;
        let mut refusal = "there is no leader".to_owned();
        loop {
            let lead = *leaderships.borrow_and_update();
            if let Some(illness) = self.room.illness() {
                return Err(give_up(doubt, illness));
            }
            if epoch.is_some_and(|epoch| !lead.here || lead.term != epoch) {
                return Err(give_up(doubt, "this member no longer leads in that term".into()));
            }
            if lead.leader.is_some() {
                let verdict = self.offer(vec![command.clone()], bytes, epoch, false);
                let verdict = select(&mut seat.outcome, verdict);
                match rt::timeout(deadline.since(rt::now()), verdict).await {
                    Some(Either::Left((Ok(outcome), _))) => return Ok(outcome),
                    // The entry is in the log of a majority: it comes here as well, unless this member is cut off.
                    Some(Either::Right((Verdict::Applied { index }, _))) => {
                        doubt = Some(format!("it is in the log at {index}, which this member has not reached"));
                        if let Some(Ok(outcome)) = rt::timeout(deadline.since(rt::now()), &mut seat.outcome).await {
                            return Ok(outcome);
                        }
                    }
                    Some(Either::Right((Verdict::NotTaken(why), _))) => refusal = why,
                    Some(Either::Right((Verdict::Doubt(why), _))) => doubt = Some(why),
                    Some(Either::Left((Err(_), _))) => {
                        return Err(SubmitError::Unknown("this member stops".into()));
                    }
                    None => doubt = Some("no answer in time".into()),
                }
            }
            let left = deadline.since(rt::now());
            if left.is_zero() {
                return Err(give_up(doubt, refusal));
            }
            let change = Box::pin(leaderships.changed());
            let pause = rt::timeout(left.min(RETRY_PAUSE), select(&mut seat.outcome, change)).await;
            if let Some(Either::Left((Ok(outcome), _))) = pause {
                return Ok(outcome);
            }
        }
    }

    /// Commands that another member forwarded here.
    pub(crate) async fn forwarded(&self, commands: Vec<Command>, epoch: Option<u64>) -> Verdict {
        let mut bytes = 0;
        for command in &commands {
            match weigh(command) {
                Ok(weight) => bytes += weight,
                Err(why) => return Verdict::NotTaken(why.to_string()),
            }
        }
        if commands.is_empty() || commands.len() > ENTRY_COMMANDS_MAX {
            return Verdict::NotTaken(format!("{} commands at once", commands.len()));
        }
        self.offer(commands, bytes, epoch, true).await
    }

    fn offer(
        &self,
        commands: Vec<Command>,
        bytes: usize,
        epoch: Option<u64>,
        forwarded: bool,
    ) -> BoxFuture<'static, Verdict> {
        let (verdict, receiver) = oneshot::channel();
        let group = Group { commands, bytes, epoch, forwarded, verdict };
        match self.queue.try_send(group) {
            Err(mpsc::error::TrySendError::Full(_)) => {
                futures::future::ready(Verdict::NotTaken(format!("{QUEUE_COMMANDS_MAX} commands wait already"))).boxed()
            }
            Err(mpsc::error::TrySendError::Closed(_)) => {
                futures::future::ready(Verdict::NotTaken("this member stops".into())).boxed()
            }
            Ok(()) => {
                receiver.map(|verdict| verdict.unwrap_or_else(|_| Verdict::Doubt("this member stops".into()))).boxed()
            }
        }
    }
}

fn give_up(doubt: Option<String>, refusal: String) -> SubmitError {
    match doubt {
        Some(why) => SubmitError::Unknown(why),
        None => SubmitError::Unavailable(refusal),
    }
}

/// About how many bytes the command takes in the log.
fn weigh(command: &Command) -> Result<usize, SubmitError> {
    const HEAD: usize = 128;
    let bodies = command.writes.iter().map(|write| {
        let body = match &write.change {
            Change::Put(body) => body.text.len() + HEAD,
            Change::Delete => 0,
        };
        HEAD + write.key.namespace.len() + write.key.name.len() + body
    });
    let bytes = HEAD + command.note.len() + command.actor.len() + bodies.sum::<usize>();
    if bytes > COMMAND_BYTES_MAX {
        return Err(SubmitError::TooLarge(format!("{bytes} bytes, of {COMMAND_BYTES_MAX} allowed")));
    }
    if command.writes.len() > COMMAND_WRITES_MAX {
        let many = command.writes.len();
        return Err(SubmitError::TooLarge(format!("{many} writes, of {COMMAND_WRITES_MAX} allowed")));
    }
    Ok(bytes)
}

type Flight = BoxFuture<'static, ()>;

/// The submit task.
struct Batcher {
    me: u64,
    room: Arc<Room>,
    raft: Raft,
    peers: Peers,
    queue: mpsc::Receiver<Group>,
    /// Did not fit into the batch before it.
    held: Option<Group>,
    /// The stamp of the last entry made here.
    stamped: Millis,
}

impl Batcher {
    async fn run(mut self) {
        let mut flying: FuturesUnordered<Flight> = FuturesUnordered::new();
        loop {
            let first = match self.held.take() {
                Some(group) => Some(group),
                None => self.next(&mut flying).await,
            };
            let Some(first) = first else { break };
            let batch = self.gather(first);
            if let Some(flight) = self.send(batch).await {
                flying.push(flight);
            }
            while flying.len() >= BATCHES_IN_FLIGHT_MAX {
                flying.next().await;
            }
        }
        while flying.next().await.is_some() {}
    }

    /// The next group; drives what is on its way meanwhile.
    async fn next(&mut self, flying: &mut FuturesUnordered<Flight>) -> Option<Group> {
        poll_fn(|context| {
            while let Poll::Ready(Some(())) = Pin::new(&mut *flying).poll_next(context) {}
            self.queue.poll_recv(context)
        })
        .await
    }

    /// Everything that waits and may go together with `first`.
    fn gather(&mut self, first: Group) -> Vec<Group> {
        let (mut bytes, mut commands) = (first.bytes, first.commands.len());
        let (epoch, forwarded) = (first.epoch, first.forwarded);
        let mut batch = vec![first];
        while let Ok(group) = self.queue.try_recv() {
            bytes += group.bytes;
            commands += group.commands.len();
            let alike = group.epoch == epoch && group.forwarded == forwarded;
            if !alike || bytes > BATCH_BYTES_MAX || commands > ENTRY_COMMANDS_MAX {
                self.held = Some(group);
                break;
            }
            batch.push(group);
        }
        batch
    }

    /// Sends a batch on its way; `None` if it was refused on the spot.
    async fn send(&mut self, batch: Vec<Group>) -> Option<Flight> {
        let lead = self.room.leadership();
        let (epoch, forwarded) = batch.first().map(|group| (group.epoch, group.forwarded))?;
        let mut commands = Vec::new();
        let mut callers = Vec::with_capacity(batch.len());
        for group in batch {
            commands.extend(group.commands);
            callers.push(group.verdict);
        }
        let refuse = |callers: Vec<oneshot::Sender<Verdict>>, why: &str| {
            tell(callers, &Verdict::NotTaken(why.into()));
            None
        };
        if epoch.is_some_and(|epoch| !lead.here || lead.term != epoch) {
            return refuse(callers, "this member no longer leads in that term");
        }
        match lead.leader {
            _ if lead.here => self.propose(lead.term, commands, callers).await,
            None => refuse(callers, "there is no leader"),
            Some(leader) if leader == self.me => refuse(callers, "the leader is not ready yet"),
            Some(_) if forwarded => refuse(callers, "this member does not lead"),
            Some(leader) => self.forward(lead, leader, commands, callers),
        }
    }

    /// The leader stamps the commands and hands them to Raft.
    async fn propose(
        &mut self,
        term: u64,
        commands: Vec<Command>,
        callers: Vec<oneshot::Sender<Verdict>>,
    ) -> Option<Flight> {
        self.stamped = self.stamped.max(self.room.published.view().time()).max(Millis(rt::wall()));
        let entry = Entry { time: self.stamped, epoch: term, commands };
        let bytes = match record::encode(&entry) {
            Ok(bytes) => bytes,
            Err(why) => {
                tell(callers, &Verdict::NotTaken(why.to_string()));
                return None;
            }
        };
        let (responder, receiver) = ProgressResponder::<Types, _>::complete_only();
        let write =
            self.raft.write(Record { time: entry.time, bytes }).with_leader(Term::new(term)).responder(responder);
        if let Err(why) = write.await {
            tell(callers, &Verdict::Doubt(why.to_string()));
            return None;
        }
        let flight = async move {
            let verdict = match receiver.await {
                Ok(Ok(done)) => Verdict::Applied { index: done.log_id.index },
                // Whatever goes wrong after a leader has been given it, it may have reached others.
                Ok(Err(why)) => {
                    tracing::debug!(%why, "an entry was not agreed while this member led");
                    Verdict::Doubt("this member ceased to lead before a majority had it".into())
                }
                Err(_) => Verdict::Doubt("Raft stopped".into()),
            };
            tell(callers, &verdict);
        };
        Some(flight.boxed())
    }

    /// A follower sends the commands to the leader, as one record.
    fn forward(
        &self,
        lead: Leadership,
        leader: u64,
        commands: Vec<Command>,
        callers: Vec<oneshot::Sender<Verdict>>,
    ) -> Option<Flight> {
        let entry = Entry { time: Millis(0), epoch: 0, commands };
        let record = match record::encode(&entry) {
            Ok(record) => record,
            Err(why) => {
                tell(callers, &Verdict::NotTaken(why.to_string()));
                return None;
            }
        };
        let answer = self.peers.ask_id(leader, &Request::Forward { epoch: None, record }, FORWARD_WAIT_MAX);
        let room = self.room.clone();
        let flight = async move {
            let answer = room.while_led(lead, answer).await;
            let verdict = match answer.unwrap_or_else(|| Ok(Answer::Doubt("the leader was lost".into()))) {
                Ok(Answer::Forwarded { index }) => Verdict::Applied { index },
                Ok(Answer::NotTaken(why)) => Verdict::NotTaken(why),
                Ok(Answer::Removed) => Verdict::NotTaken("this member was removed".into()),
                Ok(Answer::Doubt(why) | Answer::Refused(why)) => Verdict::Doubt(why),
                Ok(_) => Verdict::Doubt("the leader answered something else".into()),
                Err(why) if why.delivered() => Verdict::Doubt(why.to_string()),
                Err(why) => Verdict::NotTaken(why.to_string()),
            };
            tell(callers, &verdict);
        };
        Some(flight.boxed())
    }
}

fn tell(callers: Vec<oneshot::Sender<Verdict>>, verdict: &Verdict) {
    for caller in callers {
        // It may have had its outcome already, and gone.
        let _ = caller.send(verdict.clone());
    }
}
