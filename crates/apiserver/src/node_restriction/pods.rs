//! Which pods a node may make and what it may say of its own: mirrors of what it runs anyway, that refer to nothing of the cluster.
use crate::node_authorizer::related::{MIRROR, config_maps, secrets};
use api::status::Status;
use serde_json::Value;
use store::view::View;

/// Why the node may not make the pod.
///
/// # Errors
/// 404 if the node itself is not known.
pub(super) fn create(view: &View, node: &str, pod: &Value) -> Result<Option<String>, Status> {
    if pod["metadata"]["annotations"].get(MIRROR).is_none() {
        let why = format!("pod does not have {MIRROR:?} annotation, node {node:?} can only create mirror pods");
        return Ok(Some(why));
    }
    if pod["spec"]["nodeName"] != node {
        return Ok(Some(format!("node {node:?} can only create pods with spec.nodeName set to itself")));
    }
    if let Some(why) = owner(view, node, pod)? {
        return Ok(Some(why));
    }
    let volumes = || pod["spec"]["volumes"].as_array().into_iter().flatten();
    let sources = || volumes().flat_map(|volume| volume["projected"]["sources"].as_array().into_iter().flatten());
    let account = pod["spec"]["serviceAccountName"].as_str().unwrap_or_default();
    let refers = [
        ("a service account", !account.is_empty()),
        ("secrets", !secrets(pod).is_empty()),
        ("configmaps", !config_maps(pod).is_empty()),
        ("clustertrustbundles", sources().any(|source| source["clusterTrustBundle"].is_object())),
        ("persistentvolumeclaims", volumes().any(|volume| volume["persistentVolumeClaim"].is_object())),
    ];
    let what = refers.into_iter().find(|(_, refers)| *refers);
    Ok(what.map(|(what, _)| format!("node {node:?} can not create pods that reference {what}")))
}

fn owner(view: &View, node: &str, pod: &Value) -> Result<Option<String>, Status> {
    let owners = pod["metadata"]["ownerReferences"].as_array().map(Vec::as_slice).unwrap_or_default();
    let unowned = format!("node {node:?} can only create pods with an owner reference set to itself");
    let owner = match owners {
        [] => return Ok(Some(unowned)),
        [owner] => owner,
        _ => {
            return Ok(Some(format!("node {node:?} can only create pods with a single owner reference set to itself")));
        }
    };
    if owner["apiVersion"] != "v1" || owner["kind"] != "Node" || owner["name"] != node {
        return Ok(Some(unowned));
    }
    if owner["controller"] != true {
        return Ok(Some(format!("node {node:?} can only create pods with a controller owner reference set to itself")));
    }
    if owner["blockOwnerDeletion"] == true {
        return Ok(Some(format!("node {node:?} must not set blockOwnerDeletion on an owner reference")));
    }
    let known = view.get("nodes", "", node).ok_or_else(|| Status::not_found("", "nodes", node))?;
    let (uid, known) = (owner["uid"].as_str().unwrap_or_default(), known.uid.to_string());
    Ok((uid != known).then(|| format!("node {node} UID mismatch: expected {uid} got {known}")))
}

/// Why the node may not tell this of the pod.
pub(super) fn status(node: &str, old: &Value, new: &Value) -> Option<String> {
    if old["spec"]["nodeName"] != node {
        return Some(format!("node {node:?} can only update pod status for pods with spec.nodeName set to itself"));
    }
    let labels = |pod: &Value| pod["metadata"]["labels"].as_object().cloned().unwrap_or_default();
    if labels(old) != labels(new) {
        return Some(format!("node {node:?} cannot update labels through pod status"));
    }
    let claims = |pod: &Value| -> Vec<(Value, Value)> {
        let claims = pod["status"]["resourceClaimStatuses"].as_array().into_iter().flatten();
        claims.map(|claim| (claim["name"].clone(), claim["resourceClaimName"].clone())).collect()
    };
    (claims(old) != claims(new)).then(|| format!("node {node:?} cannot update resource claim statues"))
}
