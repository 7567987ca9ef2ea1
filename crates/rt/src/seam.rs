//! The functions of the seam, and the world that a simulation puts in their place.
#![expect(
    clippy::disallowed_methods,
    reason = "this is the one place that takes clock, random and spawn from the system"
)]
use std::cell::RefCell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::OnceLock;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// Monotonic time, nanoseconds since an arbitrary start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(pub u64);

impl Instant {
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)))
    }

    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }
}

/// What a simulation provides. All of it is of the node whose task is running.
pub trait World {
    fn now(&self) -> Instant;
    /// Milliseconds since the Unix epoch by the node's own clock.
    fn wall(&self) -> u64;
    fn random(&self) -> u64;
    /// Starts a task on the node whose task is running: killed and paused with it.
    fn spawn(&self, name: &'static str, task: Pin<Box<dyn Future<Output = ()> + Send>>);
    /// Wakes when `now` of this node has reached `when`, not before.
    fn wake_at(&self, when: Instant, waker: Waker);
}

thread_local! {
    static WORLD: RefCell<Option<Rc<dyn World>>> = const { RefCell::new(None) };
}

/// Runs `body` with `world` as the world of this thread.
pub fn enter<T>(world: Rc<dyn World>, body: impl FnOnce() -> T) -> T {
    let before = WORLD.replace(Some(world));
    let result = body();
    WORLD.set(before);
    result
}

fn world() -> Option<Rc<dyn World>> {
    WORLD.with_borrow(Clone::clone)
}

/// Whether a simulation stands in the place of the system on this thread.
pub(crate) fn simulated() -> bool {
    WORLD.with_borrow(Option::is_some)
}

/// The moment of this process from which `Instant` counts.
fn start() -> std::time::Instant {
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    *START.get_or_init(std::time::Instant::now)
}

/// Monotonic now.
#[must_use]
pub fn now() -> Instant {
    match world() {
        Some(world) => world.now(),
        None => Instant(u64::try_from(start().elapsed().as_nanos()).unwrap_or(u64::MAX)),
    }
}

/// An instant as the standard library's type has it, for libraries that count in that.
#[must_use]
pub fn to_std(when: Instant) -> std::time::Instant {
    start() + Duration::from_nanos(when.0)
}

/// The instant that `to_std` was given.
#[must_use]
pub fn from_std(when: std::time::Instant) -> Instant {
    Instant(u64::try_from(when.saturating_duration_since(start()).as_nanos()).unwrap_or(u64::MAX))
}

/// Wall clock, milliseconds since the Unix epoch.
#[must_use]
pub fn wall() -> u64 {
    match world() {
        Some(world) => world.wall(),
        None => {
            let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        }
    }
}

/// Sixty-four unpredictable bits (in a simulation: from the seed).
#[must_use]
pub fn random() -> u64 {
    match world() {
        Some(world) => world.random(),
        None => {
            let mut bytes = [0; 8];
            // The kernel's generator fails only if it is absent; then nothing that needs a secret may start.
            getrandom::fill(&mut bytes).expect("the kernel's random generator answers");
            u64::from_le_bytes(bytes)
        }
    }
}

/// A number nobody else has: the wall clock's milliseconds, then 64 unpredictable bits. Those of one moment lie together, so
/// that ordered maps of the newest touch few of their leaves.
#[must_use]
pub fn unique() -> u128 {
    (u128::from(wall()) << 64) | u128::from(random())
}

/// A task's result; dropping it lets the task run on.
pub struct JoinHandle<T>(tokio::sync::oneshot::Receiver<T>);

/// The task ended without a result: it panicked, or its node was killed.
#[derive(Debug)]
pub struct Gone;

impl<T> Future for JoinHandle<T> {
    type Output = Result<T, Gone>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map_err(|_| Gone)
    }
}

/// Starts a task.
pub fn spawn<T: Send + 'static>(name: &'static str, future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    let (send, receive) = tokio::sync::oneshot::channel();
    let task = async move {
        // Nobody may be waiting for the result.
        let _ = send.send(future.await);
    };
    match world() {
        Some(world) => world.spawn(name, Box::pin(task)),
        None => {
            tokio::spawn(task);
        }
    }
    JoinHandle(receive)
}

/// Runs work that blocks (a disk's sync) where it holds up no other task. In a simulation it runs in place, as a task of its own.
pub fn blocking<T: Send + 'static>(name: &'static str, work: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    if world().is_some() {
        return spawn(name, async move { work() });
    }
    let (send, receive) = tokio::sync::oneshot::channel();
    tokio::task::spawn_blocking(move || {
        // Nobody may be waiting for the result.
        let _ = send.send(work());
    });
    JoinHandle(receive)
}

/// Runs a future on a thread of its own: for one that blocks all its life, as a log's writer does. In a simulation it is a
/// task like any other.
///
/// # Panics
/// If the system has run out of threads: then this process cannot do its work.
pub fn spawn_thread(name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
    if let Some(world) = world() {
        return world.spawn(name, Box::pin(future));
    }
    let thread = std::thread::Builder::new().name(name.to_owned());
    thread.spawn(move || block_on(future)).expect("the system gives a thread");
}

/// Polls the future on this thread, which sleeps while there is nothing to do.
fn block_on(future: impl Future<Output = ()>) {
    struct Unpark(std::thread::Thread);
    impl std::task::Wake for Unpark {
        fn wake(self: std::sync::Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(std::sync::Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    while future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending() {
        std::thread::park();
    }
}

/// Waits for a duration.
#[must_use]
pub fn sleep(duration: Duration) -> Sleep {
    sleep_until(now().after(duration))
}

/// Waits until an instant.
#[must_use]
pub fn sleep_until(when: Instant) -> Sleep {
    Sleep(match world() {
        Some(_) => Timer::World { when, asked: None },
        None => Timer::Tokio(Box::pin(tokio::time::sleep(when.since(now())))),
    })
}

/// A timer. It belongs to the runtime it was made in.
#[derive(Debug)]
pub struct Sleep(Timer);

#[derive(Debug)]
enum Timer {
    /// `asked`: the waker that the world already holds for it, and when it will wake it, so that a future polled often, and one
    /// that is told again and again to wait longer, asks once.
    World {
        when: Instant,
        asked: Option<(Instant, Waker)>,
    },
    Tokio(Pin<Box<tokio::time::Sleep>>),
}

impl Sleep {
    /// Waits until this instant instead.
    pub fn reset(&mut self, when: Instant) {
        match &mut self.0 {
            Timer::Tokio(sleep) => sleep.as_mut().reset(tokio::time::Instant::from_std(to_std(when))),
            Timer::World { when: wanted, .. } => *wanted = when,
        }
    }
}

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        match &mut self.0 {
            Timer::Tokio(sleep) => sleep.as_mut().poll(context),
            Timer::World { when, asked } => {
                let Some(world) = world() else { return Poll::Ready(()) };
                let now = world.now();
                if now >= *when {
                    return Poll::Ready(());
                }
                let still =
                    |(at, waker): &(Instant, Waker)| now < *at && *at <= *when && waker.will_wake(context.waker());
                if !asked.as_ref().is_some_and(still) {
                    world.wake_at(*when, context.waker().clone());
                    *asked = Some((*when, context.waker().clone()));
                }
                Poll::Pending
            }
        }
    }
}

/// The future's output, or `None` if it took longer than `duration`.
pub async fn timeout<T>(duration: Duration, future: impl Future<Output = T>) -> Option<T> {
    let mut future = std::pin::pin!(future);
    let mut timer = std::pin::pin!(sleep(duration));
    std::future::poll_fn(|context| {
        if let Poll::Ready(output) = future.as_mut().poll(context) {
            return Poll::Ready(Some(output));
        }
        timer.as_mut().poll(context).map(|()| None)
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    /// A world whose time stands still until it is set.
    #[derive(Default)]
    struct Still {
        now: Cell<u64>,
        asked: Cell<u32>,
    }

    struct Nobody;

    impl std::task::Wake for Nobody {
        fn wake(self: std::sync::Arc<Self>) {}
    }

    impl World for Still {
        fn now(&self) -> Instant {
            Instant(self.now.get())
        }
        fn wall(&self) -> u64 {
            7
        }
        fn random(&self) -> u64 {
            3
        }
        fn spawn(&self, _: &'static str, _: Pin<Box<dyn Future<Output = ()> + Send>>) {}
        fn wake_at(&self, _: Instant, _: Waker) {
            self.asked.set(self.asked.get() + 1);
        }
    }

    #[test]
    fn inside_a_world_everything_is_the_worlds() {
        let still = Rc::new(Still::default());
        enter(still.clone(), || {
            assert_eq!((now(), wall(), unique()), (Instant(0), 7, (7 << 64) | 3));
            let mut sleep = Box::pin(sleep(Duration::from_nanos(5)));
            let waker = Waker::from(std::sync::Arc::new(Nobody));
            let mut context = Context::from_waker(&waker);
            assert!(sleep.as_mut().poll(&mut context).is_pending() && sleep.as_mut().poll(&mut context).is_pending());
            assert_eq!(still.asked.get(), 1, "the world is asked once");
            sleep.reset(Instant(9));
            assert!(sleep.as_mut().poll(&mut context).is_pending());
            assert_eq!(still.asked.get(), 1, "nor again for a longer time");
            sleep.reset(Instant(4));
            assert!(sleep.as_mut().poll(&mut context).is_pending());
            assert_eq!(still.asked.get(), 2, "but for a shorter one");
            still.now.set(5);
            assert!(sleep.as_mut().poll(&mut context).is_ready());
        });
        assert!(world().is_none());
    }

    #[tokio::test]
    async fn outside_a_world_it_is_tokio() {
        let before = now();
        assert_eq!(from_std(to_std(before)), before);
        let mut sooner = sleep(Duration::from_secs(3_600));
        sooner.reset(before);
        sooner.await;
        assert_eq!(spawn("one", async { 1 }).await.ok(), Some(1));
        let (send, receive) = tokio::sync::oneshot::channel();
        spawn_thread("thread", async move { assert!(send.send(9).is_ok()) });
        assert_eq!(receive.await, Ok(9));
        assert_eq!(blocking("two", || 2).await.ok(), Some(2));
        assert_eq!(timeout(Duration::from_millis(5), std::future::pending::<()>()).await, None);
        assert_eq!(timeout(Duration::from_secs(5), async { 3 }).await, Some(3));
        assert!(now().since(before) >= Duration::from_millis(5) && wall() > 1_700_000_000_000);
        assert_ne!(unique(), unique());
        assert!(spawn("dies", async { panic!("on purpose") }).await.is_err());
    }
}
