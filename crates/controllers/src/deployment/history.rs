//! A Deployment's revisions: which ReplicaSet bears which template, and the annotations by which kubectl finds its way back.
use crate::fields::{annotation, at, set, unset};
use crate::limits::REVISION_HISTORY_BYTES;
use crate::pods::letters;
use serde_json::{Value, json};

pub(crate) const HASH_LABEL: &str = "pod-template-hash";
pub(crate) const REVISION: &str = "deployment.kubernetes.io/revision";
const HISTORY: &str = "deployment.kubernetes.io/revision-history";
pub(crate) const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
pub(crate) const MAX: &str = "deployment.kubernetes.io/max-replicas";

/// Annotations that a ReplicaSet does not take over from its Deployment.
const OWN: [&str; 6] = [
    "kubectl.kubernetes.io/last-applied-configuration",
    REVISION,
    HISTORY,
    DESIRED,
    MAX,
    "deprecated.deployment.rollback.to",
];

/// The template without what tells its ReplicaSets apart.
pub(crate) fn bare(template: &Value) -> Value {
    let mut template = template.clone();
    unset(&mut template, &["metadata", "labels", HASH_LABEL]);
    if at(&template, "/metadata/creationTimestamp").is_null() {
        unset(&mut template, &["metadata", "creationTimestamp"]);
    }
    template
}

/// Ten letters from the template; `collisions` gives others when they are taken.
pub(crate) fn hash(template: &Value, collisions: i64) -> String {
    letters(&[bare(template).to_string().as_bytes(), &collisions.to_le_bytes()], 10)
}

pub(crate) fn revision(object: &Value) -> i64 {
    annotation(object, REVISION).parse().unwrap_or(0)
}

/// Gives `set_value` the revision; the one it had becomes history.
pub(crate) fn set_revision(set_value: &mut Value, new: i64) {
    let old = revision(set_value);
    if old == new {
        return;
    }
    if old > 0 {
        let mut history: Vec<String> = annotation(set_value, HISTORY).split(',').map(str::to_owned).collect();
        history.retain(|revision| !revision.is_empty());
        history.push(old.to_string());
        while history.iter().map(|revision| revision.len() + 1).sum::<usize>() > REVISION_HISTORY_BYTES {
            history.remove(0);
        }
        set(set_value, &["metadata", "annotations", HISTORY], history.join(","));
    }
    set(set_value, &["metadata", "annotations", REVISION], new.to_string());
}

/// The Deployment bears the revision of its newest ReplicaSet.
pub(crate) fn set_revision_of_deployment(deployment: &mut Value, revision: i64) {
    set(deployment, &["metadata", "annotations", REVISION], revision.to_string());
}

/// Gives `set_value` the annotations of its Deployment.
pub(crate) fn take_annotations(deployment: &Value, set_value: &mut Value) {
    for (name, value) in at(deployment, "/metadata/annotations").as_object().into_iter().flatten() {
        if !OWN.contains(&name.as_str()) {
            set(set_value, &["metadata", "annotations", name], value.clone());
        }
    }
}

/// Notes under which size the set was last scaled: what proportional scaling goes by.
pub(crate) fn note_size(set_value: &mut Value, desired: i64, most: i64) {
    set(set_value, &["metadata", "annotations", DESIRED], desired.to_string());
    set(set_value, &["metadata", "annotations", MAX], most.to_string());
}

/// A ReplicaSet for the Deployment's template, of no replicas yet.
pub(crate) fn replica_set(deployment: &Value, name: &str, hash: &str, owner: Value) -> Value {
    let mut selector = at(deployment, "/spec/selector").clone();
    set(&mut selector, &["matchLabels", HASH_LABEL], hash);
    let mut template = bare(at(deployment, "/spec/template"));
    set(&mut template, &["metadata", "labels", HASH_LABEL], hash);
    let mut new = json!({
        "apiVersion": "apps/v1", "kind": "ReplicaSet",
        "metadata": {"name": name, "namespace": at(deployment, "/metadata/namespace"), "generation": 1,
            "labels": at(&template, "/metadata/labels"), "ownerReferences": [owner]},
        "spec": {"replicas": 0, "selector": selector, "template": template},
        "status": {"replicas": 0},
    });
    let wait = at(deployment, "/spec/minReadySeconds");
    if !wait.is_null() {
        set(&mut new, &["spec", "minReadySeconds"], wait.clone());
    }
    take_annotations(deployment, &mut new);
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_revision_that_is_passed_becomes_history() {
        let mut value = json!({"metadata": {}});
        for (new, history) in [(1, ""), (1, ""), (3, "1"), (4, "1,3")] {
            set_revision(&mut value, new);
            assert_eq!((revision(&value), annotation(&value, HISTORY)), (new, history));
        }
    }

    #[test]
    fn the_hash_is_of_the_template_alone() {
        let template = json!({"metadata": {"labels": {"a": "b"}, "creationTimestamp": null}, "spec": {"x": 1}});
        let labelled = json!({"metadata": {"labels": {"a": "b", HASH_LABEL: "zzz"}}, "spec": {"x": 1}});
        assert_eq!(hash(&template, 0), hash(&labelled, 0));
        assert_ne!(hash(&template, 0), hash(&template, 1));
        assert_ne!(hash(&template, 0), hash(&json!({"spec": {"x": 2}}), 0));
    }
}
