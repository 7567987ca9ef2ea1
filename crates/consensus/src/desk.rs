//! Callers that wait for the outcome of a command, by its id. Whoever applies the command here tells them, whichever
//! way it came into the log; so a caller at any member gets its outcome from its own view, and none is encoded for the way back.
use api::command::{CommandId, Outcome};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

#[derive(Default)]
pub(crate) struct Desk {
    waiting: Mutex<BTreeMap<CommandId, Vec<oneshot::Sender<Outcome>>>>,
}

/// A place at the desk; leaving it is dropping it.
pub(crate) struct Seat<'a> {
    desk: &'a Desk,
    id: CommandId,
    pub(crate) outcome: oneshot::Receiver<Outcome>,
}

impl Desk {
    pub(crate) fn wait(&self, id: CommandId) -> Seat<'_> {
        let (sender, outcome) = oneshot::channel();
        self.lock().entry(id).or_default().push(sender);
        Seat { desk: self, id, outcome }
    }

    /// Whether nobody waits: then there is no need to look.
    pub(crate) fn is_empty(&self) -> bool {
        self.lock().is_empty()
    }

    pub(crate) fn tell(&self, id: CommandId, outcome: Outcome) {
        let Some(mut waiting) = self.lock().remove(&id) else { return };
        let last = waiting.pop();
        // Any of them may have gone meanwhile.
        for sender in waiting {
            let _ = sender.send(outcome.clone());
        }
        if let Some(sender) = last {
            let _ = sender.send(outcome);
        }
    }

    /// The ids that somebody waits for.
    pub(crate) fn ids(&self) -> Vec<CommandId> {
        self.lock().keys().copied().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<CommandId, Vec<oneshot::Sender<Outcome>>>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Seat<'_> {
    fn drop(&mut self) {
        self.outcome.close();
        let mut waiting = self.desk.lock();
        if let Some(senders) = waiting.get_mut(&self.id) {
            senders.retain(|sender| !sender.is_closed());
            if senders.is_empty() {
                waiting.remove(&self.id);
            }
        }
    }
}
