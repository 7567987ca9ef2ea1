//! No command takes effect twice, however often it was sent (its `id` makes a retry return the first outcome).
//! Every written object names its command, so this needs no trust in the fold's own bookkeeping.
use crate::evidence::Evidence;
use api::command::Outcome;
use api::event::Act;
use std::collections::BTreeMap;

pub(super) fn check(evidence: &Evidence) -> Result<(), String> {
    let mut tokens = BTreeMap::new();
    for event in evidence.reference.events.iter().filter(|event| event.act != Act::Deleted) {
        let value = event.object.value();
        let token = value["data"]["token"].as_str().unwrap_or_default().to_owned();
        let place = (token, event.object.key.clone());
        if let Some(before) = tokens.insert(place.clone(), event.revision) {
            return Err(format!(
                "command {} changed {} at revisions {before} and {}",
                place.0, place.1, event.revision
            ));
        }
    }
    for (id, places) in &evidence.reference.commands {
        let mut revisions = places.iter().map(|(index, outcome)| match outcome {
            Outcome::Done { first, last, .. } => (*index, Some((*first, *last))),
            Outcome::Refused { .. } => (*index, None),
        });
        let Some((index, first)) = revisions.next() else { continue };
        if let Some((again, other)) = revisions.find(|(_, revisions)| *revisions != first) {
            return Err(format!(
                "command {:032x} has outcome {first:?} at index {index} and {other:?} at {again}",
                id.0
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::invariants::example;
    use api::command::Outcome;
    use api::revision::Revision;
    use std::sync::Arc;

    #[test]
    fn breaks_are_found() {
        let good = example::evidence();
        assert_eq!(check(&good), Ok(()));
        let mut twice = good.clone();
        let mut again = (*twice.reference.events[0]).clone();
        again.revision = Revision(99);
        twice.reference.events.push(Arc::new(again));
        assert!(check(&twice).is_err_and(|found| found.contains("at revisions 1 and 99")));
        let mut other = good;
        let places = other.reference.commands.values_mut().next().expect("a command");
        places.push((9, Outcome::Done { first: Revision(7), last: Revision(7), objects: Vec::new() }));
        assert!(check(&other).is_err_and(|found| found.contains("has outcome")));
    }
}
