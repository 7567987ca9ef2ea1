//! What a stream needs of a pod: the object, the container, the way to its node.
use crate::call::Call;
use crate::nodes::{PodStream, What};
use crate::read;
use crate::request::Duplex;
use api::object::Object;
use api::status::Status;
use serde_json::Value;
use std::sync::Arc;

/// The pod, decoded, and its object.
pub(super) async fn pod(call: &Call) -> Result<(Arc<Object>, Value), Status> {
    let view = read::newest(&call.room).await?;
    let object = view.get_key(&call.key(&call.target.name)).cloned().ok_or_else(|| call.not_found())?;
    let value = object.value();
    Ok((object, value))
}

/// The container that is asked for, or the only one there is.
pub(super) fn container(call: &Call, pod: &Value) -> Result<String, Status> {
    let name = &call.target.name;
    let of = |member: &str| -> Vec<String> {
        let list = pod["spec"][member].as_array().into_iter().flatten();
        list.filter_map(|container| container["name"].as_str()).map(str::to_owned).collect()
    };
    let main = of("containers");
    match call.query.get("container") {
        Some(asked) => {
            let all = [main, of("initContainers"), of("ephemeralContainers")].concat();
            let known = all.iter().any(|known| known == asked);
            let why = || Status::bad_request(format!("container {asked} is not valid for pod {name}"));
            known.then(|| asked.to_owned()).ok_or_else(why)
        }
        None => match main.as_slice() {
            [only] => Ok(only.clone()),
            _ => {
                let default = pod["metadata"]["annotations"]["kubectl.kubernetes.io/default-container"].as_str();
                let found = default.filter(|default| main.iter().any(|known| known == default)).map(str::to_owned);
                let choices = main.join(" ");
                let why = format!("a container name must be specified for pod {name}, choose one of: [{choices}]");
                found.ok_or_else(|| Status::bad_request(why))
            }
        },
    }
}

/// A stream to the pod's node; the pod need not be the request's target.
pub(super) async fn open(call: &Call, object: &Object, pod: &Value, what: What) -> Result<Box<dyn Duplex>, Status> {
    let name = &*object.key.name;
    let node = pod["spec"]["nodeName"].as_str().unwrap_or_default();
    if node.is_empty() {
        return Err(Status::bad_request(format!("pod {name} does not have a host assigned")));
    }
    let nodes = call.room.parts.nodes.as_ref();
    let nodes = nodes.ok_or_else(|| Status::unavailable("this server has no way to nodes; ask a control member"))?;
    let stream =
        PodStream { namespace: call.target.namespace.clone(), pod: name.to_owned(), uid: object.uid.to_string(), what };
    nodes.open(node, stream).await
}
