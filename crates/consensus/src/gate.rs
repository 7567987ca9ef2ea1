//! Waiting until a number that only grows has reached a value. A step wakes those it satisfies and nobody else.
use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use tokio::sync::oneshot;

#[derive(Default)]
pub(crate) struct Gate {
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    reached: u64,
    next: u64,
    /// By (value waited for, order of arrival).
    waiting: BTreeMap<(u64, u64), oneshot::Sender<()>>,
}

impl Gate {
    /// The number has grown to `value`; a smaller one changes nothing.
    pub(crate) fn raise(&self, value: u64) {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.reached = inner.reached.max(value);
        while let Some(first) = inner.waiting.first_entry()
            && first.key().0 <= value
        {
            // Whoever waited may have gone.
            let _ = first.remove().send(());
        }
    }

    pub(crate) fn reached(&self) -> u64 {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner).reached
    }

    /// Returns once the number is at least `value`.
    pub(crate) async fn wait(&self, value: u64) {
        let receiver = {
            let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
            if inner.reached >= value {
                return;
            }
            let (sender, receiver) = oneshot::channel();
            let order = inner.next;
            inner.next += 1;
            inner.waiting.insert((value, order), sender);
            receiver
        };
        // The sender is dropped only with the gate, which `self` holds.
        let _ = receiver.await;
    }
}

#[cfg(test)]
mod tests {
    use super::Gate;
    use std::sync::Arc;

    #[tokio::test]
    async fn wakes_those_who_are_satisfied() {
        let gate = Arc::new(Gate::default());
        gate.raise(3);
        gate.wait(2).await;
        let waiter = rt::spawn("waiter", {
            let gate = gate.clone();
            async move { gate.wait(9).await }
        });
        gate.raise(8);
        gate.raise(5);
        assert_eq!(gate.reached(), 8);
        gate.raise(9);
        waiter.await.expect("the waiter ends");
    }
}
