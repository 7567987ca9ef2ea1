//! The one writer of the log: drains its queue, writes all of it, syncs once, tells everybody; what comes meanwhile
//! is the next batch. It waits on no timer. It runs on a thread of its own, so that a slow disk holds up nobody else.
use super::frame::Frame;
use super::tape::Tape;
use crate::limits::WRITE_FRAMES_MAX;
use crate::types::Types;
use openraft::storage::IOFlushed;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use tokio::sync::oneshot;

/// Whom to tell when the frame is durable.
pub(super) enum Done {
    Append(IOFlushed<Types>),
    Caller(oneshot::Sender<io::Result<()>>),
    Nobody,
}

pub(super) struct Job {
    pub(super) frame: Frame,
    pub(super) done: Done,
}

/// Jobs on their way to the writer.
#[derive(Default)]
pub(super) struct Queue {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    jobs: VecDeque<Job>,
    waker: Option<Waker>,
    /// Somebody waits for one of the jobs.
    wanted: bool,
    closed: bool,
    /// Set once a write failed: nothing is known of the disk, so nothing more is written.
    failed: Option<String>,
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn push(&self, job: Job) {
        let mut inner = self.lock();
        if let Some(why) = inner.failed.clone() {
            drop(inner);
            return finish(job.done, Err(&why));
        }
        // What nobody waits for rides along with the next frame that somebody does wait for, and costs no sync of its own.
        let rides = matches!(job.done, Done::Nobody);
        match (&job.frame, inner.jobs.back_mut()) {
            (Frame::Committed(_), Some(last)) if matches!(last.frame, Frame::Committed(_)) => *last = job,
            _ => inner.jobs.push_back(job),
        }
        inner.wanted |= !rides;
        let waker = if inner.wanted { inner.waker.take() } else { None };
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }

    pub(super) fn close(&self) {
        let mut inner = self.lock();
        inner.closed = true;
        if let Some(waker) = inner.waker.take() {
            waker.wake();
        }
    }

    /// The jobs that wait, at most `WRITE_FRAMES_MAX`; none once the queue is closed and empty.
    async fn next(&self) -> Vec<Job> {
        poll_fn(|context| {
            let mut inner = self.lock();
            if !inner.wanted && !inner.closed {
                inner.waker = Some(context.waker().clone());
                return Poll::Pending;
            }
            let many = inner.jobs.len().min(WRITE_FRAMES_MAX);
            inner.wanted = many < inner.jobs.len();
            Poll::Ready(inner.jobs.drain(..many).collect())
        })
        .await
    }

    fn fail(&self, why: &str) {
        let mut inner = self.lock();
        inner.failed = Some(why.to_owned());
        let jobs = std::mem::take(&mut inner.jobs);
        drop(inner);
        jobs.into_iter().for_each(|job| finish(job.done, Err(why)));
    }
}

fn finish(done: Done, result: Result<(), &str>) {
    let result = result.map_err(io::Error::other);
    match done {
        Done::Append(callback) => callback.io_completed(result),
        Done::Caller(caller) => drop(caller.send(result)),
        Done::Nobody => {}
    }
}

/// What the writer tells of its progress: entries up to here are durable.
pub(super) type Durable = Box<dyn Fn(u64) + Send>;

/// Writes until the queue is closed. `broken` is called once if the disk fails; after that every job fails.
pub(super) async fn run(queue: Arc<Queue>, tape: Tape, durable: Durable, broken: Box<dyn Fn(&str) + Send>) {
    loop {
        let jobs = queue.next().await;
        if jobs.is_empty() {
            return;
        }
        let result = jobs.iter().try_for_each(|job| tape.write(&job.frame)).and_then(|()| tape.sync());
        let owed = tape.owed();
        if !owed.is_zero() {
            rt::sleep(owed).await;
        }
        if let Err(why) = result {
            let why = why.to_string();
            tracing::error!(%why, "the log cannot be written; this member stops taking part");
            broken(&why);
            queue.fail(&why);
            jobs.into_iter().for_each(|job| finish(job.done, Err(&why)));
            continue;
        }
        if let Some(last) = jobs.iter().rev().find_map(|job| match &job.frame {
            Frame::Entries(entries) => entries.last().map(|entry| entry.log_id.index),
            _ => None,
        }) {
            durable(last);
        }
        jobs.into_iter().for_each(|job| finish(job.done, Ok(())));
    }
}
