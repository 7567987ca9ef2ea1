//! Kubernetes Events: what deciders tell users in `kubectl describe`. Equal reports about one object share one Event, which counts them.
use crate::fields::{number, set, text};
use crate::writes::{create, replace};
use api::command::Write;
use api::revision::Millis;
use serde_json::{Value, json};
use store::view::View;

/// What is told.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Report<'a> {
    /// The controller as users know it: `deployment-controller`.
    pub(crate) component: &'a str,
    pub(crate) warning: bool,
    pub(crate) reason: &'a str,
    pub(crate) message: &'a str,
}

/// The write that records `report` about the decoded object `about`; `None` where its namespace takes no new objects.
pub(crate) fn write(view: &View, about: &Value, report: Report<'_>, now: Millis) -> Option<Write> {
    let namespace = Some(text(about, "/metadata/namespace")).filter(|name| !name.is_empty()).unwrap_or("default");
    if view.get("namespaces", "", namespace).is_none_or(|namespace| namespace.facet.deleting.is_some()) {
        return None;
    }
    let name = name(about, report);
    if let Some(old) = view.get("events", namespace, &name) {
        let mut value = old.value();
        let count = number(&value, "/count").unwrap_or(1).saturating_add(1);
        set(&mut value, &["count"], count);
        set(&mut value, &["lastTimestamp"], now.rfc3339());
        return replace(old, &value);
    }
    let involved = json!({
        "apiVersion": about["apiVersion"], "kind": about["kind"], "name": about["metadata"]["name"],
        "namespace": text(about, "/metadata/namespace"), "uid": text(about, "/metadata/uid"),
        "resourceVersion": text(about, "/metadata/resourceVersion"),
    });
    create(
        "events",
        &json!({
            "apiVersion": "v1", "kind": "Event", "metadata": {"name": name, "namespace": namespace},
            "involvedObject": involved, "reason": report.reason, "message": report.message, "count": 1,
            "type": if report.warning { "Warning" } else { "Normal" },
            "source": {"component": report.component}, "reportingComponent": report.component, "reportingInstance": "",
            "firstTimestamp": now.rfc3339(), "lastTimestamp": now.rfc3339(), "eventTime": null,
        }),
    )
}

/// `web.17f3…`: the same for every report that says the same of the same object, so that they are counted and not piled up.
fn name(about: &Value, report: Report<'_>) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in [text(about, "/metadata/uid"), report.component, report.reason, report.message] {
        hasher.update(part.as_bytes());
        hasher.update(&[0]);
    }
    let hash = hasher.finalize().to_hex();
    // An Event's name is a subdomain of at most 253 bytes, and so is the object's: leave room for the hash.
    let stem: String = text(about, "/metadata/name").chars().take(236).collect();
    format!("{stem}.{}", &hash[..16])
}
