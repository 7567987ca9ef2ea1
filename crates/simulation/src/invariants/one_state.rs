//! One state at each index: every member, at every moment and in every life, shows the fold of the committed log
//! (state machine safety; a restart is a replay; a view is a fold).
use crate::evidence::Evidence;
use std::collections::BTreeMap;

pub(super) fn check(evidence: &Evidence) -> Result<(), String> {
    let mut seen = BTreeMap::new();
    for sight in &evidence.history.sightings {
        let state = (sight.revision, sight.hash);
        let who = format!("member {} in life {} at {} ns", sight.member.0, sight.life, sight.time);
        let before = seen.entry(sight.index).or_insert_with(|| (state, who.clone()));
        if before.0 != state {
            return Err(format!(
                "two states at index {}: {who} shows {state:?}, {} showed {:?}",
                sight.index, before.1, before.0
            ));
        }
        if sight.index > evidence.reference.last {
            return Err(format!(
                "{who} shows index {}, the committed log ends at {}",
                sight.index, evidence.reference.last
            ));
        }
        let fold = evidence.reference.at(sight.index);
        if (fold.revision(), fold.hash()) != state {
            return Err(format!(
                "{who} shows {state:?} at index {}, the log folds to {:?}",
                sight.index,
                (fold.revision(), fold.hash())
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::invariants::example;
    use store::view::StateHash;

    #[test]
    fn breaks_are_found() {
        let good = example::evidence();
        assert_eq!(check(&good), Ok(()));
        let mut differs = good.clone();
        differs.history.sightings[1].hash = StateHash(7);
        assert!(check(&differs).is_err_and(|found| found.contains("index")));
        let mut ahead = good.clone();
        ahead.history.sightings[0].index = 99;
        assert!(check(&ahead).is_err_and(|found| found.contains("log ends at")));
        let mut wrong = good;
        wrong.history.sightings.truncate(1);
        wrong.history.sightings[0].hash = StateHash(7);
        assert!(check(&wrong).is_err_and(|found| found.contains("folds to")));
    }
}
