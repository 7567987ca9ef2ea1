//! What is created of a pod: a binding to a node. Which node is for whoever asks to say.
use crate::body;
use crate::call::{Call, MODIFIED};
use crate::draft;
use crate::limits::WRITE_ATTEMPTS;
use crate::query::write_options;
use crate::read;
use crate::request::Response;
use crate::submit::submit;
use api::command::{Change, Condition, Refusal, Write};
use api::status::{Cause, Status};
use serde_json::{Value, json};

/// What the author of a binding or an eviction is told.
pub(super) fn created() -> Response {
    Response::value(
        201,
        &json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}),
    )
}

/// POST of a Binding: the pod gets its node, once. `name`: the pod's.
///
/// # Errors
/// 404, 400 for a target that is no node, 409 if the pod has a node already.
pub async fn bind(call: &Call, name: &str) -> Result<Response, Status> {
    let options = write_options("CreateOptions", &call.query)?;
    let binding = body::plain(&call.request)?.ok_or_else(|| Status::bad_request("a Binding is required"))?;
    let target = binding.get("target").unwrap_or(&Value::Null);
    let node = target["name"].as_str().unwrap_or_default().to_owned();
    if node.is_empty() || !matches!(target["kind"].as_str().unwrap_or_default(), "" | "Node") {
        let cause =
            Cause { reason: "FieldValueRequired", message: "Required value".into(), field: "target.name".into() };
        let mut status =
            Status::new(422, "Invalid", format!("Binding {name:?} is invalid: target.name: Required value"));
        status.causes = vec![cause];
        return Err(status.about("", "Binding", name));
    }
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
        bound(&mut pod, &binding, &node);
        if options.dry_run {
            return Ok(created());
        }
        let body = api::kinds::body("pods", &pod).map_err(|why| Status::bad_request(why.to_string()))?;
        let write =
            Write { key: key.clone(), condition: Condition::Revision(current.revision), change: Change::Put(body) };
        match submit(call, view.revision(), vec![write]).await? {
            Ok(_) => return Ok(created()),
            Err(refused) if refused.refusal == Refusal::NotFound => return Err(Status::not_found("", "pods", name)),
            Err(_) => {}
        }
    }
    Err(conflict(MODIFIED))
}

fn bound(pod: &mut Value, binding: &Value, node: &str) {
    pod["spec"]["nodeName"] = node.into();
    for member in ["annotations", "labels"] {
        for (key, value) in binding["metadata"].get(member).and_then(Value::as_object).into_iter().flatten() {
            pod["metadata"][member][key] = value.clone();
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
