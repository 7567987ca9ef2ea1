//! The end of a CustomResourceDefinition: the objects of its kind deleted, then the definition. It never touches one that is not ending.
use crate::controller::Controller;
use crate::limits::SWEEP_DRAFTS;
use crate::writes::{batch, begin_deletion, drop_finalizer};
use api::decision::Decision;
use api::event::{Act, Event};
use api::key::Key;
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
    definition.map(|definition| definition.key.clone()).into_iter().collect()
}

fn all(view: &View) -> Vec<Key> {
    view.list(RESOURCE, None).filter(ending).map(|definition| definition.key.clone()).collect()
}

fn decide(view: &View, key: &Key, now: Millis) -> Decision {
    let Some(definition) = view.get_key(key).filter(ending) else { return Decision::idle() };
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
