//! One end of a simulated session, as its process holds it: what was heard last, what ended it, the streams that wait to be accepted.
use super::addresses::{Addresses, Process, STILL};
use super::lane::{Lane, Piece, Streams};
use crate::clock::Nanos;
use link::limits::{IDLE_MAX, KEEP_ALIVE};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::Duration;
use tokio::sync::Notify;

pub(super) struct End {
    pub(super) addresses: Addresses,
    pub(super) here: Process,
    pub(super) there: Process,
    other: Mutex<Weak<End>>,
    state: Mutex<State>,
    /// It ended, or a stream waits to be accepted.
    pub(super) changed: Notify,
}

#[derive(Default)]
pub(super) struct State {
    pub(super) why: Option<String>,
    pub(super) heard: Nanos,
    pub(super) arrived: VecDeque<Streams>,
    pub(super) streams: u64,
    /// Halves of streams that wait, by number.
    pub(super) waiting: BTreeMap<u64, Waker>,
}

/// The session is over when its process has let go of all of it.
pub(super) struct Held(pub(super) Arc<End>);

impl End {
    /// The two ends of a new session; each looks after itself.
    pub(super) fn pair(addresses: &Addresses, dialler: Process, listener: Process) -> (Held, Held) {
        let heard = addresses.world.time();
        let end = |here, there| {
            Arc::new(Self {
                addresses: addresses.clone(),
                here,
                there,
                other: Mutex::default(),
                state: Mutex::new(State { heard, ..State::default() }),
                changed: Notify::new(),
            })
        };
        let (one, two) = (end(dialler, listener), end(listener, dialler));
        *one.other.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&two);
        *two.other.lock().unwrap_or_else(PoisonError::into_inner) = Arc::downgrade(&one);
        for (end, dials) in [(&one, true), (&two, false)] {
            if addresses.lives(end.here) {
                addresses.world.spawn_on(end.here.node, "session", keep(Arc::downgrade(end), dials));
            }
        }
        (Held(one), Held(two))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn why(&self) -> Option<String> {
        self.lock().why.clone()
    }

    /// Remembers whom to wake when the session ends.
    pub(super) fn wait(&self, half: u64, waker: &Waker) {
        self.lock().waiting.insert(half, waker.clone());
    }

    pub(super) fn forget(&self, half: u64) {
        self.lock().waiting.remove(&half);
    }

    /// It is over on this side. Gives whether it was not before.
    fn finish(&self, why: &str) -> bool {
        let waiting = {
            let mut state = self.lock();
            if state.why.is_some() {
                return false;
            }
            state.why = Some(why.to_owned());
            state.arrived.clear();
            std::mem::take(&mut state.waiting)
        };
        waiting.into_values().for_each(Waker::wake);
        self.changed.notify_waiters();
        true
    }

    /// Ends it here and tells the other side, which may not hear it.
    pub(super) fn close(self: &Arc<Self>, why: &str) {
        if self.finish(why) {
            self.tell_closed(why.to_owned());
        }
    }

    fn tell_closed(self: &Arc<Self>, why: String) {
        let end = self.clone();
        self.addresses.send(self.here, async move {
            if end.addresses.network.travel(end.here.node, end.there.node, 3).await
                && let Some(other) = end.peer()
            {
                other.finish(&why);
            }
        });
    }

    /// The other end, if its process lives.
    fn peer(&self) -> Option<Arc<Self>> {
        let other = self.other.lock().unwrap_or_else(PoisonError::into_inner).upgrade();
        other.filter(|other| self.addresses.lives(other.here))
    }

    /// Brings something to the other end, and does `then` with it there.
    pub(super) fn send(self: &Arc<Self>, print: u64, then: impl FnOnce(&Arc<Self>) + Send + 'static) {
        if self.why().is_some() {
            return;
        }
        let end = self.clone();
        self.addresses.send(self.here, async move {
            let wanted = || end.why().is_none();
            if !end.addresses.carry(end.here, end.there.node, print, wanted).await {
                return;
            }
            match end.peer() {
                Some(other) => match other.why() {
                    None => {
                        other.lock().heard = end.addresses.world.time();
                        then(&other);
                    }
                    // It says again that it is over.
                    Some(why) => other.tell_closed(why),
                },
                // A process of a later life does not know the session, and says so; a dead one says nothing.
                None if end.addresses.listens(end.there.node) => {
                    let back = end.addresses.network.travel(end.there.node, end.here.node, 4).await;
                    if back {
                        end.finish("reset by peer");
                    }
                }
                None => {}
            }
        });
    }

    /// Takes a piece of a stream that has arrived; the first piece brings the stream.
    pub(super) fn arrive(self: &Arc<Self>, lane: &Arc<Lane>, number: u64, piece: Piece) {
        let new = lane.arrive(number, piece);
        if let Some(streams) = new {
            self.lock().arrived.push_back(streams);
            self.changed.notify_waiters();
        }
    }
}

/// Shows that this side lives, and sees whether the other does.
async fn keep(end: Weak<End>, dials: bool) {
    let mut next = KEEP_ALIVE;
    loop {
        rt::sleep(next).await;
        let Some(end) = end.upgrade() else { return };
        let silent = {
            let state = end.lock();
            if state.why.is_some() {
                return;
            }
            Duration::from_nanos(end.addresses.world.time().saturating_sub(state.heard))
        };
        if silent >= IDLE_MAX {
            end.finish(&format!("nothing was heard for {} seconds", IDLE_MAX.as_secs()));
            return;
        }
        if dials {
            end.send(5, |other| other.send(6, |_| {}));
        }
        next = KEEP_ALIVE.min(IDLE_MAX.saturating_sub(silent)).max(STILL);
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        // A process that is killed says nothing.
        if self.0.addresses.lives(self.0.here) {
            self.0.close("the peer is gone");
        } else {
            self.0.finish("the process ended");
        }
    }
}
