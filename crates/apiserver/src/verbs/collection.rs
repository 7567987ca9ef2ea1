//! DELETE of a collection: what the selectors take of one view, in batches that each are one command.
use crate::body;
use crate::call::Call;
use crate::limits::{DELETE_BATCH, DELETE_BATCH_BYTES, WRITE_ATTEMPTS};
use crate::query::{DeleteOptions, list_options};
use crate::read;
use crate::request::Response;
use crate::select::Selection;
use crate::submit::submit;
use crate::verbs::delete::{Plan, plan, read_options};
use crate::verbs::list::{answered, page};
use api::command::{Change, Condition, Write};
use api::object::Object;
use api::status::Status;
use serde_json::json;
use std::sync::Arc;

/// # Errors
/// As `list` and `delete`; what was deleted before an error stays deleted.
pub async fn delete_collection(call: &Call) -> Result<Response, Status> {
    let options = read_options(call)?;
    let list = list_options(&call.query, false)?;
    let selection = Selection::new(call, &list)?;
    // The page that a list would give, for a limit means no more than that.
    let mut objects = page(call, &list, &selection).await?.objects;
    objects.truncate(list.limit.unwrap_or(usize::MAX));
    if !options.dry_run {
        for batch in batches(&objects, |object| object.bytes.len()) {
            delete_batch(call, &options, batch).await?;
        }
    }
    let meta = json!({"resourceVersion": call.room.member().view().revision().to_string()});
    answered(call, meta, objects).await
}

/// Runs of objects that one command can take away: not too many, and not too large should they be written once more.
fn batches<T>(objects: &[T], size: impl Fn(&T) -> usize) -> Vec<&[T]> {
    let (mut batches, mut rest) = (Vec::new(), objects);
    while !rest.is_empty() {
        let (mut count, mut bytes) = (0, 0);
        for object in rest.iter().take(DELETE_BATCH) {
            bytes += size(object);
            if count > 0 && bytes > DELETE_BATCH_BYTES {
                break;
            }
            count += 1;
        }
        let (batch, more) = rest.split_at(count);
        batches.push(batch);
        rest = more;
    }
    batches
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_are_cut_by_count_and_by_bytes() {
        let sizes = [
            vec![1; DELETE_BATCH + 1],
            vec![DELETE_BATCH_BYTES + 1, DELETE_BATCH_BYTES / 2, DELETE_BATCH_BYTES / 2, 1],
        ]
        .concat();
        let counts: Vec<usize> = batches(&sizes, |size| *size).iter().map(|batch| batch.len()).collect();
        assert_eq!(counts, [DELETE_BATCH, 1, 1, 2, 1]);
        assert!(batches(&[], |size: &usize| *size).is_empty());
    }
}
