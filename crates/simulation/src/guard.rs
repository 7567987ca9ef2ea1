//! Where a test may stand between production code and the machine it runs on: it is told when a task of a simulated process begins to run
//! and when it has yielded, and so knows whose call reads a real clock. Nothing is told to anybody unless a test asked for it.
use std::sync::OnceLock;

static TELL: OnceLock<fn(bool)> = OnceLock::new();

/// From now on `tell` is called on the thread of each run: with `true` before a task is polled, with `false` after. Once a process.
pub fn watch(tell: fn(bool)) {
    // Who comes second keeps the first: a process has one guard.
    let _ = TELL.set(tell);
}

pub(crate) fn within<T>(body: impl FnOnce() -> T) -> T {
    let Some(tell) = TELL.get() else { return body() };
    tell(true);
    let done = body();
    tell(false);
    done
}
