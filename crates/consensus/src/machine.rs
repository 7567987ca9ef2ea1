//! Committed entries into the fold, and what came of them to the view, the watchers and the callers. It asks nobody: the
//! same entries give the same state on every member. The only files it touches are its checkpoints.
use crate::checkpoint::Checkpoints;
use crate::limits::RUN_ENTRIES_MAX;
use crate::parcel::Parcel;
use crate::rebuild::{keep, rebuild};
use crate::room::{Health, Room};
use crate::tuning::Tuning;
use crate::types::{Entry, LogId, Payload, Snapshot, SnapshotMeta, StoredMembership, Types, log_id, term_of};
use api::command::{CommandId, Outcome};
use api::event::Event;
use api::planted::{Bug, planted};
use api::record;
use futures::{FutureExt, Stream, StreamExt};
use openraft::OptionalSend;
use openraft::entry::RaftEntry;
use openraft::storage::{ApplyResponder, EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft_rt::WatchSender as _;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use store::apply::{apply, outcome, skip};
use store::history::History;
use store::log::frame::Chain;
use store::state::State;

/// Raft over this machine.
pub(crate) type Raft = openraft::Raft<Types, Machine>;

/// The state machine of one member.
pub(crate) struct Machine {
    room: Arc<Room>,
    state: State,
    applied: Option<LogId>,
    membership: StoredMembership,
    shelf: Shelf,
}

/// The newest checkpoint, in memory and on the disk.
#[derive(Clone)]
pub(crate) struct Shelf {
    checkpoints: Checkpoints,
    log: store::log::Log,
    history: History,
    tuning: Tuning,
    newest: Arc<Mutex<Option<Parcel>>>,
    /// Somebody asked for a checkpoint now.
    asked: Arc<AtomicBool>,
}

impl Shelf {
    pub(crate) fn new(checkpoints: Checkpoints, log: store::log::Log, history: History, tuning: Tuning) -> Self {
        Self { checkpoints, log, history, tuning, newest: Arc::default(), asked: Arc::default() }
    }

    /// The next time that Raft asks whether a checkpoint is due, it is.
    pub(crate) fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
    }

    pub(crate) fn newest(&self) -> Option<Parcel> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn index(&self) -> u64 {
        self.newest().and_then(|parcel| parcel.meta.last_log_id).map_or(0, |last| last.index)
    }

    /// The hash of the log at the newest checkpoint, if that is at `index`: for a log that goes on behind it.
    pub(crate) fn chain_at(&self, index: u64) -> Option<Chain> {
        self.newest().filter(|parcel| parcel.state.view().index() == index).map(|parcel| parcel.chain)
    }

    /// Keeps a checkpoint of what the log holds. If that fails, the member goes on: a restart takes an older one, or the log.
    async fn put(&self, parcel: Parcel) {
        // Saved first: what is the newest here Raft lets go of, and then a restart is long without it.
        let saving = self.checkpoints.clone().save(parcel.clone()).map(|saved| {
            if let Err(why) = saved {
                tracing::warn!(%why, "no checkpoint could be written: a restart will fold more of the log, nothing is lost");
            }
        });
        if self.tuning.careless.trusts_unfinished_checkpoints {
            rt::spawn("careless", saving);
        } else {
            saving.await;
        }
        *self.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(parcel);
    }

    /// Keeps a state that the log does not lead to, beside the log: here alone can it be had after a restart.
    async fn arrived(&self, parcel: Parcel) -> io::Result<()> {
        let (history, log, base) = (self.history.clone(), self.log.clone(), parcel.clone());
        let saving = async move {
            let saved = rt::blocking("base", move || keep(&history, &base)).await;
            rt::sleep(log.owed()).await;
            saved.map_err(|_| io::Error::other("the state that arrived was not written to its end"))?
        };
        if self.tuning.careless.trusts_unfinished_checkpoints {
            rt::spawn("careless", saving.map(drop));
        } else {
            saving.await?;
        }
        self.put(parcel).await;
        Ok(())
    }
}

/// What became known while a run of entries was folded, told once the view of all of them is published.
#[derive(Default)]
struct News {
    events: Vec<Arc<Event>>,
    outcomes: Vec<(CommandId, Outcome)>,
    responders: Vec<ApplyResponder<Types>>,
    entries: usize,
}

impl Machine {
    /// The machine as the newest checkpoint left it.
    ///
    /// # Errors
    /// If the disk cannot be read.
    pub(crate) fn open(room: Arc<Room>, shelf: Shelf) -> io::Result<Self> {
        let newest = shelf.checkpoints.newest();
        let newest =
            newest.inspect_err(|why| tracing::warn!(%why, "there is no checkpoint to begin from")).ok().flatten();
        let newest = rebuild(&shelf.log, &shelf.history, newest.as_ref())?.or(newest);
        let mut machine =
            Self { room, state: State::default(), applied: None, membership: StoredMembership::default(), shelf };
        if let Some(parcel) = newest {
            machine.take(&parcel);
            *machine.shelf.newest.lock().unwrap_or_else(PoisonError::into_inner) = Some(parcel);
            machine.publish(&mut News::default());
        }
        Ok(machine)
    }

    fn take(&mut self, parcel: &Parcel) {
        let members = parcel.meta.last_membership.nodes().map(|(id, _)| *id).collect();
        self.room.note_members(parcel.highest_member, members);
        self.state = parcel.state.clone();
        self.applied = parcel.meta.last_log_id;
        self.membership = parcel.meta.last_membership.clone();
        self.room.hashes.lock().unwrap_or_else(PoisonError::into_inner).clear();
        self.room.hub.skip_to(self.state.view().revision());
        if let Some(history) = self.room.history() {
            history.forget();
        }
        self.note(&[]);
        if let Some(last) = self.applied {
            // A member that differs falls ill; the caller's work is harmless then.
            let _ = self.compare(last.index);
        }
    }

    /// Notes revision and hash at `index`, where the state stands; an error if a majority has another hash there.
    fn compare(&self, index: u64) -> Result<(), io::Error> {
        let (revision, hash) = (self.state.view().revision(), self.state.view().hash());
        let noted = self.room.hashes.lock().unwrap_or_else(PoisonError::into_inner).note(index, revision, hash);
        noted.map_err(|theirs| self.diverged(index, &format!("{hash} here, {theirs} on a majority")))
    }

    fn note(&self, events: &[Arc<Event>]) {
        if let Some(history) = self.room.history() {
            history.note(&self.state, events);
        }
    }

    fn fold(&mut self, entry: Entry, news: &mut News) -> Result<(), io::Error> {
        let id = entry.log_id();
        match &entry.payload {
            Payload::Blank => {
                skip(&mut self.state, id.index);
                self.note(&[]);
            }
            Payload::Membership(membership) => {
                skip(&mut self.state, id.index);
                self.note(&[]);
                self.room.note_members(0, membership.nodes().map(|(id, _)| *id).collect());
                self.membership = StoredMembership::new(Some(id), membership.clone());
            }
            Payload::Normal(bytes) => {
                let mut record = record::decode(&bytes.bytes).map_err(|why| {
                    let why = format!("entry {} of the log cannot be read: {why}", id.index);
                    self.room.fall_ill(Health::Disk(why.clone()));
                    io::Error::new(io::ErrorKind::InvalidData, why)
                })?;
                let ids: Vec<_> = record.commands.iter().map(|command| command.id).collect();
                if self.shelf.tuning.careless.folds_twice {
                    record.commands.iter_mut().for_each(|command| command.id.0 ^= u128::from(id.index));
                }
                let done = apply(&mut self.state, id.index, &record);
                self.note(&done.events);
                news.events.extend(done.events);
                if !self.room.desk.is_empty() {
                    news.outcomes.extend(ids.into_iter().zip(done.outcomes));
                }
            }
        }
        self.applied = Some(id);
        news.entries += 1;
        self.compare(id.index)
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

    fn builder(&self) -> Builder {
        let index = self.state.view().index();
        // The entry that was just folded is in the log, so its chain is; a log that cannot be read shows so elsewhere.
        let chain = self.shelf.log.reader().chain_at(index).ok().flatten().unwrap_or_default();
        let more = |id: LogId| log_id(term_of(&id), id.index + 1);
        let last = if planted(Bug::CheckpointSaysMore) { self.applied.map(more) } else { self.applied };
        let meta = SnapshotMeta { last_log_id: last, last_membership: self.membership.clone() };
        let highest_member = self.room.highest_member();
        Builder { parcel: Parcel { meta, state: self.state.clone(), chain, highest_member }, shelf: self.shelf.clone() }
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

    /// A checkpoint costs as much as the state is large, so it waits until as many entries have come as there are objects.
    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<Builder> {
        let view = self.state.view();
        let objects: usize = view.resources().map(|resource| view.count(resource, None)).sum();
        let due = self.shelf.index() + self.shelf.tuning.checkpoint_entries.max(objects as u64);
        let asked = self.shelf.asked.swap(false, Ordering::SeqCst);
        (force || asked || view.index() >= due).then(|| self.builder())
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        self.builder()
    }

    async fn install_snapshot(&mut self, meta: &SnapshotMeta, parcel: Parcel) -> Result<(), io::Error> {
        let parcel = Parcel { meta: meta.clone(), ..parcel };
        self.shelf.arrived(parcel.clone()).await.inspect_err(|why| {
            self.room.fall_ill(Health::Disk(format!("the state that arrived cannot be kept: {why}")));
        })?;
        self.take(&parcel);
        // Entries were jumped over: who waited for what came of them is told what the state remembers.
        let known = self.room.desk.ids().into_iter();
        let outcomes = known.filter_map(|id| outcome(&self.state, id).map(|outcome| (id, outcome))).collect();
        self.publish(&mut News { outcomes, ..News::default() });
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Parcel>>, io::Error> {
        Ok(self.shelf.newest().map(|parcel| Snapshot { meta: parcel.meta.clone(), snapshot: parcel }))
    }
}

/// Makes a snapshot of the state as it was when the builder was made; applying goes on meanwhile.
pub(crate) struct Builder {
    parcel: Parcel,
    shelf: Shelf,
}

impl RaftSnapshotBuilder<Types> for Builder {
    type SnapshotData = Parcel;

    async fn build_snapshot(&mut self) -> Result<Snapshot<Parcel>, io::Error> {
        self.shelf.put(self.parcel.clone()).await;
        Ok(Snapshot { meta: self.parcel.meta.clone(), snapshot: self.parcel.clone() })
    }
}
