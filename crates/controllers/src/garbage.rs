//! Garbage: what is owned goes with its last owner, in the background, before it (foreground) or not at all (orphan).
//! It never takes an object whose owner's kind nobody knows.
use crate::controller::Controller;
use crate::fields::{list, set, text};
use crate::kinds::{self, Referred};
use crate::limits::SWEEP_DRAFTS;
use crate::owners::without_owners;
use crate::writes::{batch, begin_deletion, drop_finalizer, replace};
use api::command::{Change, Write};
use api::decision::Decision;
use api::event::{Act, Event};
use api::key::Key;
use api::object::Object;
use api::planted::{Bug, planted};
use api::revision::Millis;
use serde_json::Value;
use std::sync::Arc;
use store::view::View;

const ORPHAN: &str = "orphan";
const FOREGROUND: &str = "foregroundDeletion";

/// Keys are objects of any kind: those that are owned, and those that end with a word about what they own.
pub(crate) const CONTROLLER: Controller = Controller { name: "garbage", keys, all, decide };

fn keys(event: &Event, view: &View) -> Vec<Key> {
    let object = &event.object;
    let before = event.before.as_deref();
    let mut keys = Vec::new();
    let gone = event.act == Act::Deleted;
    let ending = |object: &Object| object.facet.deleting.is_some() && object.facet.finalizers;
    let owners_changed = before.is_none_or(|before| before.facet.owners != object.facet.owners);
    if !gone && ((owners_changed && !object.facet.owners.is_empty()) || ending(object)) {
        keys.push(object.key.clone());
    }
    if gone || (ending(object) && !before.is_some_and(ending)) {
        keys.extend(view.list_by_owner(object.uid).map(|dependent| dependent.key.clone()));
    }
    // An owner in its foreground deletion waits for this one to go, or to be let go.
    if let Some(before) = before.filter(|before| !before.facet.owners.is_empty() && (gone || owners_changed)) {
        let value = before.value();
        let references = list(&value, "/metadata/ownerReferences").iter();
        keys.extend(references.filter_map(|reference| kinds::key(view, &before.key.namespace, reference)));
    }
    keys.retain(|key| view.get_key(key).is_some_and(|object| !object.facet.owners.is_empty() || ending(object)));
    keys
}

fn all(view: &View) -> Vec<Key> {
    let concerned = |object: &&Arc<Object>| {
        !object.facet.owners.is_empty() || (object.facet.deleting.is_some() && object.facet.finalizers)
    };
    view.all().filter(concerned).map(|object| object.key.clone()).collect()
}

fn decide(view: &View, key: &Key, now: Millis) -> Decision {
    let Some(object) = view.get_key(key) else { return Decision::idle() };
    if object.facet.deleting.is_some() {
        return end(view, object);
    }
    if object.facet.owners.is_empty() { Decision::idle() } else { own(view, object, now) }
}

fn has_finalizer(object: &Object, name: &str) -> bool {
    object.facet.finalizers && list(&object.value(), "/metadata/finalizers").iter().any(|finalizer| finalizer == name)
}

/// An object that ends: its dependents are let go first, or gone first, as its finalizers say.
fn end(view: &View, object: &Arc<Object>) -> Decision {
    if has_finalizer(object, ORPHAN) {
        let uid = object.uid.to_string();
        let released = |dependent: &Arc<Object>| replace(dependent, &without_owners(dependent, |owner| owner == uid));
        let mut writes = view.list_by_owner(object.uid).filter_map(released).peekable();
        if writes.peek().is_none() {
            return Decision::one(drop_finalizer(object, ORPHAN).into_iter().collect(), "no dependents left to let go");
        }
        let mut decision = Decision::default();
        for _ in 0..SWEEP_DRAFTS {
            decision.push(batch(&mut writes), format!("let go by {}", object.key));
        }
        return decision;
    }
    let blocks =
        |dependent: &Arc<Object>| dependent.facet.owners.iter().any(|owner| owner.uid == object.uid.0 && owner.block);
    if has_finalizer(object, FOREGROUND) && !view.list_by_owner(object.uid).any(blocks) {
        return Decision::one(drop_finalizer(object, FOREGROUND).into_iter().collect(), "no dependents left");
    }
    Decision::idle()
}

/// An owned object: it stays while one of its owners does.
fn own(view: &View, object: &Arc<Object>, now: Millis) -> Decision {
    let value = object.value();
    let (mut solid, mut gone, mut waiting) = (0, Vec::new(), Vec::new());
    for reference in list(&value, "/metadata/ownerReferences") {
        let uid = text(reference, "/uid").to_owned();
        match kinds::find(view, &object.key.namespace, reference) {
            Referred::Unknown => return Decision::idle(),
            Referred::Gone => gone.push(uid),
            Referred::There(owner) if owner.facet.deleting.is_some() && has_finalizer(owner, FOREGROUND) => {
                waiting.push(uid)
            }
            Referred::There(owner) if planted(Bug::CollectsYoung) && owner.created.0 + 1_000 > now.0 => gone.push(uid),
            Referred::There(_) => solid += 1,
        }
    }
    if solid > 0 {
        if gone.is_empty() && waiting.is_empty() {
            return Decision::idle();
        }
        let left = without_owners(object, |uid| gone.iter().chain(&waiting).any(|gone| gone == uid));
        return Decision::one(replace(object, &left).into_iter().collect(), "some owners are gone");
    }
    let mut dependents = view.list_by_owner(object.uid).peekable();
    if waiting.is_empty() || dependents.peek().is_none() {
        return Decision::one(begin_deletion(object, "", now).into_iter().collect(), "its owners are gone");
    }
    // Its own dependents go before it too. If one of them is already waiting for its dependents, the owners may stand in a circle:
    // this one then no longer blocks its owner.
    let circle = dependents.any(|dependent| dependent.facet.deleting.is_some() && has_finalizer(dependent, FOREGROUND));
    let write = begin_deletion(object, FOREGROUND, now);
    let write = if circle { write.and_then(|write| unblocked(object, &write)) } else { write };
    Decision::one(write.into_iter().collect(), "its owner waits for it to go")
}

/// The same write, with owner references that block nobody.
fn unblocked(object: &Object, write: &Write) -> Option<Write> {
    let Change::Put(body) = &write.change else { return Some(write.clone()) };
    let mut value: Value = api::codec::json::value(&body.text)?;
    let mut owners = list(&value, "/metadata/ownerReferences").to_vec();
    for owner in &mut owners {
        owner["blockOwnerDeletion"] = false.into();
    }
    set(&mut value, &["metadata", "ownerReferences"], owners);
    replace(object, &value)
}
