//! No uid is given twice, and no object changes its own (Kubernetes' API: `metadata.uid` is unique in time and space).
use crate::whole::evidence::Whole;
use api::event::Act;
use std::collections::BTreeMap;

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    let mut born = BTreeMap::new();
    for event in &evidence.members.reference.events {
        let object = &event.object;
        if event.act == Act::Added {
            if let Some(before) = born.insert(object.uid.0, object.key.clone()) {
                return Err(format!("{} and {before} have the uid {}", object.key, object.uid));
            }
        } else if event.before.as_ref().is_some_and(|before| before.uid != object.uid) {
            return Err(format!("{} changes its uid at revision {}", object.key, event.revision));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::whole::invariants::example::{Story, pod};

    #[test]
    fn breaks_are_found() {
        let story = Story::default().put("a", "pods", pod("p", "", 1)).put("a", "pods", pod("q", "", 1));
        let mut whole = story.whole();
        assert_eq!(check(&whole), Ok(()));
        let mut again = (*whole.members.reference.events[0]).clone();
        again.revision = api::revision::Revision(9);
        whole.members.reference.events.push(std::sync::Arc::new(again));
        assert!(check(&whole).is_err_and(|found| found.contains("have the uid")));
    }
}
