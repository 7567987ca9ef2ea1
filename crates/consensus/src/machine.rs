//! Committed entries into the fold, and what came of them to the view, the watchers and the callers. It knows no disk
//! and asks nobody: the same entries give the same state on every member.
use crate::room::{Health, Room};
use crate::types::{Entry, LogId, Payload, Snapshot, SnapshotMeta, StoredMembership, Types, term_of};
use api::command::{CommandId, Outcome};
use api::event::Event;
use api::record;
use futures::{FutureExt, Stream, StreamExt};
use openraft::OptionalSend;
use openraft::entry::RaftEntry;
use openraft::storage::{ApplyResponder, EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft_rt::WatchSender as _;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use store::apply::{apply, skip};
use store::state::State;

/// Raft over this machine.
pub(crate) type Raft = openraft::Raft<Types, Machine>;

/// The state machine of one member.
pub(crate) struct Machine {
    room: Arc<Room>,
    state: State,
    applied: Option<LogId>,
    membership: StoredMembership,
    newest: Arc<Mutex<Option<Parcel>>>,
}

/// A snapshot as it is kept and handed about.
#[derive(Clone)]
pub(crate) struct Parcel {
    pub(crate) meta: SnapshotMeta,
    pub(crate) state: State,
    /// The highest member id that was ever given.
    pub(crate) highest_member: u64,
}

/// What became known while a run of entries was folded, told once the view of all of them is published.
#[derive(Default)]
struct News {
    events: Vec<Arc<Event>>,
    outcomes: Vec<(CommandId, Outcome)>,
    responders: Vec<ApplyResponder<Types>>,
    entries: usize,
}

/// Entries folded before the view is published: bounds how long the first of them waits.
const RUN_ENTRIES_MAX: usize = 64;

impl Machine {
    pub(crate) fn new(room: Arc<Room>) -> Self {
        Self {
            room,
            state: State::default(),
            applied: None,
            membership: StoredMembership::default(),
            newest: Arc::default(),
        }
    }

    fn fold(&mut self, entry: Entry, news: &mut News) -> Result<(), io::Error> {
        let id = entry.log_id();
        match &entry.payload {
            Payload::Blank => skip(&mut self.state, id.index),
            Payload::Membership(membership) => {
                skip(&mut self.state, id.index);
                self.room.note_members(membership.nodes().map(|(id, _)| *id).max().unwrap_or(0));
                self.membership = StoredMembership::new(Some(id), membership.clone());
            }
            Payload::Normal(bytes) => {
                let record = record::decode(&bytes.bytes).map_err(|why| {
                    let why = format!("entry {} of the log cannot be read: {why}", id.index);
                    self.room.fall_ill(Health::Disk(why.clone()));
                    io::Error::new(io::ErrorKind::InvalidData, why)
                })?;
                let done = apply(&mut self.state, id.index, &record);
                news.events.extend(done.events);
                if !self.room.desk.is_empty() {
                    let ids = record.commands.iter().map(|command| command.id);
                    news.outcomes.extend(ids.zip(done.outcomes));
                }
            }
        }
        self.applied = Some(id);
        news.entries += 1;
        let hash = self.state.view().hash();
        let noted = self.room.hashes.lock().unwrap_or_else(PoisonError::into_inner).note(id.index, hash);
        if let Err(theirs) = noted {
            return Err(self.diverged(id.index, &format!("{hash} here, {theirs} on a majority")));
        }
        Ok(())
    }

    fn diverged(&self, index: u64, why: &str) -> io::Error {
        self.room.fall_ill(Health::Diverged { index, why: why.to_owned() });
        io::Error::other(format!("the state at log index {index} differs: {why}"))
    }

    /// View first, then watchers, then those who wait for an index, then callers: whoever is told can see it.
    fn publish(&self, news: &mut News) {
        let news = std::mem::take(news);
        let Some(applied) = self.applied else { return };
        let view = self.state.view();
        let revision = view.revision();
        self.room.published.publish(view);
        if !news.events.is_empty() {
            self.room.hub.publish(&news.events, revision);
        }
        self.room.applied.raise(applied.index);
        self.room.revision.raise(revision.0);
        self.room.applied_term.send_if_modified(|term| {
            let grown = *term < term_of(&applied);
            *term = term_of(&applied);
            grown
        });
        for (id, outcome) in news.outcomes {
            self.room.desk.tell(id, outcome);
        }
        news.responders.into_iter().for_each(|responder| responder.send(()));
    }
}

impl RaftStateMachine<Types> for Machine {
    type SnapshotData = Parcel;
    type SnapshotBuilder = Builder;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, StoredMembership), io::Error> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<Types>, io::Error>> + Unpin + OptionalSend,
    {
        let mut news = News::default();
        loop {
            let next = match entries.next().now_or_never() {
                Some(next) => next,
                None => {
                    self.publish(&mut news);
                    entries.next().await
                }
            };
            let Some(next) = next else { break };
            let (entry, responder) = next?;
            if let Err(why) = self.fold(entry, &mut news) {
                // What was folded before is right; the rest is never told.
                news.responders.clear();
                return Err(why);
            }
            news.responders.extend(responder);
            if news.entries >= RUN_ENTRIES_MAX {
                self.publish(&mut news);
            }
        }
        self.publish(&mut news);
        Ok(())
    }

    async fn get_snapshot_builder(&mut self) -> Self::SnapshotBuilder {
        let meta = SnapshotMeta { last_log_id: self.applied, last_membership: self.membership.clone() };
        Builder {
            parcel: Parcel { meta, state: self.state.clone(), highest_member: self.room.highest_member() },
            newest: self.newest.clone(),
        }
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, parcel: Parcel) -> Result<(), io::Error> {
        self.room.note_members(parcel.highest_member);
        self.state = parcel.state.clone();
        self.applied = meta.last_log_id;
        self.membership = meta.last_membership.clone();
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(Parcel { meta: meta.clone(), ..parcel });
        self.room.hashes.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.publish(&mut News::default());
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Parcel>>, io::Error> {
        let newest = self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(newest.map(|parcel| Snapshot { meta: parcel.meta.clone(), snapshot: parcel }))
    }
}

/// Makes a snapshot of the state as it was when the builder was made; applying goes on meanwhile.
pub(crate) struct Builder {
    parcel: Parcel,
    newest: Arc<Mutex<Option<Parcel>>>,
}

impl RaftSnapshotBuilder<Types> for Builder {
    type SnapshotData = Parcel;

    async fn build_snapshot(&mut self) -> Result<Snapshot<Parcel>, io::Error> {
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(self.parcel.clone());
        Ok(Snapshot { meta: self.parcel.meta.clone(), snapshot: self.parcel.clone() })
    }
}
