//! What a member's log holds, read through the member. It shows only what is committed.
use crate::evidence::Record;
use consensus::{Logged, Member};

/// All committed records that the member keeps.
#[must_use]
pub fn committed(member: &Member) -> Vec<Record> {
    let end = member.view().index();
    let mut records: Vec<Record> = Vec::new();
    loop {
        let next = records.last().map_or(0, |last| last.index + 1);
        let Ok(lines) = member.log(next, end) else { return records };
        if next > end || lines.is_empty() {
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
