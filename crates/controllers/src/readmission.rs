//! When something changes by which admission judges, whoever was refused may try again: which objects of a kind that concerns.
use api::event::{Act, Event};
use api::key::Key;
use store::view::View;

/// The objects of `resource` whose pods admission may judge otherwise after this event.
pub(crate) fn keys(event: &Event, view: &View, resource: &str) -> Vec<Key> {
    let key = &event.object.key;
    let namespace = match &*key.resource {
        "limitranges" | "serviceaccounts" => Some(&*key.namespace),
        // What its pods may do is said by labels.
        "namespaces" if event.act != Act::Deleted => {
            let before = event.before.as_ref().map(|before| &before.facet.labels);
            if before == Some(&event.object.facet.labels) {
                return Vec::new();
            }
            Some(&*key.name)
        }
        "priorityclasses.scheduling.k8s.io" | "runtimeclasses.node.k8s.io" => None,
        _ => return Vec::new(),
    };
    view.list(resource, namespace).map(|object| object.key.clone()).collect()
}
