//! DELETE of a collection: what the selectors take of one view, in batches that each are one command.
use crate::body;
use crate::call::Call;
use crate::limits::{DELETE_BATCH, WRITE_ATTEMPTS};
use crate::query::{DeleteOptions, delete_options, list_options};
use crate::read;
use crate::request::Response;
use crate::select::Selection;
use crate::shape;
use crate::submit::submit;
use crate::verbs::delete::{Plan, plan};
use crate::verbs::list::selected;
use api::command::{Change, Condition, Write};
use api::object::Object;
use api::status::Status;
use serde_json::{Value, json};
use std::sync::Arc;

/// # Errors
/// As `list` and `delete`; what was deleted before an error stays deleted.
pub async fn delete_collection(call: &Call) -> Result<Response, Status> {
    let options = delete_options(&call.query, body::plain(&call.request)?.as_ref())?;
    let list = list_options(&call.query, false)?;
    let selection = Selection::new(call, &list)?;
    let view = read::newest(&call.room).await?;
    let objects: Vec<Arc<Object>> = selected(call, &view, &selection, None).cloned().collect();
    if !options.dry_run {
        for batch in objects.chunks(DELETE_BATCH) {
            delete_batch(call, &options, batch).await?;
        }
    }
    let items: Vec<Value> = objects.iter().map(|object| shape::value(call, object)).collect();
    let meta = json!({"resourceVersion": call.room.member().view().revision().to_string()});
    let list =
        json!({"kind": &*call.kind.list_kind, "apiVersion": call.kind.api_version(), "metadata": meta, "items": items});
    Ok(Response::value(200, &list))
}

/// One command for all; if somebody changed one of them meanwhile, again with those that are still there.
async fn delete_batch(call: &Call, options: &DeleteOptions, batch: &[Arc<Object>]) -> Result<(), Status> {
    for _ in 0..WRITE_ATTEMPTS {
        let view = read::newest(&call.room).await?;
        let mut writes = Vec::with_capacity(batch.len());
        for object in batch {
            // The uid says whether it is still the object that was selected.
            let Some(current) = view.get_key(&object.key).filter(|current| current.uid == object.uid) else { continue };
            match plan(call, &view, options, current)? {
                Plan::Nothing => {}
                Plan::Gone(more) => writes.extend(more),
                Plan::Begin(value) => {
                    let change = Change::Put(body::stored(call, &value)?);
                    writes.push(Write {
                        key: current.key.clone(),
                        condition: Condition::Revision(current.revision),
                        change,
                    });
                }
            }
        }
        if writes.is_empty() || submit(call, view.revision(), writes).await?.is_ok() {
            return Ok(());
        }
    }
    Err(call.conflict(crate::call::MODIFIED))
}
