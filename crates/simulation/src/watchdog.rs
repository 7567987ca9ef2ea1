//! Who waits for a run that goes on in a thread of its own, and notices when a task does not come back from one poll: nothing inside the
//! run could, for the run is one thread. It ends nothing: a thread cannot be ended from outside, and goes on until the process ends.
use crate::clock::Nanos;
use crate::trace::Node;
use std::cell::RefCell;
use std::fmt;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// The stack of a run's thread: everything that a cluster does happens on it.
const STACK_BYTES: usize = 64 * 1024 * 1024;
/// How often it looks, and how many looks in a row may find the same poll. What blocks in production is done within a poll here, and a
/// fold of a large log takes a while.
const LOOK: Duration = Duration::from_secs(5);
const LOOKS_MAX: u32 = 24;

/// A task that did not come back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stuck {
    pub(crate) node: Node,
    pub(crate) task: &'static str,
    pub(crate) time: Nanos,
    after: Duration,
}

impl fmt::Display for Stuck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { node, task, time, after } = self;
        let (after, seconds) = (after.as_secs(), time / 1_000_000_000);
        write!(
            f,
            "task {task:?} of node {} does not come back: at {seconds} virtual s, one poll lasts {after} s by now",
            node.0
        )
    }
}

/// Where a world is, and whose poll it is in: node and task.
pub(crate) type Look = Box<dyn Fn() -> (Nanos, Option<(Node, &'static str)>) + Send>;
type Place = Arc<Mutex<Option<Look>>>;

thread_local! {
    static HERE: RefCell<Option<Place>> = const { RefCell::new(None) };
}

/// Lets whoever waits for this thread look at its world.
pub(crate) fn watched(look: Look) {
    HERE.with_borrow(|place| {
        if let Some(place) = place {
            *place.lock().unwrap_or_else(PoisonError::into_inner) = Some(look);
        }
    });
}

/// Runs `body` in a thread of its own: what a thread keeps between runs would be a leak.
///
/// # Errors
/// If a task of its world does not come back.
pub(crate) fn fresh<T: Send + 'static>(seed: u64, body: impl FnOnce() -> T + Send + 'static) -> Result<T, Stuck> {
    wait(seed, body, LOOK, LOOKS_MAX, &|_| ())
}

/// The same, and says every few seconds how far it is, in virtual time.
pub(crate) fn fresh_telling<T: Send + 'static>(
    seed: u64,
    body: impl FnOnce() -> T + Send + 'static,
    meanwhile: &dyn Fn(Nanos),
) -> Result<T, Stuck> {
    wait(seed, body, LOOK, LOOKS_MAX, meanwhile)
}

fn wait<T: Send + 'static>(
    seed: u64,
    body: impl FnOnce() -> T + Send + 'static,
    every: Duration,
    looks_max: u32,
    meanwhile: &dyn Fn(Nanos),
) -> Result<T, Stuck> {
    let place = Place::default();
    let (tell, told) = channel();
    let inside = place.clone();
    let thread = std::thread::Builder::new().name(format!("seed {seed}")).stack_size(STACK_BYTES);
    let thread = thread.spawn(move || {
        HERE.set(Some(inside));
        // Nobody waits any more for one that was given up.
        let _ = tell.send(body());
    });
    let thread = thread.expect("the system gives a thread");
    let mut seen = (None, 0);
    loop {
        match told.recv_timeout(every) {
            Ok(result) => return Ok(result),
            Err(RecvTimeoutError::Disconnected) => {
                let panicked = thread.join().expect_err("it ended without a result");
                std::panic::resume_unwind(panicked)
            }
            Err(RecvTimeoutError::Timeout) => {}
        }
        let now = place.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(|look| look());
        let (time, polled) = now.unwrap_or_default();
        meanwhile(time);
        seen = if polled.is_some() && seen.0 == Some(time) { (seen.0, seen.1 + 1) } else { (Some(time), 0) };
        if let Some((node, task)) = polled.filter(|_| seen.1 >= looks_max) {
            return Err(Stuck { node, task, time, after: every * looks_max });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::{Order, World};
    use std::sync::atomic::{AtomicBool, Ordering};

    #[test]
    fn who_does_not_come_back_is_named() {
        let over = Arc::new(AtomicBool::new(false));
        let spin = over.clone();
        let sail = move || {
            let world = World::new(1, Order::Fifo);
            world.spawn_on(Node(7), "spins", async move {
                while !spin.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
            world.run(1_000_000_000, |_| false);
        };
        let stuck = wait(1, sail, Duration::from_millis(20), 3, &|_| ()).expect_err("it spins");
        over.store(true, Ordering::Relaxed);
        assert_eq!((stuck.node, stuck.task), (Node(7), "spins"));
        assert!(stuck.to_string().contains("does not come back"), "{stuck}");
    }

    #[test]
    fn who_takes_long_between_polls_or_panics_is_not_stuck() {
        let (tell, told) = channel::<()>();
        let slow = move || {
            let world = World::new(1, Order::Fifo);
            world.run(1_000, |_| false);
            told.recv_timeout(Duration::from_millis(200)).is_err()
        };
        assert_eq!(wait(1, slow, Duration::from_millis(20), 3, &|_| ()), Ok(true));
        drop(tell);
        let panicked = std::panic::catch_unwind(|| fresh(1, || -> u64 { panic!("on purpose") }));
        assert!(panicked.is_err(), "a panic is handed on");
    }
}
