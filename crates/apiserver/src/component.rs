//! ComponentStatus: the parts of a control plane, which Kubernetes still lists though nothing keeps them. Here one process is all of
//! them: whoever answers is well, and says so under the names that clients look for. It probes nobody.
use crate::call::{Call, not_allowed};
use crate::read;
use crate::request::Response;
use crate::shape;
use crate::verbs::list;
use api::facet::Facet;
use api::object::{Object, Uid};
use api::revision::{Millis, Revision};
use api::status::Status;
use serde_json::json;
use std::sync::Arc;

/// As Kubernetes names them; the second is where the state is kept.
const COMPONENTS: [&str; 3] = ["controller-manager", "etcd-0", "scheduler"];

/// # Errors
/// 404 for another name, 503 if nobody can say that the log goes on.
pub async fn answer(call: &Call, verb: &str) -> Result<Response, Status> {
    let view = read::newest(&call.room).await?;
    match verb {
        "get" => {
            let name = COMPONENTS.into_iter().find(|name| *name == call.target.name).ok_or_else(|| call.not_found())?;
            shape::one(call, 200, &component(call, name))
        }
        "list" => {
            let meta = json!({"resourceVersion": view.revision().to_string()});
            list::answered(call, meta, COMPONENTS.into_iter().map(|name| component(call, name)).collect()).await
        }
        _ => Err(not_allowed()),
    }
}

/// An object like others, but that nobody wrote it.
fn component(call: &Call, name: &str) -> Arc<Object> {
    let value = json!({"apiVersion": "v1", "kind": "ComponentStatus", "metadata": {"name": name},
        "conditions": [{"type": "Healthy", "status": "True", "message": "ok"}]});
    Arc::new(Object {
        key: call.key(name),
        uid: Uid(0),
        created: Millis(0),
        revision: Revision(0),
        bytes: value.to_string().into(),
        hole: (0, 0),
        facet: Facet::default(),
    })
}
