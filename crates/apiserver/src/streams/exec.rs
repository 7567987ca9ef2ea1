//! Exec and attach: what is asked of which container. How it is then carried, `channels` (WebSocket) and `remote` (SPDY) know.
use super::pod::{container, pod};
use crate::call::Call;
use crate::nodes::What;
use api::object::Object;
use api::status::Status;
use serde_json::Value;
use std::sync::Arc;

/// What is asked.
pub(super) struct Asked {
    pub(super) object: Arc<Object>,
    pub(super) pod: Value,
    pub(super) what: What,
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
    pub(super) tty: bool,
}

/// Reads a request.
///
/// # Errors
/// 400 and 404 for what cannot be done.
pub(super) async fn asked(call: &Call) -> Result<Asked, Status> {
    let (object, pod) = pod(call).await?;
    let query = &call.query;
    if matches!(pod["status"]["phase"].as_str(), Some("Succeeded" | "Failed")) {
        let phase = pod["status"]["phase"].as_str().unwrap_or_default();
        return Err(Status::bad_request(format!(
            "cannot exec into a container in a completed pod; current phase is {phase}"
        )));
    }
    let (stdin, tty) = (query.flag("stdin"), query.flag("tty"));
    // A terminal has one output; Kubernetes passes over the other.
    let (stdout, stderr) = (query.flag("stdout"), query.flag("stderr") && !tty);
    if !stdin && !stdout && !stderr {
        return Err(Status::bad_request("you must specify at least 1 of stdin, stdout, stderr"));
    }
    let container = container(call, &pod)?;
    let what = if call.target.subresource == "exec" {
        let command: Vec<String> = query.all("command").map(str::to_owned).collect();
        if command.is_empty() {
            return Err(Status::bad_request("you must specify at least one command for the container"));
        }
        What::Exec { container, command, stdin, tty }
    } else {
        What::Attach { container, stdin, tty }
    };
    Ok(Asked { object, pod, what, stdin, stdout, stderr, tty })
}
