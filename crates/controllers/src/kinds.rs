//! From a kind, as owner references name it, to the resource under which its objects are kept.
use crate::fields::text;
use api::key::Key;
use api::object::Object;
use serde_json::Value;
use std::sync::Arc;
use store::view::View;

/// The object that `reference` (of an object in `namespace`) names, if it is there under the same uid.
pub(crate) enum Referred<'a> {
    There(&'a Arc<Object>),
    Gone,
    /// Nobody knows the kind: it may be there.
    Unknown,
}

/// Finds what an owner reference names.
pub(crate) fn find<'a>(view: &'a View, namespace: &str, reference: &Value) -> Referred<'a> {
    let group = text(reference, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
    let Some((resource, namespaced)) = resource(view, group, text(reference, "/kind")) else {
        return Referred::Unknown;
    };
    let namespace = if namespaced { namespace } else { "" };
    match view.get(&resource, namespace, text(reference, "/name")) {
        Some(object) if object.uid.to_string() == text(reference, "/uid") => Referred::There(object),
        _ => Referred::Gone,
    }
}

/// Its key, were it there.
pub(crate) fn key(view: &View, namespace: &str, reference: &Value) -> Option<Key> {
    let group = text(reference, "/apiVersion").split_once('/').map_or("", |(group, _)| group);
    let (resource, namespaced) = resource(view, group, text(reference, "/kind"))?;
    Some(Key::new(&resource, if namespaced { namespace } else { "" }, text(reference, "/name")))
}

/// The resource of a kind, and whether it is namespaced: of the built-in ones, or of a CustomResourceDefinition.
fn resource(view: &View, group: &str, kind: &str) -> Option<(String, bool)> {
    if let Some(known) = api::kinds::builtin().iter().find(|known| *known.group == *group && *known.kind == *kind) {
        return Some((known.resource.to_string(), known.namespaced));
    }
    let custom = view.list("customresourcedefinitions.apiextensions.k8s.io", None).map(|definition| definition.value());
    let mut named =
        custom.filter(|value| text(value, "/spec/group") == group && text(value, "/spec/names/kind") == kind);
    let value = named.next()?;
    Some((format!("{}.{group}", text(&value, "/spec/names/plural")), text(&value, "/spec/scope") == "Namespaced"))
}
