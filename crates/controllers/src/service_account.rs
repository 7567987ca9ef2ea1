//! What each namespace has: the ServiceAccount `default` and the ConfigMap `kube-root-ca.crt`. They are born with it; here they are made
//! again where somebody took them away, and the certificate's text, from the ConfigMap `kube-system/cluster-ca`, is kept the same.
use crate::controller::Controller;
use crate::fields::{set, text};
use crate::writes::{create, replace};
use api::decision::Decision;
use api::event::Event;
use api::key::Key;
use api::object::Object;
use api::revision::Millis;
use api::service_account::{AUTHORITY, DEFAULT, ROOT_CA, default_account, root_ca};
use serde_json::json;
use std::sync::Arc;
use store::view::View;

const RESOURCE: &str = "namespaces";

pub(crate) const CONTROLLER: Controller = Controller { name: "service_account", keys, all, decide };

fn keys(event: &Event, view: &View) -> Vec<Key> {
    let key = &event.object.key;
    let of_namespace = |name: &str| vec![Key::new(RESOURCE, "", name)];
    match (&*key.resource, &*key.name) {
        (RESOURCE, name) => of_namespace(name),
        ("serviceaccounts", DEFAULT) | ("configmaps", ROOT_CA) => of_namespace(&key.namespace),
        ("configmaps", name) if (&*key.namespace, name) == AUTHORITY => all(view),
        _ => Vec::new(),
    }
}

fn all(view: &View) -> Vec<Key> {
    view.list(RESOURCE, None).map(|object| object.key.clone()).collect()
}

fn decide(view: &View, key: &Key, _now: Millis) -> Decision {
    let live = |object: &&Arc<Object>| object.facet.deleting.is_none();
    let Some(namespace) = view.get_key(key).filter(live).map(|object| &*object.key.name) else {
        return Decision::idle();
    };
    let mut decision = Decision::default();
    if view.get("serviceaccounts", namespace, DEFAULT).is_none() {
        decision.push(create("serviceaccounts", &default_account(namespace)).into_iter().collect(), "");
    }
    let source = view.get("configmaps", AUTHORITY.0, AUTHORITY.1).map(|object| object.value());
    let authority = source.as_ref().map(|value| text(value, "/data/ca.crt")).filter(|text| !text.is_empty());
    let Some(authority) = authority else { return decision };
    let write = match view.get("configmaps", namespace, ROOT_CA) {
        None => create("configmaps", &root_ca(namespace, authority)),
        Some(object) => {
            let mut value = object.value();
            set(&mut value, &["data"], json!({"ca.crt": authority}));
            replace(object, &value)
        }
    };
    decision.push(write.into_iter().collect(), "");
    decision
}
