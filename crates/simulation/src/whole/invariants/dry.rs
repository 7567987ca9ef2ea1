//! A dry run leaves nothing (Kubernetes' `dryRun=All`: all of a request but its effect). Dry runs are named so, and so is what they would
//! write: neither stands in the log.
use crate::whole::evidence::Whole;
use crate::whole::workload::{DRY, PLACE};
use serde_json::Value;

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    for deed in &evidence.deeds {
        let note: Value = serde_json::from_str(&deed.note).unwrap_or_default();
        let name = note["audit"].as_str().unwrap_or_default();
        let Some(first) = deed.changes.first() else { continue };
        if name.split('-').next() == Some(DRY) {
            return Err(format!("the dry run {name} wrote {} at revision {}", first.object.key, first.revision));
        }
        for event in deed.changes.iter().filter(|event| *event.object.key.namespace == *PLACE) {
            let value = event.object.value();
            let mut values = value["data"].as_object().into_iter().flatten();
            let left = values.any(|(_, value)| value.as_str().is_some_and(|text| text.split(':').next() == Some(DRY)));
            if left {
                return Err(format!("{} holds at revision {} what a dry run wrote", event.object.key, event.revision));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole::invariants::example::Story;
    use serde_json::json;

    #[test]
    fn breaks_are_found() {
        let whole = |value: &str, note: Value| {
            let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"namespace": PLACE, "name": "m"},
                "data": {"k": value}});
            let mut whole = Story::default().put("a", "configmaps", map).whole();
            whole.deeds[0].note = note.to_string().into();
            check(&whole)
        };
        assert_eq!(whole("ann:1", json!({"audit": "1"})), Ok(()));
        assert!(whole("dry:1", json!({"audit": "1"})).is_err_and(|found| found.contains("holds")));
        assert!(whole("ann:1", json!({"audit": "dry-1-2"})).is_err_and(|found| found.contains("the dry run dry-1-2")));
    }
}
