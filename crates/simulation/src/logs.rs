//! What a member's log holds, read through the member. It shows only what is committed.
use crate::evidence::Record;
use consensus::{Logged, Member};

/// All committed records that the member keeps.
#[must_use]
pub fn committed(member: &Member) -> Vec<Record> {
    between(member, 0, member.view().index())
}

/// The committed records from one index to another that the member keeps.
#[must_use]
pub fn between(member: &Member, from: u64, end: u64) -> Vec<Record> {
    let mut records: Vec<Record> = Vec::new();
    loop {
        let next = records.last().map_or(from, |last| last.index + 1);
        if next > end {
            return records;
        }
        let Ok(lines) = member.log(next, end) else { return records };
        if lines.is_empty() {
            return records;
        }
        records.extend(lines.into_iter().map(|line| {
            let entry = match line.what {
                Logged::Entry(entry) => Some(entry),
                _ => None,
            };
            Record { index: line.index, term: line.term, entry }
        }));
    }
}
