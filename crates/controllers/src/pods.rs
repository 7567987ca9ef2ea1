//! Pods as controllers see them: made from a template, and read for what decides whether they count, are ready, or go first.
use crate::fields::{at, flag, list, number, set, text};
use crate::limits::EVICTION_SECONDS;
use api::kind::Kind;
use api::kinds::builtin;
use api::object::{Object, Uid};
use api::revision::{Millis, Revision};
use serde::Deserialize;
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};
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

/// What the API server would fill in: an update of the pod then changes nothing that nobody asked for.
fn default_pod(pod: &mut Value) {
    static PODS: LazyLock<Option<&'static Kind>> =
        LazyLock::new(|| builtin().iter().find(|kind| &*kind.resource == "pods"));
    if let Some(pods) = *PODS {
        api::schema::default(pods, pod);
    }
}

/// A pod of `template` in `namespace`, as admission would let it in: service account, tolerations, priority, QoS class.
pub(crate) fn from_template(
    view: &View,
    template: &Value,
    namespace: &str,
    name: &str,
    stem: &str,
    owner: Value,
) -> Value {
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
    if text(&pod, "/spec/serviceAccountName").is_empty() {
        set(&mut pod, &["spec", "serviceAccountName"], "default");
        set(&mut pod, &["spec", "serviceAccount"], "default");
    }
    default_pod(&mut pod);
    prioritize(view, &mut pod);
    tolerate_short_losses(&mut pod);
    let class = quality(&pod);
    set(&mut pod, &["status"], json!({"phase": "Pending", "qosClass": class}));
    pod
}

/// `spec.priority` from the pod's PriorityClass, or from the default one.
fn prioritize(view: &View, pod: &mut Value) {
    if number(pod, "/spec/priority").is_some() {
        return;
    }
    let name = text(pod, "/spec/priorityClassName").to_owned();
    let class = if name.is_empty() {
        view.list("priorityclasses.scheduling.k8s.io", None)
            .map(|class| class.value())
            .find(|class| flag(class, "/globalDefault"))
    } else {
        view.get("priorityclasses.scheduling.k8s.io", "", &name).map(|class| class.value())
    };
    if let Some(class) = &class {
        set(pod, &["spec", "priorityClassName"], text(class, "/metadata/name"));
    }
    let priority = class.as_ref().and_then(|class| number(class, "/value")).unwrap_or(0);
    let policy = class.as_ref().map(|class| text(class, "/preemptionPolicy")).filter(|policy| !policy.is_empty());
    set(pod, &["spec", "priority"], priority);
    set(pod, &["spec", "preemptionPolicy"], policy.unwrap_or("PreemptLowerPriority"));
}

/// The tolerations that Kubernetes' `DefaultTolerationSeconds` admission adds.
fn tolerate_short_losses(pod: &mut Value) {
    let mut tolerations = list(pod, "/spec/tolerations").to_vec();
    for taint in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerated = tolerations.iter().any(|toleration| {
            let key = text(toleration, "/key");
            (key == taint || key.is_empty()) && matches!(text(toleration, "/effect"), "NoExecute" | "")
        });
        if !tolerated {
            tolerations.push(json!({"key": taint, "operator": "Exists", "effect": "NoExecute",
                "tolerationSeconds": EVICTION_SECONDS}));
        }
    }
    set(pod, &["spec", "tolerations"], tolerations);
}

/// The QoS class, by the amounts of CPU and memory that the containers ask for.
fn quality(pod: &Value) -> &'static str {
    let containers = || list(pod, "/spec/containers").iter().chain(list(pod, "/spec/initContainers"));
    let amount =
        |container: &Value, side: &str, resource: &str| at(container, &format!("/resources/{side}/{resource}")).clone();
    let both = ["cpu", "memory"];
    let asks = |container: &Value| {
        both.iter()
            .any(|resource| ["requests", "limits"].iter().any(|side| !amount(container, side, resource).is_null()))
    };
    if !containers().any(asks) {
        return "BestEffort";
    }
    let guaranteed = containers().all(|container| {
        both.iter().all(|resource| {
            let (request, limit) = (amount(container, "requests", resource), amount(container, "limits", resource));
            !limit.is_null() && (request.is_null() || request == limit)
        })
    });
    if guaranteed { "Guaranteed" } else { "Burstable" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quality_follows_requests_and_limits() {
        for (resources, want) in [
            (json!({}), "BestEffort"),
            (json!({"requests": {"cpu": "1"}}), "Burstable"),
            (json!({"limits": {"cpu": "1", "memory": "1Gi"}}), "Guaranteed"),
            (json!({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "500m"}}), "Burstable"),
        ] {
            let pod = json!({"spec": {"containers": [{"name": "a", "resources": resources}]}});
            assert_eq!(quality(&pod), want, "{pod}");
        }
    }

    #[test]
    fn letters_are_of_the_alphabet_and_repeat() {
        let first = letters(&[b"a", b"b"], 10);
        assert_eq!(first, letters(&[b"a", b"b"], 10));
        assert_ne!(first, letters(&[b"ab", b""], 10));
        assert!(first.bytes().all(|byte| LETTERS.contains(&byte)));
    }
}
