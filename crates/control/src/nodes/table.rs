//! Which nodes have a session with this member, and since when the others have none. It judges nobody.
use api::revision::Millis;
use link::session::Session;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The sessions of this member.
#[derive(Default)]
pub(crate) struct Table {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    sessions: BTreeMap<String, Connected>,
    left: BTreeMap<String, rt::Instant>,
    turns: u64,
}

/// One node's session.
#[derive(Clone)]
pub(crate) struct Connected {
    pub(crate) session: Session,
    pub(crate) since: Millis,
    pub(crate) version: String,
    turn: u64,
}

impl Table {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes the node's session; an older one of the same node ends. Gives the turn to leave with.
    pub(crate) fn enter(&self, node: &str, session: Session, version: String, now: Millis) -> u64 {
        let mut inner = self.lock();
        inner.turns += 1;
        let turn = inner.turns;
        let connected = Connected { session, since: now, version, turn };
        let older = inner.sessions.insert(node.to_owned(), connected);
        inner.left.remove(node);
        drop(inner);
        if let Some(older) = older {
            older.session.close("the node has connected anew");
        }
        turn
    }

    /// The session of this turn has ended.
    pub(crate) fn leave(&self, node: &str, turn: u64, now: rt::Instant) {
        let mut inner = self.lock();
        if inner.sessions.get(node).is_some_and(|connected| connected.turn == turn) {
            inner.sessions.remove(node);
            inner.left.insert(node.to_owned(), now);
        }
    }

    pub(crate) fn get(&self, node: &str) -> Option<Connected> {
        self.lock().sessions.get(node).cloned()
    }

    pub(crate) fn count(&self) -> usize {
        self.lock().sessions.len()
    }

    /// Since when the node has no session: since it left, but not before `from`. `None` if it has one.
    pub(crate) fn absent_since(&self, node: &str, from: rt::Instant) -> Option<rt::Instant> {
        let inner = self.lock();
        if inner.sessions.contains_key(node) {
            return None;
        }
        Some(inner.left.get(node).copied().unwrap_or(from).max(from))
    }

    /// All sessions end.
    pub(crate) fn close_all(&self, why: &str) {
        let sessions: Vec<Session> = self.lock().sessions.values().map(|connected| connected.session.clone()).collect();
        for session in sessions {
            session.close(why);
        }
    }
}
