//! The cluster of the last decision, kept so that the next need not build it again. It changes no decision: it is brought to the view that
//! is decided on, and then equals a rebuild from it. It is the only thing here that outlives a decision.
use crate::cluster::Cluster;
use std::sync::{Mutex, PoisonError, TryLockError};
use store::view::View;

static LAST: Mutex<Option<Cluster>> = Mutex::new(None);

/// Calls `decide` with the cluster of `view`. Whoever finds the memo in use builds a cluster of their own.
pub(crate) fn with<T>(view: &View, decide: impl FnOnce(&mut Cluster) -> T) -> T {
    let mut held = match LAST.try_lock() {
        Ok(held) => held,
        // What a panic left half done is thrown away.
        Err(TryLockError::Poisoned(poisoned)) => {
            let mut held = PoisonError::into_inner(poisoned);
            *held = None;
            held
        }
        Err(TryLockError::WouldBlock) => return decide(&mut Cluster::rebuild(view)),
    };
    let mut cluster = held.take().unwrap_or_default();
    cluster.follow(view);
    let result = decide(&mut cluster);
    *held = Some(cluster);
    result
}
