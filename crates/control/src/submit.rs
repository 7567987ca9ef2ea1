//! Submits what the member itself or a node writes, as opposed to what a decider decided.
use api::command::{Command, CommandId, Outcome, Write};
use api::revision::Revision;
use consensus::{Member, SubmitError};

/// Who changes something, and with which program: what an entry of the log says of its author.
#[derive(Clone, Copy, Debug)]
pub(crate) struct By<'a> {
    pub(crate) actor: &'a str,
    pub(crate) agent: &'a str,
}

/// Puts into the log what somebody is about to do to the members: what follows is Raft's own entry, which names nobody.
///
/// # Errors
/// As `Member::submit`.
pub(crate) async fn announce(member: &Member, by: By<'_>, what: &str) -> Result<(), SubmitError> {
    command(member, by, member.view().revision(), what, Vec::new()).await.map(|_| ())
}

/// Submits writes in one command.
///
/// # Errors
/// As `Member::submit`.
pub(crate) async fn submit(
    member: &Member,
    by: By<'_>,
    read: Revision,
    writes: Vec<Write>,
) -> Result<Outcome, SubmitError> {
    command(member, by, read, "", writes).await
}

async fn command(
    member: &Member,
    by: By<'_>,
    read: Revision,
    note: &str,
    writes: Vec<Write>,
) -> Result<Outcome, SubmitError> {
    let id = CommandId(rt::unique());
    let (actor, agent) = (by.actor.into(), by.agent.into());
    member.submit(Command { id, actor, agent, cause: Revision(0), read, note: note.into(), writes }).await
}
