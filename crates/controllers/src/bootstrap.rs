//! What every cluster has from its first moment: four namespaces, two priorities of the system.
//! It makes what is missing and never changes what is there. The Service of the API itself is written where its address is claimed
//! and its members are known.
use crate::controller::Controller;
use crate::writes::create;
use api::decision::Decision;
use api::event::{Act, Event};
use api::key::Key;
use api::revision::Millis;
use api::service_account::{DEFAULT, default_account};
use serde_json::{Value, json};
use store::view::View;

pub(crate) const CONTROLLER: Controller = Controller { name: "bootstrap", keys, all, decide };

const NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];
const CLASSES: &str = "priorityclasses.scheduling.k8s.io";

fn key() -> Key {
    Key::new("bootstrap", "", "")
}

fn keys(event: &Event, _view: &View) -> Vec<Key> {
    let object = &event.object.key;
    let ours = matches!(&*object.resource, "namespaces" | CLASSES);
    if ours && (event.act == Act::Deleted || &*object.resource == "namespaces") { vec![key()] } else { Vec::new() }
}

fn all(_view: &View) -> Vec<Key> {
    vec![key()]
}

fn decide(view: &View, _key: &Key, _now: Millis) -> Decision {
    let mut writes = Vec::new();
    for name in NAMESPACES {
        if view.get("namespaces", "", name).is_none() {
            writes.extend(create("namespaces", &namespace(name)));
            if view.get("serviceaccounts", name, DEFAULT).is_none() {
                writes.extend(create("serviceaccounts", &default_account(name)));
            }
        }
    }
    for (name, value) in [("system-cluster-critical", 2_000_000_000), ("system-node-critical", 2_000_001_000)] {
        if view.get(CLASSES, "", name).is_none() {
            writes.extend(create(CLASSES, &priority_class(name, value)));
        }
    }
    Decision::one(writes, "")
}

fn namespace(name: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name}},
        "spec": {"finalizers": ["kubernetes"]}, "status": {"phase": "Active"}})
}

fn priority_class(name: &str, value: i64) -> Value {
    let what = if name == "system-node-critical" {
        "Used for system critical pods that must not be moved from their current node."
    } else {
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary."
    };
    json!({"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name, "generation": 1},
        "value": value, "description": what, "preemptionPolicy": "PreemptLowerPriority"})
}
