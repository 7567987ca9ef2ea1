//! POST of a ServiceAccount's `token`: a TokenRequest, answered and not kept.
use crate::call::Call;
use crate::query::write_options;
use crate::read;
use crate::request::Response;
use crate::{body, draft, shape, token};
use api::revision::Millis;
use api::status::Status;
use serde_json::{Value, json};

/// # Errors
/// 404 for an account that is not there, and what the request asks wrongly.
pub async fn request(call: &Call) -> Result<Response, Status> {
    write_options("CreateOptions", &call.query)?;
    let mut request = body::plain(&call.request)?.unwrap_or_else(|| json!({}));
    identify(&mut request)?;
    let Call { target, room, .. } = call;
    let wanted = token::wanted(&request, &target.namespace, &target.name)?;
    let view = read::for_write(room).await?;
    crate::node_restriction::token(&call.user, &view, &target.namespace, &target.name, &request)?;
    let now = Millis(rt::wall());
    let seconds = wanted.seconds;
    let issued = token::issue(&view, &room.parts.trust.signer, wanted, now, rt::unique())?;
    if !request["metadata"].is_object() {
        request["metadata"] = json!({});
    }
    request["metadata"]["name"] = target.name.as_str().into();
    request["metadata"]["namespace"] = target.namespace.as_str().into();
    request["metadata"]["creationTimestamp"] = now.rfc3339().into();
    let bound = request["spec"]["boundObjectRef"].clone();
    request["spec"] = json!({"audiences": issued.audiences, "expirationSeconds": seconds, "boundObjectRef": bound});
    request["status"] = json!({"token": issued.token, "expirationTimestamp": issued.expires.rfc3339()});
    shape::answer(call, 201, &request)
}

fn identify(request: &mut Value) -> Result<(), Status> {
    for (member, want) in [("apiVersion", "authentication.k8s.io/v1"), ("kind", "TokenRequest")] {
        match request[member].as_str().unwrap_or_default() {
            "" => request[member] = want.into(),
            have if have == want => {}
            _ => {
                let named = draft::text(request, "name").to_owned();
                return Err(Status::bad_request(format!(
                    "the object {named:?} is no TokenRequest in authentication.k8s.io/v1"
                )));
            }
        }
    }
    Ok(())
}
