//! The executor's promises: virtual time, a node's own clock, kill, pause, livelock, and the same run from the same seed.
use super::*;
use std::sync::atomic::AtomicU64;
use std::time::Duration;
use tokio::sync::mpsc;

const LONG: Nanos = 1_000 * SECOND;

fn millis(count: u64) -> Duration {
    Duration::from_millis(count)
}

#[test]
fn a_year_passes_at_once_and_in_order() {
    let world = World::new(1, Order::Fifo);
    let seen = Arc::new(Mutex::new(Vec::new()));
    for (number, days) in [(1, 300), (2, 7), (3, 365)] {
        let seen = seen.clone();
        world.spawn_on(Node(1), "sleeper", async move {
            rt::sleep(Duration::from_secs(days * 86_400)).await;
            lock(&seen).push(number);
        });
    }
    assert_eq!(world.run(Nanos::MAX / 4, |_| false), Step::Idle);
    assert_eq!(*lock(&seen), [2, 1, 3]);
    assert!(world.time() >= 365 * 86_400 * SECOND);
}

#[test]
fn a_killed_node_drops_its_tasks_and_starts_none() {
    struct Last(World);
    impl Drop for Last {
        fn drop(&mut self) {
            // What a dying task starts dies as well, and it may call the world.
            rt::spawn("ghost", async { panic!("a dead node ran on") });
            self.0.note("dropped", 0, 0);
        }
    }
    let world = World::new(1, Order::Random);
    let ticks = Arc::new(AtomicU64::new(0));
    let (count, last) = (ticks.clone(), Last(world.clone()));
    world.spawn_on(Node(1), "parent", async move {
        rt::spawn("child", async move {
            let _last = last;
            loop {
                rt::sleep(millis(10)).await;
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
    });
    let site = world.clone();
    world.spawn_on(Node(9), "reaper", async move {
        rt::sleep(millis(105)).await;
        site.kill(Node(1));
    });
    assert_eq!(world.run(LONG, |_| false), Step::Idle);
    assert_eq!(ticks.load(Ordering::Relaxed), 10);
    assert!(world.panics().is_empty());
    assert_eq!(world.life(Node(1)), 1);
}

#[test]
fn a_node_that_kills_itself_ends_when_it_yields() {
    let world = World::new(1, Order::Fifo);
    let (site, after) = (world.clone(), Arc::new(AtomicU64::new(0)));
    let count = after.clone();
    world.spawn_on(Node(1), "suicide", async move {
        site.kill(Node(1));
        assert!(site.dying(Node(1)));
        rt::sleep(millis(1)).await;
        count.fetch_add(1, Ordering::Relaxed);
    });
    assert_eq!(world.run(LONG, |_| false), Step::Idle);
    assert_eq!((after.load(Ordering::Relaxed), world.dying(Node(1))), (0, false));
}

/// When, by the site's time, a node's sleep of 100 ms ends if it is stopped from 50 ms to 250 ms.
fn stopped(stop: fn(&World, Node)) -> Nanos {
    let world = World::new(1, Order::Fifo);
    let (site, woke) = (world.clone(), Arc::new(AtomicU64::new(0)));
    let when = woke.clone();
    world.spawn_on(Node(1), "sleeper", async move {
        rt::sleep(millis(100)).await;
        when.store(site.time(), Ordering::Relaxed);
    });
    let site = world.clone();
    world.spawn_on(Node(9), "operator", async move {
        rt::sleep(millis(50)).await;
        stop(&site, Node(1));
        rt::sleep(millis(200)).await;
        site.resume(Node(1));
    });
    world.run(LONG, |_| false);
    woke.load(Ordering::Relaxed) / 1_000_000
}

#[test]
fn pause_parks_tasks_and_suspension_stops_the_clock() {
    assert_eq!(stopped(World::pause), 250);
    assert_eq!(stopped(World::suspend), 300);
}

#[test]
fn a_circle_and_a_panic_are_seen() {
    let world = World::new(1, Order::Fifo);
    world.spawn_on(Node(2), "careless", async { panic!("lost {}", 7) });
    world.spawn_on(
        Node(1),
        "circle",
        std::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            Poll::Pending
        }),
    );
    assert_eq!(world.run(LONG, |_| false), Step::Livelock("circle"));
    let panics = world.panics();
    assert!(panics.len() == 1 && panics[0].task == "careless" && panics[0].message.contains("lost 7"), "{panics:?}");
}

/// Three nodes that pass a token round at random; the digest of it.
fn ring(seed: u64, order: Order) -> Trace {
    let world = World::new(seed, order);
    let (senders, receivers): (Vec<_>, Vec<_>) = (0..3).map(|_| mpsc::unbounded_channel::<u64>()).unzip();
    for (number, mut inbox) in (1..).zip(receivers) {
        let (site, senders) = (world.clone(), senders.clone());
        world.spawn_on(Node(number), "passer", async move {
            while let Some(token) = inbox.recv().await {
                site.note("token", token, rt::wall());
                rt::sleep(Duration::from_nanos(rt::random() % 1_000_000)).await;
                let next = usize::try_from(rt::random() % 3).unwrap_or(0);
                if token < 2_000 && senders[next].send(token + 1).is_err() {
                    break;
                }
            }
        });
    }
    for sender in senders {
        assert!(sender.send(0).is_ok());
    }
    world.run(LONG, |_| false);
    world.with_trace(|trace| trace.clone())
}

#[test]
fn one_seed_is_one_run() {
    for order in [Order::Fifo, Order::Random] {
        let (one, two) = (ring(7, order), ring(7, order));
        assert_eq!((one.parting(&two), one.digest()), (None, two.digest()));
        assert!(one.count() > 6_000);
        assert!(one.parting(&ring(8, order)).is_some());
    }
}
