//! What was acknowledged stands in the log for ever, with the outcome that was told; what was said not to have happened is
//! not there (Raft's leader completeness).
use crate::evidence::Evidence;
use crate::history::{Asked, Told};
use api::command::Outcome;

pub(super) fn check(evidence: &Evidence) -> Result<(), String> {
    for call in &evidence.history.calls {
        let Asked::Write(command) = &call.asked else { continue };
        let who = format!("client {}, command {:032x}", call.client.0, command.id.0);
        let placed = evidence.reference.commands.get(&command.id).and_then(|places| places.first());
        match (&call.told, placed) {
            (Told::Outcome(told), None) => return Err(format!("{who} was told {told:?} and is not in the log")),
            (Told::Outcome(told), Some((index, outcome))) if !same(told, outcome) => {
                return Err(format!("{who} was told {told:?}, the log at index {index} says {outcome:?}"));
            }
            (Told::NotDone, Some((index, _))) => {
                return Err(format!("{who} was told that it did not happen, and stands at index {index}"));
            }
            _ => {}
        }
    }
    Ok(())
}

/// A retry's answer has the revisions, and may have no objects.
fn same(told: &Outcome, logged: &Outcome) -> bool {
    match (told, logged) {
        (Outcome::Done { first, last, objects }, Outcome::Done { first: f, last: l, objects: o }) => {
            (first, last) == (f, l) && (objects.is_empty() || objects == o)
        }
        _ => told == logged,
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::history::Told;
    use crate::invariants::example;
    use api::command::Outcome;
    use api::revision::Revision;

    #[test]
    fn breaks_are_found() {
        let good = example::evidence();
        assert_eq!(check(&good), Ok(()));
        let mut lost = good.clone();
        lost.reference.commands.clear();
        assert!(check(&lost).is_err_and(|found| found.contains("not in the log")));
        let mut other = good.clone();
        other.history.calls[0].told =
            Told::Outcome(Outcome::Done { first: Revision(9), last: Revision(9), objects: Vec::new() });
        assert!(check(&other).is_err_and(|found| found.contains("the log at index")));
        let mut denied = good;
        denied.history.calls[0].told = Told::NotDone;
        assert!(check(&denied).is_err_and(|found| found.contains("did not happen")));
    }
}
