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
    fn spawn(&self, name: &'static str, task: Pin<Box<dyn Future<Output = ()> + Send>>);
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

/// Monotonic now.
#[must_use]
pub fn now() -> Instant {
    static START: OnceLock<std::time::Instant> = OnceLock::new();
    match world() {
        Some(world) => world.now(),
        None => {
            Instant(u64::try_from(START.get_or_init(std::time::Instant::now).elapsed().as_nanos()).unwrap_or(u64::MAX))
        }
    }
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

/// A hundred and twenty-eight unpredictable bits: command ids.
#[must_use]
pub fn random_u128() -> u128 {
    (u128::from(random()) << 64) | u128::from(random())
}

/// A spawned task's result; dropping it lets the task run on.
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

/// Runs a future on a thread of its own: for one that blocks, as a disk's writer does. In a simulation it is a task like any other.
pub fn spawn_thread(name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
    if let Some(world) = world() {
        return world.spawn(name, Box::pin(future));
    }
    let thread = std::thread::Builder::new().name(name.to_owned());
    // The system refuses a thread only when it has run out of them; then this process cannot do its work.
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
pub async fn sleep(duration: Duration) {
    sleep_until(now().after(duration)).await;
}

/// Waits until an instant.
pub async fn sleep_until(when: Instant) {
    if world().is_none() {
        let wait = when.since(now());
        return tokio::time::sleep(wait).await;
    }
    std::future::poll_fn(move |context| match world() {
        Some(world) if world.now() < when => {
            world.wake_at(when, context.waker().clone());
            Poll::Pending
        }
        _ => Poll::Ready(()),
    })
    .await;
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
