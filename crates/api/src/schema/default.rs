//! Defaults of the built-in kinds, as Kubernetes writes them when it decodes an object. They fill what is missing and change
//! nothing that is there; applying them twice is applying them once.
mod cluster;
mod parts;
mod pod;

use self::parts::{inside, items, missing, set};
use crate::base64::encode;
use crate::kind::Kind;
use serde_json::{Value, json};

/// Fills in what an object of `kind` does not say.
pub fn fill(kind: &Kind, value: &mut Value) {
    match (&*kind.group, &*kind.kind) {
        ("", "Pod") => pod::pod(value),
        ("", "PodTemplate") => pod::template(inside(value, "template")),
        ("", "Service") => service(value),
        ("", "Namespace") => {
            // The label by which selectors find a namespace (KEP-2161).
            let name = value["metadata"]["name"].as_str().unwrap_or_default().to_owned();
            if !name.is_empty() {
                inside(inside(value, "metadata"), "labels")["kubernetes.io/metadata.name"] = name.into();
            }
        }
        ("", "Secret") => secret(value),
        ("", "Endpoints") => endpoints(value),
        ("", "ReplicationController") => replication_controller(value),
        ("", "PersistentVolumeClaim") => set(inside(value, "spec"), "volumeMode", json!("Filesystem")),
        ("", "PersistentVolume") => {
            let spec = inside(value, "spec");
            set(spec, "persistentVolumeReclaimPolicy", json!("Retain"));
            set(spec, "volumeMode", json!("Filesystem"));
        }
        ("", "Node") => node(value),
        ("", "LimitRange") => limit_range(value),
        ("apps", "Deployment") => deployment(inside(value, "spec")),
        ("apps", "ReplicaSet") => {
            let spec = inside(value, "spec");
            set(spec, "replicas", json!(1));
            pod::template(inside(spec, "template"));
        }
        ("apps", "StatefulSet") => stateful_set(inside(value, "spec")),
        ("apps", "DaemonSet") => daemon_set(inside(value, "spec")),
        ("batch", "Job") => job(inside(value, "spec")),
        ("batch", "CronJob") => cron_job(inside(value, "spec")),
        ("autoscaling", "HorizontalPodAutoscaler") => cluster::autoscaler(kind, inside(value, "spec")),
        ("discovery.k8s.io", "EndpointSlice") => {
            for port in items(value, "ports") {
                set(port, "name", json!(""));
                set(port, "protocol", json!("TCP"));
            }
        }
        ("networking.k8s.io", "NetworkPolicy") => network_policy(inside(value, "spec")),
        ("policy", "PodDisruptionBudget") => {
            let spec = inside(value, "spec");
            if spec["maxUnavailable"].is_null() {
                set(spec, "minAvailable", json!(1));
            }
        }
        ("rbac.authorization.k8s.io", "RoleBinding" | "ClusterRoleBinding") => role_binding(value),
        ("scheduling.k8s.io", "PriorityClass") => set(value, "preemptionPolicy", json!("PreemptLowerPriority")),
        ("storage.k8s.io", "StorageClass") => {
            set(value, "reclaimPolicy", json!("Delete"));
            set(value, "volumeBindingMode", json!("Immediate"));
        }
        ("storage.k8s.io", "CSIDriver") => csi_driver(inside(value, "spec")),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => definition(inside(value, "spec")),
        _ => cluster::fill(kind, value),
    }
}

/// A headless service without a selector has both families unless it says otherwise, whatever the cluster has.
fn families(spec: &mut Value) {
    let headless = spec["clusterIP"] == "None" || spec["clusterIPs"][0] == "None";
    let of_others = headless && spec["selector"].as_object().is_none_or(serde_json::Map::is_empty);
    set(spec, "ipFamilies", json!(["IPv4"]));
    set(spec, "ipFamilyPolicy", json!(if of_others { "RequireDualStack" } else { "SingleStack" }));
    if of_others && spec["ipFamilyPolicy"] != "SingleStack" {
        let other = if spec["ipFamilies"] == json!(["IPv4"]) { "IPv6" } else { "IPv4" };
        if let Some(families) = spec["ipFamilies"].as_array_mut().filter(|families| families.len() == 1) {
            families.push(json!(other));
        }
    }
}

fn service(value: &mut Value) {
    let spec = inside(value, "spec");
    set(spec, "type", json!("ClusterIP"));
    set(spec, "sessionAffinity", json!("None"));
    if spec["sessionAffinity"] == "ClientIP" {
        set(inside(inside(spec, "sessionAffinityConfig"), "clientIP"), "timeoutSeconds", json!(10_800));
    }
    let kind = spec["type"].as_str().unwrap_or_default().to_owned();
    if kind != "ExternalName" {
        set(spec, "internalTrafficPolicy", json!("Cluster"));
        if spec["clusterIP"].as_str().is_some_and(|ip| !ip.is_empty()) {
            let list = json!([spec["clusterIP"]]);
            set(spec, "clusterIPs", list);
        }
        families(spec);
    }
    let outside = spec["externalIPs"].as_array().is_some_and(|ips| !ips.is_empty());
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") || kind == "ClusterIP" && outside {
        set(spec, "externalTrafficPolicy", json!("Cluster"));
    }
    if kind == "LoadBalancer" {
        set(spec, "allocateLoadBalancerNodePorts", json!(true));
    }
    for port in items(spec, "ports") {
        set(port, "protocol", json!("TCP"));
        let unset = missing(port, "targetPort") || port["targetPort"] == 0 || port["targetPort"] == "";
        if unset && port["port"].is_number() {
            port["targetPort"] = port["port"].clone();
        }
    }
}

/// `stringData` is a way in only: it is written into `data`.
fn secret(value: &mut Value) {
    let Some(object) = value.as_object_mut() else { return };
    if let Some(Value::Object(texts)) = object.remove("stringData") {
        if let Some(data) = inside(value, "data").as_object_mut() {
            data.extend(
                texts
                    .into_iter()
                    .map(|(key, text)| (key, Value::String(encode(text.as_str().unwrap_or_default().as_bytes())))),
            );
        }
    }
    set(value, "type", json!("Opaque"));
}

fn endpoints(value: &mut Value) {
    for subset in items(value, "subsets") {
        for port in items(subset, "ports") {
            set(port, "protocol", json!("TCP"));
        }
    }
}

fn replication_controller(value: &mut Value) {
    let labels = value["spec"]["template"]["metadata"]["labels"].clone();
    if labels.is_object() {
        set(inside(value, "metadata"), "labels", labels.clone());
        set(inside(value, "spec"), "selector", labels);
    }
    let spec = inside(value, "spec");
    set(spec, "replicas", json!(1));
    pod::template(inside(spec, "template"));
}

fn node(value: &mut Value) {
    let capacity = value["status"]["capacity"].clone();
    if capacity.is_object() {
        set(inside(value, "status"), "allocatable", capacity);
    }
}

fn limit_range(value: &mut Value) {
    for item in items(inside(value, "spec"), "limits") {
        if item["type"] != "Container" {
            continue;
        }
        for (from, to) in [("max", "default"), ("default", "defaultRequest"), ("min", "defaultRequest")] {
            let Some(amounts) = item[from].as_object().cloned() else { continue };
            let target = inside(item, to);
            for (name, amount) in amounts {
                set(target, &name, amount);
            }
        }
    }
}

fn deployment(spec: &mut Value) {
    set(spec, "replicas", json!(1));
    set(spec, "revisionHistoryLimit", json!(10));
    set(spec, "progressDeadlineSeconds", json!(600));
    let strategy = inside(spec, "strategy");
    set(strategy, "type", json!("RollingUpdate"));
    if strategy["type"] == "RollingUpdate" {
        let rolling = inside(strategy, "rollingUpdate");
        set(rolling, "maxUnavailable", json!("25%"));
        set(rolling, "maxSurge", json!("25%"));
    }
    pod::template(inside(spec, "template"));
}

fn stateful_set(spec: &mut Value) {
    set(spec, "podManagementPolicy", json!("OrderedReady"));
    set(spec, "replicas", json!(1));
    set(spec, "revisionHistoryLimit", json!(10));
    let strategy = inside(spec, "updateStrategy");
    set(strategy, "type", json!("RollingUpdate"));
    if strategy["type"] == "RollingUpdate" {
        set(inside(strategy, "rollingUpdate"), "partition", json!(0));
    }
    let retention = inside(spec, "persistentVolumeClaimRetentionPolicy");
    set(retention, "whenDeleted", json!("Retain"));
    set(retention, "whenScaled", json!("Retain"));
    for claim in items(spec, "volumeClaimTemplates") {
        set(claim, "apiVersion", json!("v1"));
        set(claim, "kind", json!("PersistentVolumeClaim"));
        set(inside(claim, "spec"), "volumeMode", json!("Filesystem"));
        set(inside(claim, "status"), "phase", json!("Pending"));
    }
    pod::template(inside(spec, "template"));
}

fn daemon_set(spec: &mut Value) {
    set(spec, "revisionHistoryLimit", json!(10));
    let strategy = inside(spec, "updateStrategy");
    set(strategy, "type", json!("RollingUpdate"));
    if strategy["type"] == "RollingUpdate" {
        let rolling = inside(strategy, "rollingUpdate");
        set(rolling, "maxUnavailable", json!(1));
        set(rolling, "maxSurge", json!(0));
    }
    pod::template(inside(spec, "template"));
}

fn job(spec: &mut Value) {
    if missing(spec, "completions") && missing(spec, "parallelism") {
        set(spec, "completions", json!(1));
    }
    set(spec, "parallelism", json!(1));
    let limit = if missing(spec, "backoffLimitPerIndex") { 6 } else { i32::MAX };
    set(spec, "backoffLimit", json!(limit));
    set(spec, "completionMode", json!("NonIndexed"));
    set(spec, "suspend", json!(false));
    let replaced = if missing(spec, "podFailurePolicy") { "TerminatingOrFailed" } else { "Failed" };
    set(spec, "podReplacementPolicy", json!(replaced));
    failures(spec);
    pod::template(inside(spec, "template"));
}

/// A condition of a failed pod that is named is one that it has.
fn failures(job: &mut Value) {
    if missing(job, "podFailurePolicy") {
        return;
    }
    for rule in items(inside(job, "podFailurePolicy"), "rules") {
        for pattern in items(rule, "onPodConditions") {
            set(pattern, "status", json!("True"));
        }
    }
}

fn cron_job(spec: &mut Value) {
    set(spec, "concurrencyPolicy", json!("Allow"));
    set(spec, "suspend", json!(false));
    set(spec, "successfulJobsHistoryLimit", json!(3));
    set(spec, "failedJobsHistoryLimit", json!(1));
    let job = inside(inside(spec, "jobTemplate"), "spec");
    failures(job);
    pod::template(inside(job, "template"));
}

fn network_policy(spec: &mut Value) {
    let kinds = if missing(spec, "egress") { json!(["Ingress"]) } else { json!(["Ingress", "Egress"]) };
    set(spec, "policyTypes", kinds);
    for direction in ["ingress", "egress"] {
        for rule in items(spec, direction) {
            for port in items(rule, "ports") {
                set(port, "protocol", json!("TCP"));
            }
        }
    }
}

fn role_binding(value: &mut Value) {
    set(inside(value, "roleRef"), "apiGroup", json!("rbac.authorization.k8s.io"));
    for subject in items(value, "subjects") {
        if subject["kind"] != "ServiceAccount" {
            set(subject, "apiGroup", json!("rbac.authorization.k8s.io"));
        }
    }
}

fn csi_driver(spec: &mut Value) {
    for (member, default) in [
        ("attachRequired", true),
        ("podInfoOnMount", false),
        ("storageCapacity", false),
        ("requiresRepublish", false),
        ("seLinuxMount", false),
    ] {
        set(spec, member, json!(default));
    }
    set(spec, "fsGroupPolicy", json!("ReadWriteOnceWithFSType"));
    set(spec, "volumeLifecycleModes", json!(["Persistent"]));
}

fn definition(spec: &mut Value) {
    set(inside(spec, "conversion"), "strategy", json!("None"));
    let kind = spec["names"]["kind"].as_str().unwrap_or_default().to_owned();
    if !kind.is_empty() {
        let names = inside(spec, "names");
        set(names, "singular", json!(kind.to_lowercase()));
        set(names, "listKind", json!(format!("{kind}List")));
    }
}

#[cfg(test)]
mod tests;
