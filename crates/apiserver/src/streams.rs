//! What leaves HTTP's request and answer behind: logs, exec, attach, port-forward. The way to the pod's node is the port
//! `nodes`; nothing of it touches the log.
mod channels;
mod forward;
mod log;
mod pod;
mod spdy;

use crate::call::Call;
use crate::request::Response;
use crate::route::Target;
use api::status::Status;

/// Whether the target is one of these.
#[must_use]
pub fn is(target: &Target) -> bool {
    target.group.is_empty()
        && matches!(
            (target.resource.as_str(), target.subresource.as_str()),
            ("pods", "log" | "exec" | "attach" | "portforward" | "proxy") | ("services" | "nodes", "proxy")
        )
}

/// # Errors
/// 404, 400 for a pod or container that has nothing to stream, 501 for what is not offered, and what the node refuses with.
pub async fn stream(call: Call) -> Result<Response, Status> {
    if call.past.is_some() {
        return Err(Status::new(405, "MethodNotAllowed", "a past pod has no streams"));
    }
    match call.target.subresource.as_str() {
        "log" => log::log(&call).await,
        "exec" | "attach" => channels::channels(&call).await,
        "portforward" => forward::forward(call).await,
        other => {
            let message = format!("{other} is not offered by this server");
            Err(Status::new(501, "NotImplemented", message))
        }
    }
}
