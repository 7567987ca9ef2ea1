//! Defaults of pods and pod templates.
use super::parts::{inside, items, missing, set};
use serde_json::{Value, json};

const CONTAINERS: [&str; 3] = ["containers", "initContainers", "ephemeralContainers"];

pub(super) fn pod(value: &mut Value) {
    let pod_spec = inside(value, "spec");
    set(pod_spec, "enableServiceLinks", json!(true));
    for list in ["containers", "initContainers"] {
        for container in items(pod_spec, list) {
            requests_from_limits(container);
        }
    }
    spec(pod_spec);
}

pub(super) fn template(value: &mut Value) {
    let meta = inside(value, "metadata");
    if let Some(meta) = meta.as_object_mut() {
        meta.remove("creationTimestamp");
    }
    spec(inside(value, "spec"));
}

fn spec(spec: &mut Value) {
    set(spec, "dnsPolicy", json!("ClusterFirst"));
    set(spec, "restartPolicy", json!("Always"));
    set(spec, "securityContext", json!({}));
    set(spec, "terminationGracePeriodSeconds", json!(30));
    set(spec, "schedulerName", json!("default-scheduler"));
    // The older name of the same member is kept in step with it.
    let account =
        [&spec["serviceAccountName"], &spec["serviceAccount"]].into_iter().find(|name| name.is_string()).cloned();
    if let Some(account) = account {
        set(spec, "serviceAccountName", account);
        let name = spec["serviceAccountName"].clone();
        spec["serviceAccount"] = name;
    }
    let host_network = spec["hostNetwork"] == true;
    for list in CONTAINERS {
        for container in items(spec, list) {
            container_defaults(container, host_network);
        }
    }
    for volume in items(spec, "volumes") {
        volume_defaults(volume);
    }
}

fn container_defaults(container: &mut Value, host_network: bool) {
    set(container, "terminationMessagePath", json!("/dev/termination-log"));
    set(container, "terminationMessagePolicy", json!("File"));
    set(container, "resources", json!({}));
    let image = container["image"].as_str().unwrap_or_default().to_owned();
    if !image.is_empty() {
        set(container, "imagePullPolicy", json!(if moves(&image) { "Always" } else { "IfNotPresent" }));
    }
    for port in items(container, "ports") {
        set(port, "protocol", json!("TCP"));
        if host_network && (missing(port, "hostPort") || port["hostPort"] == 0) && port["containerPort"].is_number() {
            port["hostPort"] = port["containerPort"].clone();
        }
    }
    for variable in items(container, "env") {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            set(field, "apiVersion", json!("v1"));
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe).filter(|probe| probe.is_object()) {
            probe_defaults(probe);
        }
    }
    for hook in ["postStart", "preStop"] {
        if let Some(get) = container.pointer_mut(&format!("/lifecycle/{hook}/httpGet")) {
            http_get(get);
        }
    }
}

fn probe_defaults(probe: &mut Value) {
    for (member, default) in
        [("timeoutSeconds", 1), ("periodSeconds", 10), ("successThreshold", 1), ("failureThreshold", 3)]
    {
        if probe[member] == 0 {
            probe[member] = Value::Null;
        }
        set(probe, member, json!(default));
    }
    if let Some(get) = probe.get_mut("httpGet").filter(|get| get.is_object()) {
        http_get(get);
    }
    if let Some(grpc) = probe.get_mut("grpc").filter(|grpc| grpc.is_object()) {
        set(grpc, "service", json!(""));
    }
}

fn http_get(get: &mut Value) {
    set(get, "path", json!("/"));
    set(get, "scheme", json!("HTTP"));
}

/// Whether an image name may mean another image tomorrow: no tag and no digest, or `latest`.
fn moves(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn requests_from_limits(container: &mut Value) {
    let Some(limits) = container["resources"]["limits"].as_object().cloned() else { return };
    let requests = inside(inside(container, "resources"), "requests");
    for (name, amount) in limits {
        set(requests, &name, amount);
    }
}

fn volume_defaults(volume: &mut Value) {
    let sources = volume.as_object().map_or(0, |members| members.keys().filter(|name| *name != "name").count());
    if sources == 0 && volume.is_object() {
        volume["emptyDir"] = json!({});
    }
    for source in ["secret", "configMap", "downwardAPI", "projected"] {
        if let Some(source) = volume.get_mut(source).filter(|source| source.is_object()) {
            set(source, "defaultMode", json!(420));
            file_defaults(source);
            for part in items(source, "sources") {
                if let Some(token) = part.get_mut("serviceAccountToken") {
                    set(token, "expirationSeconds", json!(3_600));
                }
                if let Some(downward) = part.get_mut("downwardAPI") {
                    file_defaults(downward);
                }
            }
        }
    }
    if let Some(path) = volume.get_mut("hostPath").filter(|path| path.is_object()) {
        set(path, "type", json!(""));
    }
}

fn file_defaults(source: &mut Value) {
    for file in items(source, "items") {
        if let Some(field) = file.get_mut("fieldRef") {
            set(field, "apiVersion", json!("v1"));
        }
    }
}
