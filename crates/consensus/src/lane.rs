//! Appends of one stream in their order, although the transport may let one overtake another: each waits for its turn, for
//! a bounded time. A stream that lost one is given up by its sender and begun anew.
use crate::limits::{LANE_WAIT_MAX, LANES_MAX};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The lanes of all that send here: one for each client of each member, the newest. A leader has a client for what it replicates
/// and another for its heartbeats, and neither disturbs the other.
#[derive(Default)]
pub(crate) struct Lanes {
    by_sender: Mutex<BTreeMap<Sender, Lane>>,
}

/// A member, and which of its clients.
type Sender = (u64, u64);

/// A term, and what `number` gave: each lane of one client is greater than those before.
pub(crate) type LaneId = (u64, u64);

const CLIENT_SHIFT: u32 = 32;

/// The `count`-th lane of a client, both from 1.
pub(crate) fn number(client: u64, count: u64) -> u64 {
    client << CLIENT_SHIFT | count & ((1 << CLIENT_SHIFT) - 1)
}

fn sender(from: u64, id: LaneId) -> Sender {
    (from, id.1 >> CLIENT_SHIFT)
}

#[derive(Default)]
struct Lane {
    id: LaneId,
    next: u64,
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
}

impl Lanes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<Sender, Lane>> {
        self.by_sender.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when everything before `turn` was passed on; false if that takes too long or another lane has begun.
    pub(crate) async fn wait(&self, from: u64, id: LaneId, turn: u64) -> bool {
        let receiver = {
            let mut lanes = self.lock();
            let sender = sender(from, id);
            if !lanes.contains_key(&sender) {
                // Clients of earlier terms of this member are gone, and there are never many.
                lanes.retain(|(member, _), lane| *member != from || lane.id.0 >= id.0);
                if lanes.len() >= LANES_MAX {
                    lanes.clear();
                }
            }
            let lane = lanes.entry(sender).or_default();
            if id < lane.id {
                // It was overtaken by the lane that follows it, and its sender has given it up.
                return false;
            }
            if lane.id != id {
                *lane = Lane { id, ..Lane::default() };
            }
            if turn <= lane.next {
                return true;
            }
            let (sender, receiver) = oneshot::channel();
            lane.waiting.insert(turn, sender);
            receiver
        };
        matches!(rt::timeout(LANE_WAIT_MAX, receiver).await, Some(Ok(())))
    }

    /// `turn` was passed on: the one after it may be.
    pub(crate) fn passed(&self, from: u64, id: LaneId, turn: u64) {
        let mut lanes = self.lock();
        let Some(lane) = lanes.get_mut(&sender(from, id)).filter(|lane| lane.id == id) else { return };
        lane.next = lane.next.max(turn.saturating_add(1));
        if let Some(next) = lane.waiting.remove(&lane.next) {
            // It may have lost its patience.
            let _ = next.send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Lanes;
    use std::sync::Arc;

    #[tokio::test]
    async fn one_that_overtook_waits_for_the_other() {
        let lanes = Arc::new(Lanes::default());
        assert!(lanes.wait(1, (2, 7), 0).await);
        let second = rt::spawn("second", {
            let lanes = lanes.clone();
            async move { lanes.wait(1, (2, 7), 1).await }
        });
        lanes.passed(1, (2, 7), 0);
        assert!(second.await.expect("ends"));
        assert!(!lanes.wait(1, (2, 7), 3).await, "the one before it never came");
        assert!(lanes.wait(1, (2, 8), 0).await, "another lane begins");
        lanes.passed(1, (2, 8), 0);
        assert!(!lanes.wait(1, (2, 7), 1).await, "what comes late of the lane before is not taken");
        assert!(lanes.wait(1, (2, 8), 1).await, "and does not disturb the new one");
        lanes.passed(1, (2, 8), 1);
        assert!(lanes.wait(1, (2, super::number(1, 1)), 0).await, "nor does another client of the same member");
        assert!(lanes.wait(1, (2, 8), 2).await);
    }
}
