//! After the last fault, within bounded time: there is a leader, a write succeeds, and all members serve and are equal
//! (liveness: Raft, section 5.4 and the dissertation's 3.9 on availability).
use crate::evidence::Evidence;

pub(super) fn check(evidence: &Evidence) -> Result<(), String> {
    let calm = &evidence.calm;
    if let Some(ill) = calm.members.iter().find_map(|after| Some((after.member, after.illness.as_ref()?))) {
        return Err(format!("member {} serves nothing: {}", ill.0.0, ill.1));
    }
    if !calm.leader {
        return Err("no member leads".into());
    }
    if !calm.wrote {
        return Err("no write succeeds".into());
    }
    let states: Vec<_> = calm.members.iter().map(|after| (after.index, after.revision, after.hash)).collect();
    if states.windows(2).any(|pair| pair[0] != pair[1]) {
        return Err(format!("the members differ: {:?}", calm.members));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;
    use crate::invariants::example;

    #[test]
    fn breaks_are_found() {
        let good = example::evidence();
        assert_eq!(check(&good), Ok(()));
        let mut behind = good.clone();
        behind.calm.members[1].index -= 1;
        assert!(check(&behind).is_err_and(|found| found.contains("differ")));
        let mut ill = good.clone();
        ill.calm.members[1].illness = Some("disk".into());
        assert!(check(&ill).is_err_and(|found| found.contains("serves nothing")));
        let mut silent = good.clone();
        silent.calm.wrote = false;
        assert!(check(&silent).is_err_and(|found| found.contains("no write")));
        let mut headless = good;
        headless.calm.leader = false;
        assert!(check(&headless).is_err_and(|found| found.contains("leads")));
    }
}
