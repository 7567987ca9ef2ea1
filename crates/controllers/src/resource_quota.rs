//! ResourceQuota: what is used, counted from what is there. Whoever makes something has charged it already; this gives back what has gone,
//! and counts what a new or changed quota is about. Like every charge it is written under the quota's revision.
use crate::controller::Controller;
use crate::writes::replace;
use api::decision::Decision;
use api::event::{Act, Event};
use api::key::Key;
use api::quota::{Quota, RESOURCE, put};
use api::revision::Millis;
use store::view::View;

pub(crate) const CONTROLLER: Controller = Controller { name: "resource_quota", keys, all, decide };

fn keys(event: &Event, view: &View) -> Vec<Key> {
    let key = &event.object.key;
    if &*key.resource == RESOURCE && event.act != Act::Deleted {
        let others = if event.act == Act::Added { counting(view, key) } else { Vec::new() };
        return others.into_iter().chain([key.clone()]).collect();
    }
    // What is counted by number alone changes nothing while it is there.
    let looks = matches!(&*key.resource, "pods" | "services" | "persistentvolumeclaims");
    if key.namespace.is_empty() || (event.act == Act::Modified && !looks) {
        return Vec::new();
    }
    counting(view, key)
}

/// The quotas that count objects like the one at `key`.
fn counting(view: &View, key: &Key) -> Vec<Key> {
    let quotas = view.list(RESOURCE, Some(&key.namespace));
    quotas.filter(|quota| Quota::read(&quota.value()).counts(&key.resource)).map(|quota| quota.key.clone()).collect()
}

fn all(view: &View) -> Vec<Key> {
    view.list(RESOURCE, None).map(|quota| quota.key.clone()).collect()
}

fn decide(view: &View, key: &Key, _now: Millis) -> Decision {
    let Some(object) = view.get_key(key) else { return Decision::idle() };
    let mut value = object.value();
    let list = |resource: &str| view.list(resource, Some(&key.namespace)).cloned().collect();
    let used = Quota::read(&value).counted(&list);
    put(&mut value, &used);
    Decision::one(replace(object, &value).into_iter().collect(), "what is used")
}
