//! `status.conditions` of any kind: finding one, and setting one without losing when it last changed.
use crate::fields::{list, set, text};
use api::revision::Millis;
use serde_json::{Value, json};

/// One condition as it shall stand.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) kind: &'a str,
    /// `True`, `False` or `Unknown`.
    pub(crate) status: &'a str,
    pub(crate) reason: &'a str,
    pub(crate) message: &'a str,
}

/// The condition of type `kind`.
pub(crate) fn find<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    list(object, "/status/conditions").iter().find(|condition| text(condition, "/type") == kind)
}

/// Whether the condition of type `kind` has status `True`.
pub(crate) fn is_true(object: &Value, kind: &str) -> bool {
    find(object, kind).is_some_and(|condition| text(condition, "/status") == "True")
}

/// Sets a condition. Its transition time moves only with its status; an equal condition is left as it is, so that a decision
/// over its own outcome is empty. `update_time` also keeps `lastUpdateTime` (Deployments have it).
pub(crate) fn put(object: &mut Value, wanted: Wanted<'_>, now: Millis, update_time: bool) {
    let old = find(object, wanted.kind);
    let same = |member: &str, want: &str| old.is_some_and(|old| text(old, member) == want);
    if same("/status", wanted.status) && same("/reason", wanted.reason) && same("/message", wanted.message) {
        return;
    }
    let since = match old {
        Some(old) if same("/status", wanted.status) => text(old, "/lastTransitionTime").to_owned(),
        _ => now.rfc3339(),
    };
    let mut condition = json!({"type": wanted.kind, "status": wanted.status, "lastTransitionTime": since});
    for (member, text) in [("reason", wanted.reason), ("message", wanted.message)] {
        if !text.is_empty() {
            condition[member] = text.into();
        }
    }
    if update_time {
        condition["lastUpdateTime"] = now.rfc3339().into();
    }
    let mut conditions = list(object, "/status/conditions").to_vec();
    match conditions.iter_mut().find(|condition| text(condition, "/type") == wanted.kind) {
        Some(place) => *place = condition,
        None => conditions.push(condition),
    }
    set(object, &["status", "conditions"], conditions);
}

/// Has a pod say that it ends through no fault of its own (KEP-3329); who ends it says why.
pub(crate) fn disrupt(pod: &mut Value, reason: &str, message: &str, now: Millis) {
    put(pod, Wanted { kind: "DisruptionTarget", status: "True", reason, message }, now, false);
}

/// Notes that what the condition says was found again: moves `lastUpdateTime` alone.
pub(crate) fn touch(object: &mut Value, kind: &str, now: Millis) {
    let mut conditions = list(object, "/status/conditions").to_vec();
    for condition in conditions.iter_mut().filter(|condition| text(condition, "/type") == kind) {
        condition["lastUpdateTime"] = now.rfc3339().into();
    }
    set(object, &["status", "conditions"], conditions);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn transition_time_moves_only_with_the_status() {
        let mut object = json!({});
        let mut wanted = Wanted { kind: "Ready", status: "True", reason: "A", message: "" };
        put(&mut object, wanted, Millis(1_000), false);
        wanted.reason = "B";
        put(&mut object, wanted, Millis(9_000), false);
        let condition = find(&object, "Ready").expect("it was set");
        assert_eq!((text(condition, "/reason"), text(condition, "/lastTransitionTime")), ("B", "1970-01-01T00:00:01Z"));
        wanted.status = "False";
        put(&mut object, wanted, Millis(9_000), false);
        assert!(!is_true(&object, "Ready"));
        assert_eq!(text(find(&object, "Ready").expect("set"), "/lastTransitionTime"), "1970-01-01T00:00:09Z");
    }
}
