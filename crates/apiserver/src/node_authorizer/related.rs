//! What the pods of a node refer to: secrets, config maps, claims and their volumes, accounts. Found in the view, pod by pod; no graph is kept.
use api::object::Object;
use serde_json::Value;
use std::sync::Arc;
use store::view::View;

/// What is asked about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Of {
    Attachment,
    Claim,
    ConfigMap,
    Pod,
    ResourceClaim,
    ResourceSlice,
    Secret,
    ServiceAccount,
    Volume,
}

/// Pods that a node has made for what it finds on its disk: they give it nothing.
pub const MIRROR: &str = "kubernetes.io/config.mirror";

/// Whether a pod bound to `node` refers to the object, or the object names the node.
pub fn related(view: &View, node: &str, of: Of, namespace: &str, name: &str) -> bool {
    match of {
        Of::Pod => view.get("pods", namespace, name).is_some_and(|pod| pod.facet.field("spec.nodeName") == Some(node)),
        Of::ResourceSlice => view
            .get("resourceslices.resource.k8s.io", "", name)
            .is_some_and(|slice| slice.facet.field("spec.nodeName") == Some(node)),
        Of::Attachment => view
            .get("volumeattachments.storage.k8s.io", "", name)
            .is_some_and(|attachment| attachment.value()["spec"]["nodeName"] == node),
        Of::ServiceAccount => pods(view, node, namespace)
            .any(|pod| pod.facet.field("spec.serviceAccountName") == Some(name) && !mirror(&pod.value())),
        Of::Volume => {
            let Some(volume) = view.get("persistentvolumes", "", name) else { return false };
            let (namespace, claim) = claim_of(&volume.value());
            !claim.is_empty() && related(view, node, Of::Claim, &namespace, &claim)
        }
        Of::Secret => refers(view, node, of, namespace, name) || by_volume(view, node, namespace, name),
        Of::Claim | Of::ConfigMap | Of::ResourceClaim => refers(view, node, of, namespace, name),
    }
}

fn pods<'a>(view: &'a View, node: &str, namespace: &'a str) -> impl Iterator<Item = &'a Arc<Object>> {
    let here = move |pod: &&Arc<Object>| &*pod.key.namespace == namespace;
    view.list_by_field("pods", "spec.nodeName", node).filter(here)
}

fn refers(view: &View, node: &str, of: Of, namespace: &str, name: &str) -> bool {
    let quoted = Value::from(name).to_string();
    // Decoding a pod costs a hundred times what looking through its text does. A claim of an ephemeral volume is named after pod and volume.
    let may = |pod: &Object| {
        let text = std::str::from_utf8(&pod.bytes).unwrap_or_default();
        text.contains(&quoted) || of == Of::Claim && text.contains("\"ephemeral\"")
    };
    pods(view, node, namespace).filter(|pod| may(pod)).any(|pod| {
        let pod = pod.value();
        !mirror(&pod) && names(&pod, of).iter().any(|known| known == name)
    })
}

fn mirror(pod: &Value) -> bool {
    pod["metadata"]["annotations"].get(MIRROR).is_some()
}

fn items<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    value.get(member).and_then(Value::as_array).into_iter().flatten()
}

/// The names of all objects of one kind that a pod refers to.
fn names(pod: &Value, of: Of) -> Vec<String> {
    let spec = &pod["spec"];
    match of {
        Of::Secret => secrets(pod),
        Of::ConfigMap => config_maps(pod),
        Of::Claim => {
            let pod_name = pod["metadata"]["name"].as_str().unwrap_or_default();
            let claim = |volume: &Value| match volume["persistentVolumeClaim"]["claimName"].as_str() {
                Some(name) => Some(name.to_owned()),
                None if volume["ephemeral"].is_object() => {
                    Some(format!("{pod_name}-{}", volume["name"].as_str().unwrap_or_default()))
                }
                None => None,
            };
            items(spec, "volumes").filter_map(claim).collect()
        }
        Of::ResourceClaim => {
            let status = &pod["status"];
            let direct = items(spec, "resourceClaims").chain(items(status, "resourceClaimStatuses"));
            let extended = std::iter::once(&status["extendedResourceClaimStatus"]);
            texts(direct.chain(extended), &["/resourceClaimName"])
        }
        _ => Vec::new(),
    }
}

fn texts<'a>(values: impl Iterator<Item = &'a Value>, pointers: &[&str]) -> Vec<String> {
    let found = values.flat_map(|value| pointers.iter().filter_map(|pointer| value.pointer(pointer)?.as_str()));
    found.filter(|text| !text.is_empty()).map(str::to_owned).collect()
}

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    ["containers", "initContainers", "ephemeralContainers"].into_iter().flat_map(|member| items(&pod["spec"], member))
}

/// Names in the environment of containers, and in the parts of projected volumes.
fn used(pod: &Value, from: &str, key: &str, projected: &str) -> Vec<String> {
    let mut names = texts(containers(pod).flat_map(|container| items(container, "envFrom")), &[from]);
    names.extend(texts(containers(pod).flat_map(|container| items(container, "env")), &[key]));
    let volumes = items(&pod["spec"], "volumes");
    names.extend(texts(volumes.flat_map(|volume| items(&volume["projected"], "sources")), &[projected]));
    names
}

/// The names of secrets that a pod refers to.
#[must_use]
pub fn secrets(pod: &Value) -> Vec<String> {
    let mut names = used(pod, "/secretRef/name", "/valueFrom/secretKeyRef/name", "/secret/name");
    names.extend(texts(items(&pod["spec"], "imagePullSecrets"), &["/name"]));
    let of_volumes = [
        "/secret/secretName",
        "/azureFile/secretName",
        "/cephfs/secretRef/name",
        "/cinder/secretRef/name",
        "/flexVolume/secretRef/name",
        "/rbd/secretRef/name",
        "/scaleIO/secretRef/name",
        "/iscsi/secretRef/name",
        "/storageos/secretRef/name",
        "/csi/nodePublishSecretRef/name",
    ];
    names.extend(texts(items(&pod["spec"], "volumes"), &of_volumes));
    names
}

/// The names of config maps that a pod refers to.
#[must_use]
pub fn config_maps(pod: &Value) -> Vec<String> {
    let mut names = used(pod, "/configMapRef/name", "/valueFrom/configMapKeyRef/name", "/configMap/name");
    names.extend(texts(items(&pod["spec"], "volumes"), &["/configMap/name"]));
    names
}

fn claim_of(volume: &Value) -> (String, String) {
    let text = |member: &str| volume["spec"]["claimRef"][member].as_str().unwrap_or_default().to_owned();
    (text("namespace"), text("name"))
}

/// Whether a volume that a pod of the node claims needs the secret.
fn by_volume(view: &View, node: &str, namespace: &str, name: &str) -> bool {
    let claims = |pod: &&Arc<Object>| {
        let text = std::str::from_utf8(&pod.bytes).unwrap_or_default();
        text.contains("\"persistentVolumeClaim\"") || text.contains("\"ephemeral\"")
    };
    view.list_by_field("pods", "spec.nodeName", node).filter(claims).any(|pod| {
        let value = pod.value();
        !mirror(&value)
            && names(&value, Of::Claim).iter().any(|claim| {
                let Some(found) = view.get("persistentvolumeclaims", &pod.key.namespace, claim) else { return false };
                let volume = found.value()["spec"]["volumeName"].as_str().unwrap_or_default().to_owned();
                let Some(volume) = view.get("persistentvolumes", "", &volume) else { return false };
                let volume = volume.value();
                let (at, of) = claim_of(&volume);
                at == *pod.key.namespace && of == *claim && volume_needs(&volume, namespace, name)
            })
    })
}

fn volume_needs(volume: &Value, namespace: &str, name: &str) -> bool {
    let (of_claim, _) = claim_of(volume);
    let spec = &volume["spec"];
    let azure = &spec["azureFile"];
    if azure["secretName"] == name && azure["secretNamespace"].as_str().unwrap_or(&of_claim) == namespace {
        return true;
    }
    let references = [
        "/cephfs/secretRef",
        "/cinder/secretRef",
        "/flexVolume/secretRef",
        "/rbd/secretRef",
        "/scaleIO/secretRef",
        "/iscsi/secretRef",
        "/storageos/secretRef",
        "/csi/nodePublishSecretRef",
        "/csi/nodeStageSecretRef",
        "/csi/nodeExpandSecretRef",
    ];
    references
        .iter()
        .filter_map(|pointer| spec.pointer(pointer))
        .any(|reference| reference["name"] == name && reference["namespace"].as_str().unwrap_or(&of_claim) == namespace)
}
