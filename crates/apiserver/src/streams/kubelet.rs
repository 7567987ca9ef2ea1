//! `nodes/NAME/proxy`: what clients ask a kubelet through the API server. Our nodes have no HTTP server; what is known here, or comes over the
//! node's session, is answered as a kubelet answers, and the rest is refused by name.
use super::log;
use crate::call::{Call, no_resource};
use crate::query::Parameters;
use crate::request::Response;
use crate::route::Target;
use api::object::Object;
use api::status::Status;
use serde_json::{Value, json};
use std::sync::Arc;
use store::view::View;

/// Where kubelets listen, and what is asked if no port is named.
const PORT: &str = "10250";

/// # Errors
/// 404 for a node that is not there and for what a node of ours does not tell; 503 for one that does not answer.
pub(super) async fn answer(call: Call, view: &View, name: &str, port: &str) -> Result<Response, Status> {
    let node = view.get("nodes", "", name).ok_or_else(|| call.kind.not_found(name))?.value();
    let unreachable = |why: &str| Status::unavailable(format!("error trying to reach service: {why}"));
    if !matches!(port, "" | PORT) {
        return Err(unreachable(&format!("node {name:?} does not listen on port {port:?}")));
    }
    let conditions = node["status"]["conditions"].as_array();
    if !conditions.is_some_and(|all| all.iter().any(|one| one["type"] == "Ready" && one["status"] != "Unknown")) {
        return Err(unreachable(&format!("node {name:?} has not been heard of lately")));
    }
    let rest = call.target.rest.clone();
    if !matches!(call.request.method.as_str(), "GET" | "HEAD") {
        return Err(crate::call::not_allowed());
    }
    match rest.trim_matches('/').split('/').collect::<Vec<_>>()[..] {
        ["healthz", ..] => Ok(Response::text(200, "ok")),
        ["pods"] => Ok(Response::value(200, &pods(view, name, |_| true))),
        ["runningpods"] => Ok(Response::value(200, &pods(view, name, |pod| pod["status"]["phase"] == "Running"))),
        ["containerLogs", namespace, pod, container] => logs(call, view, name, [namespace, pod, container]).await,
        _ => {
            let why = format!("the server could not find the requested resource: node {name:?} does not tell {rest:?}");
            Err(Status::new(404, "NotFound", why).detailed())
        }
    }
}

/// The pods of a node, as a kubelet lists them.
fn pods(view: &View, node: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let pods = view.list_by_field("pods", "spec.nodeName", node).map(|pod| pod.value()).filter(wanted);
    json!({"kind": "PodList", "apiVersion": "v1", "metadata": {}, "items": pods.collect::<Vec<_>>()})
}

/// The log of a container, by the options of `pods/log`.
async fn logs(mut call: Call, view: &View, node: &str, asked: [&str; 3]) -> Result<Response, Status> {
    let [namespace, pod, container] = asked;
    let here = |found: &&Arc<Object>| found.facet.field("spec.nodeName") == Some(node);
    let kind = call.room.kinds(view).get("", "v1", "pods").cloned().ok_or_else(no_resource)?;
    if view.get("pods", namespace, pod).filter(here).is_none() {
        return Err(kind.not_found(pod));
    }
    let query = format!("container={container}&{}", call.request.uri.query().unwrap_or_default());
    call.query = Parameters::parse(Some(&query))?;
    let (namespace, name) = (namespace.to_owned(), pod.to_owned());
    let (version, resource, subresource) = ("v1".into(), "pods".into(), "log".into());
    let target = Target { version, resource, namespace, name, subresource, ..Target::default() };
    call.target = Arc::new(target);
    call.kind = kind;
    log::log(&call).await
}
