//! The writes controllers make, each under the condition that nobody wrote the object since it was read. Deletion follows the
//! API's rules: grace for pods that may run, finalizers before removal.
use crate::bodies::body;
use crate::fields::{bump_generation, list, number, set, text, unset};
use crate::limits::{DRAFT_BYTES, GRACE_SECONDS, SWEEP_WRITES};
use api::command::{Change, Condition, Write};
use api::key::Key;
use api::object::Object;
use api::revision::Millis;
use serde_json::Value;

/// A new object; its namespace and name stand in `value`. `None` if it cannot be made into a body.
pub(crate) fn create(resource: &str, value: &Value) -> Option<Write> {
    let key = Key::new(resource, text(value, "/metadata/namespace"), text(value, "/metadata/name"));
    Some(Write { key, condition: Condition::Absent, change: Change::Put(body(resource, value)?) })
}

/// `object` as `value` has it now; `None` if that changes nothing.
pub(crate) fn replace(object: &Object, value: &Value) -> Option<Write> {
    let body = body(&object.key.resource, value)?;
    let unchanged = body.text == object.body().text;
    let condition = Condition::Revision(object.revision);
    (!unchanged).then(|| Write { key: object.key.clone(), condition, change: Change::Put(body) })
}

/// About how many bytes a write takes in the log.
pub(crate) fn weight(write: &Write) -> usize {
    let body = match &write.change {
        Change::Put(body) => body.text.len(),
        Change::Delete => 0,
    };
    body + write.key.namespace.len() + write.key.name.len()
}

/// The next writes of a sweep: few, and together small enough for one command.
pub(crate) fn batch(writes: &mut dyn Iterator<Item = Write>) -> Vec<Write> {
    let (mut some, mut bytes) = (Vec::new(), 0);
    while some.len() < SWEEP_WRITES && bytes < DRAFT_BYTES {
        let Some(write) = writes.next() else { break };
        bytes += weight(&write);
        some.push(write);
    }
    some
}

/// Takes `object` away at once, whatever its finalizers say.
pub(crate) fn remove(object: &Object) -> Write {
    Write { key: object.key.clone(), condition: Condition::Revision(object.revision), change: Change::Delete }
}

/// Deletes `object` as a client's DELETE would. `finalizer` is one to add first (`foregroundDeletion`), or empty.
/// `None` if its deletion has already begun.
pub(crate) fn begin_deletion(object: &Object, finalizer: &str, now: Millis) -> Option<Write> {
    if &*object.key.resource != "pods" && !object.facet.finalizers && finalizer.is_empty() {
        return object.facet.deleting.is_none().then(|| remove(object));
    }
    begin(object, object.value(), finalizer, now)
}

/// The same, and takes `finalizer` from it in the same write.
pub(crate) fn begin_deletion_without(object: &Object, finalizer: &str, now: Millis) -> Option<Write> {
    begin(object, without_finalizer(object.value(), finalizer), "", now)
}

/// The same, and changes it in the same write to what `value` has now.
pub(crate) fn begin_deletion_as(object: &Object, value: Value, now: Millis) -> Option<Write> {
    begin(object, value, "", now)
}

/// Begins the deletion of `object` as `value` has it now.
fn begin(object: &Object, mut value: Value, finalizer: &str, now: Millis) -> Option<Write> {
    if object.facet.deleting.is_some() {
        return None;
    }
    let pod = &*object.key.resource == "pods";
    let grace = if pod { grace_seconds(object, &value) } else { 0 };
    if grace == 0 && list(&value, "/metadata/finalizers").is_empty() && finalizer.is_empty() {
        return Some(remove(object));
    }
    let millis = u64::try_from(grace).unwrap_or(0).saturating_mul(1_000);
    set(&mut value, &["metadata", "deletionTimestamp"], Millis(now.0.saturating_add(millis)).rfc3339());
    set(&mut value, &["metadata", "deletionGracePeriodSeconds"], grace);
    if !finalizer.is_empty() {
        let mut finalizers = list(&value, "/metadata/finalizers").to_vec();
        finalizers.push(finalizer.into());
        set(&mut value, &["metadata", "finalizers"], finalizers);
    }
    if object.facet.generation > 0 {
        bump_generation(&mut value);
    }
    replace(object, &value)
}

/// Seconds a pod that is deleted now has to stop: none if it runs nowhere or has finished. Without grace it would be gone at once and its
/// name free while it may run: where names stay, its node must see it end first.
fn grace_seconds(object: &Object, pod: &Value) -> i64 {
    if text(pod, "/spec/nodeName").is_empty() || matches!(text(pod, "/status/phase"), "Succeeded" | "Failed") {
        return 0;
    }
    let stays = object.facet.controller().is_some_and(|owner| &*owner.kind == "StatefulSet");
    number(pod, "/spec/terminationGracePeriodSeconds").unwrap_or(GRACE_SECONDS).max(i64::from(stays))
}

/// Takes `finalizer` from `object`; when it was the last and deletion has begun, the object goes too.
/// A pod within its grace stays: its node takes it away.
pub(crate) fn drop_finalizer(object: &Object, finalizer: &str) -> Option<Write> {
    let value = without_finalizer(object.value(), finalizer);
    let graceful = number(&value, "/metadata/deletionGracePeriodSeconds").unwrap_or(0) > 0;
    let pod = &*object.key.resource == "pods";
    let held = !list(&value, "/metadata/finalizers").is_empty();
    if !held && object.facet.deleting.is_some() && !(pod && graceful) {
        return Some(remove(object));
    }
    replace(object, &value)
}

/// `value` without that finalizer.
pub(crate) fn without_finalizer(mut value: Value, finalizer: &str) -> Value {
    let left: Vec<Value> =
        list(&value, "/metadata/finalizers").iter().filter(|name| *name != finalizer).cloned().collect();
    if left.is_empty() {
        unset(&mut value, &["metadata", "finalizers"]);
    } else {
        set(&mut value, &["metadata", "finalizers"], left);
    }
    value
}
