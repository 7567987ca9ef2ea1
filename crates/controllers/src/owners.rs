//! Who owns whom: owner references made, and the objects a controller owns or may adopt.
use crate::fields::{list, set, text};
use api::facet::Owner;
use api::key::Key;
use api::object::Object;
use api::selector::Labels;
use serde_json::{Value, json};
use std::sync::Arc;
use store::view::View;

/// The reference by which `owner` controls a dependent.
pub(crate) fn controller_reference(api_version: &str, kind: &str, owner: &Object) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "name": &*owner.key.name, "uid": owner.uid.to_string(),
        "controller": true, "blockOwnerDeletion": true})
}

/// The objects of `resource` that `owner` controls, ordered by key.
pub(crate) fn controlled<'a>(view: &'a View, resource: &str, owner: &Object) -> Vec<&'a Arc<Object>> {
    let controls = |object: &&Arc<Object>| {
        &*object.key.resource == resource
            && object.key.namespace == owner.key.namespace
            && object.facet.controller().is_some_and(|reference| reference.uid == owner.uid.0)
    };
    view.list_by_owner(owner.uid).filter(controls).collect()
}

/// The objects of `resource` in the namespace that match, have no controller and are not being deleted.
pub(crate) fn orphans<'a>(view: &'a View, resource: &str, namespace: &str, selector: &Labels) -> Vec<&'a Arc<Object>> {
    view.list(resource, Some(namespace)).filter(|object| adoptable(object) && selector.matches(&object.facet)).collect()
}

pub(crate) fn adoptable(object: &Object) -> bool {
    object.facet.controller().is_none() && object.facet.deleting.is_none()
}

/// `dependent` with `reference` among its owners.
pub(crate) fn with_owner(dependent: &Object, reference: Value) -> Value {
    let mut value = dependent.value();
    let mut owners = list(&value, "/metadata/ownerReferences").to_vec();
    owners.retain(|owner| text(owner, "/uid") != text(&reference, "/uid"));
    owners.push(reference);
    set(&mut value, &["metadata", "ownerReferences"], owners);
    value
}

/// `dependent` without the owners whose uid (as printed) `gone` names.
pub(crate) fn without_owners(dependent: &Object, gone: impl Fn(&str) -> bool) -> Value {
    let mut value = dependent.value();
    let owners = list(&value, "/metadata/ownerReferences");
    let left: Vec<Value> = owners.iter().filter(|owner| !gone(text(owner, "/uid"))).cloned().collect();
    if left.is_empty() {
        crate::fields::unset(&mut value, &["metadata", "ownerReferences"]);
    } else {
        set(&mut value, &["metadata", "ownerReferences"], left);
    }
    value
}

/// The key of the controller of `object` if it is of `kind`, whose resource is `resource`.
pub(crate) fn controller_key(object: &Object, kind: &str, resource: &str) -> Option<Key> {
    let is = |owner: &&Owner| &*owner.kind == kind;
    let owner = object.facet.controller().filter(is)?;
    Some(Key::new(resource, &object.key.namespace, &owner.name))
}
