//! A watch of the API sees each change that it asked for, once, in order, and the last one once all is at rest (Kubernetes' API: efficient
//! detection of changes; a watch from a resourceVersion). It is told that its past is no longer kept only where somebody keeps little.
use crate::whole::evidence::{Seen, Watched, Whole};
use api::event::{Act, Event};
use api::object::Object;

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    evidence.watches.iter().try_for_each(|watched| one(evidence, watched))
}

fn one(evidence: &Whole, watched: &Watched) -> Result<(), String> {
    let who = format!("the watch of {} {:?} after revision {}", watched.resource, watched.label, watched.from);
    let events = evidence.members.reference.events.iter().filter(|event| event.revision.0 > watched.from);
    let within = |event: &&std::sync::Arc<Event>| watched.left.is_none_or(|left| event.revision.0 <= left);
    let mut wanted = events.filter(within).filter_map(|event| told(event, watched));
    for seen in &watched.seen {
        match wanted.next() {
            Some(event) if event == *seen => {}
            other => return Err(format!("{who} was given {seen:?}, not {other:?}")),
        }
    }
    match wanted.next() {
        _ if watched.expired && evidence.forgets => Ok(()),
        _ if watched.expired => Err(format!("{who} was told 410, and nobody forgets anything")),
        Some(missed) => Err(format!("{who} was not given {missed:?}, after {} events", watched.seen.len())),
        None => Ok(()),
    }
}

/// How a watcher must be told of an event, if it must.
fn told(event: &Event, watched: &Watched) -> Option<Seen> {
    if &*event.object.key.resource != watched.resource {
        return None;
    }
    if watched.namespace.is_some_and(|namespace| *event.object.key.namespace != *namespace) {
        return None;
    }
    let selects = |object: &Object| watched.label.is_none_or(|(name, value)| object.facet.label(name) == Some(value));
    let (was, is) = (event.before.as_deref().is_some_and(selects), selects(&event.object));
    let what = match event.act {
        Act::Added if is => "ADDED",
        Act::Modified if is && was => "MODIFIED",
        Act::Modified if is => "ADDED",
        Act::Modified if was => "DELETED",
        Act::Deleted if is => "DELETED",
        _ => return None,
    };
    Some(Seen { what: what.into(), uid: event.object.uid.to_string(), revision: event.revision.0 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole::invariants::example::{Story, pod};

    #[test]
    fn breaks_are_found() {
        let mut whole = Story::default().put("a", "pods", pod("p", "", 1)).put("s", "pods", pod("p", "n1", 1)).whole();
        let told = |whole: &Whole, watched: &Watched| {
            whole.members.reference.events.iter().filter_map(|event| told(event, watched)).collect::<Vec<_>>()
        };
        let mut watched = Watched { resource: "pods", connections: 1, ..Watched::default() };
        watched.seen = told(&whole, &watched);
        assert_eq!(watched.seen.iter().map(|seen| seen.what.as_str()).collect::<Vec<_>>(), ["ADDED", "MODIFIED"]);
        whole.watches = vec![watched.clone()];
        assert_eq!(check(&whole), Ok(()));
        whole.watches[0].seen.swap(0, 1);
        assert!(check(&whole).is_err_and(|found| found.contains("was given")));
        whole.watches[0] = watched.clone();
        whole.watches[0].seen.pop();
        assert!(check(&whole).is_err_and(|found| found.contains("was not given")));
        whole.watches[0].expired = true;
        assert!(check(&whole).is_err_and(|found| found.contains("410")));
        whole.forgets = true;
        assert_eq!(check(&whole), Ok(()), "whoever keeps little may say so");
        watched.left = Some(1);
        watched.seen.pop();
        whole.watches = vec![watched.clone()];
        assert_eq!(check(&whole), Ok(()), "it was left before the second event");
        whole.watches[0].left = Some(2);
        assert!(check(&whole).is_err_and(|found| found.contains("was not given")), "told of 2 by a bookmark");
        watched.namespace = Some("e");
        assert!(told(&whole, &watched).is_empty(), "nothing is in that namespace");
        watched.namespace = None;
        watched.label = Some(("app", "web0"));
        assert!(told(&whole, &watched).is_empty(), "nothing has that label");
    }
}
