//! What leaves HTTP's request and answer behind: logs, exec, attach, port-forward, proxy. The way to the pod's node is the port
//! `nodes`; nothing of it touches the log.
mod carry;
mod channels;
mod coding;
mod exec;
mod forward;
mod frames;
mod kubelet;
mod log;
mod pod;
mod ports;
mod proxy;
mod remote;
mod spdy;
mod tls;
mod wire;

use crate::call::Call;
use crate::request::Response;
use crate::route::Target;
use crate::websocket::Handshake;
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
        "exec" | "attach" => {
            let asked = exec::asked(&call).await?;
            match Handshake::of(&call.request) {
                Some(handshake) => channels::channels(&call, asked, &handshake).await,
                None => remote::remote(&call, asked).await,
            }
        }
        "portforward" if ports::is(&call) => ports::forward(call).await,
        "portforward" => forward::forward(call).await,
        _ => proxy::proxy(call).await,
    }
}
