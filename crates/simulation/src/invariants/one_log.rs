//! One record at each index, on every member (Raft, figure 3: log matching and state machine safety), without a hole, and
//! with terms and stamps that never go back.
use crate::evidence::{Evidence, MemberLog};

pub(super) fn check(evidence: &Evidence) -> Result<(), String> {
    for log in &evidence.logs {
        alone(log)?;
    }
    let Some(longest) = evidence.logs.iter().max_by_key(|log| log.records.len()) else { return Ok(()) };
    for log in &evidence.logs {
        // One that keeps little begins later.
        let first = log
            .records
            .first()
            .zip(longest.records.first())
            .map_or(0, |(own, other)| own.index.saturating_sub(other.index));
        let beside = longest.records.iter().skip(usize::try_from(first).unwrap_or(usize::MAX));
        for (one, two) in log.records.iter().zip(beside) {
            if one != two {
                let (a, b) = (log.member.0, longest.member.0);
                return Err(format!("index {} differs: member {a} has {one:?}, member {b} has {two:?}", one.index));
            }
        }
    }
    Ok(())
}

fn alone(log: &MemberLog) -> Result<(), String> {
    let member = log.member.0;
    let (mut term, mut time) = (0, api::revision::Millis(0));
    for (place, record) in log.records.iter().enumerate() {
        if record.index != log.records[0].index + place as u64 {
            return Err(format!("member {member} has a hole before index {}", record.index));
        }
        let stamp = record.entry.as_ref().map_or(time, |entry| entry.time);
        if record.term < term || stamp < time {
            return Err(format!("member {member}: term or stamp goes back at index {}", record.index));
        }
        (term, time) = (record.term, stamp);
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
        let mut other = good.clone();
        other.logs[1].records[2].entry.as_mut().expect("an entry").commands[0].actor = "someone else".into();
        assert!(check(&other).is_err_and(|found| found.contains("index 3 differs")));
        let mut hole = good.clone();
        hole.logs[0].records.remove(1);
        assert!(check(&hole).is_err_and(|found| found.contains("hole")));
        let mut back = good;
        back.logs[2].records[3].entry.as_mut().expect("an entry").time = api::revision::Millis(1);
        assert!(check(&back).is_err_and(|found| found.contains("goes back")));
    }
}
