//! The step from kubectl's own apply to the server's: what an object says of its last client-side apply. It is read for the manager
//! `kubectl` alone; whoever does not want it takes another name (KEP-555, "Upgrade").
use crate::apply::place::Place;
use crate::apply::set::Set;
use crate::apply::unowned::strip;
use crate::apply::walk;
use serde_json::Value;

/// The manager that kubectl applies as.
const KUBECTL: &str = "kubectl";
const ANNOTATION: &str = "kubectl.kubernetes.io/last-applied-configuration";

fn annotation(object: &Value) -> Option<&str> {
    object.get("metadata")?.get("annotations")?.get(ANNOTATION)?.as_str().filter(|text| !text.is_empty())
}

/// What `manager` may take from others though they own it: what was applied to `live` last and still is as it was applied.
pub(super) fn allowed(place: Place<'_>, live: &Value, manager: &str) -> Set {
    let mut set = Set::default();
    let last = annotation(live).filter(|_| manager == KUBECTL);
    let Some(last) = last.and_then(|text| crate::codec::json::value(text.as_bytes())) else { return set };
    if last.get("apiVersion") != live.get("apiVersion") {
        return set;
    }
    walk::fields(place, &last, &mut set);
    strip(&mut set);
    let differs = walk::compare(place, &last, live);
    set.difference(&differs.set()).difference(&differs.removed)
}

/// An object that has the annotation has what is applied now in it.
pub(super) fn keep(new: &mut Value, config: &Value, manager: &str) {
    if manager != KUBECTL || annotation(new).is_none() {
        return;
    }
    let mut config = config.clone();
    if let Some(annotations) = config.pointer_mut("/metadata/annotations").and_then(Value::as_object_mut) {
        annotations.remove(ANNOTATION);
    }
    new["metadata"]["annotations"][ANNOTATION] = format!("{config}\n").into();
}
