//! The Lease of each node, where stock tools look for it. It says who holds it, and no times: a node's liveness is its session, which
//! stays out of the log. A `renewTime` that stands still would tell every reader that the node is dead.
use crate::controller::Controller;
use crate::writes::create;
use api::decision::Decision;
use api::event::{Act, Event};
use api::key::Key;
use api::revision::Millis;
use serde_json::json;
use store::view::View;

const NODES: &str = "nodes";
const LEASES: &str = "leases.coordination.k8s.io";
const NAMESPACE: &str = "kube-node-lease";

pub(crate) const CONTROLLER: Controller = Controller { name: "node_lease", keys, all, decide };

fn keys(event: &Event, view: &View) -> Vec<Key> {
    let key = &event.object.key;
    match (&*key.resource, event.act) {
        (NODES, Act::Added) => vec![key.clone()],
        (LEASES, Act::Deleted) if &*key.namespace == NAMESPACE => vec![Key::new(NODES, "", &key.name)],
        ("namespaces", Act::Added) if &*key.name == NAMESPACE => all(view),
        _ => Vec::new(),
    }
}

fn all(view: &View) -> Vec<Key> {
    view.list(NODES, None).map(|object| object.key.clone()).collect()
}

fn decide(view: &View, key: &Key, _now: Millis) -> Decision {
    let namespace = view.get("namespaces", "", NAMESPACE).filter(|namespace| namespace.facet.deleting.is_none());
    let node = view.get_key(key).filter(|node| node.facet.deleting.is_none());
    let (Some(node), Some(_), None) = (node, namespace, view.get(LEASES, NAMESPACE, &key.name)) else {
        return Decision::idle();
    };
    let owner = json!({"apiVersion": "v1", "kind": "Node", "name": &*key.name, "uid": node.uid.to_string()});
    let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
        "metadata": {"name": &*key.name, "namespace": NAMESPACE, "ownerReferences": [owner]},
        "spec": {"holderIdentity": &*key.name}});
    Decision::one(create(LEASES, &lease).into_iter().collect(), "")
}
