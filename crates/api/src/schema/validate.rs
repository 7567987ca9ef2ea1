//! What an object of a kind must be to be kept, in Kubernetes' words: values come decoded, pruned and defaulted. It changes
//! nothing, asks nobody, and never refuses what Kubernetes accepts; where that is not known it stays silent.
mod access;
mod address;
mod amounts;
mod batch;
mod certificate;
mod config;
mod container;
mod csi;
mod definition;
mod device;
mod endpoints;
mod environment;
mod event;
mod flow;
mod hooks;
mod job_policy;
mod job_status;
mod labels;
mod meta;
mod network;
mod node;
mod os;
mod placement;
mod pod;
mod pod_change;
mod probe;
mod scaling;
mod security;
mod service;
mod status;
mod storage;
mod volume_source;
mod words;
mod workload;

use crate::field::Problems;
use crate::kind::{Kind, Schema};
use crate::kinds::convert;
use crate::schema::structural::Structural;
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
        Schema::Custom(schema) => {
            schema.check(value, None, &mut problems);
            embedded(schema, value, &mut problems);
        }
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
            schema.check(new, Some(old), &mut problems);
            if schema.embedded(old) != schema.embedded(new) {
                embedded(schema, new, &mut problems);
            }
        }
        Schema::Message(_) => match subresource {
            "" | "scale" => {
                if differs(old, new) {
                    content(kind, new, &mut problems);
                }
                change(kind, old, new, &mut problems);
            }
            "status" => status::update(kind, old, new, &mut problems),
            "approval" => certificate::change(old, new, "approval", &mut problems),
            "finalize" => status::finalizers(&new["spec"], &mut problems),
            "ephemeralcontainers" => {
                content(kind, new, &mut problems);
                pod_change::ephemeral(old, new, &mut problems);
            }
            "resize" => {
                content(kind, new, &mut problems);
                pod_change::resize(old, new, &mut problems);
            }
            _ => {}
        },
    }
    problems.refuse(kind, words::text(&new["metadata"], "name"))
}

/// Objects within an object are named as objects are.
fn embedded(schema: &Structural, value: &Value, problems: &mut Problems) {
    for (path, inner) in schema.embedded(value) {
        meta::embedded(inner, &path, problems);
    }
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
        ("", own) => core(kind, own, value, problems),
        ("events.k8s.io", "Event") => event::event(kind, value, problems),
        ("apps", "Deployment") => workload::deployment(spec, problems),
        ("apps", "ReplicaSet") => workload::replica_set(spec, problems),
        ("apps", "StatefulSet") => workload::stateful_set(spec, problems),
        ("apps", "DaemonSet") => workload::daemon_set(spec, problems),
        ("apps", "ControllerRevision") => words::not_negative(value, "", &["revision"], problems),
        ("batch", "Job") => batch::job(spec, "spec", problems),
        ("batch", "CronJob") => batch::cron_job(spec, problems),
        ("coordination.k8s.io", "Lease") => config::lease(spec, problems),
        ("discovery.k8s.io", "EndpointSlice") => endpoints::slice(value, problems),
        ("policy", "PodDisruptionBudget") => scaling::budget(spec, problems),
        ("networking.k8s.io", "Ingress") => network::ingress(spec, problems),
        ("networking.k8s.io", "IngressClass") => network::class(spec, problems),
        ("networking.k8s.io", "NetworkPolicy") => network::policy(spec, problems),
        ("networking.k8s.io", "IPAddress") => network::ip_address(spec, problems),
        ("node.k8s.io", "RuntimeClass") => csi::runtime(value, problems),
        ("rbac.authorization.k8s.io", "Role") => access::rules(value, true, problems),
        ("rbac.authorization.k8s.io", "ClusterRole") => {
            access::rules(value, false, problems);
            access::aggregation(value, problems);
        }
        ("rbac.authorization.k8s.io", "RoleBinding") => access::binding(value, true, problems),
        ("rbac.authorization.k8s.io", "ClusterRoleBinding") => access::binding(value, false, problems),
        ("scheduling.k8s.io", "PriorityClass") => node::priority_class(value, problems),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition::definition(value, problems),
        _ => cluster(kind, value, problems),
    }
}

/// What holds of objects of the core group.
fn core(kind: &Kind, own: &str, value: &Value, problems: &mut Problems) {
    let spec = &value["spec"];
    match own {
        "Pod" => pod::spec(spec, "spec", problems),
        "PodTemplate" => pod::template(&value["template"], "template", problems),
        "ReplicationController" => workload::replication_controller(spec, problems),
        "Service" => service::service(spec, problems),
        "Endpoints" => endpoints::endpoints(value, problems),
        "Event" => event::event(kind, value, problems),
        "ConfigMap" => config::config_map(value, problems),
        "Secret" => config::secret(value, problems),
        "Namespace" => status::finalizers(spec, problems),
        "Node" => node::node(spec, problems),
        "LimitRange" => amounts::limit_range(spec, problems),
        "ResourceQuota" => amounts::quota(spec, problems),
        "PersistentVolumeClaim" => storage::claim(spec, problems),
        "PersistentVolume" => storage::volume(spec, problems),
        _ => {}
    }
}

/// What holds of objects by which a cluster is run.
fn cluster(kind: &Kind, value: &Value, problems: &mut Problems) {
    let spec = &value["spec"];
    match (&*kind.group, &*kind.kind) {
        ("admissionregistration.k8s.io", "MutatingWebhookConfiguration") => hooks::webhooks(value, true, problems),
        ("admissionregistration.k8s.io", "ValidatingWebhookConfiguration") => hooks::webhooks(value, false, problems),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicy") => hooks::policy(value, problems),
        ("admissionregistration.k8s.io", "ValidatingAdmissionPolicyBinding") => hooks::binding(spec, problems),
        ("apiregistration.k8s.io", "APIService") => hooks::api_service(value, problems),
        ("certificates.k8s.io", "CertificateSigningRequest") => certificate::request(value, problems),
        ("flowcontrol.apiserver.k8s.io", "FlowSchema") => flow::schema(value, problems),
        ("flowcontrol.apiserver.k8s.io", "PriorityLevelConfiguration") => flow::level(value, problems),
        ("resource.k8s.io", "DeviceClass") => device::class(spec, problems),
        ("resource.k8s.io", "ResourceClaim") => device::claim(spec, "spec", problems),
        ("resource.k8s.io", "ResourceClaimTemplate") => device::template(spec, problems),
        ("resource.k8s.io", "ResourceSlice") => device::slice(spec, problems),
        ("storage.k8s.io", "StorageClass") => csi::class(value, problems),
        ("storage.k8s.io", "VolumeAttributesClass") => csi::attributes(value, problems),
        ("storage.k8s.io", "CSIDriver") => csi::driver(spec, problems),
        ("storage.k8s.io", "CSINode") => csi::node(spec, problems),
        ("storage.k8s.io", "CSIStorageCapacity") => csi::capacity(value, problems),
        ("storage.k8s.io", "VolumeAttachment") => csi::attachment(spec, problems),
        _ => {}
    }
}

/// What holds of new objects alone.
fn only_new(kind: &Kind, value: &Value, problems: &mut Problems) {
    let spec = &value["spec"];
    match (&*kind.group, &*kind.kind) {
        ("", "Pod") => pod::new_pod(spec, problems),
        ("", "Service") => service::new_service(spec, problems),
        ("events.k8s.io", "Event") => event::new_event(kind, value, problems),
        ("apps", "ControllerRevision") if value["data"].is_null() => {
            problems.required("data", "data is mandatory");
        }
        ("autoscaling", "HorizontalPodAutoscaler") => {
            scaling::autoscaler(&convert::to_storage(kind, value.clone())["spec"], 1, problems);
        }
        ("batch", "Job") => batch::new_job(value, problems),
        ("batch", "CronJob") => batch::new_cron_job(value, problems),
        ("networking.k8s.io", "Ingress") => network::new_ingress(value, problems),
        ("networking.k8s.io", "ServiceCIDR") => network::service_cidr(spec, problems),
        ("scheduling.k8s.io", "PriorityClass") => node::new_priority_class(value, problems),
        ("storage.k8s.io", "VolumeAttachment") => csi::new_attachment(spec, problems),
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
        ("", "ResourceQuota") => amounts::quota_change(old_spec, new_spec, problems),
        ("", "PersistentVolumeClaim") => storage::claim_change(old, new, problems),
        ("", "PersistentVolume") => storage::volume_change(old_spec, new_spec, problems),
        ("events.k8s.io", "Event") => event::change(kind, old, new, problems),
        ("apps", "Deployment" | "ReplicaSet" | "DaemonSet") => workload::change(old_spec, new_spec, problems),
        ("apps", "StatefulSet") => workload::stateful_set_change(old_spec, new_spec, problems),
        ("apps", "ControllerRevision") => words::immutable(&old["data"], &new["data"], "data", problems),
        ("autoscaling", "HorizontalPodAutoscaler") if old_spec != new_spec => {
            let least = i64::from(old_spec["minReplicas"] != 0);
            scaling::autoscaler(&convert::to_storage(kind, new.clone())["spec"], least, problems);
        }
        ("batch", "Job") => batch::job_change(old_spec, new_spec, problems),
        ("batch", "CronJob") => batch::cron_job_change(old_spec, new_spec, problems),
        ("discovery.k8s.io", "EndpointSlice") => endpoints::slice_change(old, new, problems),
        ("networking.k8s.io", "IngressClass") => network::class_change(old_spec, new_spec, problems),
        ("networking.k8s.io", "IPAddress") => network::ip_address_change(old_spec, new_spec, problems),
        ("networking.k8s.io", "ServiceCIDR") => network::service_cidr_change(old_spec, new_spec, problems),
        ("node.k8s.io", "RuntimeClass") => csi::runtime_change(old, new, problems),
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => {
            access::binding_change(old, new, problems);
        }
        ("scheduling.k8s.io", "PriorityClass") => node::priority_class_change(old, new, problems),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition::change(old, new, problems),
        _ => cluster_change(kind, old, new, problems),
    }
}

/// What may not change of objects by which a cluster is run.
fn cluster_change(kind: &Kind, old: &Value, new: &Value, problems: &mut Problems) {
    let (old_spec, new_spec) = (&old["spec"], &new["spec"]);
    match (&*kind.group, &*kind.kind) {
        ("certificates.k8s.io", "CertificateSigningRequest") => certificate::change(old, new, "", problems),
        ("resource.k8s.io", "ResourceClaim" | "ResourceClaimTemplate") => {
            device::claim_change(old_spec, new_spec, problems);
        }
        ("resource.k8s.io", "ResourceSlice") => device::slice_change(old_spec, new_spec, problems),
        ("storage.k8s.io", "StorageClass") => csi::class_change(old, new, problems),
        ("storage.k8s.io", "VolumeAttributesClass") => csi::attributes_change(old, new, problems),
        ("storage.k8s.io", "CSIDriver") => csi::driver_change(old_spec, new_spec, problems),
        ("storage.k8s.io", "CSINode") => csi::node_change(old_spec, new_spec, problems),
        ("storage.k8s.io", "CSIStorageCapacity") => csi::capacity_change(old, new, problems),
        ("storage.k8s.io", "VolumeAttachment") => csi::attachment_change(old_spec, new_spec, problems),
        _ => {}
    }
}

#[cfg(test)]
mod tests;
