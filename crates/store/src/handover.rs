//! How many who bring work meet the one who does it: what is brought while the worker is busy is its next batch. It waits on no timer and
//! knows a waker, not a runtime; `tests/loom_handover.rs` tries every interleaving.
use crate::sync::{Mutex, MutexGuard};
use std::future::poll_fn;
use std::sync::PoisonError;
use std::task::{Context, Poll, Waker};

/// Work of kind `T` that waits for the worker.
#[derive(Debug)]
pub struct Handover<T> {
    inner: Mutex<Inner<T>>,
}

#[derive(Debug)]
struct Inner<T> {
    waiting: Vec<T>,
    waker: Option<Waker>,
    closed: bool,
    /// Set once the work failed: no more is taken.
    failed: Option<String>,
}

impl<T> Default for Handover<T> {
    fn default() -> Self {
        Self { inner: Mutex::new(Inner { waiting: Vec::new(), waker: None, closed: false, failed: None }) }
    }
}

impl<T> Handover<T> {
    fn lock(&self) -> MutexGuard<'_, Inner<T>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings one piece of work.
    ///
    /// # Errors
    /// The piece itself and why, if the work has failed.
    pub fn push(&self, one: T) -> Result<(), (T, String)> {
        let mut inner = self.lock();
        if let Some(why) = inner.failed.clone() {
            return Err((one, why));
        }
        inner.waiting.push(one);
        wake(inner);
        Ok(())
    }

    /// Nothing more will be brought: the worker ends when it has done what waits.
    pub fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        wake(inner);
    }

    /// All that waits; empty once the handover is closed and nothing is left.
    pub async fn next(&self) -> Vec<T> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&self, context: &mut Context<'_>) -> Poll<Vec<T>> {
        let mut inner = self.lock();
        if inner.waiting.is_empty() && !inner.closed {
            if cfg!(weakened) {
                // What comes between finds nobody to wake.
                drop(inner);
                inner = self.lock();
            }
            inner.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        Poll::Ready(std::mem::take(&mut inner.waiting))
    }

    /// The work has failed: what waits is given back, what comes is refused.
    pub fn fail(&self, why: &str) -> Vec<T> {
        let mut inner = self.lock();
        inner.failed = Some(why.to_owned());
        std::mem::take(&mut inner.waiting)
    }
}

/// Wakes the worker, with nothing locked.
fn wake<T>(mut inner: MutexGuard<'_, Inner<T>>) {
    let waker = inner.waker.take();
    drop(inner);
    if let Some(waker) = waker {
        waker.wake();
    }
}
