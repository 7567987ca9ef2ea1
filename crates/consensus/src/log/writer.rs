//! The one writer of the log: flushes all that was appended, tells everybody who waited for it; what comes meanwhile is
//! the next batch. It waits on no timer. It runs on a thread of its own, so that a slow disk holds up nobody else.
use crate::types::Types;
use openraft::storage::IOFlushed;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use store::log::Log;
use tokio::sync::oneshot;

/// Whom to tell when everything appended before is durable.
pub(super) enum Waiting {
    Append(IOFlushed<Types>),
    /// Whoever was careless enough to believe it already.
    Nobody,
    Caller(oneshot::Sender<io::Result<()>>),
}

impl Waiting {
    fn tell(self, result: Result<(), &str>) {
        let result = result.map_err(io::Error::other);
        match self {
            Self::Append(callback) => callback.io_completed(result),
            Self::Nobody => {}
            // It may have gone.
            Self::Caller(caller) => drop(caller.send(result)),
        }
    }
}

/// Those who wait for the next flush.
#[derive(Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    waiting: Vec<Waiting>,
    waker: Option<Waker>,
    closed: bool,
    /// Set once a flush failed: nothing is known of the disk, so nobody is told that anything is durable.
    failed: Option<String>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, waiting: Waiting) {
        let mut inner = self.lock();
        if let Some(why) = inner.failed.clone() {
            drop(inner);
            return waiting.tell(Err(&why));
        }
        inner.waiting.push(waiting);
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        let waker = inner.waker.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    /// All who wait; nobody once the queue is closed and empty.
    async fn next(&self) -> Vec<Waiting> {
        poll_fn(|context| {
            let mut inner = self.lock();
            if inner.waiting.is_empty() && !inner.closed {
                inner.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
            Poll::Ready(std::mem::take(&mut inner.waiting))
        })
        .await
    }

    fn fail(&self, why: &str) {
        let mut inner = self.lock();
        inner.failed = Some(why.to_owned());
        let waiting = std::mem::take(&mut inner.waiting);
        drop(inner);
        waiting.into_iter().for_each(|waiting| waiting.tell(Err(why)));
    }
}

/// Flushes until the queue is closed. `broken` is called once if the disk fails; after that everything fails.
pub(super) async fn run(queue: Arc<Queue>, log: Log, broken: Box<dyn Fn(&str) + Send>) {
    loop {
        let waiting = queue.next().await;
        let last = waiting.is_empty();
        let result = log.flush();
        let owed = log.owed();
        if !owed.is_zero() {
            rt::sleep(owed).await;
        }
        match result {
            Ok(()) => waiting.into_iter().for_each(|waiting| waiting.tell(Ok(()))),
            Err(why) => {
                let why = why.to_string();
                broken(&why);
                queue.fail(&why);
                waiting.into_iter().for_each(|waiting| waiting.tell(Err(&why)));
            }
        }
        if last {
            return;
        }
    }
}
