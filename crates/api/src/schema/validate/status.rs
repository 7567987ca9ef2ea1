//! What may be written through `/status` and the smaller subresources: counts that fit together, what is decided stays decided.
//! It counts nothing itself.
use super::words::{all, at, immutable, items, not_negative, number, text, texts};
use super::{address, amounts, certificate, csi, device, flow, job_status, network};
use crate::field::Problems;
use crate::kind::Kind;
use crate::name;
use serde_json::Value;
use std::collections::BTreeSet;

/// What a status of `kind` must be, coming from `old`.
pub(super) fn update(kind: &Kind, old: &Value, new: &Value, problems: &mut Problems) {
    let status = &new["status"];
    match (&*kind.group, &*kind.kind) {
        ("", "Pod") => pod(old, new, problems),
        ("", "Node") => node(status, problems),
        ("", "Namespace") => namespace(new, problems),
        ("", "Service") | ("networking.k8s.io", "Ingress") => network::load_balancer(status, problems),
        ("", "ResourceQuota") => amounts::quota_status(status, problems),
        ("", "PersistentVolumeClaim") => claim(status, problems),
        ("", "ReplicationController") | ("apps", "ReplicaSet") => replicas(status, problems),
        ("apps", "Deployment") => deployment(&old["status"], status, problems),
        ("apps", "StatefulSet") => stateful_set(&old["status"], status, problems),
        ("apps", "DaemonSet") => daemon_set(&old["status"], status, problems),
        ("batch", "Job") => job_status::update(old, new, problems),
        ("autoscaling", "HorizontalPodAutoscaler") => {
            not_negative(status, "status", &["currentReplicas", "desiredReplicas"], problems);
        }
        ("policy", "PodDisruptionBudget") => {
            let counts = ["disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods"];
            not_negative(status, "status", &counts, problems);
        }
        ("certificates.k8s.io", "CertificateSigningRequest") => certificate::change(old, new, "status", problems),
        ("flowcontrol.apiserver.k8s.io", _) => flow::conditions(status, problems),
        ("resource.k8s.io", "ResourceClaim") => device::claim_status(old, new, problems),
        ("storage.k8s.io", "VolumeAttachment") => csi::attachment_status(status, problems),
        _ => {}
    }
}

const ABOVE_REPLICAS: &str = "cannot be greater than status.replicas";

/// Complains where a part is more than the whole.
fn above(status: &Value, part: &str, whole: &str, why: &str, problems: &mut Problems) {
    if number(status, part) > number(status, whole) {
        problems.invalid(at("status", part), &status[part], why);
    }
}

/// A count that only goes up.
fn rises(old: &Value, new: &Value, problems: &mut Problems) {
    let member = "collisionCount";
    if !old[member].is_null() && number(new, member) < number(old, member) {
        problems.invalid(at("status", member), &new[member], "cannot be decremented");
    }
}

fn replicas(status: &Value, problems: &mut Problems) {
    let counts = ["replicas", "fullyLabeledReplicas", "readyReplicas", "availableReplicas", "observedGeneration"];
    not_negative(status, "status", &counts, problems);
    for part in ["fullyLabeledReplicas", "readyReplicas", "availableReplicas"] {
        above(status, part, "replicas", ABOVE_REPLICAS, problems);
    }
    above(status, "availableReplicas", "readyReplicas", "cannot be greater than readyReplicas", problems);
}

fn deployment(old: &Value, status: &Value, problems: &mut Problems) {
    let counts = [
        "observedGeneration",
        "replicas",
        "updatedReplicas",
        "readyReplicas",
        "availableReplicas",
        "unavailableReplicas",
        "collisionCount",
    ];
    not_negative(status, "status", &counts, problems);
    for part in ["updatedReplicas", "readyReplicas", "availableReplicas"] {
        above(status, part, "replicas", ABOVE_REPLICAS, problems);
    }
    above(status, "availableReplicas", "readyReplicas", "cannot be greater than readyReplicas", problems);
    rises(old, status, problems);
}

fn stateful_set(old: &Value, status: &Value, problems: &mut Problems) {
    let counts = [
        "replicas",
        "readyReplicas",
        "currentReplicas",
        "updatedReplicas",
        "availableReplicas",
        "observedGeneration",
        "collisionCount",
    ];
    not_negative(status, "status", &counts, problems);
    for part in ["readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas"] {
        above(status, part, "replicas", ABOVE_REPLICAS, problems);
    }
    above(status, "availableReplicas", "readyReplicas", "cannot be greater than status.readyReplicas", problems);
    rises(old, status, problems);
}

fn daemon_set(old: &Value, status: &Value, problems: &mut Problems) {
    let counts = [
        "currentNumberScheduled",
        "numberMisscheduled",
        "desiredNumberScheduled",
        "numberReady",
        "observedGeneration",
        "updatedNumberScheduled",
        "numberAvailable",
        "numberUnavailable",
        "collisionCount",
    ];
    not_negative(status, "status", &counts, problems);
    rises(old, status, problems);
}

fn namespace(new: &Value, problems: &mut Problems) {
    let (phase, field) = (text(&new["status"], "phase"), "status.Phase");
    if new["metadata"]["deletionTimestamp"].is_null() {
        if phase != "Active" {
            let why = "may only be 'Active' if `deletionTimestamp` is empty";
            problems.invalid_text(field, phase, why);
        }
    } else if phase != "Terminating" {
        let why = "may only be 'Terminating' if `deletionTimestamp` is not empty";
        problems.invalid_text(field, phase, why);
    }
}

/// What holds a namespace, as `/finalize` writes it.
pub(super) fn finalizers(spec: &Value, problems: &mut Problems) {
    for (place, own) in texts(spec, "finalizers").into_iter().enumerate() {
        let field = format!("spec.finalizers[{place}]");
        let whys = name::qualified(own);
        let good = whys.is_empty();
        all(&field, own, whys, problems);
        if good && !own.contains('/') && !matches!(own, "kubernetes" | "orphan" | "foregroundDeletion") {
            let why = "name is neither a standard finalizer name nor is it fully qualified";
            problems.invalid_text(field, own, why);
        }
    }
}

fn node(status: &Value, problems: &mut Problems) {
    let mut seen: Vec<&Value> = Vec::new();
    for (place, own) in items(status, "addresses").iter().enumerate() {
        if seen.contains(&own) {
            problems.duplicate(format!("status.addresses[{place}]"), own);
        }
        seen.push(own);
    }
    for list in ["capacity", "allocatable"] {
        for (own, amount) in status[list].as_object().into_iter().flatten() {
            let path = format!("status.{list}.{own}");
            amounts::amount(own, amount, &path, problems);
        }
    }
}

fn claim(status: &Value, problems: &mut Problems) {
    for (own, amount) in status["capacity"].as_object().into_iter().flatten() {
        amounts::amount(own, amount, &format!("status.capacity[{own}]"), problems);
    }
    for (own, amount) in status["allocatedResources"].as_object().into_iter().flatten() {
        amounts::amount(own, amount, &format!("status.allocatedResources[{own}]"), problems);
    }
}

/// A pod that ran does not become one that waits, and a container that ended for good stays ended.
fn pod(old: &Value, new: &Value, problems: &mut Problems) {
    let (before, after) = (&old["status"], &new["status"]);
    if text(before, "nominatedNodeName") != text(after, "nominatedNodeName") {
        let own = text(after, "nominatedNodeName");
        if !own.is_empty() {
            all("status.nominatedNodeName", own, name::subdomain(own), problems);
        }
    }
    if !before["qosClass"].is_null() && before["qosClass"] != after["qosClass"] {
        immutable(&before["qosClass"], &after["qosClass"], "status.qosClass", problems);
    }
    for list in ["podIPs", "hostIPs"] {
        if before[list] != after[list] {
            addresses(after, list, problems);
        }
    }
    if text(&new["spec"], "restartPolicy") != "Always" {
        for list in ["containerStatuses", "initContainerStatuses"] {
            ended(new, before, after, list, problems);
        }
    }
    let mut seen = BTreeSet::new();
    for (place, condition) in items(after, "conditions").iter().enumerate() {
        if !seen.insert(text(condition, "type")) {
            problems.duplicate(format!("status.conditions[{place}].type"), &condition["type"]);
        }
    }
}

fn addresses(status: &Value, list: &str, problems: &mut Problems) {
    let ips: Vec<&str> = items(status, list).iter().map(|item| text(item, "ip")).collect();
    for (place, ip) in ips.iter().enumerate() {
        address::lenient(ip, &format!("status.{list}[{place}]"), problems);
    }
    if ips.len() > 2 {
        let why = "may specify no more than one IP for each IP family";
        problems.invalid(at("status", list), &status[list], why);
    } else if ips.len() == 2 {
        let families: Vec<bool> = ips.iter().filter_map(|ip| address::ip(ip)).map(|ip| ip.is_ipv4()).collect();
        if families.len() == 2 && families[0] == families[1] {
            let why = "may specify no more than one IP for each IP family";
            problems.invalid(at("status", list), &status[list], why);
        }
    }
}

fn ended(pod: &Value, before: &Value, after: &Value, list: &str, problems: &mut Problems) {
    let sidecar = |own: &str| {
        items(&pod["spec"], "initContainers")
            .iter()
            .any(|container| container["name"] == own && container["restartPolicy"] == "Always")
    };
    for was in items(before, list) {
        let own = text(was, "name");
        let end = &was["state"]["terminated"];
        let for_good = end.is_object()
            && (text(&pod["spec"], "restartPolicy") == "Never" || number(end, "exitCode") == 0)
            && !sidecar(own);
        let restarts = items(&pod["spec"], if list == "containerStatuses" { "containers" } else { "initContainers" })
            .iter()
            .any(|container| container["name"] == own && !container["restartPolicy"].is_null());
        let now = items(after, list).iter().position(|status| status["name"] == own);
        if let Some(place) = now.filter(|_| for_good && !restarts)
            && !items(after, list)[place]["state"]["terminated"].is_object()
        {
            let path = format!("status.{list}[{place}].state");
            problems.forbidden(path, "may not be transitioned to non-terminated state");
        }
    }
}
