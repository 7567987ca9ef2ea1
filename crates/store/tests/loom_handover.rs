//! Every interleaving of those who bring work and the one who does it (group commit's hand-over). With `--cfg weakened` the worker says that
//! it waits a moment after it has looked, and the model must fail. Run by scripts/loom.
#![cfg(loom)]

mod sleeper;

use loom::thread;
use sleeper::wait_for;
use std::pin::pin;
use std::sync::Arc;
use store::handover::Handover;

#[test]
fn everything_that_is_brought_is_done_once_and_nobody_sleeps_for_ever() {
    loom::model(|| {
        let handover = Arc::new(Handover::default());
        let worker = {
            let handover = handover.clone();
            thread::spawn(move || {
                let mut done = Vec::new();
                loop {
                    let mut next = pin!(handover.next());
                    let batch = wait_for(|context| next.as_mut().poll(context));
                    if batch.is_empty() {
                        return done;
                    }
                    done.extend(batch);
                }
            })
        };
        let other = {
            let handover = handover.clone();
            thread::spawn(move || handover.push(2).expect("it has not failed"))
        };
        handover.push(1).expect("it has not failed");
        other.join().expect("it was brought");
        handover.close();
        let mut done = worker.join().expect("it ends");
        done.sort_unstable();
        assert_eq!(done, [1, 2]);
    });
}
