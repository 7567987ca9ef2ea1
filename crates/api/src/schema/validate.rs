//! What an object of a kind must be to be kept, in Kubernetes' words: values come decoded, pruned and defaulted. It changes
//! nothing, asks nobody, and never refuses what Kubernetes accepts; where that is not known it stays silent.
mod access;
mod batch;
mod config;
mod container;
mod definition;
mod labels;
mod meta;
mod node;
mod pod;
mod pod_change;
mod scaling;
mod service;
mod storage;
mod volume;
mod words;
mod workload;

use crate::field::Problems;
use crate::kind::{Kind, Schema};
use crate::status::Status;
use serde_json::Value;

/// # Errors
/// 422 with everything that is wrong with a new object.
pub fn new_object(kind: &Kind, value: &Value) -> Result<(), Status> {
    if !kind.stored() {
        return Ok(());
    }
    let mut problems = Problems::default();
    meta::new_object(kind, value, &mut problems);
    match &kind.schema {
        Schema::Custom(schema) => schema.check(value, &mut problems),
        Schema::Message(_) => {
            content(kind, value, &mut problems);
            only_new(kind, value, &mut problems);
        }
    }
    problems.refuse(kind, words::text(&value["metadata"], "name"))
}

/// # Errors
/// 422 with everything that is wrong with the change from `old` to `new` through a subresource, or none if that is empty.
pub fn update(kind: &Kind, old: &Value, new: &Value, subresource: &str) -> Result<(), Status> {
    if !kind.stored() {
        return Ok(());
    }
    let mut problems = Problems::default();
    meta::update(old, new, &mut problems);
    match &kind.schema {
        Schema::Custom(schema) => {
            // What was wrong before and is not touched does not stand in the way of a change.
            let (mut before, mut after) = (Problems::default(), Problems::default());
            schema.check(new, &mut after);
            if !after.causes.is_empty() {
                schema.check(old, &mut before);
            }
            problems.causes.extend(after.causes.into_iter().filter(|cause| !before.causes.contains(cause)));
        }
        Schema::Message(_) if subresource.is_empty() => {
            if differs(old, new) {
                content(kind, new, &mut problems);
            }
            change(kind, old, new, &mut problems);
        }
        Schema::Message(_) => {}
    }
    problems.refuse(kind, words::text(&new["metadata"], "name"))
}

/// Whether anything but metadata and status does.
fn differs(old: &Value, new: &Value) -> bool {
    let (Some(old), Some(new)) = (old.as_object(), new.as_object()) else { return true };
    let counted = |name: &&String| !matches!(name.as_str(), "metadata" | "status" | "apiVersion" | "kind");
    old.keys().chain(new.keys()).filter(counted).any(|name| old.get(name) != new.get(name))
}

/// What holds of new and of changed objects.
fn content(kind: &Kind, value: &Value, problems: &mut Problems) {
    let spec = &value["spec"];
    match (&*kind.group, &*kind.kind) {
        ("", "Pod") => pod::spec(spec, "spec", problems),
        ("", "PodTemplate") => pod::template(&value["template"], "template", problems),
        ("", "ReplicationController") => workload::replication_controller(spec, problems),
        ("", "Service") => service::service(spec, problems),
        ("", "ConfigMap") => config::config_map(value, problems),
        ("", "Secret") => config::secret(value, problems),
        ("", "Node") => node::node(spec, problems),
        ("", "PersistentVolumeClaim") => storage::claim(spec, problems),
        ("", "PersistentVolume") => storage::volume(spec, problems),
        ("apps", "Deployment") => workload::deployment(spec, problems),
        ("apps", "ReplicaSet") => workload::replica_set(spec, problems),
        ("apps", "StatefulSet") => workload::stateful_set(spec, problems),
        ("apps", "DaemonSet") => workload::daemon_set(spec, problems),
        ("autoscaling", "HorizontalPodAutoscaler") => scaling::autoscaler(spec, problems),
        ("batch", "Job") => batch::job(spec, "spec", problems),
        ("batch", "CronJob") => batch::cron_job(spec, problems),
        ("coordination.k8s.io", "Lease") => config::lease(spec, problems),
        ("policy", "PodDisruptionBudget") => scaling::budget(spec, problems),
        ("networking.k8s.io", "Ingress") => service::ingress(spec, problems),
        ("rbac.authorization.k8s.io", "Role") => access::rules(value, true, problems),
        ("rbac.authorization.k8s.io", "ClusterRole") => access::rules(value, false, problems),
        ("rbac.authorization.k8s.io", "RoleBinding") => access::binding(value, true, problems),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => access::binding(value, false, problems),
        ("scheduling.k8s.io", "PriorityClass") => node::priority_class(value, problems),
        ("storage.k8s.io", "StorageClass") => storage::class(value, problems),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition::definition(value, problems),
        _ => {}
    }
}

/// What holds of new objects alone.
fn only_new(kind: &Kind, value: &Value, problems: &mut Problems) {
    match (&*kind.group, &*kind.kind) {
        ("", "Service") => service::new_service(&value["spec"], problems),
        ("batch", "Job") => batch::new_job(&value["spec"], problems),
        ("batch", "CronJob") => batch::new_cron_job(value, problems),
        ("scheduling.k8s.io", "PriorityClass") => node::new_priority_class(value, problems),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition::new_definition(value, problems),
        _ => {}
    }
}

/// What may not change.
fn change(kind: &Kind, old: &Value, new: &Value, problems: &mut Problems) {
    let (old_spec, new_spec) = (&old["spec"], &new["spec"]);
    match (&*kind.group, &*kind.kind) {
        ("", "Pod") => pod_change::spec(old_spec, new_spec, problems),
        ("", "Service") => service::change(old_spec, new_spec, problems),
        ("", "ConfigMap") => config::config_map_change(old, new, problems),
        ("", "Secret") => config::secret_change(old, new, problems),
        ("", "Node") => node::change(old_spec, new_spec, problems),
        ("", "PersistentVolumeClaim") => storage::claim_change(old_spec, new_spec, problems),
        ("apps", "Deployment" | "ReplicaSet" | "DaemonSet") => workload::change(old_spec, new_spec, problems),
        ("apps", "StatefulSet") => workload::stateful_set_change(old_spec, new_spec, problems),
        ("batch", "Job") => batch::job_change(old_spec, new_spec, problems),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            access::binding_change(old, new, problems);
        }
        ("scheduling.k8s.io", "PriorityClass") => node::priority_class_change(old, new, problems),
        ("storage.k8s.io", "StorageClass") => storage::class_change(old, new, problems),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition::change(old, new, problems),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
