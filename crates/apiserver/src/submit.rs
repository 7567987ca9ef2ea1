//! Commands into the log and what came of them. It retries what is in doubt under the same id, so that nothing happens twice.
use crate::call::Call;
use crate::limits::REVISION_WAIT_MAX;
use crate::room::Room;
use api::command::{Change, Command, CommandId, Outcome, Refusal, Write};
use api::object::Object;
use api::revision::Revision;
use api::status::Status;
use consensus::SubmitError;
use std::sync::Arc;

/// A command that did not happen, and which of its writes was in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    pub write: usize,
    pub refusal: Refusal,
}

/// How often a command whose outcome is unknown is asked for again.
const UNKNOWN_ATTEMPTS: u32 = 5;

/// The objects after `writes`, one for each, or why nothing happened.
///
/// # Errors
/// 503, 504 or 413 if there is no outcome.
pub async fn submit(
    call: &Call,
    read: Revision,
    writes: Vec<Write>,
) -> Result<Result<Vec<Arc<Object>>, Refused>, Status> {
    let command = Command {
        id: CommandId(rt::random_u128()),
        actor: call.user.name.clone(),
        agent: call.agent().into(),
        cause: Revision(0),
        read,
        note: "".into(),
        writes,
    };
    outcome(&call.room, command).await
}

async fn outcome(room: &Room, command: Command) -> Result<Result<Vec<Arc<Object>>, Refused>, Status> {
    let mut attempt = 0;
    let keys: Vec<_> = command.writes.iter().map(|write| (write.key.clone(), write.change == Change::Delete)).collect();
    let again = || command.clone();
    loop {
        match room.member().submit(again()).await {
            Ok(Outcome::Done { last, objects, .. }) if objects.len() == keys.len() => {
                let _ = last;
                return Ok(Ok(objects));
            }
            Ok(Outcome::Done { last, .. }) => return reread(room, last, &keys).await.map(Ok),
            Ok(Outcome::Refused { write, refusal: Refusal::Malformed(why) }) => {
                tracing::error!(%why, write, "a command of this server was malformed");
                return Err(Status::internal(why));
            }
            Ok(Outcome::Refused { write, refusal }) => {
                return Ok(Err(Refused { write: usize::try_from(write).unwrap_or_default(), refusal }));
            }
            Err(SubmitError::TooLarge(why)) => return Err(Status::new(413, "RequestEntityTooLarge", why)),
            Err(SubmitError::Unavailable(why)) => return Err(Status::unavailable(why)),
            Err(SubmitError::Unknown(why)) if attempt < UNKNOWN_ATTEMPTS => {
                attempt += 1;
                tracing::debug!(%why, attempt, "the outcome of a command is unknown; asking again");
                rt::sleep(std::time::Duration::from_millis(20 << attempt)).await;
            }
            Err(SubmitError::Unknown(why)) => {
                let mut status =
                    Status::new(504, "Timeout", format!("Timeout: the write may or may not have happened: {why}"));
                status.retry_after_seconds = 1;
                return Err(status);
            }
        }
    }
}

/// The objects of a command whose first answer was lost.
async fn reread(room: &Room, last: Revision, keys: &[(api::key::Key, bool)]) -> Result<Vec<Arc<Object>>, Status> {
    let start = rt::now();
    while room.member().view().revision() < last && rt::now().since(start) < REVISION_WAIT_MAX {
        rt::sleep(std::time::Duration::from_millis(5)).await;
    }
    let lost = || Status::new(504, "Timeout", "Timeout: the write happened, but its result cannot be shown");
    let view = crate::read::at(room, last).await?.ok_or_else(lost)?;
    let found = keys.iter().filter(|(_, gone)| !gone).map(|(key, _)| view.get_key(key).cloned().ok_or_else(lost));
    found.collect()
}
