//! Quotas where controllers make something: how many there is room for, and the charge in the command that makes it. The charge is added
//! to every decision in one place, so that no controller can forget it; how to tell of what does not fit is each controller's own matter.
use crate::limits::QUOTA_RETRY_MILLIS;
use crate::reports;
use api::command::{Change, Condition, Write};
use api::decision::{Decision, Draft};
use api::key::Key;
use api::object::{Body, Object};
use api::quota::{RESOURCE, Taken, charge};
use api::report::Report;
use api::revision::Millis;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::view::View;

fn quotas(view: &View, namespace: &str) -> Vec<Arc<Object>> {
    if namespace.is_empty() {
        return Vec::new();
    }
    view.list(RESOURCE, Some(namespace)).cloned().collect()
}

/// How many objects like `value`, of `wanted`, the quotas of its namespace have room for, and why not for more.
pub(crate) fn room(view: &View, resource: &str, value: &Value, wanted: usize) -> (usize, Option<String>) {
    let namespace = value["metadata"]["namespace"].as_str().unwrap_or_default();
    let quotas = quotas(view, namespace);
    let list = |resource: &str| view.list(resource, Some(namespace)).cloned().collect();
    api::quota::room(&quotas, Taken { resource, old: None, new: value }, wanted, &list)
}

/// The decision with what it makes charged. A draft for which there is no room is left out, which is told of the object at `key` once,
/// and tried again after a while.
pub(crate) fn charged(view: &View, key: &Key, decision: Decision, now: Millis) -> Decision {
    let makes = |draft: &Draft| draft.writes.iter().any(|write| made(write).is_some());
    if !decision.drafts.iter().any(makes) {
        return decision;
    }
    let mut all = Decision { drafts: Vec::new(), wake_at: decision.wake_at };
    for mut draft in decision.drafts {
        match charges(view, &draft.writes) {
            Ok(charges) => {
                draft.writes.extend(charges);
                all.drafts.push(draft);
            }
            Err(why) => {
                all.wake(Millis(now.0.saturating_add(QUOTA_RETRY_MILLIS)));
                all.push(told(view, key, &why, now), why);
            }
        }
    }
    all
}

/// A new object with a namespace, which may be counted.
fn made(write: &Write) -> Option<&Body> {
    match (&write.change, write.condition) {
        (Change::Put(body), Condition::Absent) if !write.key.namespace.is_empty() => Some(body),
        _ => None,
    }
}

/// A body decoded. It was made here, so this cannot fail.
fn value(body: &Body) -> Value {
    api::codec::json::value(&body.text).unwrap_or(Value::Null)
}

fn charges(view: &View, writes: &[Write]) -> Result<Vec<Write>, String> {
    let mut by_namespace: BTreeMap<&str, Vec<&Write>> = BTreeMap::new();
    for write in writes.iter().filter(|write| made(write).is_some()) {
        by_namespace.entry(&write.key.namespace).or_default().push(write);
    }
    let mut all = Vec::new();
    for (namespace, writes) in by_namespace {
        let quotas = quotas(view, namespace);
        if quotas.is_empty() {
            continue;
        }
        let values: Vec<Value> = writes.iter().filter_map(|write| made(write)).map(value).collect();
        let taken = writes.iter().zip(&values);
        let taken: Vec<Taken<'_>> =
            taken.map(|(write, new)| Taken { resource: &write.key.resource, old: None, new }).collect();
        let list = |resource: &str| view.list(resource, Some(namespace)).cloned().collect();
        all.extend(charge(&quotas, &taken, &list)?);
    }
    Ok(all)
}

/// Tells of the object what it could not make, unless that has been told.
fn told(view: &View, key: &Key, why: &str, now: Millis) -> Vec<Write> {
    let Some(about) = view.get_key(key).map(|object| object.value()) else { return Vec::new() };
    let message = format!("Error creating: forbidden: {why}");
    let report = Report { component: "resourcequota", warning: true, reason: "FailedCreate", message: &message };
    if view.get_key(&report.key(&about)).is_some() {
        return Vec::new();
    }
    reports::write(view, &about, report, now).into_iter().collect()
}
