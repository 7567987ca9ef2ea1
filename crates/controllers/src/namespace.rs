//! The end of a namespace: its content deleted, pods first (KEP-5080), then the namespace itself; and what came too late into one that is
//! gone. It never touches one that is not ending.
use crate::conditions::{Wanted, put};
use crate::controller::Controller;
use crate::fields::{list, set, unset};
use crate::limits::{LATE_MILLIS, SWEEP_DRAFTS};
use crate::writes::{batch, begin_deletion, remove, replace};
use api::decision::Decision;
use api::event::{Act, Event};
use api::key::Key;
use api::object::Object;
use api::planted::{Bug, planted};
use api::revision::Millis;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;
use store::view::View;

const RESOURCE: &str = "namespaces";
const FINALIZER: &str = "kubernetes";
/// What can go wrong where what there is must be asked of many servers first: here it stands in the view. Clients wait for these.
const NEVER_FAIL: [(&str, &str, &str); 3] = [
    ("NamespaceDeletionDiscoveryFailure", "ResourcesDiscovered", "All resources successfully discovered"),
    ("NamespaceDeletionGroupVersionParsingFailure", "ParsedGroupVersions", "All legacy kube types successfully parsed"),
    (
        "NamespaceDeletionContentFailure",
        "ContentDeleted",
        "All content successfully deleted, may be waiting on finalization",
    ),
];

pub(crate) const CONTROLLER: Controller = Controller { name: "namespace", keys, all, decide };

fn keys(event: &Event, view: &View) -> Vec<Key> {
    let key = &event.object.key;
    let name = if &*key.resource == RESOURCE { &key.name } else { &key.namespace };
    if name.is_empty() {
        return Vec::new();
    }
    // What goes from, or comes into, a namespace that ends may be the last of it.
    let matters =
        &*key.resource == RESOURCE || matches!(event.act, Act::Added | Act::Deleted) || !event.object.facet.finalizers;
    let concerned = match view.get(RESOURCE, "", name) {
        None => event.act != Act::Deleted || &*key.resource == RESOURCE,
        Some(namespace) => matters && namespace.facet.deleting.is_some(),
    };
    if concerned { vec![Key::new(RESOURCE, "", name)] } else { Vec::new() }
}

fn all(view: &View) -> Vec<Key> {
    let ending = view.list(RESOURCE, None).filter(|object| object.facet.deleting.is_some());
    let ending = ending.map(|object| object.key.clone());
    let named: BTreeSet<&str> = view.resources().flat_map(|resource| view.namespaces(resource)).collect();
    let gone = named.into_iter().filter(|name| view.get(RESOURCE, "", name).is_none());
    ending.chain(gone.map(|name| Key::new(RESOURCE, "", name))).collect()
}

fn decide(view: &View, key: &Key, now: Millis) -> Decision {
    let Some(object) = view.get_key(key) else { return late(view, &key.name, now) };
    if object.facet.deleting.is_none() {
        return Decision::idle();
    }
    let name = &*object.key.name;
    let mut left: Vec<(&str, usize)> =
        view.resources().map(|resource| (resource, view.count(resource, Some(name)))).collect();
    left.retain(|(resource, count)| *count > 0 && (!planted(Bug::EndsNamespaceEarly) || *resource == "pods"));
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

/// A create that was under way while its namespace ended may come after the end. Nobody would ever take it away.
fn late(view: &View, name: &str, now: Millis) -> Decision {
    let content = view.resources().flat_map(|resource| view.list(resource, Some(name)));
    let content = content.filter(|object| object.facet.deleting.is_none());
    let due = |object: &Arc<Object>| Millis(object.created.0.saturating_add(LATE_MILLIS));
    let (late, young): (Vec<_>, Vec<_>) = content.partition(|object| due(object) <= now);
    let mut decision = Decision::default();
    young.into_iter().for_each(|object| decision.wake(due(object)));
    let mut writes = late.into_iter().filter_map(|object| begin_deletion(object, "", now));
    for _ in 0..SWEEP_DRAFTS {
        decision.push(batch(&mut writes), format!("came into {name} when it was gone"));
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
    for (kind, reason, message) in NEVER_FAIL {
        put(namespace, Wanted { kind, status: "False", reason, message }, now, false);
    }
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
