//! What a member must never do, each in one place that asks here first. Nobody sets any of it but a simulation, to see that its
//! invariants see it.

/// Nothing by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Careless {
    /// It says that entries are durable before they are flushed.
    pub acknowledges_before_flush: bool,
    /// It saves no vote: started again, it votes a second time in a term.
    pub forgets_votes: bool,
    /// It folds a command each time that it stands in the log.
    pub folds_twice: bool,
    /// It believes that a checkpoint is on the disk when it has only begun to write it.
    pub trusts_unfinished_checkpoints: bool,
}
