//! What a placement writes: the pod bound, or why it is not, and the Kubernetes Event that says so.
use crate::bodies::body;
use crate::cluster::SCHEDULER_NAME;
use crate::limits::MESSAGE_MILLIS;
use crate::spec::{list, text};
use crate::wanted::Wanted;
use api::admission::pod_topology_labels;
use api::command::{Change, Condition, Write};
use api::planted::{Bug, planted};
use api::report::Report;
use api::revision::Millis;
use serde_json::{Value, json};
use store::view::View;

/// Binds `pod` to `node`, if nobody has written the pod since.
pub(crate) fn bind(view: &View, pod: &Wanted, node: &str, now: Millis) -> Vec<Write> {
    let mut value = pod.value.clone();
    value["spec"]["nodeName"] = node.into();
    if let Some(node) = view.get("nodes", "", node) {
        pod_topology_labels::stand(&mut value, node);
    }
    if let Some(status) = value["status"].as_object_mut() {
        status.remove("nominatedNodeName");
    }
    let since =
        json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null, "lastTransitionTime": now.rfc3339()});
    put_condition(&mut value, since);
    let message = format!("Successfully assigned {}/{} to {node}", pod.object.key.namespace, pod.object.key.name);
    let report = Report { component: SCHEDULER_NAME, warning: false, reason: "Scheduled", message: &message };
    let Some(bound) = write(pod, &value) else { return Vec::new() };
    [bound].into_iter().chain(report_write(view, &value, report, now)).collect()
}

/// Says why `pod` fits nowhere. When only the counts in the text have changed, it is said again no sooner than after a while:
/// then the second value is when.
pub(crate) fn refuse(view: &View, pod: &Wanted, message: &str, now: Millis) -> (Vec<Write>, Option<Millis>) {
    let old =
        list(&pod.value["status"], "conditions").iter().find(|condition| text(condition, "type") == "PodScheduled");
    let standing = old.filter(|old| text(old, "status") == "False" && text(old, "reason") == "Unschedulable");
    let mut since = now.rfc3339();
    if let Some(standing) = standing {
        if text(standing, "message") == message {
            return (Vec::new(), None);
        }
        let probed = Millis::parse(text(standing, "lastProbeTime")).unwrap_or(Millis(0));
        let due = Millis(probed.0.saturating_add(MESSAGE_MILLIS));
        if words(text(standing, "message")) == words(message) && due > now {
            return (Vec::new(), Some(due));
        }
        text(standing, "lastTransitionTime").clone_into(&mut since);
    }
    let mut value = pod.value.clone();
    let condition = json!({"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message,
        "lastProbeTime": now.rfc3339(), "lastTransitionTime": since});
    put_condition(&mut value, condition);
    let report = Report { component: SCHEDULER_NAME, warning: true, reason: "FailedScheduling", message };
    let Some(said) = write(pod, &value) else { return (Vec::new(), None) };
    ([said].into_iter().chain(report_write(view, &value, report, now)).collect(), None)
}

/// The text without its numbers.
fn words(message: &str) -> String {
    message.chars().filter(|letter| !letter.is_ascii_digit()).collect()
}

fn put_condition(pod: &mut Value, condition: Value) {
    if !pod["status"].is_object() {
        pod["status"] = json!({});
    }
    let mut conditions = list(&pod["status"], "conditions").to_vec();
    conditions.retain(|old| text(old, "type") != "PodScheduled");
    conditions.push(condition);
    pod["status"]["conditions"] = conditions.into();
}

fn write(pod: &Wanted, value: &Value) -> Option<Write> {
    let change = Change::Put(body("pods", value)?);
    let blind = planted(Bug::BindsBlindly);
    let condition = if blind { Condition::Exists } else { Condition::Revision(pod.object.revision) };
    Some(Write { key: pod.object.key.clone(), condition, change })
}

/// The Event, unless the namespace takes no new objects.
fn report_write(view: &View, about: &Value, report: Report<'_>, now: Millis) -> Option<Write> {
    let key = report.key(about);
    view.get("namespaces", "", &key.namespace).filter(|namespace| namespace.facet.deleting.is_none())?;
    let old = view.get_key(&key);
    let condition = old.map_or(Condition::Absent, |old| Condition::Revision(old.revision));
    let value = report.value(about, old.map(AsRef::as_ref), now);
    Some(Write { key, condition, change: Change::Put(body("events", &value)?) })
}
