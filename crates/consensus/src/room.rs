//! What the parts of a member share: the newest view, who waits for what, and how the member is.
use crate::desk::Desk;
use crate::gate::Gate;
use crate::hashes::Hashes;
use crate::mark;
use crate::runtime::{WatchReceiver, WatchSender, watch_channel};
use futures::future::{Either, select};
use openraft_rt::{WatchReceiver as _, WatchSender as _};
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use store::disk::Disk;
use store::history::History;
use store::log::error::LogError;
use store::publish::Published;
use store::watch::Hub;

/// How a member is. Anything but `Well` means that it serves nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Health {
    #[default]
    Well,
    /// Its log can no longer be written or read.
    Disk(String),
    /// What it wrote to its log is not there any more: another is to take its place.
    Damaged(String),
    /// Its state differs from that of a majority at this log index. It is marked and does not start again.
    Diverged { index: u64, why: String },
    /// The members differ at this log index, and no majority tells who is right.
    Disputed { index: u64, why: String },
    /// It is no member any more, and never will be again under its id.
    Removed,
    /// It was asked to stop, or Raft came to a fatal end.
    Stopped(String),
}

/// Who leads, as this member knows it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Leadership {
    pub term: u64,
    pub leader: Option<u64>,
    /// This member leads, and its view holds everything that any leader before it acknowledged.
    pub here: bool,
}

/// Whose ids were given, as far as this member has applied the log.
#[derive(Default)]
struct Ids {
    /// The highest that was ever given.
    highest: u64,
    /// Who is a member.
    members: BTreeSet<u64>,
}

pub(crate) struct Room {
    pub(crate) published: Published,
    pub(crate) hub: Hub,
    /// The log index that the view has reached.
    pub(crate) applied: Gate,
    /// The term of the entry at that index.
    pub(crate) applied_term: WatchSender<u64>,
    /// The revision that the view has reached.
    pub(crate) revision: Gate,
    pub(crate) desk: Desk,
    pub(crate) hashes: Mutex<Hashes>,
    pub(crate) leadership: WatchSender<Leadership>,
    /// This member's id; 0 if it stands alone.
    me: u64,
    ids: Mutex<Ids>,
    health: WatchSender<Health>,
    /// The past, for a member with a log.
    history: Option<History>,
    /// Where the mark is set if its state differs.
    disk: Option<Arc<dyn Disk>>,
}

impl Default for Room {
    fn default() -> Self {
        Self {
            published: Published::default(),
            hub: Hub::default(),
            applied: Gate::default(),
            applied_term: watch_channel(0).0,
            revision: Gate::default(),
            desk: Desk::default(),
            hashes: Mutex::default(),
            leadership: watch_channel(Leadership::default()).0,
            me: 0,
            ids: Mutex::default(),
            health: watch_channel(Health::default()).0,
            history: None,
            disk: None,
        }
    }
}

impl Room {
    /// A room with a past, and so many recent events for watchers.
    pub(crate) fn new(history: History, disk: Arc<dyn Disk>, ring_events: usize) -> Self {
        Self { history: Some(history), disk: Some(disk), hub: Hub::keeping(ring_events), ..Self::default() }
    }

    /// The room of member `me`.
    pub(crate) fn of(self, me: u64) -> Self {
        Self { me, ..self }
    }

    /// The room of a member that has no others, and so always leads.
    pub(crate) fn alone(history: Option<History>) -> Self {
        let leadership = Leadership { term: 1, leader: Some(1), here: true };
        Self { leadership: watch_channel(leadership).0, history, ..Self::default() }
    }

    pub(crate) fn history(&self) -> Option<&History> {
        self.history.as_ref()
    }

    pub(crate) fn health(&self) -> Health {
        self.health.borrow_watched().clone()
    }

    pub(crate) fn healths(&self) -> WatchReceiver<Health> {
        self.health.subscribe()
    }

    /// The first illness is the one that is told.
    pub(crate) fn fall_ill(&self, illness: Health) {
        if let (Health::Diverged { index, why }, Some(disk)) = (&illness, &self.disk)
            && let Err(error) = mark::set(&**disk, &format!("at log index {index}: {why}"))
        {
            tracing::error!(%error, "that this member differs could not be noted: do not start it again");
        }
        if self.becomes(illness) {
            tracing::error!(illness = self.illness(), "this member serves no longer");
        }
    }

    /// It was asked to stop, which is no illness.
    pub(crate) fn retire(&self) {
        if self.becomes(Health::Stopped("it was asked to".into())) {
            tracing::info!("this member stops, as it was asked to");
        }
    }

    /// Whether it was well before: the first state that is another is the one that stays.
    fn becomes(&self, state: Health) -> bool {
        let first = self.health.send_if_modified(|health| {
            let first = *health == Health::Well;
            if first {
                *health = state;
            }
            first
        });
        self.leadership.send_if_modified(|leadership| std::mem::take(&mut leadership.here));
        first
    }

    /// An error of the log that was met while it was read: where bytes are not what was written, nothing here is to be trusted.
    pub(crate) fn met(&self, why: &LogError) {
        if why.damaged() {
            self.fall_ill(Health::Damaged(why.to_string()));
        }
    }

    /// Why this member serves nothing, if it does not.
    pub(crate) fn illness(&self) -> Option<String> {
        match &*self.health.borrow_watched() {
            Health::Well => None,
            Health::Disk(why) => Some(format!("this member's disk failed: {why}")),
            Health::Damaged(why) => Some(format!("{why}: another member is to take this one's place")),
            Health::Diverged { index, why } => Some(format!(
                "this member's state differs from the others' at log index {index} ({why}): let it join anew"
            )),
            Health::Disputed { index, why } => {
                Some(format!("the members' states differ at log index {index} and no majority agrees ({why})"))
            }
            Health::Removed => Some("this member was removed from the cluster".into()),
            Health::Stopped(why) => Some(format!("this member has stopped: {why}")),
        }
    }

    fn ids(&self) -> MutexGuard<'_, Ids> {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// These are the members from here on, and no id up to `highest` is free. A member that finds itself missing serves no longer.
    pub(crate) fn note_members(&self, highest: u64, members: BTreeSet<u64>) {
        {
            let mut ids = self.ids();
            ids.highest = ids.highest.max(highest).max(members.last().copied().unwrap_or(0));
            ids.members = members;
        }
        if self.was_removed(self.me) {
            self.fall_ill(Health::Removed);
        }
    }

    pub(crate) fn highest_member(&self) -> u64 {
        self.ids().highest
    }

    /// Whether `id` was a member and is none any more. Ids are given once, so what is true here stays true.
    pub(crate) fn was_removed(&self, id: u64) -> bool {
        let ids = self.ids();
        id > 0 && id <= ids.highest && !ids.members.is_empty() && !ids.members.contains(&id)
    }

    pub(crate) fn leadership(&self) -> Leadership {
        *self.leadership.borrow_watched()
    }

    /// `work`, unless it takes longer than `lead` lasts: what was asked of a leader that is gone is not waited for.
    pub(crate) async fn while_led<T>(&self, lead: Leadership, work: impl Future<Output = T>) -> Option<T> {
        let mut leaderships = self.leaderships();
        let over = async {
            let same = |now: &Leadership| (now.term, now.leader) == (lead.term, lead.leader);
            while same(&leaderships.borrow_and_update()) && leaderships.changed().await.is_ok() {}
        };
        match select(Box::pin(work), Box::pin(over)).await {
            Either::Left((done, _)) => Some(done),
            Either::Right(_) => None,
        }
    }

    pub(crate) fn leaderships(&self) -> WatchReceiver<Leadership> {
        self.leadership.subscribe()
    }
}
