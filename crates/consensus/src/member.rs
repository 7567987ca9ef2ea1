//! The handle that the rooms above hold: submit a command, read a view, watch what happens.
use api::command::{Command, Entry, Outcome};
use api::revision::{Millis, Revision};
use std::sync::{Arc, Mutex, PoisonError};
use store::apply::apply;
use store::publish::Published;
use store::state::State;
use store::view::View;
use store::watch::{Batch, Behind, Hub, Interest, Watcher};

/// One member of the quorum. Cloning it clones the handle.
#[derive(Clone)]
pub struct Member {
    room: Arc<Room>,
}

struct Room {
    state: Mutex<State>,
    published: Published,
    hub: Hub,
}

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

/// No majority confirmed that this member is up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unavailable(pub String);

impl Member {
    /// One member without a log: the rooms above are tested on it.
    #[must_use]
    pub fn alone() -> Self {
        let room = Room { state: Mutex::default(), published: Published::default(), hub: Hub::default() };
        Self { room: Arc::new(room) }
    }

    /// Puts the command into the log and waits for what came of it.
    ///
    /// # Errors
    /// See `SubmitError`: only `Unknown` leaves doubt.
    pub async fn submit(&self, command: Command) -> Result<Outcome, SubmitError> {
        let mut state = self.room.state.lock().unwrap_or_else(PoisonError::into_inner);
        let entry = Entry { time: Millis(rt::wall()), epoch: 1, commands: vec![command] };
        let index = state.view().index() + 1;
        let mut applied = apply(&mut state, index, &entry);
        self.room.published.publish(state.view());
        self.room.hub.publish(&applied.events, state.view().revision());
        applied.outcomes.pop().ok_or_else(|| SubmitError::Unknown("no outcome".into()))
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
        Ok(self.view())
    }

    /// The view at a past revision, from memory or from the log; `None` if it lies in the future or outside retention.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn view_at(&self, revision: Revision) -> Result<Option<Arc<View>>, Unavailable> {
        Ok(Some(self.view()).filter(|view| view.revision() == revision))
    }

    /// The view as it was at a moment: the newest whose stamp is not after `time`.
    ///
    /// # Errors
    /// If the log cannot be read.
    pub async fn view_at_time(&self, time: Millis) -> Result<Option<Arc<View>>, Unavailable> {
        Ok(Some(self.view()).filter(|view| view.time() <= time))
    }

    /// Watches what happens after `from`: from memory while it is there, from the log before that.
    ///
    /// # Errors
    /// `Behind` if `from` lies outside retention.
    pub fn watch(&self, interest: Interest, from: Revision) -> Result<Watch, Behind> {
        Ok(Watch { watcher: self.room.hub.watch(interest, from)? })
    }

    /// Whether this member leads, and in which term. Deciders run only where it does.
    #[must_use]
    pub fn leading(&self) -> Option<u64> {
        Some(1)
    }
}

/// A watch on one member.
pub struct Watch {
    watcher: Watcher,
}

/// Events handed over at once.
const BATCH_EVENTS_MAX: usize = 1_024;

impl Watch {
    /// The next events, in order and without a gap; waits while there are none.
    ///
    /// # Errors
    /// `Behind` if retention has passed the cursor.
    pub async fn next(&mut self) -> Result<Batch, Behind> {
        std::future::poll_fn(|context| self.watcher.poll(context, BATCH_EVENTS_MAX)).await
    }

    /// Every event up to here has been given or was not wanted: what a bookmark may say.
    #[must_use]
    pub fn cursor(&self) -> Revision {
        self.watcher.cursor()
    }
}

