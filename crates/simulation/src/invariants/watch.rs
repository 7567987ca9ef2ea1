//! A watcher is given every event it wants after its start, once, in order, whole, over all breaks and members (etcd's watch
//! guarantees: ordered, unique, reliable, resumable; Kubernetes' KEP-365 and KEP-956 rest on them). Calm lasts long enough
//! for every watcher to be given the last one.
use crate::evidence::Evidence;
use crate::history::Watched;

pub(super) fn check(evidence: &Evidence) -> Result<(), String> {
    evidence.history.watches.iter().try_for_each(|watched| one(evidence, watched))
}

fn one(evidence: &Evidence, watched: &Watched) -> Result<(), String> {
    let who = format!("watcher {} ({:?} after {})", watched.client.0, watched.interest, watched.from);
    let through = watched.batches.iter().map(|batch| batch.through).max().unwrap_or(watched.from);
    let mut wanted =
        evidence.reference.events.iter().filter(|event| event.revision > watched.from && watched.interest.wants(event));
    for given in watched.batches.iter().flat_map(|batch| &batch.events) {
        let Some(event) = wanted.next() else {
            return Err(format!("{who} was given {:?}, which nobody did", given.object));
        };
        let whole = (given.act, given.revision, given.time) == (event.act, event.revision, event.time);
        if !whole || given.object != event.object {
            return Err(format!(
                "{who} was given {:?} {:?}, not {:?} {:?}",
                given.act, given.object, event.act, event.object
            ));
        }
    }
    match wanted.next() {
        Some(missed) => Err(format!("{who} reached {through} and was not given {:?}", missed.object)),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::invariants::example;

    #[test]
    fn breaks_are_found() {
        let good = example::evidence();
        assert_eq!(check(&good), Ok(()));
        let mut missed = good.clone();
        missed.history.watches[0].batches[0].events.remove(0);
        assert!(check(&missed).is_err_and(|found| found.contains("not")));
        let mut last = good.clone();
        last.history.watches[0].batches[0].events.pop();
        assert!(check(&last).is_err_and(|found| found.contains("was not given")));
        let mut twice = good.clone();
        let again = twice.history.watches[0].batches[0].events[0].clone();
        twice.history.watches[0].batches[0].events.insert(0, again);
        assert!(check(&twice).is_err());
        let mut swapped = good;
        swapped.history.watches[0].batches[0].events.swap(0, 1);
        assert!(check(&swapped).is_err());
    }
}
