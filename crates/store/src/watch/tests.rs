//! What watchers are promised: every event they want, in order, once; a wake for each batch that has one; and no cost when gone.
use super::*;
use api::event::Act;
use api::facet::Facet;
use api::key::Key;
use api::object::Uid;
use api::revision::Millis;
use std::sync::atomic::AtomicUsize;
use std::task::Wake;

#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

fn object(resource: &str, namespace: &str, name: &str, node: &str, revision: u64) -> Arc<Object> {
    let fields = if node.is_empty() { vec![] } else { vec![("spec.nodeName".into(), node.into())] };
    Arc::new(Object {
        key: Key::new(resource, namespace, name),
        uid: Uid(1),
        created: Millis(0),
        revision: Revision(revision),
        bytes: bytes::Bytes::new(),
        hole: (0, 0),
        facet: Facet { fields, ..Facet::default() },
    })
}

fn event(revision: u64, object: Arc<Object>, before: Option<Arc<Object>>) -> Arc<Event> {
    let act = if before.is_some() { Act::Modified } else { Act::Added };
    Arc::new(Event { act, revision: Revision(revision), time: Millis(0), object, before })
}

fn pod(revision: u64, namespace: &str, name: &str, node: &str) -> Arc<Event> {
    event(revision, object("pods", namespace, name, node, revision), None)
}

fn interest(resource: &str, namespace: &str, name: &str, node: &str) -> Interest {
    let some = |text: &str| (!text.is_empty()).then(|| Arc::from(text));
    let field = some(node).map(|node| (Arc::from("spec.nodeName"), node));
    Interest { resource: some(resource), namespace: some(namespace), name: some(name), field }
}

fn poll(watcher: &mut Watcher, max: usize) -> Poll<Result<(Vec<u64>, u64), Behind>> {
    let polled = watcher.poll(&mut Context::from_waker(Waker::noop()), max);
    polled.map_ok(|batch| (batch.events.iter().map(|event| event.revision.0).collect(), batch.through.0))
}

fn ready(revisions: &[u64], through: u64) -> Poll<Result<(Vec<u64>, u64), Behind>> {
    Poll::Ready(Ok((revisions.to_vec(), through)))
}

#[test]
fn each_is_told_what_it_wants() {
    let hub = Hub::starting_at(Revision(10));
    let table: [(Interest, &[u64]); 8] = [
        (interest("", "", "", ""), &[11, 12, 13, 14, 15]),
        (interest("pods", "", "", ""), &[11, 12, 13, 15]),
        (interest("pods", "a", "", ""), &[11, 12, 15]),
        (interest("pods", "a", "x", ""), &[11, 15]),
        (interest("pods", "", "", "n1"), &[11, 13, 15]),
        (interest("pods", "", "", "n2"), &[12, 15]),
        (interest("", "b", "", ""), &[13, 14]),
        (interest("secrets", "", "", ""), &[]),
    ];
    let mut watchers = Vec::new();
    for (interest, wanted) in table {
        let early = hub.watch(interest.clone(), Revision(10)).expect("in memory");
        watchers.push((early, interest, wanted));
    }
    let moved = object("pods", "a", "x", "n2", 15);
    let events = [
        pod(11, "a", "x", "n1"),
        pod(12, "a", "y", "n2"),
        pod(13, "b", "x", "n1"),
        event(14, object("services", "b", "x", "", 14), None),
        event(15, moved, Some(object("pods", "a", "x", "n1", 11))),
    ];
    hub.publish(&events[..2], Revision(12));
    hub.publish(&events[2..], Revision(15));
    for (mut early, interest, wanted) in watchers {
        assert_eq!(events.iter().filter(|e| interest.wants(e)).map(|e| e.revision.0).collect::<Vec<_>>(), wanted);
        for from in 10..=16 {
            let rest: Vec<u64> = wanted.iter().copied().filter(|revision| *revision > from).collect();
            let mut late = hub.watch(interest.clone(), Revision(from)).expect("in memory");
            let told = if rest.is_empty() { Poll::Pending } else { ready(&rest, 15) };
            assert_eq!(poll(&mut late, 99), told, "{interest:?} from {from}");
            assert_eq!(late.cursor(), Revision(from.max(15)));
        }
        let mut told = Vec::new();
        while let Poll::Ready(Ok((revisions, through))) = poll(&mut early, 2) {
            assert!(revisions.len() <= 2 && through >= *revisions.last().expect("never empty"));
            told.extend(revisions);
        }
        assert_eq!(told, wanted, "{interest:?}");
        assert_eq!(early.cursor(), Revision(15));
    }
}

#[test]
fn watcher_that_is_passed_is_behind_and_others_are_not() {
    let hub = Hub::default();
    let mut slow = hub.watch(interest("pods", "", "", ""), Revision(0)).expect("in memory");
    let mut quiet = hub.watch(interest("secrets", "", "", ""), Revision(0)).expect("in memory");
    let total = RING_EVENTS_MAX as u64 + 10;
    for revision in 1..=total {
        hub.publish(&[pod(revision, "a", "x", "")], Revision(revision));
    }
    assert_eq!(poll(&mut quiet, 9), Poll::Pending, "it missed nothing");
    assert_eq!(quiet.cursor(), Revision(total));
    assert_eq!(poll(&mut slow, 9), Poll::Ready(Err(Behind { oldest: Revision(10) })));
    assert_eq!(hub.watch(interest("pods", "", "", ""), Revision(9)).err(), Some(Behind { oldest: Revision(10) }));
    let mut again = hub.watch(interest("pods", "", "", ""), Revision(10)).expect("in memory");
    assert_eq!(poll(&mut again, 1), ready(&[11], 11));
    hub.skip_to(Revision(total + 100));
    assert_eq!(poll(&mut again, 1), Poll::Ready(Err(Behind { oldest: Revision(total + 100) })));
    assert_eq!(poll(&mut quiet, 1), Poll::Ready(Err(Behind { oldest: Revision(total + 100) })));
}

#[test]
fn a_batch_wakes_each_waiting_watcher_once_and_only_those_it_matters_to() {
    let hub = Hub::default();
    let (matters, other) = (Arc::new(Count::default()), Arc::new(Count::default()));
    let (wake, wake_other) = (Waker::from(matters.clone()), Waker::from(other.clone()));
    let pods = (0..1_000).map(|_| hub.watch(interest("pods", "", "", ""), Revision(0)).expect("in memory"));
    let mut pods: Vec<Watcher> = pods.collect();
    let nodes =
        (0..1_000).map(|n| hub.watch(interest("pods", "", "", &format!("n{n}")), Revision(0)).expect("in memory"));
    let mut nodes: Vec<Watcher> = nodes.collect();
    for _ in 0..2 {
        // Polled twice: it still waits once.
        pods.iter_mut().for_each(|w| assert!(w.poll(&mut Context::from_waker(&wake), 9).is_pending()));
        nodes.iter_mut().for_each(|w| assert!(w.poll(&mut Context::from_waker(&wake_other), 9).is_pending()));
    }
    let events: Vec<_> = (1..=100).map(|revision| pod(revision, "a", "x", "n7")).collect();
    hub.publish(&events, Revision(100));
    assert_eq!(matters.0.load(Ordering::SeqCst), 1_000);
    assert_eq!(other.0.load(Ordering::SeqCst), 1);
    assert_eq!(poll(&mut pods[0], 1_000).map_ok(|(told, _)| told.len()), Poll::Ready(Ok(100)));
}

#[test]
fn a_dropped_watcher_leaves_nothing() {
    let hub = Hub::default();
    let count = Arc::new(Count::default());
    let waker = Waker::from(count.clone());
    let mut watcher = hub.watch(interest("pods", "a", "", ""), Revision(0)).expect("in memory");
    assert!(watcher.poll(&mut Context::from_waker(&waker), 9).is_pending());
    drop(waker);
    assert_eq!(Arc::strong_count(&count), 2);
    drop(watcher);
    assert_eq!(Arc::strong_count(&count), 1, "its waker is freed");
    let registry = lock(&hub.shared.registry);
    assert!(registry.topics.is_empty() && registry.shapes.is_empty());
}

#[test]
fn quiet_topics_let_old_events_go() {
    let hub = Hub::default();
    let kept = hub.watch(interest("pods", "", "old", ""), Revision(0)).expect("in memory");
    let old = pod(1, "a", "old", "");
    hub.publish(std::slice::from_ref(&old), Revision(1));
    let events: Vec<_> = (2..RING_EVENTS_MAX as u64 + 10).map(|revision| pod(revision, "a", "x", "")).collect();
    hub.publish(&events, Revision(RING_EVENTS_MAX as u64 + 9));
    hub.publish(&[], Revision(RING_EVENTS_MAX as u64 + 9));
    assert_eq!(Arc::strong_count(&old), 1);
    drop(kept);
}

#[test]
fn no_wake_is_lost_between_threads() {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let hub = Hub::default();
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
                let mut watcher = hub.watch(interest("pods", "", "", ""), Revision(0)).expect("in memory");
                let mut told = Vec::new();
                while told.len() < 5_000 {
                    match watcher.poll(&mut Context::from_waker(&waker), 7) {
                        Poll::Ready(batch) => {
                            told.extend(batch.expect("never behind").events.iter().map(|e| e.revision.0))
                        }
                        Poll::Pending => std::thread::park(),
                    }
                }
                assert!(told.into_iter().eq(1..=5_000));
            });
        }
        for revision in 1..=5_000 {
            hub.publish(&[pod(revision, "a", "x", "")], Revision(revision));
        }
    });
}

#[test]
fn large_objects_push_out_earlier_ones() {
    let hub = Hub::starting_at(Revision(0));
    let large = |revision: u64| {
        let object = object("configmaps", "n", "x", "", revision);
        let bytes = bytes::Bytes::from(vec![0; RING_BYTES_MAX / 4]);
        event(revision, Arc::new(Object { bytes, ..(*object).clone() }), None)
    };
    for revision in 1..=9 {
        hub.publish(&[large(revision)], Revision(revision));
    }
    // Four of them fill it; who was there before reads on from the log.
    assert!(hub.watch(Interest::default(), Revision(5)).is_ok());
    assert_eq!(hub.watch(Interest::default(), Revision(4)).map(|_| ()), Err(Behind { oldest: Revision(5) }));
}

/// A slow watcher holds few large objects at once, and misses none.
#[test]
fn a_batch_has_an_end_in_bytes() {
    let hub = Hub::starting_at(Revision(0));
    let mut watcher = hub.watch(Interest::default(), Revision(0)).expect("a watcher");
    for revision in 1..=9 {
        let object = object("configmaps", "n", "x", "", revision);
        let bytes = bytes::Bytes::from(vec![0; crate::limits::WATCH_BATCH_BYTES / 2]);
        hub.publish(&[event(revision, Arc::new(Object { bytes, ..(*object).clone() }), None)], Revision(revision));
    }
    let mut context = Context::from_waker(Waker::noop());
    let mut seen = Vec::new();
    while let Poll::Ready(Ok(batch)) = watcher.poll(&mut context, 100) {
        assert!(batch.events.len() <= 2 && Some(batch.through) == batch.events.last().map(|event| event.revision));
        seen.extend(batch.events.iter().map(|event| event.revision.0));
    }
    assert_eq!(seen, (1..=9).collect::<Vec<_>>());
}
