//! GET of one object: its own bytes.
use crate::call::Call;
use crate::query::{Freshness, revision};
use crate::read;
use crate::request::Response;
use crate::shape;
use api::revision::Revision;
use api::status::Status;

/// # Errors
/// 404, or as `read::view`.
pub async fn get(call: &Call) -> Result<Response, Status> {
    let freshness = match call.query.get("resourceVersion").map(revision).transpose()? {
        None => Freshness::Newest,
        Some(Revision(0)) => Freshness::Any,
        Some(revision) => Freshness::NotBefore(revision),
    };
    let view = match &call.past {
        Some(past) => past.clone(),
        None => read::view(&call.room, freshness).await?,
    };
    let object = view.get_key(&call.key(&call.target.name)).ok_or_else(|| call.not_found())?;
    shape::one(call, 200, object)
}
