//! No container of a pod runs twice at once, on one machine or on two: a pod of one uid is one thing (Kubernetes' API: pods are bound once
//! and never moved; at most one instance of each container).
use crate::whole::evidence::Whole;
use std::collections::BTreeMap;

pub(super) fn check(evidence: &Whole) -> Result<(), String> {
    let mut lives: BTreeMap<(&str, &str), Vec<_>> = BTreeMap::new();
    let mut machines = BTreeMap::new();
    for life in &evidence.lives {
        let machine = machines.entry(&*life.uid).or_insert(life.machine);
        if *machine != life.machine {
            return Err(format!("pod {} ran on machines {} and {}", life.uid, machine.0, life.machine.0));
        }
        lives.entry((&life.uid, &life.container)).or_default().push((life.from, life.to));
    }
    for ((uid, container), mut spans) in lives {
        spans.sort_unstable();
        for pair in spans.windows(2) {
            if pair[0].1.is_none_or(|end| end > pair[1].0) {
                return Err(format!("container {container} of pod {uid} ran twice at once: {pair:?}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Life;
    use crate::trace::Node;

    #[test]
    fn breaks_are_found() {
        let life =
            |machine, from, to| Life { machine: Node(machine), uid: "u".into(), container: "c".into(), from, to };
        let mut whole = Whole { lives: vec![life(1, 5, Some(9)), life(1, 9, None)], ..Whole::default() };
        assert_eq!(check(&whole), Ok(()));
        whole.lives.push(life(1, 12, None));
        assert!(check(&whole).is_err_and(|found| found.contains("twice at once")));
        whole.lives[2] = life(2, 12, None);
        assert!(check(&whole).is_err_and(|found| found.contains("on machines 1 and 2")));
    }
}
