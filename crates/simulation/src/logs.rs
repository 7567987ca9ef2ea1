//! What a member's log holds, read through the member or from what it left on its disk. It shows only what is committed.
use crate::evidence::Record;
use consensus::{Logged, Member};
use store::log::Log;
use store::log::frame::Kind;

const BYTES_AT_ONCE: usize = 1 << 20;

/// All committed records from an index on that the member keeps.
#[must_use]
pub fn committed(member: &Member, from: u64) -> Vec<Record> {
    between(member, from, member.view().index())
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

/// All records of a stopped member's log that it knows to be committed, from the first on.
///
/// # Errors
/// If the log cannot be read, or has let go of its beginning.
pub fn kept(log: &Log) -> Result<Vec<Record>, String> {
    let end = log.committed().map_or(0, |position| position.index) + 1;
    let reader = log.reader();
    let mut records: Vec<Record> = Vec::new();
    let mut next = reader.start();
    if next > 1 {
        return Err(format!("the log begins at {next}"));
    }
    while next < end {
        let frames = reader.entries(next, end, BYTES_AT_ONCE).map_err(|why| why.to_string())?;
        let Some((last, _)) = frames.last() else { break };
        next = last.index + 1;
        for (frame, _) in frames {
            let entry = match frame.kind {
                Kind::Normal => Some(api::record::decode(&frame.payload).map_err(|why| why.to_string())?),
                _ => None,
            };
            records.push(Record { index: frame.index, term: frame.term, entry });
        }
    }
    Ok(records)
}
