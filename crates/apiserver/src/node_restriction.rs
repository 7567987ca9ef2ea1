//! What a node may write of what it may reach (Kubernetes' admission plug-in NodeRestriction): itself, its own pods, and of both not what would
//! draw other pods to it. It judges objects on their way into the log and changes none.
mod labels;
mod pods;

use crate::call::Call;
use crate::draft;
use crate::identity::{MASTERS, User};
use api::object::Object;
use api::status::Status;
use base64::Engine as _;
use serde_json::Value;
use store::view::View;
use x509_parser::prelude::{FromDer, X509CertificationRequest};

pub(crate) const LEASES: &str = "kube-node-lease";
const OWN_LEASE: &str = "can only access node lease with the same name as the requesting node";
const OWN_CSI_NODE: &str = "can only access CSINode with the same name as the requesting node";
/// Who signs certificates of nodes.
const SIGNERS: [&str; 2] = ["kubernetes.io/kubelet-serving", "kubernetes.io/kube-apiserver-client-kubelet"];

/// The node that writes, if it is one.
fn node(call: &Call) -> Option<&str> {
    restricted(&call.user)
}

fn restricted(user: &User) -> Option<&str> {
    user.node().filter(|_| !user.in_group(MASTERS))
}

fn forbidden(call: &Call, name: &str, why: &str) -> Status {
    Status::forbidden(&call.kind.group, &call.kind.plural, name, why)
}

/// # Errors
/// 403 for a new object that the node may not make; 404 if it has no Node yet.
pub fn create(call: &Call, view: &View, new: &Value) -> Result<(), Status> {
    let Some(node) = node(call) else { return Ok(()) };
    let name = draft::text(new, "name");
    let refuse = |why: &str| Err(forbidden(call, name, why));
    match &*call.kind.resource {
        "nodes" if name != node => refuse(&format!("node {node:?} is not allowed to modify node {name:?}")),
        "nodes" if new["spec"]["configSource"].is_object() => {
            refuse(&format!("node {node:?} is not allowed to create pods with a non-nil configSource"))
        }
        "nodes" => match labels::forbidden(&new["metadata"]["labels"], &Value::Null) {
            labels if labels.is_empty() => Ok(()),
            labels => refuse(&format!("node {node:?} is not allowed to set the following labels: {labels}")),
        },
        "pods" => pods::create(view, node, new)?.map_or(Ok(()), |why| refuse(&why)),
        "leases.coordination.k8s.io" => match lease(call, node, name) {
            Some(why) => refuse(&why),
            None => Ok(()),
        },
        "csinodes.storage.k8s.io" if name != node => refuse(OWN_CSI_NODE),
        "resourceslices.resource.k8s.io" if new["spec"]["nodeName"] != node => {
            refuse("can only create ResourceSlice with the same NodeName as the requesting node")
        }
        "certificatesigningrequests.certificates.k8s.io" => match certificate(node, new) {
            Some(why) => refuse(&why),
            None => Ok(()),
        },
        _ => Ok(()),
    }
}

fn lease(call: &Call, node: &str, name: &str) -> Option<String> {
    if call.target.namespace != LEASES {
        return Some(format!("can only access leases in the {LEASES:?} system namespace"));
    }
    (name != node).then(|| OWN_LEASE.to_owned())
}

/// Why a node may not ask for a certificate: it would name another.
fn certificate(node: &str, request: &Value) -> Option<String> {
    let signer = request["spec"]["signerName"].as_str().unwrap_or_default();
    if !SIGNERS.contains(&signer) {
        return None;
    }
    let Some(name) = common_name(request["spec"]["request"].as_str().unwrap_or_default()) else {
        return Some("unable to parse csr: PEM block type must be CERTIFICATE REQUEST".into());
    };
    (name != format!("system:node:{node}")).then(|| format!("can only create a node CSR with CN=system:node:{node}"))
}

fn common_name(request: &str) -> Option<String> {
    let pem = base64::engine::general_purpose::STANDARD.decode(request).ok()?;
    let (_, pem) = x509_parser::pem::parse_x509_pem(&pem).ok()?;
    let (_, request) = X509CertificationRequest::from_der(&pem.contents).ok()?;
    let subject = &request.certification_request_info.subject;
    subject.iter_common_name().next()?.as_str().ok().map(str::to_owned)
}

/// # Errors
/// 403 for a change that the node may not make.
pub fn update(call: &Call, old: &Value, new: &Value) -> Result<(), Status> {
    let Some(node) = node(call) else { return Ok(()) };
    let (name, subresource) = (call.target.name.as_str(), call.target.subresource.as_str());
    let why = match (&*call.kind.resource, subresource) {
        ("nodes", _) => own_node(node, name, old, new),
        ("pods", "status") => pods::status(node, old, new),
        ("pods", "") => {
            Some(format!("unexpected operation \"UPDATE\", node {node:?} can only create and delete mirror pods"))
        }
        ("pods", other) => {
            Some(format!("unexpected pod subresource {other:?}, only 'status' and 'eviction' are allowed"))
        }
        ("persistentvolumeclaims", "status") => claim_status(node, old, new),
        ("persistentvolumeclaims", _) => Some("may only update PVC status".into()),
        ("leases.coordination.k8s.io", _) => lease(call, node, name),
        ("csinodes.storage.k8s.io", _) if name != node => Some(OWN_CSI_NODE.into()),
        _ => None,
    };
    why.map_or(Ok(()), |why| Err(forbidden(call, name, &why)))
}

fn own_node(node: &str, name: &str, old: &Value, new: &Value) -> Option<String> {
    if name != node {
        return Some(format!("node {node:?} is not allowed to modify node {name:?}"));
    }
    let spec = |value: &Value, member: &str| match &value["spec"][member] {
        Value::Array(list) if list.is_empty() => Value::Null,
        other => other.clone(),
    };
    let source = spec(new, "configSource");
    if !source.is_null() && source != spec(old, "configSource") {
        return Some(format!("node {node:?} is not allowed to update configSource to a new non-nil configSource"));
    }
    if spec(old, "taints") != spec(new, "taints") {
        return Some(format!("node {node:?} is not allowed to modify taints"));
    }
    let labels = labels::forbidden(&new["metadata"]["labels"], &old["metadata"]["labels"]);
    (!labels.is_empty()).then(|| format!("is not allowed to modify labels: {labels}"))
}

/// Of a claim a node tells only how large it has become.
fn claim_status(node: &str, old: &Value, new: &Value) -> Option<String> {
    let rest = |value: &Value| {
        let mut value = value.clone();
        if let Some(meta) = value["metadata"].as_object_mut() {
            meta.remove("resourceVersion");
            meta.remove("managedFields");
        }
        if let Some(status) = value["status"].as_object_mut() {
            for member in ["capacity", "conditions", "allocatedResourceStatuses", "allocatedResources"] {
                status.remove(member);
            }
        }
        value
    };
    let why =
        || format!("node {node:?} is not allowed to update fields other than status.quantity and status.conditions");
    (rest(old) != rest(new)).then(why)
}

/// Before an object is deleted, by itself, with others, or evicted.
///
/// # Errors
/// 403 for what is not the node's to delete.
pub fn delete(call: &Call, current: &Object) -> Result<(), Status> {
    let Some(node) = node(call) else { return Ok(()) };
    let name = &*current.key.name;
    let elsewhere = || current.facet.field("spec.nodeName") != Some(node);
    let why = match (&*call.kind.resource, call.target.subresource.as_str()) {
        ("pods", "eviction") if elsewhere() => {
            Some(format!("node {node} can only evict pods with spec.nodeName set to itself"))
        }
        ("pods", "") if elsewhere() => {
            Some(format!("node {node:?} can only delete pods with spec.nodeName set to itself"))
        }
        ("nodes", _) if name != node => Some(format!("node {node:?} is not allowed to modify node {name:?}")),
        ("persistentvolumeclaims", _) => Some("may only update PVC status".into()),
        ("leases.coordination.k8s.io", _) => lease(call, node, name),
        ("csinodes.storage.k8s.io", _) if name != node => Some(OWN_CSI_NODE.into()),
        ("resourceslices.resource.k8s.io", _) if elsewhere() => {
            Some("can only delete ResourceSlice with the same NodeName as the requesting node".into())
        }
        _ => None,
    };
    why.map_or(Ok(()), |why| Err(forbidden(call, name, &why)))
}

/// A node asks only for tokens that end with a pod of its own. `request` is a TokenRequest for the account `name`.
///
/// # Errors
/// 403 for any other token; 404 if the pod is not there.
pub fn token(user: &User, view: &View, namespace: &str, name: &str, request: &Value) -> Result<(), Status> {
    let Some(node) = restricted(user) else { return Ok(()) };
    let refuse = |why: &str| Err(Status::forbidden("", "serviceaccounts", name, why));
    let bound = &request["spec"]["boundObjectRef"];
    let text = |member: &str| bound[member].as_str().unwrap_or_default();
    if text("apiVersion") != "v1" || text("kind") != "Pod" || text("name").is_empty() {
        return refuse("node requested token not bound to a pod");
    }
    if text("uid").is_empty() {
        return refuse("node requested token with a pod binding without a uid");
    }
    let pod = view.get("pods", namespace, text("name"));
    let pod = pod.ok_or_else(|| Status::not_found("", "pods", text("name")))?;
    if pod.uid.to_string() != text("uid") {
        let uid = text("uid");
        return refuse(&format!(
            "the UID in the bound object reference ({uid}) does not match the UID in record. The object might have been deleted and then recreated"
        ));
    }
    if pod.facet.field("spec.nodeName") != Some(node) {
        return refuse("node requested token bound to a pod scheduled on a different node");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_node_asks_for_no_certificate_but_its_own() {
        let key = rcgen::KeyPair::generate().expect("a key");
        let request = |name: &str, signer: &str| {
            let mut params = rcgen::CertificateParams::default();
            params.distinguished_name.push(rcgen::DnType::CommonName, name);
            let pem = params.serialize_request(&key).expect("a request").pem().expect("PEM");
            let request = base64::engine::general_purpose::STANDARD.encode(pem);
            json!({"spec": {"signerName": signer, "request": request}})
        };
        let signer = SIGNERS[0];
        assert_eq!(certificate("n1", &request("system:node:n1", signer)), None);
        assert_eq!(certificate("n1", &request("admin", "kubernetes.io/kube-apiserver-client")), None);
        let want = "can only create a node CSR with CN=system:node:n1";
        for other in ["system:node:n2", "admin", "n1"] {
            assert_eq!(certificate("n1", &request(other, signer)).as_deref(), Some(want), "{other}");
        }
        let broken = json!({"spec": {"signerName": signer, "request": "eA=="}});
        assert!(certificate("n1", &broken).is_some_and(|why| why.starts_with("unable to parse csr")));
    }
}
