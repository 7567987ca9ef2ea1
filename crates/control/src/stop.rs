//! A graceful stop: told once, seen by every task that asks.
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::Notify;

/// Cloning it clones the handle.
#[derive(Clone, Debug, Default)]
pub struct Stop {
    shared: Arc<(AtomicBool, Notify)>,
}

impl Stop {
    /// Tells everybody.
    pub fn stop(&self) {
        self.shared.0.store(true, Ordering::SeqCst);
        self.shared.1.notify_waiters();
    }

    #[must_use]
    pub fn stopping(&self) -> bool {
        self.shared.0.load(Ordering::SeqCst)
    }

    /// Waits until it is told.
    pub async fn stopped(&self) {
        let mut told = std::pin::pin!(self.shared.1.notified());
        // Registered before looking, so that no call falls between.
        told.as_mut().enable();
        if !self.stopping() {
            told.await;
        }
    }

    /// `work`'s output, or `None` if the stop came first.
    pub async fn unless<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        let (stopped, work) = (std::pin::pin!(self.stopped()), std::pin::pin!(work));
        match futures::future::select(stopped, work).await {
            futures::future::Either::Left(((), _)) => None,
            futures::future::Either::Right((output, _)) => Some(output),
        }
    }
}
