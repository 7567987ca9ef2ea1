//! Reads that see every write acknowledged before them, by read index (Raft dissertation 6.4): the leader asks a majority
//! whether it still leads, a follower asks the leader. Never by lease: a suspended machine's clock stands still.
use crate::frame::{Answer, Request};
use crate::limits::{READ_PATIENCE, READ_ROUND_MAX, RETRY_PAUSE};
use crate::machine::Raft;
use crate::peers::Peers;
use crate::room::Room;
use api::planted::{Bug, planted};
use openraft::ReadPolicy;
use openraft_rt::WatchReceiver;
use std::sync::Arc;
use store::view::View;
use tokio::sync::{mpsc, oneshot};

/// No majority confirmed that this member is up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(pub String);

impl std::fmt::Display for Unavailable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "this member cannot tell whether it is up to date, try again or elsewhere: {}", self.0)
    }
}

impl std::error::Error for Unavailable {}

type Asked = oneshot::Sender<Result<u64, String>>;

/// Asks for read indexes, one round for all that wait.
#[derive(Clone)]
pub(crate) struct Reader {
    room: Arc<Room>,
    queue: mpsc::UnboundedSender<Asked>,
}

impl Reader {
    pub(crate) fn start(me: u64, room: Arc<Room>, raft: Raft, peers: Peers) -> Self {
        let (queue, receiver) = mpsc::unbounded_channel();
        rt::spawn("reads", rounds(me, room.clone(), raft, peers, receiver));
        Self { room, queue }
    }

    /// The newest view, once it holds everything that was acknowledged before the call.
    pub(crate) async fn linearizable(&self) -> Result<Arc<View>, Unavailable> {
        if planted(Bug::ReadsLocally) {
            return Ok(self.room.published.view());
        }
        let deadline = rt::now().after(READ_PATIENCE);
        let mut leaderships = self.room.leaderships();
        loop {
            if let Some(illness) = self.room.illness() {
                return Err(Unavailable(illness));
            }
            leaderships.borrow_and_update();
            let why = match rt::timeout(deadline.since(rt::now()), self.index()).await {
                None => "no leader confirmed in time".to_owned(),
                Some(Err(why)) => why,
                Some(Ok(index)) => {
                    return match rt::timeout(deadline.since(rt::now()), self.room.applied.wait(index)).await {
                        Some(()) => Ok(self.room.published.view()),
                        None => Err(Unavailable(format!("this member has not reached log index {index}"))),
                    };
                }
            };
            let left = deadline.since(rt::now());
            if left.is_zero() {
                return Err(Unavailable(why));
            }
            let _ = rt::timeout(left.min(RETRY_PAUSE), leaderships.changed()).await;
        }
    }

    /// A log index that covers everything acknowledged before the call.
    pub(crate) async fn index(&self) -> Result<u64, String> {
        let (sender, receiver) = oneshot::channel();
        let stopped = || "this member stops".to_owned();
        self.queue.send(sender).map_err(|_| stopped())?;
        receiver.await.map_err(|_| stopped())?
    }
}

async fn rounds(me: u64, room: Arc<Room>, raft: Raft, peers: Peers, mut queue: mpsc::UnboundedReceiver<Asked>) {
    while let Some(first) = queue.recv().await {
        // Whoever asks while a round runs waits for the next: its write may be younger than the round.
        let mut asked = vec![first];
        while let Ok(more) = queue.try_recv() {
            asked.push(more);
        }
        let index = round(me, &room, &raft, &peers).await;
        for sender in asked {
            // It may have run out of patience.
            let _ = sender.send(index.clone());
        }
    }
}

async fn round(me: u64, room: &Room, raft: &Raft, peers: &Peers) -> Result<u64, String> {
    let lead = room.leadership();
    match lead.leader {
        _ if lead.here && planted(Bug::LeaderReadsAlone) => Ok(room.published.view().index()),
        _ if lead.here => {
            let confirmed = raft.get_read_linearizer(ReadPolicy::ReadIndex);
            match rt::timeout(READ_ROUND_MAX, confirmed).await {
                None => Err("no majority confirmed in time".into()),
                Some(Err(why)) => Err(why.to_string()),
                Some(Ok(linearizer)) => Ok(linearizer.read_log_id().index()),
            }
        }
        None => Err("there is no leader".into()),
        Some(leader) if leader == me => Err("the leader is not ready yet".into()),
        Some(leader) => {
            let answer = room.while_led(lead, peers.ask_id(leader, &Request::ReadIndex, READ_ROUND_MAX)).await;
            match answer.ok_or("the leader was lost")? {
                Ok(Answer::ReadIndex { index }) => Ok(index),
                Ok(Answer::NotTaken(why) | Answer::Refused(why)) => Err(why),
                Ok(Answer::Removed) => Err("this member was removed".into()),
                Ok(_) => Err("the leader answered something else".into()),
                Err(why) => Err(why.to_string()),
            }
        }
    }
}
