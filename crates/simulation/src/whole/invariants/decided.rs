//! Every decision in the log can be made again: its decider, asked of the same key on the view that it says it read, wants the same writes.
//! That is what `why` and `what if` rest on (a decider is a pure function: the corridor). A view is named by its revision, and the stamps of
//! entries without changes move its clock on, so any of the views of that revision may be the one.
use crate::whole::evidence::Whole;
use api::command::{Command, Write};
use api::key::Key;
use api::revision::Revision;
use controllers::controller::Controller;
use std::collections::BTreeMap;
use store::view::View;

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    judge(evidence, &control::wiring::deciders())
}

fn judge(evidence: &Whole, deciders: &[Controller]) -> Result<(), String> {
    let Some(log) = evidence.members.logs.iter().max_by_key(|log| log.records.len()) else { return Ok(()) };
    let views = &evidence.members.reference.views;
    let mut known: BTreeMap<(u64, String), Vec<Vec<Write>>> = BTreeMap::new();
    for record in &log.records {
        let Some(entry) = &record.entry else { continue };
        for command in &entry.commands {
            let Some((decider, key)) = decided(command, deciders) else { continue };
            // What it was decided on lies before the beginning.
            if command.read.0 < evidence.members.reference.begun.1 {
                continue;
            }
            let asked = (command.read.0, command.agent.to_string());
            let drafts = known.entry(asked).or_insert_with(|| made(decider, &key, views, command.read, record.index));
            if !drafts.contains(&command.writes) {
                return Err(format!(
                    "{} at index {}, having read revision {}, cannot be made again: {} writes to {:?}",
                    command.agent,
                    record.index,
                    command.read,
                    command.writes.len(),
                    command.writes.first().map(|write| &write.key)
                ));
            }
        }
    }
    Ok(())
}

/// Who decided a command, and about which key; `None` where it was no decider.
fn decided<'a>(command: &Command, deciders: &'a [Controller]) -> Option<(&'a Controller, Key)> {
    let (name, key) = command.agent.split_once(' ')?;
    let decider = deciders.iter().find(|decider| decider.name == name)?;
    let mut parts = key.splitn(3, '/');
    let (resource, second) = (parts.next()?, parts.next()?);
    Some((
        decider,
        parts.next().map_or_else(|| Key::new(resource, "", second), |name| Key::new(resource, second, name)),
    ))
}

/// All writes that the decider wants on any view of this revision that was there before the index.
fn made(decider: &Controller, key: &Key, views: &BTreeMap<u64, View>, read: Revision, before: u64) -> Vec<Vec<Write>> {
    let mut all = Vec::new();
    for view in views.range(..before).rev().map(|(_, view)| view).skip_while(|view| view.revision() > read) {
        if view.revision() < read {
            break;
        }
        all.extend(decider.decision(view, key, view.time()).drafts.into_iter().map(|draft| draft.writes));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole::invariants::example::{Story, pod};
    use api::decision::Decision;
    use api::revision::Millis;

    fn nothing(_: &View, _: &Key, _: Millis) -> Decision {
        Decision::idle()
    }

    /// Wants what the story's command did: the pod put under `Exists`.
    fn same(view: &View, key: &Key, _: Millis) -> Decision {
        let change = api::command::Change::Put(api::kinds::body("pods", &pod("p", "n1", 1)).expect("a body"));
        let write = Write { key: key.clone(), condition: api::command::Condition::Exists, change };
        if view.get_key(key).is_some() { Decision::one(vec![write], "") } else { Decision::idle() }
    }

    #[test]
    fn breaks_are_found() {
        let story = Story::default().put("somebody", "pods", pod("p", "", 1));
        let whole = story.put("mover pods/d/p", "pods", pod("p", "n1", 1)).whole();
        let decider = |decide| Controller { name: "mover", keys: |_, _| Vec::new(), all: |_| Vec::new(), decide };
        assert_eq!(judge(&whole, &[decider(same)]), Ok(()));
        assert!(judge(&whole, &[decider(nothing)]).is_err_and(|found| found.contains("cannot be made again")));
        assert_eq!(judge(&whole, &[]), Ok(()), "nobody decided it");
    }
}
