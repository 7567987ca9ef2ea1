//! Requests for certificates that nobody needs any more: answered ones after an hour, those that nobody answers after a day, as in
//! Kubernetes. It reads conditions, and no certificate.
use crate::controller::Controller;
use crate::fields::{list, text};
use crate::limits::{REQUEST_ANSWERED_MILLIS, REQUEST_OPEN_MILLIS, SWEEP_DRAFTS};
use crate::writes::remove;
use api::decision::Decision;
use api::event::{Act, Event};
use api::key::Key;
use api::object::Object;
use api::revision::Millis;
use store::view::View;

const RESOURCE: &str = "certificatesigningrequests.certificates.k8s.io";

/// One key for all: there are few.
pub(crate) const CONTROLLER: Controller = Controller { name: "certificate_cleaner", keys, all, decide };

fn keys(event: &Event, view: &View) -> Vec<Key> {
    if &*event.object.key.resource == RESOURCE && event.act != Act::Deleted { all(view) } else { Vec::new() }
}

fn all(_view: &View) -> Vec<Key> {
    vec![Key::new(RESOURCE, "", "")]
}

fn decide(view: &View, _key: &Key, now: Millis) -> Decision {
    let mut decision = Decision::default();
    for object in view.list(RESOURCE, None) {
        let end = end(object);
        if end > now {
            decision.wake(end);
        } else if decision.drafts.len() < SWEEP_DRAFTS {
            decision.push(vec![remove(object)], "nobody needs it any more");
        } else {
            decision.wake(now);
        }
    }
    decision
}

/// When it may go: an hour after it was decided and, if approved, answered; else a day after it was made.
fn end(object: &Object) -> Millis {
    let value = object.value();
    let conditions = list(&value, "/status/conditions");
    let since = |kind: &str| {
        let found = conditions.iter().find(|condition| text(condition, "/type") == kind)?;
        let stamps = ["/lastUpdateTime", "/lastTransitionTime"];
        Some(stamps.iter().find_map(|stamp| Millis::parse(text(found, stamp))).unwrap_or(object.created))
    };
    let issued = !text(&value, "/status/certificate").is_empty();
    let answered = since("Denied").or_else(|| since("Failed")).or_else(|| since("Approved").filter(|_| issued));
    match answered {
        Some(since) => Millis(since.0.saturating_add(REQUEST_ANSWERED_MILLIS)),
        None => Millis(object.created.0.saturating_add(REQUEST_OPEN_MILLIS)),
    }
}
