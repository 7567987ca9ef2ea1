//! The log as people read it: line by line, as far back as it is retained. It changes nothing.
use crate::entries::entry_of;
use crate::limits::{LOG_LINES_MAX, READ_BYTES_MAX};
use crate::types::{MemberInfo, Payload};
use api::command::Entry;
use api::record;
use store::log::error::LogError;
use store::log::frame::{Chain, Frame};
use store::log::reader::Reader;

/// One entry of the log, for people.
#[derive(Clone, Debug)]
pub struct LogLine {
    pub index: u64,
    pub term: u64,
    /// The hash of the log up to and including this entry.
    pub chain: Chain,
    pub what: Logged,
}

#[derive(Clone, Debug)]
pub enum Logged {
    /// A new leader's first entry.
    Blank,
    Membership(Vec<MemberInfo>),
    Entry(Entry),
    /// It cannot be read.
    Damaged(String),
}

/// The entries from index `from` to `to`, both included, at most `LOG_LINES_MAX`, as far back as they are retained.
pub(crate) fn lines(reader: &Reader, from: u64, to: u64) -> Result<Vec<LogLine>, LogError> {
    let mut lines: Vec<LogLine> = Vec::new();
    let mut next = from.max(reader.start());
    while next <= to && lines.len() < LOG_LINES_MAX {
        let found = reader.entries(next, to.saturating_add(1), READ_BYTES_MAX)?;
        let Some((last, _)) = found.last() else { break };
        next = last.index + 1;
        lines.extend(found.into_iter().map(|(frame, chain)| line(frame, chain)));
    }
    lines.truncate(LOG_LINES_MAX);
    Ok(lines)
}

fn line(frame: Frame, chain: Chain) -> LogLine {
    let (index, term) = (frame.index, frame.term);
    let what = match entry_of(frame).map(|entry| entry.payload) {
        Err(why) => Logged::Damaged(why.to_string()),
        Ok(Payload::Blank) => Logged::Blank,
        Ok(Payload::Membership(members)) => Logged::Membership(members.nodes().map(|(_, info)| info.clone()).collect()),
        Ok(Payload::Normal(bytes)) => {
            record::decode(&bytes.bytes).map_or_else(|why| Logged::Damaged(why.to_string()), Logged::Entry)
        }
    };
    LogLine { index, term, chain, what }
}
