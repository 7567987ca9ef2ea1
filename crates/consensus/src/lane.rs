//! Appends of one stream in their order, although the transport may let one overtake another: each waits for its turn, for
//! a bounded time. A stream that lost one is given up by its sender and begun anew.
use crate::limits::LANE_WAIT_MAX;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The lanes of all members that send here: one for each, the newest.
#[derive(Default)]
pub(crate) struct Lanes {
    by_member: Mutex<BTreeMap<u64, Lane>>,
}

#[derive(Default)]
struct Lane {
    id: u64,
    next: u64,
    waiting: BTreeMap<u64, oneshot::Sender<()>>,
}

impl Lanes {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<u64, Lane>> {
        self.by_member.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when everything before `turn` was passed on; false if that takes too long or another lane has begun.
    pub(crate) async fn wait(&self, from: u64, id: u64, turn: u64) -> bool {
        let receiver = {
            let mut lanes = self.lock();
            let lane = lanes.entry(from).or_default();
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
    pub(crate) fn passed(&self, from: u64, id: u64, turn: u64) {
        let mut lanes = self.lock();
        let Some(lane) = lanes.get_mut(&from).filter(|lane| lane.id == id) else { return };
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
        assert!(lanes.wait(1, 7, 0).await);
        let second = rt::spawn("second", {
            let lanes = lanes.clone();
            async move { lanes.wait(1, 7, 1).await }
        });
        lanes.passed(1, 7, 0);
        assert!(second.await.expect("ends"));
        assert!(!lanes.wait(1, 7, 3).await, "the one before it never came");
        assert!(lanes.wait(1, 8, 0).await, "another lane begins");
    }
}
