//! The end of a namespace: its content deleted, pods first (KEP-5080), then the namespace itself. It never touches one that is not ending.
use crate::conditions::{Wanted, put};
use crate::controller::Controller;
use crate::fields::{list, set, unset};
use crate::limits::SWEEP_DRAFTS;
use crate::writes::{batch, begin_deletion, remove, replace};
use api::decision::Decision;
use api::event::{Act, Event};
use api::key::Key;
use api::object::Object;
use api::revision::Millis;
use serde_json::Value;
use std::sync::Arc;
use store::view::View;

const RESOURCE: &str = "namespaces";
const FINALIZER: &str = "kubernetes";

pub(crate) const CONTROLLER: Controller = Controller { name: "namespace", keys, all, decide };

fn keys(event: &Event, view: &View) -> Vec<Key> {
    let key = &event.object.key;
    let name = if &*key.resource == RESOURCE { &key.name } else { &key.namespace };
    // What goes from, or comes into, a namespace that ends may be the last of it.
    let matters =
        &*key.resource == RESOURCE || matches!(event.act, Act::Added | Act::Deleted) || !event.object.facet.finalizers;
    let ending = |namespace: &&Arc<Object>| namespace.facet.deleting.is_some();
    view.get(RESOURCE, "", name)
        .filter(ending)
        .filter(|_| matters)
        .map(|namespace| namespace.key.clone())
        .into_iter()
        .collect()
}

fn all(view: &View) -> Vec<Key> {
    view.list(RESOURCE, None)
        .filter(|object| object.facet.deleting.is_some())
        .map(|object| object.key.clone())
        .collect()
}

fn decide(view: &View, key: &Key, now: Millis) -> Decision {
    let Some(object) = view.get_key(key).filter(|object| object.facet.deleting.is_some()) else {
        return Decision::idle();
    };
    let name = &*object.key.name;
    let mut left: Vec<(&str, usize)> =
        view.resources().map(|resource| (resource, view.count(resource, Some(name)))).collect();
    left.retain(|(_, count)| *count > 0);
    if left.is_empty() {
        return finish(object);
    }
    let mut value = object.value();
    report(view, &mut value, name, &left, now);
    let mut decision = Decision::default();
    decision.push(replace(object, &value).into_iter().collect(), "");
    // Pods first: what they use must outlive them.
    let pods = view.count("pods", Some(name)) > 0;
    let resources = left.iter().map(|(resource, _)| *resource).filter(|resource| !pods || *resource == "pods");
    let content = resources.flat_map(|resource| view.list(resource, Some(name)));
    let mut writes = content.filter_map(|object| begin_deletion(object, "", now));
    for _ in 0..SWEEP_DRAFTS {
        decision.push(batch(&mut writes), format!("content of {name}"));
    }
    decision
}

/// Nothing is left in it: the finalizer goes, and with the last finalizer the namespace.
fn finish(object: &Arc<Object>) -> Decision {
    let mut value = object.value();
    let left: Vec<Value> = list(&value, "/spec/finalizers").iter().filter(|name| *name != FINALIZER).cloned().collect();
    if left.is_empty() && !object.facet.finalizers {
        return Decision::one(vec![remove(object)], "empty");
    }
    if left.is_empty() {
        unset(&mut value, &["spec", "finalizers"]);
    } else {
        set(&mut value, &["spec", "finalizers"], left);
    }
    Decision::one(replace(object, &value).into_iter().collect(), "empty")
}

/// Says what is left, and which finalizers hold it.
fn report(view: &View, namespace: &mut Value, name: &str, left: &[(&str, usize)], now: Millis) {
    set(namespace, &["status", "phase"], "Terminating");
    let kinds: Vec<String> = left.iter().map(|(resource, _)| format!("{resource} has resource instances")).collect();
    let message = format!("Some resources are remaining: {}", kinds.join(", "));
    let remaining =
        Wanted { kind: "NamespaceContentRemaining", status: "True", reason: "SomeResourcesRemain", message: &message };
    put(namespace, remaining, now, false);
    let mut held: Vec<String> = Vec::new();
    for object in
        left.iter().flat_map(|(resource, _)| view.list(resource, Some(name))).filter(|object| object.facet.finalizers)
    {
        for finalizer in list(&object.value(), "/metadata/finalizers").iter().filter_map(Value::as_str) {
            if !held.iter().any(|known| known == finalizer) {
                held.push(finalizer.to_owned());
            }
        }
    }
    held.sort();
    let message = format!("Some content in the namespace has finalizers remaining: {}", held.join(", "));
    let finalizers = match held.is_empty() {
        true => Wanted {
            kind: "NamespaceFinalizersRemaining",
            status: "False",
            reason: "ContentHasNoFinalizers",
            message: "All content-preserving finalizers finished",
        },
        false => Wanted {
            kind: "NamespaceFinalizersRemaining",
            status: "True",
            reason: "SomeFinalizersRemain",
            message: &message,
        },
    };
    put(namespace, finalizers, now, false);
}
