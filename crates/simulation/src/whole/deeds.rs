//! What each command did: who, on which view it was decided, and the changes it made. Read from the log and its fold; nothing is judged.
use crate::evidence::{Evidence, Reference};
use api::command::Outcome;
use api::event::Event;
use api::revision::Revision;
use std::sync::Arc;
use store::view::View;

/// One command that took effect.
#[derive(Clone, Debug)]
pub struct Deed {
    pub actor: Box<str>,
    pub agent: Box<str>,
    pub note: Box<str>,
    /// The view it was decided on.
    pub read: View,
    pub changes: Vec<Arc<Event>>,
}

/// The view at a revision: that of the last entry that is not later.
fn at(reference: &Reference, revision: Revision) -> View {
    let (mut low, mut high) = (0, reference.last + 1);
    while low + 1 < high {
        // Revisions never go back from one entry to the next.
        let middle = low.midpoint(high);
        if reference.at(middle).revision() > revision { high = middle } else { low = middle }
    }
    reference.at(low)
}

/// All deeds of the longest log.
#[must_use]
pub fn read(evidence: &Evidence) -> Vec<Deed> {
    let Some(log) = evidence.logs.iter().max_by_key(|log| log.records.len()) else { return Vec::new() };
    let reference = &evidence.reference;
    let mut deeds = Vec::new();
    let mut through = 0;
    for record in &log.records {
        let Some(entry) = &record.entry else { continue };
        for command in &entry.commands {
            let mut outcomes = reference.commands.get(&command.id).into_iter().flatten();
            let here = outcomes.find(|(index, _)| *index == record.index).map(|(_, outcome)| outcome);
            let Some(Outcome::Done { first, last, .. }) = here else { continue };
            // A retry that comes again is told the first outcome, which stands earlier in the log.
            if last < first || first.0 <= through {
                continue;
            }
            through = last.0;
            let (found, begun) = reference.begun;
            // What it was decided on is no longer there.
            if command.read.0 < begun {
                continue;
            }
            let skipped = usize::try_from(first.0 - 1 - begun).unwrap_or(usize::MAX).saturating_add(found);
            let count = usize::try_from(last.0 + 1 - first.0).unwrap_or(0);
            deeds.push(Deed {
                actor: command.actor.clone(),
                agent: command.agent.clone(),
                note: command.note.clone(),
                read: at(reference, command.read),
                changes: reference.events.iter().skip(skipped).take(count).cloned().collect(),
            });
        }
    }
    deeds
}
