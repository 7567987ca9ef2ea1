//! One member with others: puts log, machine, peers and tasks together, and tells how it is.
use crate::change::{ChangeError, Standing, change, standings};
use crate::checkpoint::{CheckpointStore, Checkpoints};
use crate::compare;
use crate::frame::Request;
use crate::frame::{Answer, Change};
use crate::keep::Keeper;
use crate::limits::{
    APPEND_ENTRIES_MAX, ELECTION_MS, HEARTBEAT_MS, MEMBERSHIP_WAIT_MAX, RETRY_PAUSE, SNAPSHOT_CHUNK_WAIT_MAX,
};
use crate::lines::{LogLine, lines};
use crate::log::Log;
use crate::machine::{Machine, Raft, Shelf};
use crate::mark;
use crate::peers::Peers;
use crate::read::{Reader, Unavailable};
use crate::rebuild::failed;
use crate::room::{Health, Leadership, Room};
use crate::serve::Server;
use crate::submit::Submitter;
use crate::transport::Transport;
use crate::tuning::Tuning;
use crate::types::{MemberInfo, Types};
use api::revision::Revision;
use bytes::Bytes;
use openraft::{Config, SnapshotPolicy};
use openraft_rt::{WatchReceiver, WatchSender};
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError};
use store::disk::Disk;
use store::history::History;
use store::log::error::LogError;
use store::view::StateHash;

/// What a member is started with.
pub struct Options {
    /// Who it is. Its id is never to be used again for another, not even after it is removed.
    pub info: MemberInfo,
    /// Its log: empty for a new member. Opened by the caller, and from here on this member's alone.
    pub log: store::log::Log,
    /// Where its log is; its checkpoints go there too, unless there is another place for them.
    pub disk: Arc<dyn Disk>,
    pub checkpoints: Option<Arc<dyn CheckpointStore>>,
    /// Its way to the others.
    pub transport: Arc<dyn Transport>,
    /// The default, save in a simulation.
    pub tuning: Tuning,
}

/// Why a member does not start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StartError {
    /// Its log cannot be opened.
    Log(String),
    /// Something that was durable is lost: it must not go on from this log.
    Lost(String),
    /// Its state was found to differ from a majority's: it must not serve again.
    Diverged(String),
    /// Raft refuses to start from it.
    Raft(String),
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Log(why) => write!(f, "the member's log cannot be opened: {why}"),
            Self::Lost(why) => f.write_str(why),
            Self::Diverged(why) => {
                write!(
                    f,
                    "this member's state was found to differ from the other members' {why}: it must not serve again"
                )
            }
            Self::Raft(why) => write!(f, "the member cannot start from its log: {why}"),
        }
    }
}

impl std::error::Error for StartError {}

/// What a member does in the quorum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Leader,
    Follower,
    Candidate,
    /// It has no vote: it is catching up, or is no member yet.
    Learner,
    Stopped,
}

/// How a member is and how far it has come.
#[derive(Clone, Debug)]
pub struct Status {
    pub id: u64,
    pub name: String,
    pub role: Role,
    pub term: u64,
    pub leader: Option<u64>,
    /// The last index in its log.
    pub last: u64,
    /// The log index that its view has reached.
    pub applied: u64,
    pub revision: Revision,
    /// A log index and the state hash there, the same on every member.
    pub hash: (u64, StateHash),
    pub health: Health,
}

/// The parts of a running member.
pub(crate) struct Quorum {
    info: MemberInfo,
    pub(crate) room: Arc<Room>,
    raft: Raft,
    log: Log,
    shelf: Shelf,
    peers: Peers,
    pub(crate) submitter: Submitter,
    pub(crate) reader: Reader,
    server: Server,
}

/// openraft's settings. Leader restore stays off: with it, a leader that lost its unsynced tail numbers new entries
/// with ids that followers already hold, and members diverge without a sign.
pub(crate) fn config(tuning: &Tuning) -> Config {
    Config {
        cluster_name: "rutter".into(),
        heartbeat_interval: HEARTBEAT_MS,
        election_timeout_min: ELECTION_MS.0,
        election_timeout_max: ELECTION_MS.1,
        max_payload_entries: APPEND_ENTRIES_MAX,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(tuning.checkpoint_entries),
        max_in_snapshot_log_to_keep: tuning.entries_behind,
        install_snapshot_timeout: u64::try_from(SNAPSHOT_CHUNK_WAIT_MAX.as_millis()).unwrap_or(u64::MAX),
        enable_leader_restore: Some(false),
        enable_pre_vote: Some(true),
        // A follower whose disk lied and that has less than it said is given it again. To end the leader for it would help nobody:
        // the next one does not know what was said.
        allow_log_reversion: Some(true),
        ..Config::default()
    }
}

impl Quorum {
    pub(crate) async fn start(options: Options) -> Result<Self, StartError> {
        let Options { info, log, disk, checkpoints, transport, tuning } = options;
        if let Some(why) = mark::found(&*disk).map_err(|why| StartError::Log(why.to_string()))? {
            return Err(StartError::Diverged(why));
        }
        let history = History::open(log.reader().clone()).map_err(failed).map_err(start_error)?;
        let room = Arc::new(Room::new(history.clone(), disk.clone(), tuning.ring_events).of(info.id));
        let shelf = Shelf::new(Checkpoints::new(disk, checkpoints), log.clone(), history.clone(), tuning);
        let machine = Machine::open(room.clone(), shelf.clone()).map_err(start_error)?;
        let inner = log.clone();
        let log = Log::new(log, shelf.clone(), tuning.careless, room.clone());
        let config = config(&tuning).validate().map_err(|why| StartError::Raft(why.to_string()))?;
        let peers = Peers::new(transport, room.clone(), tuning.snapshot_part_bytes);
        let raft = Raft::new(info.id, Arc::new(config), peers.clone(), log.clone(), machine).await;
        let raft = raft.map_err(|why| match room.health() {
            Health::Damaged(why) => StartError::Lost(why),
            _ => StartError::Raft(why.to_string()),
        })?;
        // Raft answers once it has told its metrics: from here on it is known who the members are.
        raft.is_initialized().await.map_err(|why| StartError::Raft(why.to_string()))?;
        let submitter = Submitter::start(info.id, room.clone(), raft.clone(), peers.clone());
        let reader = Reader::start(info.id, room.clone(), raft.clone(), peers.clone());
        rt::spawn("leadership", follow(info.id, room.clone(), raft.clone(), peers.clone()));
        rt::spawn("health", guard(room.clone(), raft.clone()));
        rt::spawn("compare", compare::run(info.id, room.clone(), raft.clone(), peers.clone()));
        let keeper = Keeper {
            room: room.clone(),
            raft: raft.clone(),
            log: inner,
            history,
            shelf: shelf.clone(),
            keep: tuning.keep,
            entries_behind: tuning.entries_behind,
        };
        rt::spawn("keep", keeper.run());
        let server = Server {
            room: room.clone(),
            raft: raft.clone(),
            submitter: submitter.clone(),
            reader: reader.clone(),
            lanes: Arc::default(),
            arriving: Arc::default(),
        };
        Ok(Self { info, room, raft, log, shelf, peers, submitter, reader, server })
    }

    /// Founds a cluster of this one member. Nothing happens if its log holds a cluster already.
    pub(crate) async fn found(&self) -> Result<(), ChangeError> {
        let unknown = |why: String| ChangeError::Unknown(why);
        if self.raft.is_initialized().await.map_err(|why| unknown(why.to_string()))? {
            return Ok(());
        }
        let members = BTreeMap::from([(self.info.id, self.info.clone())]);
        self.raft.initialize(members).await.map_err(|why| unknown(why.to_string()))
    }

    pub(crate) async fn serve(&self, from: u64, frame: Bytes) -> Bytes {
        self.server.serve(from, frame).await
    }

    pub(crate) fn id(&self) -> u64 {
        self.info.id
    }

    pub(crate) fn members(&self) -> Vec<Standing> {
        standings(self.raft.metrics().borrow_watched().membership_config.membership())
    }

    /// Does a change where the leader is.
    pub(crate) async fn change(&self, wanted: Change) -> Result<u64, ChangeError> {
        let deadline = rt::now().after(MEMBERSHIP_WAIT_MAX);
        let mut leaderships = self.room.leaderships();
        loop {
            let lead = *leaderships.borrow_and_update();
            if let Some(illness) = self.room.illness() {
                return Err(ChangeError::Unavailable(illness));
            }
            let left = deadline.since(rt::now());
            let why = match lead.leader {
                _ if lead.here => match change(&self.raft, &self.room, wanted.clone()).await {
                    Err(ChangeError::Unavailable(why)) => why,
                    done => return done,
                },
                None => "there is no leader".to_owned(),
                Some(leader) if leader == self.info.id => "the leader is not ready yet".to_owned(),
                Some(leader) => match self.peers.ask_id(leader, &Request::Change(wanted.clone()), left).await {
                    Ok(Answer::Changed { id }) => return Ok(id),
                    Ok(Answer::Refused(why)) => return Err(ChangeError::Refused(why)),
                    Ok(Answer::NotTaken(why)) => why,
                    Ok(Answer::Removed) => return Err(ChangeError::Unavailable("this member was removed".into())),
                    Ok(Answer::Doubt(why)) => return Err(ChangeError::Unknown(why)),
                    Ok(_) => return Err(ChangeError::Unknown("the leader answered something else".into())),
                    Err(why) if why.delivered() => return Err(ChangeError::Unknown(why.to_string())),
                    Err(why) => why.to_string(),
                },
            };
            let left = deadline.since(rt::now());
            if left.is_zero() {
                return Err(ChangeError::Unavailable(why));
            }
            let _ = rt::timeout(left.min(RETRY_PAUSE), leaderships.changed()).await;
        }
    }

    pub(crate) fn status(&self) -> Status {
        let (role, term, leader) = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            let role = match metrics.state {
                openraft::ServerState::Leader => Role::Leader,
                openraft::ServerState::Follower => Role::Follower,
                openraft::ServerState::Candidate => Role::Candidate,
                openraft::ServerState::Learner => Role::Learner,
                openraft::ServerState::Shutdown => Role::Stopped,
            };
            (role, metrics.current_term, metrics.current_leader)
        };
        let view = self.room.published.view();
        let newest = self.room.hashes.lock().unwrap_or_else(PoisonError::into_inner).newest();
        Status {
            id: self.info.id,
            name: self.info.name.clone(),
            role,
            term,
            leader,
            last: self.log.last().map_or(0, |last| last.index),
            applied: self.room.applied.reached(),
            revision: view.revision(),
            hash: newest.unwrap_or((view.index(), view.hash())),
            health: self.room.health(),
        }
    }

    /// The revision and the state hash after the entry at `index`, if that is one of the newest.
    pub(crate) fn state_at(&self, index: u64) -> Option<(Revision, StateHash)> {
        self.room.hashes.lock().unwrap_or_else(PoisonError::into_inner).state_at(index)
    }

    /// The entries from index `from` to `to`, both included, at most `LOG_LINES_MAX`: of the whole history.
    pub(crate) fn log(&self, from: u64, to: u64) -> Result<Vec<LogLine>, Unavailable> {
        lines(self.log.store().reader(), from, to).map_err(|why| {
            self.room.met(&why);
            Unavailable(why.to_string())
        })
    }

    /// Makes a checkpoint of what is applied now, and waits until it is durable.
    pub(crate) async fn checkpoint(&self) -> Result<(), Unavailable> {
        let unavailable = |why: &dyn std::fmt::Display| Unavailable(why.to_string());
        let applied = self.room.applied.reached();
        self.shelf.ask();
        self.raft.trigger().snapshot().await.map_err(|why| unavailable(&why))?;
        let made = self.raft.wait(Some(MEMBERSHIP_WAIT_MAX));
        let done = |metrics: &openraft::RaftMetrics<Types>| metrics.snapshot.is_some_and(|made| made.index >= applied);
        made.metrics(done, "a checkpoint").await.map(|_| ()).map_err(|why| unavailable(&why))
    }

    pub(crate) async fn stop(&self) {
        self.room.retire();
        // It may have stopped before.
        let _ = self.raft.shutdown().await;
    }
}

/// Whether something is lost decides what is to be done about it.
fn start_error(why: std::io::Error) -> StartError {
    let log = why.get_ref().and_then(|why| why.downcast_ref::<LogError>());
    let lost = log.map_or(why.kind() == std::io::ErrorKind::NotFound, LogError::lost);
    if lost { StartError::Lost(why.to_string()) } else { StartError::Log(why.to_string()) }
}

/// Keeps who leads up to date, and whom this member can call.
async fn follow(me: u64, room: Arc<Room>, raft: Raft, peers: Peers) {
    let mut metrics = raft.server_metrics();
    let mut applied_term = room.applied_term.subscribe();
    loop {
        let now = {
            let metrics = metrics.borrow_and_update();
            peers.learn(metrics.membership_config.membership());
            let term = metrics.vote.leader_id.term;
            let leads = metrics.state.is_leader() && metrics.current_leader == Some(me);
            let caught_up = *applied_term.borrow_and_update() == term;
            Leadership { term, leader: metrics.current_leader, here: leads && caught_up && room.illness().is_none() }
        };
        room.leadership.send_if_different(now);
        let changed = Box::pin(metrics.changed());
        let applied = Box::pin(applied_term.changed());
        if let futures::future::Either::Left((Err(_), _)) = futures::future::select(changed, applied).await {
            break;
        }
    }
    let end = raft.metrics().borrow_watched().running_state.clone();
    room.leadership.send_if_modified(|leadership| {
        (leadership.leader, leadership.here) = (None, false);
        true
    });
    room.fall_ill(Health::Stopped(end.err().map_or_else(|| "Raft ended".to_owned(), |why| why.to_string())));
}

/// A member that is ill takes no part: it must neither vote nor acknowledge.
async fn guard(room: Arc<Room>, raft: Raft) {
    let mut healths = room.healths();
    while *healths.borrow_and_update() == Health::Well {
        if healths.changed().await.is_err() {
            return;
        }
    }
    // It may have stopped by itself.
    let _ = raft.shutdown().await;
}

#[cfg(test)]
mod tests;
