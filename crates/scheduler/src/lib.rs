//! Which node for which pod. Pure: no clock, no random, no I/O; equal views give equal placements, for ever.
//!
//! All waiting pods are decided together, under the one key `KEY`: at most one such decision is in flight, and each pod it places is
//! counted before the next is looked at, so no node is overbooked by this scheduler. Every pod is a draft (an atomic command)
//! of its own under the pod's revision: a pod that somebody wrote meanwhile is refused alone and decided again, the others stay;
//! a refused draft only leaves room. What must not be, together with what this decision places, is therefore reckoned against everything
//! placed so far (room, ports, anti-affinity, spreading); what must be (required affinity) only against what the view holds.
mod bind;
mod bodies;
mod candidate;
pub mod cluster;
mod company;
mod counts;
mod filter;
pub mod limits;
mod memo;
mod place;
mod queue;
mod score;
mod spec;
mod terms;
mod wanted;

use api::decision::Decision;
use api::event::Event;
use api::key::Key;
use api::revision::Millis;
use cluster::Cluster;
use store::view::View;

/// The decider's name.
pub const NAME: &str = "scheduler";

/// The one key: all waiting pods.
#[must_use]
pub fn key() -> Key {
    Key::new("pods", "", "")
}

/// Whether the event may let a pod be placed: a pod waits, one made room or lets another stay near it, a node changed.
#[must_use]
pub fn keys(event: &Event, _view: &View) -> Vec<Key> {
    let matters = match &*event.object.key.resource {
        "pods" => queue::matters(event),
        "nodes" => true,
        _ => false,
    };
    if matters { vec![key()] } else { Vec::new() }
}

/// What a new leader starts with.
#[must_use]
pub fn all(_view: &View) -> Vec<Key> {
    vec![key()]
}

/// Places the waiting pods, from the view alone; `key` is always `key()`. What it remembers of the last view only makes it faster:
/// O(objects) comparisons of pointers before the first pod, not O(objects) decoded.
#[must_use]
pub fn decide(view: &View, _key: &Key, now: Millis) -> Decision {
    memo::with(view, |cluster| decide_with(cluster, view, now))
}

/// The same with a cluster that was folded up to `view`; it is left as it was. O(waiting pods x nodes).
#[must_use]
pub fn decide_with(cluster: &mut Cluster, view: &View, now: Millis) -> Decision {
    queue::decide(cluster, view, now)
}
