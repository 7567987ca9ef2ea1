//! Revisions are dense and never go back: in the log, in a life of a member, for a watcher.
use crate::evidence::Evidence;
use std::collections::BTreeMap;

pub(super) fn check(evidence: &Evidence) -> Result<(), String> {
    let (found, revision) = evidence.reference.begun;
    for (event, wanted) in evidence.reference.events.iter().skip(found).zip(revision + 1..) {
        if event.revision.0 != wanted {
            return Err(format!("the log's event number {wanted} has revision {}", event.revision));
        }
    }
    let mut reached = BTreeMap::new();
    for sight in &evidence.history.sightings {
        let here = (sight.index, sight.revision);
        let before = reached.insert((sight.member, sight.life), here).unwrap_or_default();
        if here.0 < before.0 || here.1 < before.1 {
            return Err(format!(
                "member {} went from {before:?} back to {here:?} at {} ns",
                sight.member.0, sight.time
            ));
        }
    }
    for watched in &evidence.history.watches {
        let (mut through, mut newest) = (watched.from, watched.from);
        for batch in &watched.batches {
            let first = batch.events.first().map_or(batch.through, |event| event.revision);
            if batch.through < through || first <= newest {
                return Err(format!(
                    "watcher {} went from {newest} (through {through}) back to {first}",
                    watched.client.0
                ));
            }
            through = batch.through;
            newest = batch.events.last().map_or(newest, |event| event.revision);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::invariants::example;
    use api::revision::Revision;

    #[test]
    fn breaks_are_found() {
        let good = example::evidence();
        assert_eq!(check(&good), Ok(()));
        let mut gap = good.clone();
        gap.reference.events.remove(1);
        assert!(check(&gap).is_err_and(|found| found.contains("event number 2")));
        let mut back = good.clone();
        let mut old = back.history.sightings[0].clone();
        (old.index, old.revision) = (1, Revision(0));
        back.history.sightings.push(old);
        assert!(check(&back).is_err_and(|found| found.contains("back to")));
        let mut watcher = good;
        let first = watcher.history.watches[0].batches[0].clone();
        watcher.history.watches[0].batches.push(first);
        assert!(check(&watcher).is_err_and(|found| found.contains("watcher")));
    }
}
