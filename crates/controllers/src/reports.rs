//! Where the Kubernetes Events of controllers go into the view.
use crate::bodies::body;
use api::command::{Change, Condition, Write};
use api::report::Report;
use api::revision::Millis;
use serde_json::Value;
use store::view::View;

/// The write that records `report` about the decoded object `about`; `None` where its namespace takes no new objects.
pub(crate) fn write(view: &View, about: &Value, report: Report<'_>, now: Millis) -> Option<Write> {
    let key = report.key(about);
    view.get("namespaces", "", &key.namespace).filter(|namespace| namespace.facet.deleting.is_none())?;
    let old = view.get_key(&key);
    let condition = old.map_or(Condition::Absent, |old| Condition::Revision(old.revision));
    let value = report.value(about, old.map(AsRef::as_ref), now);
    Some(Write { key, condition, change: Change::Put(body("events", &value)?) })
}
