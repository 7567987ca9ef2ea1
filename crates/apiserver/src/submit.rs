//! Commands into the log and what came of them, in the words of a client. The member asks again while an outcome is in doubt.
use crate::call::Call;
use crate::identity::User;
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
        id: CommandId(rt::unique()),
        actor: call.user.name.clone(),
        agent: call.agent().into(),
        cause: Revision(0),
        read,
        note: call.origin.note(),
        writes,
    };
    outcome(&call.room, command).await
}

/// As `submit`, on the cluster's own account and of no request.
///
/// # Errors
/// As `submit`.
pub async fn as_cluster(
    room: &Room,
    read: Revision,
    note: &str,
    writes: Vec<Write>,
) -> Result<Result<Vec<Arc<Object>>, Refused>, Status> {
    let command = Command {
        id: CommandId(rt::unique()),
        actor: User::cluster().name,
        agent: "founding".into(),
        cause: Revision(0),
        read,
        note: note.into(),
        writes,
    };
    outcome(room, command).await
}

async fn outcome(room: &Room, command: Command) -> Result<Result<Vec<Arc<Object>>, Refused>, Status> {
    let keys: Vec<_> = command.writes.iter().map(|write| (write.key.clone(), write.change == Change::Delete)).collect();
    match room.member().submit(command).await {
        Ok(Outcome::Done { objects, .. }) if objects.len() == keys.len() => Ok(Ok(objects)),
        Ok(Outcome::Done { last, .. }) => reread(room, last, &keys).await.map(Ok),
        Ok(Outcome::Refused { write, refusal: Refusal::Malformed(why) }) => {
            tracing::error!(%why, write, "a command of this server was malformed");
            Err(Status::internal(why))
        }
        Ok(Outcome::Refused { write, refusal }) => {
            Ok(Err(Refused { write: usize::try_from(write).unwrap_or_default(), refusal }))
        }
        Err(SubmitError::TooLarge(why)) => Err(Status::new(413, "RequestEntityTooLarge", why)),
        Err(SubmitError::Unavailable(why)) => Err(Status::unavailable(why)),
        Err(SubmitError::Unknown(why)) => {
            let message = format!("Timeout: the write may or may not have happened: {why}");
            let mut status = Status::new(504, "Timeout", message);
            status.retry_after_seconds = 1;
            Err(status)
        }
    }
}

/// The objects of a command whose first answer was lost.
async fn reread(room: &Room, last: Revision, keys: &[(api::key::Key, bool)]) -> Result<Vec<Arc<Object>>, Status> {
    let lost = || Status::new(504, "Timeout", "Timeout: the write happened, but its result cannot be shown");
    // A view of just this revision is not needed: what a client is shown may already be newer.
    let view = rt::timeout(REVISION_WAIT_MAX, room.member().reached(last)).await.ok_or_else(lost)?;
    let found = keys.iter().filter(|(_, gone)| !gone).map(|(key, _)| view.get_key(key).cloned().ok_or_else(lost));
    found.collect()
}
