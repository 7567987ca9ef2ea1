//! A pod is bound once: `spec.nodeName` never changes and never goes (Kubernetes' API: the binding of a pod is final).
use crate::whole::evidence::Whole;

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    let pods = evidence.members.reference.events.iter().filter(|event| &*event.object.key.resource == "pods");
    for event in pods {
        let node = |pod: &api::object::Object| pod.facet.field("spec.nodeName").unwrap_or_default().to_owned();
        let Some(before) = event.before.as_ref() else { continue };
        let (was, is) = (node(before), node(&event.object));
        if !was.is_empty() && was != is {
            return Err(format!("{} goes from node {was} to {is:?} at revision {}", event.object.key, event.revision));
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
        let story = || Story::default().put("a", "pods", pod("p", "", 1)).put("s", "pods", pod("p", "n1", 1));
        assert_eq!(check(&story().whole()), Ok(()));
        let moved = story().put("s", "pods", pod("p", "n2", 1)).whole();
        assert!(check(&moved).is_err_and(|found| found.contains("goes from node n1")));
    }
}
