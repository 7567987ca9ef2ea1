//! Submits what the member itself or a node writes, as opposed to what a decider decided.
use api::command::{Command, CommandId, Outcome, Write};
use api::revision::Revision;
use consensus::{Member, SubmitError};

/// Submits writes in one command.
///
/// # Errors
/// As `Member::submit`.
pub(crate) async fn submit(
    member: &Member,
    actor: &str,
    agent: &str,
    read: Revision,
    writes: Vec<Write>,
) -> Result<Outcome, SubmitError> {
    let id = CommandId(rt::unique());
    let (actor, agent) = (actor.into(), agent.into());
    member.submit(Command { id, actor, agent, cause: Revision(0), read, note: "".into(), writes }).await
}
