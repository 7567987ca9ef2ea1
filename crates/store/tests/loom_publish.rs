//! Every interleaving of one writer and its readers on the structure behind `store::publish`. With `--cfg weakened` a reader counts
//! itself out without releasing what it read, and a model must fail. Run by scripts/loom.
#![cfg(loom)]

#[path = "../src/publish/latest.rs"]
mod latest;

use latest::Latest;
use loom::sync::Arc;
#[cfg(not(weakened))]
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

/// A value that loom watches: a clone of one that is being replaced or freed is an error of its own.
#[derive(Clone)]
struct Value(Arc<usize>);

#[test]
fn readers_get_whole_values_that_never_go_back() {
    loom::model(|| {
        let latest = Arc::new(Latest::new(Value(Arc::new(0))));
        let reader = {
            let latest = latest.clone();
            thread::spawn(move || {
                let first = *latest.get().0;
                let second = *latest.get().0;
                assert!(second >= first, "{second} after {first}");
            })
        };
        latest.set(Value(Arc::new(1)));
        latest.set(Value(Arc::new(2)));
        assert_eq!(*latest.get().0, 2);
        reader.join().expect("the reader was content");
    });
}

#[test]
#[cfg(not(weakened))]
fn nobody_sees_a_value_before_it_is_published() {
    let mut model = loom::model::Builder::new();
    // Two switches suffice for a reader to be caught between looking and counting in while its slot is rewritten.
    model.preemption_bound = Some(2);
    model.check(|| {
        let latest = Arc::new(Latest::new(Value(Arc::new(0))));
        let begun = Arc::new(AtomicUsize::new(0));
        let reader = {
            let (latest, begun) = (latest.clone(), begun.clone());
            thread::spawn(move || {
                let first = *latest.get().0;
                let (second, third) = (*latest.get().0, *latest.get().0);
                assert!(first <= second && second <= third, "{first}, {second}, {third}");
                assert!(third <= begun.load(Ordering::SeqCst));
            })
        };
        for value in 1..=3 {
            begun.store(value, Ordering::SeqCst);
            latest.set(Value(Arc::new(value)));
        }
        reader.join().expect("the reader was content");
    });
}

#[test]
#[cfg(not(weakened))]
fn two_readers_and_a_writer() {
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(|| {
        let latest = Arc::new(Latest::new(Value(Arc::new(0))));
        let readers: Vec<_> = (0..2)
            .map(|_| {
                let latest = latest.clone();
                thread::spawn(move || *latest.get().0)
            })
            .collect();
        latest.set(Value(Arc::new(1)));
        latest.set(Value(Arc::new(2)));
        for reader in readers {
            assert!(reader.join().expect("the reader was content") <= 2);
        }
    });
}

#[test]
#[cfg(not(weakened))]
fn what_was_published_before_a_signal_is_seen_after_it() {
    loom::model(|| {
        let latest = Arc::new(Latest::new(Value(Arc::new(0))));
        let signal = Arc::new(AtomicUsize::new(0));
        let reader = {
            let (latest, signal) = (latest.clone(), signal.clone());
            thread::spawn(move || {
                let told = signal.load(Ordering::Acquire);
                assert!(*latest.get().0 >= told, "an acknowledged write is in the view");
            })
        };
        latest.set(Value(Arc::new(1)));
        signal.store(1, Ordering::Release);
        reader.join().expect("the reader was content");
    });
}
