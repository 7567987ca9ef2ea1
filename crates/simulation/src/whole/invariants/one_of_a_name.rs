//! At no moment do containers of two pods of one name run that a StatefulSet made, wherever they are and whoever can see them (Kubernetes'
//! StatefulSets: at most one pod of each identity). A name is the key to a disk or a seat in a quorum: two holders would ruin it.
use crate::clock::Nanos;
use crate::whole::evidence::Whole;
use std::collections::BTreeMap;

const KIND: &str = "StatefulSet";

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    let events = &evidence.members.reference.events;
    let of_sets = events.iter().map(|event| &event.object).filter(|object| {
        &*object.key.resource == "pods" && object.facet.controller().is_some_and(|owner| &*owner.kind == KIND)
    });
    let names: BTreeMap<String, _> = of_sets.map(|pod| (pod.uid.to_string(), &pod.key)).collect();
    let mut spans: BTreeMap<_, Vec<(Nanos, Option<Nanos>, &str)>> = BTreeMap::new();
    for life in &evidence.lives {
        if let Some(key) = names.get(&life.uid) {
            spans.entry(*key).or_default().push((life.from, life.to, &life.uid));
        }
    }
    for (key, mut spans) in spans {
        spans.sort_unstable();
        // Until when each pod of this name is known to run; `None`: to the end.
        let mut running: BTreeMap<&str, Option<Nanos>> = BTreeMap::new();
        for (from, to, uid) in spans {
            running.retain(|_, end| end.is_none_or(|end| end > from));
            if let Some((other, end)) = running.iter().find(|(other, _)| **other != uid) {
                return Err(format!("{key} began at {from} as {uid}, while {other} ran until {end:?}"));
            }
            let end = running.entry(uid).or_insert(to);
            *end = end.zip(to).map(|(end, to)| end.max(to));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Life;
    use crate::trace::Node;
    use crate::whole::invariants::example::{Story, owner, pod, uid};

    #[test]
    fn breaks_are_found() {
        let one = |kind: &str| {
            let mut pod = pod("db-0", "", 1);
            pod["metadata"]["ownerReferences"] = owner(kind, "db", "00000000-0000-8000-8000-000000000001");
            pod
        };
        let life = |machine, uid: &str, from, to| Life {
            machine: Node(machine),
            uid: uid.into(),
            container: "c".into(),
            from,
            to,
        };
        for (kind, found) in [(KIND, true), ("ReplicaSet", false)] {
            let first = Story::default().put("s", "pods", one(kind));
            let old = uid(&first.clone().whole(), "pods", "d", "db-0");
            let mut whole = first.delete("n", "pods", "d", "db-0").put("s", "pods", one(kind)).whole();
            let new = uid(&whole, "pods", "d", "db-0");
            assert_ne!(old, new);
            // One after the other, the first in two containers.
            whole.lives = vec![life(1, &old, 1, Some(9)), life(1, &old, 2, Some(5)), life(2, &new, 9, None)];
            assert_eq!(check(&whole), Ok(()));
            // The node that was cut off ran the old one on.
            whole.lives[1].to = None;
            assert_eq!(check(&whole).is_err_and(|found| found.contains("db-0 began at 9")), found);
        }
    }
}
