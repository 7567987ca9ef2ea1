//! A thread of a loom model that sleeps until it is woken.
use loom::sync::Notify;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};

struct Bell(Notify);

impl Wake for Bell {
    fn wake(self: Arc<Self>) {
        self.0.notify();
    }
}

/// Polls until there is something; between two polls it sleeps until it is woken. A wake-up that is lost is a deadlock, which loom sees.
pub fn wait_for<T>(mut poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> T {
    let bell = Arc::new(Bell(Notify::new()));
    let waker = Waker::from(bell.clone());
    let mut context = Context::from_waker(&waker);
    loop {
        if let Poll::Ready(found) = poll(&mut context) {
            return found;
        }
        bell.0.wait();
    }
}
