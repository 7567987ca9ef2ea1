//! What is created of a pod: a binding to a node. Which node is for whoever asks to say.
use crate::body;
use crate::call::{Call, MODIFIED};
use crate::draft;
use crate::limits::WRITE_ATTEMPTS;
use crate::query::write_options;
use crate::read;
use crate::request::Response;
use crate::shape;
use crate::submit::submit;
use api::admission::pod_topology_labels;
use api::command::{Change, Condition, Refusal, Write};
use api::status::Status;
use serde_json::{Value, json};

/// What the author of a binding or an eviction is told.
///
/// # Errors
/// As `shape::plain`.
pub(super) fn created(call: &Call) -> Result<Response, Status> {
    let status = json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201});
    shape::plain(call.form, 201, &status)
}

/// POST of a Binding: the pod gets its node, once. `name`: the pod's.
///
/// # Errors
/// 404, 400 for a target that is no node, 409 if the pod has a node already.
pub async fn bind(call: &Call, name: &str) -> Result<Response, Status> {
    let options = write_options("CreateOptions", &call.query)?;
    let decoded = body::other(&call.request, "api.core.v1.Binding", options.validation)?;
    let body::Decoded { value: binding, warnings } =
        decoded.ok_or_else(|| Status::bad_request("a Binding is required"))?;
    if !call.target.subresource.is_empty() && draft::text(&binding, "name") != name {
        return Err(Status::bad_request("name in URL does not match name in Binding object"));
    }
    let node = target(&binding)?;
    let conflict = |why: &str| Status::conflict("", "pods/binding", name, why);
    let key = api::key::Key::new("pods", &call.target.namespace, name);
    for attempt in 1..=WRITE_ATTEMPTS {
        let view = if attempt == 1 { read::for_write(&call.room).await? } else { read::newest(&call.room).await? };
        let current = view.get_key(&key).cloned().ok_or_else(|| Status::not_found("", "pods", name))?;
        let mut pod = current.value();
        let uid = draft::text(&binding, "uid");
        if !uid.is_empty() && uid != current.uid.to_string() {
            return Err(conflict(&format!(
                "Precondition failed: UID in precondition: {uid}, UID in object meta: {}",
                current.uid
            )));
        }
        if current.facet.deleting.is_some() {
            return Err(conflict(&format!("pod {name} is being deleted, cannot be assigned to a host")));
        }
        if let Some(taken) = pod["spec"]["nodeName"].as_str().filter(|taken| !taken.is_empty()) {
            return Err(conflict(&format!("pod {name} is already assigned to node {taken:?}")));
        }
        if pod["spec"]["schedulingGates"].as_array().is_some_and(|gates| !gates.is_empty()) {
            return Err(conflict(&format!("pod {name} has non-empty .spec.schedulingGates")));
        }
        let version = draft::text(&binding, "resourceVersion");
        if !version.is_empty() && crate::query::revision(version)? != current.revision {
            return Err(conflict(MODIFIED));
        }
        bound(&mut pod, &binding, &node);
        if let Some(node) = view.get("nodes", "", &node) {
            pod_topology_labels::stand(&mut pod, node);
        }
        if options.dry_run {
            return created(call).map(|answer| answer.warn(&warnings));
        }
        let body = api::kinds::body("pods", &pod).map_err(|why| Status::bad_request(why.to_string()))?;
        let write =
            Write { key: key.clone(), condition: Condition::Revision(current.revision), change: Change::Put(body) };
        match submit(call, view.revision(), vec![write]).await? {
            Ok(_) => return created(call).map(|answer| answer.warn(&warnings)),
            Err(refused) if refused.refusal == Refusal::NotFound => return Err(Status::not_found("", "pods", name)),
            Err(_) => {}
        }
    }
    Err(conflict(MODIFIED))
}

/// The node that a binding names. Kubernetes answers what is wrong with one as a mistake of its own.
fn target(binding: &Value) -> Result<String, Status> {
    let target = binding.get("target").unwrap_or(&Value::Null);
    let text = |member: &str| target[member].as_str().unwrap_or_default();
    let mut wrong = Vec::new();
    if !matches!(text("kind"), "" | "Node") {
        wrong.push(format!(
            "target.kind: Unsupported value: {:?}: supported values: \"Node\", \"<empty>\"",
            text("kind")
        ));
    }
    if text("name").is_empty() {
        wrong.push("target.name: Required value".to_owned());
    }
    match wrong.len() {
        0 => Ok(text("name").to_owned()),
        1 => Err(Status::new(500, "", wrong.concat())),
        _ => Err(Status::new(500, "", format!("[{}]", wrong.join(", ")))),
    }
}

fn bound(pod: &mut Value, binding: &Value, node: &str) {
    pod["spec"]["nodeName"] = node.into();
    for member in ["annotations", "labels"] {
        for (key, value) in binding["metadata"].get(member).and_then(Value::as_object).into_iter().flatten() {
            // Labels that the pod has stay.
            if member == "annotations" || pod["metadata"][member][key].is_null() {
                pod["metadata"][member][key] = value.clone();
            }
        }
    }
    let condition = json!({"type": "PodScheduled", "status": "True", "lastProbeTime": null,
        "lastTransitionTime": api::revision::Millis(rt::wall()).rfc3339()});
    if !pod["status"].is_object() {
        pod["status"] = json!({"phase": "Pending"});
    }
    let conditions = &mut pod["status"]["conditions"];
    match conditions.as_array_mut() {
        Some(list) => {
            list.retain(|known| known["type"] != "PodScheduled");
            list.push(condition);
        }
        None => *conditions = json!([condition]),
    }
}
