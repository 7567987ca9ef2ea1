//! What a member does carelessly, if that is the bug that is planted: nothing otherwise.
use api::planted::{Bug, planted};
use consensus::Careless;

pub(crate) fn careless() -> Careless {
    Careless {
        acknowledges_before_flush: planted(Bug::AcknowledgesBeforeFlush),
        forgets_votes: planted(Bug::ForgetsVotes),
        folds_twice: planted(Bug::FoldsTwice),
        trusts_unfinished_checkpoints: planted(Bug::TrustsUnfinishedCheckpoints),
    }
}
