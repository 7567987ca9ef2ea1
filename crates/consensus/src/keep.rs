//! How much of the past a member keeps. In the background it has a state written from which the rest can be replayed, and then takes
//! the oldest segments away; never on the path of a write, and never what Raft, a follower that is there or a restart still needs.
use crate::machine::{Raft, Shelf};
use crate::parcel::Parcel;
use crate::rebuild::{failed, keep, state_at};
use crate::room::Room;
use crate::tuning::Keep;
use api::revision::Millis;
use openraft_rt::WatchReceiver as _;
use std::io;
use std::sync::Arc;
use store::history::History;
use store::log::error::LogError;
use store::log::{Log, Retention};

pub(crate) struct Keeper {
    pub(crate) room: Arc<Room>,
    pub(crate) raft: Raft,
    pub(crate) log: Log,
    pub(crate) history: History,
    pub(crate) shelf: Shelf,
    pub(crate) keep: Keep,
    /// Entries by which a follower may be behind and is still waited for.
    pub(crate) entries_behind: u64,
}

impl Keeper {
    /// Runs for as long as the member is well.
    pub(crate) async fn run(self) {
        while self.room.illness().is_none() {
            rt::sleep(self.keep.every).await;
            if let Err(why) = self.round().await {
                tracing::warn!(%why, "the log's beginning stays for now");
                if let Some(why) = why.get_ref().and_then(|why| why.downcast_ref::<LogError>()) {
                    self.room.met(why);
                }
            }
        }
    }

    async fn round(&self) -> io::Result<()> {
        let now = self.room.published.view().time().0;
        let age = self.keep.age.map(|age| u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
        let since = age.map(|age| Millis(now.saturating_sub(age)));
        let wish = Retention { needed_from: u64::MAX, bytes_max: self.keep.bytes, since };
        let Some((end, _)) = self.log.surplus(&wish) else { return Ok(()) };
        let free = self.log.purged().map_or(0, |purged| purged.index + 1);
        if let Some(upto) = end.checked_sub(1).filter(|_| end > free) {
            self.release(upto).await?;
        }
        let Some((cut, bytes)) = self.log.surplus(&Retention { needed_from: free, ..wish }) else { return Ok(()) };
        let (log, history, newest) = (self.log.clone(), self.history.clone(), self.shelf.newest());
        let retired = rt::blocking("retire", move || {
            // A base costs what the state costs: it is written only where as much goes.
            if bytes < history.base_bytes().map_err(failed)? {
                return Ok(0);
            }
            retire(&log, &history, newest.as_ref(), &Retention { needed_from: cut, ..wish })
        });
        let gone = retired.await.map_err(|_| io::Error::other("taking it away was not finished"))??;
        rt::sleep(self.log.owed()).await;
        if gone > 0 {
            let first = self.history.oldest();
            tracing::info!(segments = gone, %first, "the log's beginning was taken away; the first revision kept");
        }
        Ok(())
    }

    /// Asks Raft to let go of entries up to `upto`: first for a checkpoint that covers them, and in a later round to go on from there.
    async fn release(&self, upto: u64) -> io::Result<()> {
        let (covered, slowest) = {
            let metrics = self.raft.metrics();
            let metrics = metrics.borrow_watched();
            let last = metrics.last_log_index.unwrap_or(0);
            let matched = metrics.replication.iter().flatten().map(|(_, matched)| matched.as_ref());
            let matched = matched.map(|matched| matched.map_or(0, |matched| matched.index));
            let there = matched.filter(|matched| matched.saturating_add(self.entries_behind) >= last);
            (metrics.snapshot.is_some_and(|made| made.index >= upto), there.min().unwrap_or(u64::MAX))
        };
        if covered {
            self.raft.trigger().purge_log(upto.min(slowest)).await.map_err(io::Error::other)
        } else {
            self.shelf.ask();
            self.raft.trigger().snapshot().await.map_err(io::Error::other)
        }
    }
}

/// Writes the base that the log will begin after, then takes away what lies before.
fn retire(log: &Log, history: &History, newest: Option<&Parcel>, retention: &Retention) -> io::Result<usize> {
    if let Some(last) = retention.needed_from.checked_sub(1) {
        let base = history.base_before(last).map_err(failed)?;
        if base.is_none_or(|base| base.state.view().index() != last) {
            keep(history, &state_at(log, history, newest, last)?)?;
        }
    }
    history.retire(log, retention).map_err(failed)
}
