//! The handle that the rooms above hold: submit a command, read a view, watch what happens.
use crate::alone::Alone;
use crate::change::{ChangeError, Standing};
use crate::frame::Change;
use crate::lines::LogLine;
use crate::past::{Watch, lines, oldest, view_at, view_at_time};
use crate::quorum::{Options, Quorum, Role, StartError, Status};
use crate::read::Unavailable;
use crate::room::{Health, Leadership, Room};
use crate::runtime::WatchReceiver;
use crate::submit::SubmitError;
use crate::types::MemberInfo;
use api::command::{Command, Outcome};
use api::revision::{Millis, Revision};
use bytes::Bytes;
use openraft_rt::WatchReceiver as _;
use std::sync::Arc;
use store::replay::Line;
use store::view::{StateHash, View};
use store::watch::{Behind, Interest};

/// One member of the quorum. Cloning it clones the handle.
#[derive(Clone)]
pub struct Member {
    room: Arc<Room>,
    kind: Kind,
}

#[derive(Clone)]
enum Kind {
    Alone(Arc<Alone>),
    Quorum(Arc<Quorum>),
}

impl Member {
    /// One member without others, its log in memory: the rooms above are tested on it. Submitting is done before it returns.
    #[must_use]
    pub fn alone() -> Self {
        let alone = Alone::default();
        let room = Arc::new(Room::alone(alone.history()));
        Self { room, kind: Kind::Alone(Arc::new(alone)) }
    }

    /// Starts a member on its log. A new one then either founds a cluster or is added by a member of one.
    ///
    /// # Errors
    /// If its log cannot be opened.
    pub async fn start(options: Options) -> Result<Self, StartError> {
        let quorum = Quorum::start(options).await?;
        Ok(Self { room: quorum.room.clone(), kind: Kind::Quorum(Arc::new(quorum)) })
    }

    fn quorum(&self) -> Result<&Arc<Quorum>, ChangeError> {
        match &self.kind {
            Kind::Quorum(quorum) => Ok(quorum),
            Kind::Alone(_) => Err(ChangeError::Refused("this member stands alone, without a log".into())),
        }
    }

    /// Founds a cluster of this one member. Nothing happens if its log holds a cluster already.
    ///
    /// # Errors
    /// If its log fails.
    pub async fn found(&self) -> Result<(), ChangeError> {
        self.quorum()?.found().await
    }

    /// Adds a member, which must be running: first without a vote until it has caught up. Asking again is harmless.
    ///
    /// # Errors
    /// `Refused` if its id or name was given to another.
    pub async fn add(&self, info: MemberInfo) -> Result<(), ChangeError> {
        self.quorum()?.change(Change::Add(info)).await.map(|_| ())
    }

    /// Takes a member's vote and place away. Its id is not used again.
    ///
    /// # Errors
    /// `Refused` if it is the only voter.
    pub async fn remove(&self, id: u64) -> Result<(), ChangeError> {
        self.quorum()?.change(Change::Remove(id)).await.map(|_| ())
    }

    /// Puts `new`, which must be running, in the place of `gone`, in one step, once it has caught up. It may have its name.
    /// Asking again is harmless.
    ///
    /// # Errors
    /// `Refused` if the new one's id or name was given to another.
    pub async fn replace(&self, gone: u64, new: MemberInfo) -> Result<(), ChangeError> {
        self.quorum()?.change(Change::Replace { gone, new }).await.map(|_| ())
    }

    /// Asks the leader to hand over to `to`, or to any other voter. It has happened when `leadership` says so.
    ///
    /// # Errors
    /// `Refused` if there is no such voter.
    pub async fn hand_over(&self, to: Option<u64>) -> Result<(), ChangeError> {
        self.quorum()?.change(Change::Yield(to)).await.map(|_| ())
    }

    /// The members as this one knows them, by id.
    #[must_use]
    pub fn members(&self) -> Vec<Standing> {
        self.quorum().map_or_else(|_| Vec::new(), |quorum| quorum.members())
    }

    /// An id that no member ever had, as far as this one knows.
    #[must_use]
    pub fn free_id(&self) -> u64 {
        let known = self.members().iter().map(|standing| standing.info.id).max().unwrap_or(0);
        self.room.highest_member().max(known) + 1
    }

    /// Answers a frame that member `from` sent over its transport. Never fails and never panics, whatever the bytes.
    pub async fn serve(&self, from: u64, frame: Bytes) -> Bytes {
        match &self.kind {
            Kind::Quorum(quorum) => quorum.serve(from, frame).await,
            Kind::Alone(_) => Bytes::new(),
        }
    }

    /// Puts the command into the log and waits for what came of it, trying again while that is in doubt, for some seconds.
    /// When it returns, the outcome is in this member's own view. A retry with the same id gets the first outcome, without
    /// the objects if it was applied before.
    ///
    /// # Errors
    /// See `SubmitError`: only `Unknown` leaves doubt.
    pub async fn submit(&self, command: Command) -> Result<Outcome, SubmitError> {
        match &self.kind {
            Kind::Quorum(quorum) => quorum.submitter.submit(command, None).await,
            Kind::Alone(alone) => alone.submit(&self.room, command),
        }
    }

    /// As `submit`, but only while this member leads in `term` (of `leading`): what a deposed leader decided is refused.
    ///
    /// # Errors
    /// `Unavailable` if it does not lead in that term any more.
    pub async fn submit_as_leader(&self, term: u64, command: Command) -> Result<Outcome, SubmitError> {
        match &self.kind {
            Kind::Quorum(quorum) => quorum.submitter.submit(command, Some(term)).await,
            Kind::Alone(alone) => alone.submit(&self.room, command),
        }
    }

    /// The newest view on this member; it may lag behind the leader's.
    #[must_use]
    pub fn view(&self) -> Arc<View> {
        self.room.published.view()
    }

    /// A view that holds every write acknowledged before the call (read index, Raft dissertation 6.4).
    ///
    /// # Errors
    /// If no majority answers in time.
    pub async fn linearizable(&self) -> Result<Arc<View>, Unavailable> {
        match &self.kind {
            Kind::Quorum(quorum) => quorum.reader.linearizable().await,
            Kind::Alone(_) => Ok(self.view()),
        }
    }

    /// Waits until this member's view holds `revision`, and gives the view. The caller sets the time limit.
    pub async fn reached(&self, revision: Revision) -> Arc<View> {
        self.room.revision.wait(revision.0).await;
        self.view()
    }

    /// The view at a past revision, from memory or from the log; `None` if it lies in the future or outside retention.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn view_at(&self, revision: Revision) -> Result<Option<Arc<View>>, Unavailable> {
        view_at(&self.room, revision).await
    }

    /// The first revision that is kept: what came before can neither be read nor watched from.
    #[must_use]
    pub fn oldest(&self) -> Revision {
        oldest(&self.room)
    }

    /// The view as it was at a moment: the newest whose stamp is not after `time`.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn view_at_time(&self, time: Millis) -> Result<Option<Arc<View>>, Unavailable> {
        view_at_time(&self.room, time).await
    }

    /// Watches what happens after `from`: from memory while it is there, from the log before that.
    ///
    /// # Errors
    /// `Behind` if `from` lies outside retention.
    pub fn watch(&self, interest: Interest, from: Revision) -> Result<Watch, Behind> {
        Watch::new(self.room.clone(), interest, from)
    }

    /// Whether this member leads, and in which term. Deciders run only where it does. Its view then holds
    /// everything that any leader before it acknowledged.
    #[must_use]
    pub fn leading(&self) -> Option<u64> {
        let leadership = self.room.leadership();
        leadership.here.then_some(leadership.term)
    }

    /// Who leads, and a way to wait until that changes.
    #[must_use]
    pub fn leadership(&self) -> LeadershipWatch {
        LeadershipWatch { receiver: self.room.leaderships() }
    }

    /// Its id; 1 for one that stands alone.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.quorum().map_or(1, |quorum| quorum.id())
    }

    /// Why this member serves nothing, if it does not.
    #[must_use]
    pub fn illness(&self) -> Option<String> {
        self.room.illness()
    }

    /// How it is.
    #[must_use]
    pub fn status(&self) -> Status {
        match &self.kind {
            Kind::Quorum(quorum) => quorum.status(),
            Kind::Alone(_) => {
                let view = self.view();
                Status {
                    id: 1,
                    name: "alone".into(),
                    role: Role::Leader,
                    term: 1,
                    leader: Some(1),
                    last: view.index(),
                    applied: view.index(),
                    revision: view.revision(),
                    hash: (view.index(), view.hash()),
                    health: Health::Well,
                }
            }
        }
    }

    /// The revision and the state hash after the entry at `index`, if that is one of the newest: for comparing members.
    #[must_use]
    pub fn state_at(&self, index: u64) -> Option<(Revision, StateHash)> {
        match &self.kind {
            Kind::Quorum(quorum) => quorum.state_at(index),
            Kind::Alone(_) => {
                let view = self.view();
                (view.index() == index).then(|| (view.revision(), view.hash()))
            }
        }
    }

    /// What happened from revision `span.0` to `span.1`, both included, or after log index `after` if that is given: at most `most`
    /// entries with what each changed. `None` if that past is outside retention.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn lines(
        &self,
        span: (Revision, Revision),
        after: Option<u64>,
        most: usize,
    ) -> Result<Option<Vec<Line>>, Unavailable> {
        lines(&self.room, span, after, most).await
    }

    /// The entries of the log from index `from` to `to`, both included; a bounded number at once.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub fn log(&self, from: u64, to: u64) -> Result<Vec<LogLine>, Unavailable> {
        match &self.kind {
            Kind::Quorum(quorum) => quorum.log(from, to),
            Kind::Alone(alone) => alone.log(from, to),
        }
    }

    /// Makes a checkpoint of what is applied now, durable when this returns: a restart begins there. It is also done by itself.
    ///
    /// # Errors
    /// If the member stops or the disk fails.
    pub async fn checkpoint(&self) -> Result<(), Unavailable> {
        match &self.kind {
            Kind::Quorum(quorum) => quorum.checkpoint().await,
            Kind::Alone(_) => Ok(()),
        }
    }

    /// Stops taking part, for good: a stopped member is started anew.
    pub async fn stop(&self) {
        if let Kind::Quorum(quorum) = &self.kind {
            quorum.stop().await;
        }
    }
}

/// Who leads, seen from one member.
pub struct LeadershipWatch {
    receiver: WatchReceiver<Leadership>,
}

impl LeadershipWatch {
    /// Who leads now.
    #[must_use]
    pub fn now(&self) -> Leadership {
        *self.receiver.borrow_watched()
    }

    /// Waits for a change; a change between two calls is not missed. Waits for ever once the member is gone.
    pub async fn changed(&mut self) -> Leadership {
        if self.receiver.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
        *self.receiver.borrow_and_update()
    }
}
