//! Every interleaving of the one who publishes events and a watcher (the watch ring). With `--cfg weakened` the watcher reads how far the
//! publisher has come after it has looked into the ring, and the model must fail. Run by scripts/loom.
#![cfg(loom)]

mod sleeper;

use api::event::{Act, Event};
use api::key::Key;
use api::object::Uid;
use api::revision::{Millis, Revision};
use loom::thread;
use sleeper::wait_for;
use std::sync::Arc;
use store::watch::{Hub, Interest};

fn event(revision: u64, resource: &str) -> Arc<Event> {
    let value = serde_json::json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "d"}});
    let body = api::kinds::body(resource, &value).expect("a body");
    let object = Arc::new(body.join(Key::new(resource, "d", "p"), Uid(1), Millis(1), Revision(revision)));
    Arc::new(Event { act: Act::Added, revision: Revision(revision), time: Millis(1), object, before: None })
}

/// Events 1 and 3 are wanted, 2 is not. Whatever the watcher is told that it has seen, it was given all of before.
#[test]
fn a_watcher_is_given_everything_up_to_where_it_is_told() {
    let events = [event(1, "pods"), event(2, "configmaps"), event(3, "pods")];
    let mut model = loom::model::Builder::new();
    model.preemption_bound = Some(3);
    model.check(move || {
        let hub = Hub::default();
        let interest = Interest { resource: Some("pods".into()), ..Interest::default() };
        let mut watcher = hub.watch(interest, Revision(0)).expect("it begins with nothing");
        let publisher = {
            let (hub, events) = (hub.clone(), events.clone());
            thread::spawn(move || {
                hub.publish(&events[..2], Revision(2));
                hub.publish(&events[2..], Revision(3));
            })
        };
        let mut given = Vec::new();
        while given.len() < 2 {
            let batch = wait_for(|context| watcher.poll(context, 8)).expect("memory holds it");
            given.extend(batch.events.iter().map(|event| event.revision.0));
            let wanted: Vec<u64> = [1, 3].into_iter().filter(|revision| *revision <= batch.through.0).collect();
            assert_eq!(given, wanted, "through {:?}", batch.through);
        }
        publisher.join().expect("it ends");
    });
}
