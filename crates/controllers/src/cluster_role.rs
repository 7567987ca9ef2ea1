//! Aggregated ClusterRoles: keeps the rules of a ClusterRole with an `aggregationRule` the union of those that it selects.
//! It changes nothing but those rules.
use crate::controller::Controller;
use crate::fields::{list, set};
use crate::writes::replace;
use api::access::CLUSTER_ROLES;
use api::access::aggregate::{selectors, union};
use api::decision::Decision;
use api::event::Event;
use api::key::Key;
use api::object::Object;
use api::revision::Millis;
use std::sync::Arc;
use store::view::View;

pub(crate) const CONTROLLER: Controller = Controller { name: "cluster_role", keys, all, decide };

fn keys(event: &Event, view: &View) -> Vec<Key> {
    if &*event.object.key.resource == CLUSTER_ROLES { all(view) } else { Vec::new() }
}

fn all(view: &View) -> Vec<Key> {
    // What does not have the word does not aggregate; the others are decoded when they are decided.
    let aggregates =
        |role: &&Arc<Object>| std::str::from_utf8(&role.bytes).is_ok_and(|text| text.contains("\"aggregationRule\""));
    view.list(CLUSTER_ROLES, None).filter(aggregates).map(|role| role.key.clone()).collect()
}

fn decide(view: &View, key: &Key, _now: Millis) -> Decision {
    let Some(role) = view.get_key(key) else { return Decision::idle() };
    let mut value = role.value();
    let Some(selectors) = selectors(&value) else { return Decision::idle() };
    let selected = selectors.iter().flat_map(|selector| {
        let others = view.list(CLUSTER_ROLES, None).filter(|other| other.key != *key);
        others.filter(|other| selector.matches(&other.facet)).map(|other| other.value())
    });
    let rules = union(selected);
    if list(&value, "/rules") == rules {
        return Decision::idle();
    }
    set(&mut value, &["rules"], rules);
    Decision::one(replace(role, &value).into_iter().collect(), "")
}
