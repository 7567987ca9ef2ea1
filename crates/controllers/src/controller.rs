//! The shape of every controller. It holds no state: a controller is a name and three functions.
use api::decision::Decision;
use api::event::Event;
use api::key::Key;
use api::revision::Millis;
use store::view::View;

/// One controller. Whoever runs it keeps at most one decision per (controller, key) in flight and decides the next one on a view
/// that holds the outcome of the last; that is what spares an expectations cache. A refused draft means: decide the key again.
#[derive(Clone, Copy, Debug)]
pub struct Controller {
    pub name: &'static str,
    /// Which keys an event concerns; `view` is at or after the event. Cheap: it runs for every event.
    pub keys: fn(&Event, &View) -> Vec<Key>,
    /// Every key there is something to decide about: what a new leader starts with.
    pub all: fn(&View) -> Vec<Key>,
    /// What to do about `key` at `now` (the stamp of the newest entry, or of the timer that woke it). Equal arguments give equal decisions.
    pub decide: fn(&View, &Key, Millis) -> Decision,
}

impl Controller {
    /// What to do about `key`, with all that it makes charged to the quotas that count it: what is submitted, and what is made again.
    #[must_use]
    pub fn decision(&self, view: &View, key: &Key, now: Millis) -> Decision {
        crate::quota::charged(view, key, (self.decide)(view, key, now), now)
    }
}
