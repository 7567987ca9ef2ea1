//! Kubernetes Events are forgotten an hour after they last happened. It is woken by time alone, and deletes in batches.
use crate::controller::Controller;
use crate::fields::text;
use crate::limits::{EVENT_KEPT_MILLIS, EVENT_SWEEP_MILLIS, SWEEP_DRAFTS, SWEEP_WRITES};
use crate::writes::remove;
use api::decision::Decision;
use api::event::Event;
use api::key::Key;
use api::object::Object;
use api::revision::Millis;
use store::view::View;

const RESOURCE: &str = "events";

pub(crate) const CONTROLLER: Controller = Controller { name: "event_retention", keys, all, decide };

/// None: an Event that has just happened has an hour to live, and each sweep asks for the next.
fn keys(_event: &Event, _view: &View) -> Vec<Key> {
    Vec::new()
}

fn all(_view: &View) -> Vec<Key> {
    vec![Key::new(RESOURCE, "", "")]
}

fn decide(view: &View, _key: &Key, now: Millis) -> Decision {
    let mut decision = Decision::default();
    let mut next = Millis(now.0.saturating_add(EVENT_KEPT_MILLIS));
    let mut old = Vec::new();
    for object in view.list(RESOURCE, None) {
        let end = end(object, now);
        if end <= now {
            old.push(object);
        } else {
            next = next.min(end);
        }
        if old.len() >= SWEEP_DRAFTS * SWEEP_WRITES {
            next = now;
            break;
        }
    }
    for some in old.chunks(SWEEP_WRITES) {
        decision.push(some.iter().map(|object| remove(object)).collect(), "an hour old");
    }
    decision.wake(next.max(Millis(now.0.saturating_add(EVENT_SWEEP_MILLIS))));
    decision
}

/// When it may be forgotten. One that was first told less than an hour ago is not decoded.
fn end(object: &Object, now: Millis) -> Millis {
    let kept = |since: Millis| Millis(since.0.saturating_add(EVENT_KEPT_MILLIS));
    if kept(object.created) > now {
        return kept(object.created);
    }
    let value = object.value();
    let stamps = ["/lastTimestamp", "/series/lastObservedTime", "/eventTime"];
    let last = stamps.iter().filter_map(|stamp| Millis::parse(text(&value, stamp))).max();
    kept(last.unwrap_or(object.created).max(object.created))
}
