//! Calls take effect between their begin and their end, in one order, which is the log's (Herlihy and Wing, "Linearizability").
//! The log's index gives that order, so the check is a sort and a sweep: an ended call's place may not lie after that of a call
//! that began later, and a read must have seen exactly the state at its place.
use crate::clock::Nanos;
use crate::evidence::Evidence;
use crate::history::{Asked, Call, Told};

struct Placed<'a> {
    call: &'a Call,
    index: u64,
    /// A write has an index of its own; a read shares that of the last entry it saw.
    write: bool,
}

pub(super) fn check(evidence: &Evidence) -> Result<(), String> {
    let mut placed = Vec::new();
    for call in &evidence.history.calls {
        match (&call.asked, &call.told) {
            (Asked::Write(command), _) => {
                // A command of unknown outcome that stands in the log did begin before it took effect.
                let place = evidence.reference.commands.get(&command.id).and_then(|places| places.first());
                placed.extend(place.map(|(index, _)| Placed { call, index: *index, write: true }));
            }
            (Asked::Read(_), Told::Read(found)) => {
                placed.push(Placed { call, index: found.index, write: false });
                contents(evidence, call)?;
            }
            _ => {}
        }
    }
    order(placed)
}

fn contents(evidence: &Evidence, call: &Call) -> Result<(), String> {
    let (Asked::Read(key), Told::Read(found)) = (&call.asked, &call.told) else { return Ok(()) };
    let view = evidence.reference.at(found.index);
    if (view.revision(), view.hash(), view.get_key(key)) == (found.revision, found.hash, found.object.as_ref()) {
        return Ok(());
    }
    Err(format!(
        "client {} read {key} at index {}: found {:?} at revision {}, the log says {:?} at {}",
        call.client.0,
        found.index,
        found.object,
        found.revision,
        view.get_key(key),
        view.revision()
    ))
}

fn order(placed: Vec<Placed<'_>>) -> Result<(), String> {
    let mut ends: Vec<(Nanos, &Placed<'_>)> =
        placed.iter().filter_map(|place| Some((place.call.end?, place))).collect();
    ends.sort_by_key(|(end, _)| *end);
    let mut begins: Vec<&Placed<'_>> = placed.iter().collect();
    begins.sort_by_key(|place| place.call.begin);
    let mut ends = ends.into_iter().peekable();
    let mut highest: Option<&Placed<'_>> = None;
    for place in begins {
        while let Some((_, ended)) = ends.next_if(|(end, _)| *end < place.call.begin) {
            if highest.is_none_or(|highest| ended.index > highest.index) {
                highest = Some(ended);
            }
        }
        let Some(before) = highest else { continue };
        if place.index < before.index || (place.write && place.index == before.index) {
            return Err(format!(
                "client {} began at {} ns and took effect at index {}, but client {} had ended at {:?} ns with index {}",
                place.call.client.0, place.call.begin, place.index, before.call.client.0, before.call.end, before.index
            ));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::history::Told;
    use crate::invariants::example;

    #[test]
    fn breaks_are_found() {
        let good = example::evidence();
        assert_eq!(check(&good), Ok(()));
        let mut stale = good.clone();
        // The example's last call reads at the end; now it reads what was true before the last write.
        let call = stale.history.calls.last_mut().expect("a read");
        let Told::Read(found) = &mut call.told else { panic!("the last call is a read") };
        let past = stale.reference.at(found.index - 1);
        (found.index, found.revision, found.hash) = (past.index(), past.revision(), past.hash());
        found.object = past.get("configmaps", "b", "k1").cloned();
        assert!(check(&stale).is_err_and(|found| found.contains("had ended")));
        let mut wrong = good.clone();
        let call = wrong.history.calls.last_mut().expect("a read");
        let Told::Read(found) = &mut call.told else { panic!("the last call is a read") };
        found.object = None;
        assert!(check(&wrong).is_err_and(|found| found.contains("the log says")));
        let mut early = good;
        let first = early.history.calls[0].clone();
        early.history.calls[0].begin = first.end.expect("told") + 1_000_000;
        early.history.calls[0].end = None;
        assert!(check(&early).is_err_and(|found| found.contains("took effect at index")));
    }
}
