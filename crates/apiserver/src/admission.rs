//! What the cluster has to say to a new or changed object before it is written: its namespace must be open, some kinds are
//! completed. Everything here is a function of the object and one view.
use crate::call::Call;
use crate::draft;
use crate::read;
use crate::rules;
use api::status::{Cause, Status};
use serde_json::{Value, json};
use store::view::View;

/// Namespaces that stay.
pub const KEPT_NAMESPACES: [&str; 4] = ["default", "kube-system", "kube-public", "kube-node-lease"];

/// The namespace of a new object must exist and not be going away.
///
/// # Errors
/// 404 or 403 in Kubernetes' words.
pub async fn place_open(call: &Call, view: &View, name: &str) -> Result<(), Status> {
    let namespace = call.target.namespace.as_str();
    if namespace.is_empty() {
        return Ok(());
    }
    let found = match view.get("namespaces", "", namespace) {
        Some(found) => Some(found.clone()),
        // It may have been made a moment ago, through another member.
        None => read::newest(&call.room).await?.get("namespaces", "", namespace).cloned(),
    };
    let found = found.ok_or_else(|| Status::not_found("", "namespaces", namespace))?;
    if found.facet.deleting.is_none() {
        return Ok(());
    }
    let why = format!("unable to create new content in namespace {namespace} because it is being terminated");
    let mut status = Status::forbidden(&call.kind.group, &call.kind.plural, name, &why);
    let message = format!("namespace {namespace} is being terminated");
    status.causes = vec![Cause { reason: "NamespaceTerminating", message, field: "metadata.namespace".into() }];
    Err(status)
}

/// Completes a new object, which has its defaults, by what its kind is given by the cluster.
///
/// # Errors
/// What the kind's rules refuse.
pub fn new_object(call: &Call, view: &View, value: &mut Value) -> Result<Vec<String>, Status> {
    if call.kind.custom() {
        return crate::definition::open(view, &call.kind).map(|()| Vec::new());
    }
    match (&*call.kind.group, &*call.kind.kind) {
        ("", "Namespace") => namespace(value),
        ("", "Pod") => pod(view, value)?,
        ("", "PersistentVolumeClaim" | "PersistentVolume") => value["status"] = json!({"phase": "Pending"}),
        ("apiextensions.k8s.io", "CustomResourceDefinition") => crate::definition::establish(view, value)?,
        _ => {}
    }
    Ok(Vec::new())
}

/// # Errors
/// 422 with every complaint.
pub fn validate_new(call: &Call, value: &Value) -> Result<(), Status> {
    rules::validate_new(&call.kind, value)
}

fn namespace(value: &mut Value) {
    if !value["spec"].is_object() {
        value["spec"] = json!({});
    }
    value["spec"]["finalizers"] = json!(["kubernetes"]);
    value["status"] = json!({"phase": "Active"});
}

/// What the plug-ins ServiceAccount, Priority and DefaultTolerationSeconds do in Kubernetes.
fn pod(view: &View, value: &mut Value) -> Result<(), Status> {
    if !value["spec"].is_object() {
        return Ok(());
    }
    let name = draft::text(value, "name").to_owned();
    let spec = &mut value["spec"];
    if spec["serviceAccountName"].as_str().unwrap_or_default().is_empty() {
        spec["serviceAccountName"] =
            spec["serviceAccount"].as_str().filter(|account| !account.is_empty()).unwrap_or("default").into();
    }
    spec["serviceAccount"] = spec["serviceAccountName"].clone();
    match spec["priorityClassName"].as_str().unwrap_or_default().to_owned().as_str() {
        "" => {
            let default = view.list("priorityclasses.scheduling.k8s.io", None).map(|class| class.value());
            let default = default.into_iter().find(|class| class["globalDefault"] == true);
            spec["priority"] = default.as_ref().map_or(json!(0), |class| class["value"].clone());
            if let Some(class) = default {
                spec["priorityClassName"] = class["metadata"]["name"].clone();
            }
        }
        "system-node-critical" => spec["priority"] = json!(2_000_001_000),
        "system-cluster-critical" => spec["priority"] = json!(2_000_000_000),
        class => {
            let found = view.get("priorityclasses.scheduling.k8s.io", "", class).map(|class| class.value());
            let why = format!("no PriorityClass with name {class} was found");
            let found = found.ok_or_else(|| Status::forbidden("", "pods", &name, &why))?;
            spec["priority"] = found["value"].clone();
            if found["preemptionPolicy"].is_string() {
                spec["preemptionPolicy"] = found["preemptionPolicy"].clone();
            }
        }
    }
    if spec["preemptionPolicy"].is_null() {
        spec["preemptionPolicy"] = "PreemptLowerPriority".into();
    }
    tolerations(spec);
    let class = quality(spec);
    value["status"] = json!({"phase": "Pending", "qosClass": class});
    Ok(())
}

/// The quality of service class (pod-qos): every container with equal requests and limits is guaranteed, none with any best effort.
fn quality(spec: &Value) -> &'static str {
    let (mut any, mut all) = (false, true);
    for member in ["containers", "initContainers"] {
        for container in spec[member].as_array().into_iter().flatten() {
            for resource in ["cpu", "memory"] {
                let (request, limit) =
                    (&container["resources"]["requests"][resource], &container["resources"]["limits"][resource]);
                any |= !request.is_null() || !limit.is_null();
                all &= !limit.is_null() && (request.is_null() || request == limit);
            }
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

fn tolerations(spec: &mut Value) {
    if !spec["tolerations"].is_array() {
        spec["tolerations"] = json!([]);
    }
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let Some(list) = spec["tolerations"].as_array_mut() else { return };
        let covers = |toleration: &Value| {
            let own = toleration["key"].as_str().unwrap_or_default();
            let effect = toleration["effect"].as_str().unwrap_or_default();
            (own == key || own.is_empty()) && (effect == "NoExecute" || effect.is_empty())
        };
        if !list.iter().any(covers) {
            list.push(json!({"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}));
        }
    }
}

/// Completes a changed object.
///
/// # Errors
/// What the kind's rules refuse.
pub fn changed_object(call: &Call, view: &View, old: &Value, new: &mut Value) -> Result<(), Status> {
    match (&*call.kind.group, &*call.kind.kind) {
        ("", "Namespace") => {
            // Only `/finalize` changes what holds a namespace.
            match old.get("spec") {
                Some(spec) => new["spec"] = spec.clone(),
                None => drop(new.as_object_mut().map(|new| new.remove("spec"))),
            }
            let name = draft::text(new, "name").to_owned();
            if let Some(labels) = new["metadata"].as_object_mut() {
                let labels = labels.entry("labels").or_insert_with(|| json!({}));
                if let Some(labels) = labels.as_object_mut() {
                    labels.insert("kubernetes.io/metadata.name".into(), name.into());
                }
            }
            Ok(())
        }
        ("apiextensions.k8s.io", "CustomResourceDefinition") => crate::definition::establish(view, new),
        _ => Ok(()),
    }
}
