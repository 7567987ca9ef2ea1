//! The end of a CustomResourceDefinition: the objects of its kind deleted, then the definition, and the names that were its own given
//! to those that asked for them too. It never touches a definition that has its names and is not ending.
use crate::controller::Controller;
use crate::limits::SWEEP_DRAFTS;
use crate::writes::{batch, begin_deletion, drop_finalizer, replace};
use api::decision::Decision;
use api::event::{Act, Event};
use api::key::Key;
use api::kinds::acceptance::{self, Taken};
use api::object::Object;
use api::revision::Millis;
use std::sync::Arc;
use store::view::View;

const RESOURCE: &str = "customresourcedefinitions.apiextensions.k8s.io";
const FINALIZER: &str = "customresourcecleanup.apiextensions.k8s.io";

pub(crate) const CONTROLLER: Controller = Controller { name: "definition", keys, all, decide };

fn ending(definition: &&Arc<Object>) -> bool {
    definition.facet.deleting.is_some() && definition.facet.finalizers
}

fn keys(event: &Event, view: &View) -> Vec<Key> {
    let key = &event.object.key;
    // Objects of a custom kind are kept under the name of its definition. One that comes or goes may be the last.
    let name = if &*key.resource == RESOURCE { &key.name } else { &key.resource };
    let matters = &*key.resource == RESOURCE || matches!(event.act, Act::Added | Act::Deleted);
    let definition = view.get(RESOURCE, "", name).filter(|_| matters).filter(ending);
    let mut keys: Vec<Key> = definition.map(|definition| definition.key.clone()).into_iter().collect();
    if &*key.resource == RESOURCE {
        // What it was or is named may have become free.
        keys.extend(view.list(RESOURCE, None).filter(waiting).map(|other| other.key.clone()));
        keys.dedup();
    }
    keys
}

/// A definition without a name that it asks for.
fn waiting(definition: &&Arc<Object>) -> bool {
    !acceptance::accepted(&definition.value())
}

fn all(view: &View) -> Vec<Key> {
    view.list(RESOURCE, None)
        .filter(|one| ending(one) || waiting(one))
        .map(|definition| definition.key.clone())
        .collect()
}

fn decide(view: &View, key: &Key, now: Millis) -> Decision {
    let Some(definition) = view.get_key(key) else { return Decision::idle() };
    if !ending(&definition) {
        return accept(view, definition, now);
    }
    let resource = &*key.name;
    // Such a definition is not accepted; were one there, these would not be its objects.
    let builtin = api::kinds::builtin().iter().any(|kind| *kind.resource == *resource);
    if builtin || view.count(resource, None) == 0 {
        let write = drop_finalizer(definition, FINALIZER);
        return Decision::one(write.into_iter().collect(), "no objects of its kind are left");
    }
    let mut decision = Decision::default();
    let mut writes = view.list(resource, None).filter_map(|object| begin_deletion(object, "", now));
    for _ in 0..SWEEP_DRAFTS {
        decision.push(batch(&mut writes), format!("their definition {resource} goes"));
    }
    decision
}

/// Gives it the names that are free now.
fn accept(view: &View, definition: &Arc<Object>, now: Millis) -> Decision {
    let before = definition.value();
    if acceptance::accepted(&before) || definition.facet.deleting.is_some() {
        return Decision::idle();
    }
    let (mut after, mut taken) = (before.clone(), Taken::default());
    for other in view.list(RESOURCE, None) {
        taken.note(&before, &other.value());
    }
    acceptance::settle(&mut after, &taken, &now.rfc3339());
    if before == after {
        return Decision::idle();
    }
    Decision::one(replace(definition, &after).into_iter().collect(), "names that it asks for are free or taken")
}
