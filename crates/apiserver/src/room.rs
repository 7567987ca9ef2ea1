//! What every request of this server has at hand: the member, the kinds now served, the ports, the open watches.
//! It decides nothing.
use crate::audit::sink::Audit;
use crate::authentication::chain::{Chain, Trust};
use crate::flight::Flight;
use crate::flow::Flows;
use crate::frames::Forms;
use crate::limits::{PAGED_VIEWS_MAX, SERVED_KEPT, WATCH_SHARDS, WATCHES_MAX};
use crate::metrics::Metrics;
use crate::nodes::Nodes;
use crate::operator::Operator;
use crate::rbac::policy::Policies;
use crate::request::text_of;
use api::kinds::acceptance;
use api::kinds::set::Kinds;
use api::revision::Revision;
use api::status::Status;
use bytes::Bytes;
use consensus::Member;
use dashmap::DashMap;
use serde_json::Value;
use std::collections::BTreeMap;
use std::hash::{BuildHasherDefault, DefaultHasher};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use store::view::View;
use tokio::sync::Notify;

/// Where definitions of custom kinds are stored.
pub const DEFINITIONS: &str = "customresourcedefinitions.apiextensions.k8s.io";

/// Ids are counted up here, so nobody can choose them to collide: no keys need be drawn for their hashes.
type Fixed = BuildHasherDefault<DefaultHasher>;

/// What a server is made of.
#[derive(Clone)]
pub struct Parts {
    pub member: Member,
    /// `None`: no way to nodes; logs and exec answer 503.
    pub nodes: Option<Arc<dyn Nodes>>,
    /// `None`: nothing under `/rutter/v1/`.
    pub operator: Option<Arc<dyn Operator>>,
    /// Whom it believes.
    pub trust: Trust,
    /// `None`: no audit stream; who wrote what is in the log in any case.
    pub audit: Option<Audit>,
}

impl Parts {
    /// A member, and no ways to anything else.
    #[must_use]
    pub fn new(member: Member) -> Self {
        Self { member, nodes: None, operator: None, trust: Trust::default(), audit: None }
    }
}

pub struct Room {
    pub parts: Parts,
    /// Who knows bearer tokens.
    pub chain: Chain,
    /// What is served, and was in the pasts that were read lately; the newest first.
    served: RwLock<Vec<Arc<Served>>>,
    /// Roles and bindings, ready to be asked.
    pub policies: Policies,
    /// Flow schemas and priority levels, ready to be asked.
    pub flows: Flows,
    watches: DashMap<u64, WatchInfo, Fixed>,
    /// What watchers in the same form share.
    pub forms: Forms,
    watch_ids: AtomicU64,
    stopping: AtomicBool,
    stop: Notify,
    pub metrics: Metrics,
    pub flight: Arc<Flight>,
    /// Views that clients are paging through, by revision, and when they were last asked for.
    pages: Mutex<BTreeMap<Revision, (rt::Instant, Arc<View>)>>,
}

/// One open watch, as the metrics show it.
#[derive(Clone, Debug)]
pub struct WatchInfo {
    pub resource: Arc<str>,
    pub user: Box<str>,
}

/// The kinds of one set of definitions, and the documents made of them.
pub struct Served {
    /// Revisions of the definitions that `kinds` was made from, hashed.
    fingerprint: u64,
    pub kinds: Arc<Kinds>,
    documents: Mutex<BTreeMap<String, Bytes>>,
}

impl Served {
    fn new(fingerprint: u64, kinds: Kinds) -> Self {
        Self { fingerprint, kinds: Arc::new(kinds), documents: Mutex::default() }
    }

    /// The document called `name`, kept once it is made.
    pub fn document(&self, name: &str, make: impl FnOnce(&Kinds) -> Option<Value>) -> Option<Bytes> {
        self.made(name, |kinds| make(kinds).map(|value| text_of(&value)))
    }

    /// As `document`, of what is no JSON.
    pub fn made(&self, name: &str, make: impl FnOnce(&Kinds) -> Option<Bytes>) -> Option<Bytes> {
        let documents = || self.documents.lock().unwrap_or_else(PoisonError::into_inner);
        let known = documents().get(name).cloned();
        if known.is_some() {
            return known;
        }
        // Some take long: whoever asks for another must not wait for it. Two that make the same keep the first.
        let made = make(&self.kinds)?;
        Some(documents().entry(name.to_owned()).or_insert(made).clone())
    }
}

impl Room {
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        let served = Served::new(FINGERPRINT_START, Kinds::new([]));
        Self {
            chain: Chain::new(&parts.member, &parts.trust),
            parts,
            served: RwLock::new(vec![Arc::new(served)]),
            policies: Policies::default(),
            flows: Flows::default(),
            watches: DashMap::with_hasher_and_shard_amount(Fixed::default(), WATCH_SHARDS),
            forms: Forms::default(),
            watch_ids: AtomicU64::new(0),
            stopping: AtomicBool::new(false),
            stop: Notify::new(),
            metrics: Metrics::default(),
            flight: Arc::default(),
            pages: Mutex::default(),
        }
    }

    #[must_use]
    pub fn member(&self) -> &Member {
        &self.parts.member
    }

    /// The kinds served in `view`.
    #[must_use]
    pub fn kinds(&self, view: &View) -> Arc<Kinds> {
        self.served(view).kinds.clone()
    }

    /// What is served in `view`. Made anew only when a definition has changed, so a new kind is served as soon as it is applied.
    #[must_use]
    pub fn served(&self, view: &View) -> Arc<Served> {
        let fingerprint = fingerprint(view);
        let find = |kept: &[Arc<Served>]| kept.iter().find(|served| served.fingerprint == fingerprint).cloned();
        if let Some(known) = find(&self.served.read().unwrap_or_else(PoisonError::into_inner)) {
            return known;
        }
        let custom = view.list(DEFINITIONS, None).flat_map(|definition| {
            let definition = definition.value();
            // One whose names others have serves nothing yet, and neither does one that cannot be read.
            let kinds = acceptance::established(&definition).then(|| api::kinds::custom::from_crd(&definition));
            kinds.and_then(Result::ok).unwrap_or_default()
        });
        let made = Arc::new(Served::new(fingerprint, Kinds::new(custom.map(Arc::new))));
        let mut kept = self.served.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = find(&kept) {
            // Another request was faster; its documents are kept.
            return known;
        }
        kept.insert(0, made.clone());
        kept.truncate(SERVED_KEPT);
        made
    }

    /// Keeps a view for the pages that will follow; the one that waited longest makes room.
    pub fn keep_page(&self, view: &Arc<View>) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.insert(view.revision(), (rt::now(), view.clone()));
        let oldest = pages.iter().min_by_key(|(_, (asked, _))| *asked).map(|(revision, _)| *revision);
        if let Some(oldest) = oldest.filter(|_| pages.len() > PAGED_VIEWS_MAX) {
            pages.remove(&oldest);
        }
    }

    /// A kept view.
    #[must_use]
    pub fn page(&self, revision: Revision) -> Option<Arc<View>> {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        let (asked, view) = pages.get_mut(&revision)?;
        *asked = rt::now();
        Some(view.clone())
    }

    /// Notes an open watch until the ticket is dropped.
    ///
    /// # Errors
    /// 429 if there are too many.
    pub fn enter_watch(self: &Arc<Self>, info: WatchInfo) -> Result<Ticket, Status> {
        if self.watches.len() >= WATCHES_MAX {
            let mut status =
                Status::new(429, "TooManyRequests", format!("this member already serves {WATCHES_MAX} watches"));
            status.retry_after_seconds = 1;
            return Err(status);
        }
        let id = self.watch_ids.fetch_add(1, Ordering::Relaxed);
        self.watches.insert(id, info);
        Ok(Ticket { room: self.clone(), id })
    }

    /// Open watches by resource.
    #[must_use]
    pub fn open_watches(&self) -> BTreeMap<Arc<str>, u64> {
        let mut counts = BTreeMap::new();
        for entry in &self.watches {
            *counts.entry(entry.value().resource.clone()).or_insert(0) += 1;
        }
        counts
    }

    /// Ends everything that would not end by itself.
    pub fn end_streams(&self) {
        self.stopping.store(true, Ordering::SeqCst);
        self.stop.notify_waiters();
    }

    #[must_use]
    pub fn stopping(&self) -> bool {
        self.stopping.load(Ordering::SeqCst)
    }

    /// Waits until the server stops.
    pub async fn stopped(&self) {
        let notified = self.stop.notified();
        let mut notified = std::pin::pin!(notified);
        // Enabled before the flag is read, so that a stop between the two is not missed.
        notified.as_mut().enable();
        if !self.stopping() {
            notified.await;
        }
    }
}

/// An open watch's place.
pub struct Ticket {
    room: Arc<Room>,
    id: u64,
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.room.watches.remove(&self.id);
    }
}

const FINGERPRINT_START: u64 = 0xcbf2_9ce4_8422_2325;

/// FNV-1a over the revisions of all definitions: a revision belongs to one change of one object.
fn fingerprint(view: &View) -> u64 {
    view.list(DEFINITIONS, None)
        .fold(FINGERPRINT_START, |hash, definition| (hash ^ definition.revision.0).wrapping_mul(0x0100_0000_01b3))
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::command::{Change, Command, CommandId, Condition, Write};
    use serde_json::json;

    #[tokio::test]
    async fn the_past_and_the_present_are_both_kept() {
        let room = Room::new(Parts::new(Member::alone()));
        let past = room.member().view();
        let definition = json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": "boats.rutter.dev"}});
        let body = api::kinds::body(DEFINITIONS, &definition).expect("a body");
        let key = api::key::Key::new(DEFINITIONS, "", "boats.rutter.dev");
        let writes = vec![Write { key, condition: Condition::Absent, change: Change::Put(body) }];
        let (actor, agent, note) = ("test".into(), "test".into(), "".into());
        let (cause, read, id) = (Revision(0), Revision(0), CommandId(1));
        room.member().submit(Command { id, actor, agent, cause, read, note, writes }).await.expect("it is written");
        let present = room.member().view();
        let (old, new) = (room.served(&past), room.served(&present));
        assert!(!Arc::ptr_eq(&old, &new));
        assert!(Arc::ptr_eq(&old, &room.served(&past)) && Arc::ptr_eq(&new, &room.served(&present)));
    }
}
