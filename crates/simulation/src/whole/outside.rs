//! Judges a run of which only the outside is known: what clients of real processes were told, and the logs that the processes left. By the
//! same invariants as simulated runs, from the same evidence; what only a twin can see is left empty there, and asked of nobody.
use super::deeds;
use super::evidence::Whole;
use super::invariants;
use crate::evidence::Violation;

/// Folds the logs, and tells everything that does not hold.
#[must_use]
pub fn judge(evidence: &mut Whole) -> Vec<Violation> {
    evidence.members.fold();
    evidence.deeds = deeds::read(&evidence.members);
    invariants::check(evidence)
}
