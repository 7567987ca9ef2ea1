//! Pods as controllers see them: made from a template, and read for what decides whether they count, are ready, or go first.
use crate::bodies::admit;
use crate::fields::{at, set};
use api::object::{Object, Uid};
use api::revision::{Millis, Revision};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::Arc;
use store::view::View;

/// What controllers read of a pod, without decoding the rest of it.
#[derive(Clone, Debug)]
pub(crate) struct Pod {
    pub(crate) object: Arc<Object>,
    pub(crate) node: String,
    pub(crate) phase: String,
    /// Since when it is ready; `None` if it is not.
    pub(crate) ready: Option<Millis>,
    pub(crate) restarts: i64,
    /// `controller.kubernetes.io/pod-deletion-cost`.
    pub(crate) cost: i64,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct Seen<'a> {
    #[serde(borrow)]
    metadata: SeenMeta<'a>,
    #[serde(borrow)]
    spec: SeenSpec<'a>,
    #[serde(borrow)]
    status: SeenStatus<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SeenMeta<'a> {
    #[serde(borrow)]
    annotations: SeenAnnotations<'a>,
}

#[derive(Deserialize, Default)]
#[serde(default)]
struct SeenAnnotations<'a> {
    #[serde(borrow, rename = "controller.kubernetes.io/pod-deletion-cost")]
    cost: std::borrow::Cow<'a, str>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct SeenSpec<'a> {
    #[serde(borrow)]
    node_name: std::borrow::Cow<'a, str>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct SeenStatus<'a> {
    #[serde(borrow)]
    phase: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    conditions: Vec<SeenCondition<'a>>,
    container_statuses: Vec<SeenContainer>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct SeenCondition<'a> {
    #[serde(borrow, rename = "type")]
    kind: std::borrow::Cow<'a, str>,
    #[serde(borrow)]
    status: std::borrow::Cow<'a, str>,
    last_transition_time: Option<std::borrow::Cow<'a, str>>,
}

#[derive(Deserialize, Default)]
#[serde(default, rename_all = "camelCase")]
struct SeenContainer {
    restart_count: i64,
}

impl Pod {
    /// Reads a pod. One that cannot be read (a client wrote nonsense into it) reads as pending and not ready.
    pub(crate) fn read(object: &Arc<Object>) -> Self {
        let seen: Seen<'_> = serde_json::from_slice(&object.bytes).unwrap_or_default();
        let ready =
            seen.status.conditions.iter().find(|condition| condition.kind == "Ready" && condition.status == "True");
        let ready = ready.map(|condition| {
            condition.last_transition_time.as_deref().and_then(Millis::parse).unwrap_or(object.created)
        });
        Self {
            object: object.clone(),
            node: seen.spec.node_name.into_owned(),
            phase: seen.status.phase.into_owned(),
            ready,
            restarts: seen.status.container_statuses.iter().map(|container| container.restart_count).max().unwrap_or(0),
            cost: seen.metadata.annotations.cost.parse().unwrap_or(0),
        }
    }

    /// Whether it still counts as a replica: not finished, not being deleted.
    pub(crate) fn active(&self) -> bool {
        !self.finished() && self.object.facet.deleting.is_none()
    }

    pub(crate) fn finished(&self) -> bool {
        matches!(&*self.phase, "Succeeded" | "Failed")
    }

    /// When it will have been ready for `seconds`; `None` if it is not ready.
    pub(crate) fn available_at(&self, seconds: i64) -> Option<Millis> {
        let wait = u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000);
        self.ready.map(|since| Millis(since.0.saturating_add(wait)))
    }
}

/// Letters and digits of which no unlucky word is made (those of apimachinery's `rand.String`).
const LETTERS: &[u8; 27] = b"bcdfghjklmnpqrstvwxz2456789";

/// `length` letters from `parts`: the same for the same parts, for ever.
pub(crate) fn letters(parts: &[&[u8]], length: usize) -> String {
    let mut hasher = blake3::Hasher::new();
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    let mut reader = hasher.finalize_xof();
    let mut bytes = vec![0; length];
    reader.fill(&mut bytes);
    bytes.iter().map(|byte| char::from(LETTERS[usize::from(*byte) % LETTERS.len()])).collect()
}

/// A free name `{stem}{5 letters}`: from the owner, the revision read and a count, so that a replay gives the same.
pub(crate) fn free_name(
    view: &View,
    resource: &str,
    namespace: &str,
    stem: &str,
    owner: Uid,
    count: &mut u64,
) -> String {
    // A pod's name is also its host name's source; generateName's own limit is 63 - 5.
    let stem: String = stem.chars().take(58).collect();
    loop {
        let Revision(revision) = view.revision();
        let parts: [&[u8]; 3] = [&owner.0.to_le_bytes(), &revision.to_le_bytes(), &count.to_le_bytes()];
        let name = format!("{stem}{}", letters(&parts, 5));
        *count += 1;
        if view.get(resource, namespace, &name).is_none() {
            return name;
        }
    }
}

/// A pod of `template` in `namespace`, with what the API server would fill in, as admission lets it in. `called` is its name in a refusal.
///
/// # Errors
/// Why admission does not, as a client would be told it.
pub(crate) fn from_template(
    view: &View,
    template: &Value,
    namespace: &str,
    name: &str,
    stem: &str,
    called: &str,
    owner: Value,
) -> Result<Value, String> {
    let mut pod = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {}, "spec": at(template, "/spec")});
    for member in ["labels", "annotations", "finalizers"] {
        let value = at(template, &format!("/metadata/{member}"));
        if !value.is_null() {
            set(&mut pod, &["metadata", member], value.clone());
        }
    }
    set(&mut pod, &["metadata", "name"], name);
    set(&mut pod, &["metadata", "generateName"], stem);
    set(&mut pod, &["metadata", "namespace"], namespace);
    set(&mut pod, &["metadata", "ownerReferences"], vec![owner]);
    admit(view, "pods", called, &mut pod)?;
    let status = api::pod::unseen(at(&pod, "/spec"));
    set(&mut pod, &["status"], status);
    Ok(pod)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_are_of_the_alphabet_and_repeat() {
        let first = letters(&[b"a", b"b"], 10);
        assert_eq!(first, letters(&[b"a", b"b"], 10));
        assert_ne!(first, letters(&[b"ab", b""], 10));
        assert!(first.bytes().all(|byte| LETTERS.contains(&byte)));
    }
}
