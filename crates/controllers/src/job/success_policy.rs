//! Whether a Job has succeeded before all its indexes have (`spec.successPolicy`, KEP-3998). It looks at indexes, not at pods.
use super::indexes;
use crate::fields::{list, number};
use serde_json::Value;
use std::collections::BTreeSet;

/// The reason of a Job that has succeeded so.
pub(super) const REASON: &str = "SuccessPolicy";

/// Which rule is met, in Kubernetes' words. `done` are the indexes below `end` that have succeeded.
pub(super) fn met(job: &Value, done: &BTreeSet<usize>, end: usize) -> Option<String> {
    if done.is_empty() {
        return None;
    }
    let mut rules = list(job, "/spec/successPolicy/rules").iter();
    let place = rules.position(|rule| {
        let enough = |succeeded: usize| {
            let count = number(rule, "/succeededCount").and_then(|count| usize::try_from(count).ok());
            count.is_some_and(|count| succeeded >= count)
        };
        let Some(named) = rule["succeededIndexes"].as_str() else { return enough(done.len()) };
        let named = indexes::read(named, end);
        let succeeded = named.intersection(done).count();
        !named.is_empty() && (succeeded == named.len() || enough(succeeded))
    })?;
    Some(format!("Matched rules at index {place}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn rules_name_indexes_or_count_them_or_both() {
        let done = BTreeSet::from([0, 2, 3]);
        for (rules, want) in [
            (json!([{"succeededCount": 3}]), Some(0)),
            (json!([{"succeededCount": 4}]), None),
            (json!([{"succeededIndexes": "0,2-3"}]), Some(0)),
            (json!([{"succeededIndexes": "0-3"}]), None),
            (json!([{"succeededIndexes": "0-3", "succeededCount": 3}]), Some(0)),
            (json!([{"succeededIndexes": "1-3", "succeededCount": 3}]), None),
            // Of indexes that there are not none is needed; a rule that names no others says nothing.
            (json!([{"succeededIndexes": "2,7-9"}]), Some(0)),
            (json!([{"succeededIndexes": "7-9"}]), None),
            (json!([{"succeededIndexes": "1"}, {"succeededCount": 1}]), Some(1)),
            (json!([]), None),
        ] {
            let job = json!({"spec": {"successPolicy": {"rules": rules}}});
            let want = want.map(|place: usize| format!("Matched rules at index {place}"));
            assert_eq!(met(&job, &done, 5), want, "{job}");
        }
        assert_eq!(
            met(&json!({"spec": {"successPolicy": {"rules": [{"succeededCount": 0}]}}}), &BTreeSet::new(), 5),
            None
        );
    }
}
