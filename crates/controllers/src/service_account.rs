//! What each namespace is born with: the ServiceAccount `default` and the ConfigMap `kube-root-ca.crt`.
//! The certificate's text comes from the ConfigMap `kube-system/cluster-ca` (data `ca.crt`), which the control plane writes.
use crate::controller::Controller;
use crate::fields::{set, text};
use crate::writes::{create, replace};
use api::decision::Decision;
use api::event::Event;
use api::key::Key;
use api::object::Object;
use api::revision::Millis;
use serde_json::json;
use std::sync::Arc;
use store::view::View;

const RESOURCE: &str = "namespaces";
const ROOT: &str = "kube-root-ca.crt";
/// Where the cluster's authority is published: namespace, name.
const SOURCE: (&str, &str) = ("kube-system", "cluster-ca");

pub(crate) const CONTROLLER: Controller = Controller { name: "service_account", keys, all, decide };

fn keys(event: &Event, view: &View) -> Vec<Key> {
    let key = &event.object.key;
    let of_namespace = |name: &str| vec![Key::new(RESOURCE, "", name)];
    match (&*key.resource, &*key.name) {
        (RESOURCE, name) => of_namespace(name),
        ("serviceaccounts", "default") | ("configmaps", ROOT) => of_namespace(&key.namespace),
        ("configmaps", name) if (&*key.namespace, name) == SOURCE => all(view),
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
    if view.get("serviceaccounts", namespace, "default").is_none() {
        let account = json!({"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": namespace}});
        decision.push(create("serviceaccounts", &account).into_iter().collect(), "");
    }
    let source = view.get("configmaps", SOURCE.0, SOURCE.1).map(|object| object.value());
    let authority = source.as_ref().map(|value| text(value, "/data/ca.crt")).filter(|text| !text.is_empty());
    let Some(authority) = authority else { return decision };
    let write = match view.get("configmaps", namespace, ROOT) {
        None => create(
            "configmaps",
            &json!({"apiVersion": "v1", "kind": "ConfigMap", "data": {"ca.crt": authority},
                "metadata": {"name": ROOT, "namespace": namespace, "annotations": {"kubernetes.io/description":
                    "Contains a CA bundle that can be used to verify the cluster's API server."}}}),
        ),
        Some(object) => {
            let mut value = object.value();
            set(&mut value, &["data"], json!({"ca.crt": authority}));
            replace(object, &value)
        }
    };
    decision.push(write.into_iter().collect(), "");
    decision
}
