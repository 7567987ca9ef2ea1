//! The one writer of the log: flushes all that was appended, tells everybody who waited for it; what comes meanwhile is
//! the next batch. It waits on no timer. It runs on a thread of its own, so that a slow disk holds up nobody else.
use crate::types::Types;
use openraft::storage::IOFlushed;
use std::io;
use std::sync::Arc;
use store::handover::Handover;
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
pub(super) type Queue = Handover<Waiting>;

/// Waits for the next flush; told at once where the disk has failed.
pub(super) fn wait(queue: &Queue, waiting: Waiting) {
    if let Err((waiting, why)) = queue.push(waiting) {
        waiting.tell(Err(&why));
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
                let more = queue.fail(&why);
                waiting.into_iter().chain(more).for_each(|waiting| waiting.tell(Err(&why)));
            }
        }
        if last {
            return;
        }
    }
}
