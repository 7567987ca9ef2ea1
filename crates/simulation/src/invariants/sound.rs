//! No task panics, none goes round in a circle, and no member finds that its state differs from the others'
//! (hash agreement of the members among themselves).
use crate::evidence::Evidence;

pub(super) fn check(evidence: &Evidence) -> Result<(), String> {
    if let Some(panic) = evidence.panics.first() {
        return Err(format!("task {:?} of node {} panicked: {}", panic.task, panic.node.0, panic.message));
    }
    if let Some(task) = &evidence.livelock {
        return Err(format!("tasks go round in a circle; the last was {task:?}"));
    }
    evidence.diverged.first().map_or(Ok(()), |why| Err(format!("a member diverged: {why}")))
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::invariants::example;
    use crate::trace::Node;
    use crate::world::Panicked;

    #[test]
    fn breaks_are_found() {
        let mut evidence = example::evidence();
        assert_eq!(check(&evidence), Ok(()));
        evidence.livelock = Some("raft".into());
        assert!(check(&evidence).is_err_and(|found| found.contains("circle")));
        evidence.panics.push(Panicked { node: Node(2), task: "raft", message: "no".into() });
        assert!(check(&evidence).is_err_and(|found| found.contains("panicked")));
        let mut evidence = example::evidence();
        evidence.diverged.push("node 1 at 7".into());
        assert!(check(&evidence).is_err());
    }
}
