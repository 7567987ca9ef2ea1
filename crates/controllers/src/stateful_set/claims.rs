//! The volume claims of a StatefulSet's pods: named after template, set and ordinal, made before the pod, and owned as the retention policy
//! says. It never takes a claim away: that is for the garbage collector, by the owners.
use super::identity::{KIND, RESOURCE as SETS};
use crate::bodies::admit;
use crate::fields::{at, list, set, text, unset};
use crate::owners::controller_reference;
use crate::writes::{create, replace};
use api::command::Write;
use api::key::Key;
use api::object::Object;
use serde_json::{Value, json};
use store::view::View;

pub(super) const RESOURCE: &str = "persistentvolumeclaims";

/// What a StatefulSet says of claims.
pub(super) struct Claims {
    templates: Vec<Value>,
    /// They go with the set.
    go_with_set: bool,
    /// They go with a pod that is one too many.
    go_with_pod: bool,
}

impl Claims {
    pub(super) fn read(value: &Value) -> Self {
        let policy = |when: &str| text(at(value, "/spec/persistentVolumeClaimRetentionPolicy"), when) == "Delete";
        Self {
            templates: list(value, "/spec/volumeClaimTemplates").to_vec(),
            go_with_set: policy("/whenDeleted"),
            go_with_pod: policy("/whenScaled"),
        }
    }

    /// The claims that the pod of this ordinal has, as they are made.
    pub(super) fn wanted(&self, owner: &Object, value: &Value, ordinal: u64) -> Vec<Value> {
        let one = |template: &Value| {
            let mut labels = at(template, "/metadata/labels").as_object().cloned().unwrap_or_default();
            let own = at(value, "/spec/selector/matchLabels").as_object().cloned().unwrap_or_default();
            labels.extend(own);
            let mut claim = json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "metadata": {"name": name(template, owner, ordinal), "namespace": &*owner.key.namespace},
                "spec": at(template, "/spec"), "status": {"phase": "Pending"}});
            set(&mut claim, &["metadata", "labels"], labels);
            let annotations = at(template, "/metadata/annotations");
            if !annotations.is_null() {
                set(&mut claim, &["metadata", "annotations"], annotations.clone());
            }
            if self.go_with_set {
                set(&mut claim, &["metadata", "ownerReferences"], vec![reference(KIND, "apps/v1", owner)]);
            }
            claim
        };
        self.templates.iter().map(one).collect()
    }

    /// Gives the pod its claims as volumes; one of the same name in the template gives way.
    pub(super) fn mount(&self, pod: &mut Value, owner: &Object, ordinal: u64) {
        if self.templates.is_empty() {
            return;
        }
        let mount = |template: &Value| {
            json!({"name": text(template, "/metadata/name"),
                "persistentVolumeClaim": {"claimName": name(template, owner, ordinal)}})
        };
        let mut volumes: Vec<Value> = self.templates.iter().map(mount).collect();
        let taken: Vec<String> = volumes.iter().map(|volume| text(volume, "/name").to_owned()).collect();
        let others = list(pod, "/spec/volumes").iter();
        volumes.extend(others.filter(|volume| !taken.iter().any(|name| name == text(volume, "/name"))).cloned());
        set(pod, &["spec", "volumes"], volumes);
    }

    /// The claim with the owners that the policy wants; `None` if it has them.
    pub(super) fn owned(&self, claim: &Object, owner: &Object, pod: &Object, condemned: bool) -> Option<Write> {
        if claim.facet.deleting.is_some() {
            return None;
        }
        let to_pod = self.go_with_pod && condemned;
        let to_set = self.go_with_set && !to_pod;
        let has = |uid: u128| claim.facet.owners.iter().any(|owner| owner.uid == uid);
        if has(owner.uid.0) == to_set && has(pod.uid.0) == to_pod {
            return None;
        }
        let mut value = claim.value();
        let ours = [owner.uid.to_string(), pod.uid.to_string()];
        let mut owners: Vec<Value> = list(&value, "/metadata/ownerReferences").to_vec();
        owners.retain(|owner| !ours.iter().any(|uid| uid == text(owner, "/uid")));
        if to_set {
            owners.push(reference(KIND, "apps/v1", owner));
        }
        if to_pod {
            owners.push(reference("Pod", "v1", pod));
        }
        if owners.is_empty() {
            unset(&mut value, &["metadata", "ownerReferences"]);
        } else {
            set(&mut value, &["metadata", "ownerReferences"], owners);
        }
        replace(claim, &value)
    }
}

/// The write that makes a claim, as admission lets it in.
///
/// # Errors
/// Why admission does not.
pub(super) fn make(view: &View, mut claim: Value) -> Result<Option<Write>, String> {
    let name = text(&claim, "/metadata/name").to_owned();
    admit(view, RESOURCE, &name, &mut claim)?;
    Ok(create(RESOURCE, &claim))
}

fn name(template: &Value, owner: &Object, ordinal: u64) -> String {
    format!("{}-{}-{ordinal}", text(template, "/metadata/name"), owner.key.name)
}

/// A reference by which the claim goes with `owner`, and which does not control it.
fn reference(kind: &str, version: &str, owner: &Object) -> Value {
    let mut reference = controller_reference(version, kind, owner);
    if let Some(members) = reference.as_object_mut() {
        members.retain(|member, _| member != "controller" && member != "blockOwnerDeletion");
    }
    reference
}

/// Whether the claim is on its way out: it is being deleted, or belongs to a pod named `pod` that is gone.
pub(super) fn ends(claim: &Object, pod: &str) -> bool {
    let of_pod = claim.facet.owners.iter().any(|owner| &*owner.kind == "Pod" && &*owner.name == pod);
    claim.facet.deleting.is_some() || of_pod
}

/// The StatefulSets that the claim may be of, by its name.
pub(super) fn claimants(view: &View, claim: &Object) -> Vec<Key> {
    let Some((stem, ordinal)) = claim.key.name.rsplit_once('-') else { return Vec::new() };
    if ordinal.parse::<u64>().is_err() {
        return Vec::new();
    }
    let named = |set: &&std::sync::Arc<Object>| {
        stem.strip_suffix(&*set.key.name).is_some_and(|rest| rest.len() > 1 && rest.ends_with('-'))
    };
    view.list(SETS, Some(&claim.key.namespace)).filter(named).map(|set| set.key.clone()).collect()
}
