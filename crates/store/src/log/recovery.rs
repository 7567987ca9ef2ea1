//! Opening a log that was written before: finds the last whole batch, cuts a write that was never finished, and refuses damage.
use crate::disk::Disk;
use crate::log::error::LogError;
use crate::log::frame::{self, Kind, Position};
use crate::log::ledger::{Ledger, Offsets, Segment};
use crate::log::reader::truncated_to;
use crate::log::segment::{End, Opening, later_batch, name, scan, sequence};

/// Reads what is on `disk`. With `mend`, what was never finished is cut off, and what is there is made durable.
pub(crate) fn recover(disk: &dyn Disk, cluster: Option<u128>, mend: bool) -> Result<Ledger, LogError> {
    let mut sequences: Vec<u64> = disk.list()?.iter().filter_map(|name| sequence(name)).collect();
    sequences.sort_unstable();
    for pair in sequences.windows(2) {
        if pair[1] != pair[0] + 1 {
            return Err(LogError::Hole { before: name(pair[1]) });
        }
    }
    // A crash while a segment was begun leaves one file, the last, without a whole opening.
    let mut begun: Option<(u64, Vec<u8>)> = None;
    loop {
        let Some(&last) = sequences.last() else {
            if let Some((sequence, bytes)) = begun {
                drop_begun(disk, sequence, &bytes, 1, mend)?;
            }
            return Ok(fresh(cluster));
        };
        let bytes = read_whole(disk, &name(last))?;
        match Opening::read(&name(last), &bytes)? {
            Some((opening, start)) => {
                let mut ledger = read_openings(disk, &sequences[..sequences.len() - 1])?;
                let end = read_last(&mut ledger, last, &opening, start, &bytes)?;
                match cluster {
                    Some(wanted) if wanted != ledger.now.cluster => {
                        return Err(LogError::Cluster { wanted, found: ledger.now.cluster });
                    }
                    _ => {}
                }
                if let Some((sequence, bytes)) = begun {
                    drop_begun(disk, sequence, &bytes, end.batch, mend)?;
                }
                if mend {
                    if end.torn {
                        tracing::warn!(
                            segment = name(last),
                            at = end.whole,
                            of = bytes.len(),
                            "cutting an unfinished write"
                        );
                        disk.truncate(&name(last), end.whole as u64)?;
                    }
                    // What was written before a crash of the process alone may not be durable yet.
                    disk.sync(&name(last))?;
                }
                return Ok(ledger);
            }
            None if begun.is_none() => {
                begun = Some((last, bytes));
                sequences.pop();
            }
            None => {
                return Err(LogError::Damaged {
                    segment: name(last),
                    offset: 0,
                    what: "the opening is damaged".into(),
                });
            }
        }
    }
}

fn fresh(cluster: Option<u128>) -> Ledger {
    let now = Opening { cluster: cluster.unwrap_or(0), batch: 1, ..Opening::default() };
    let mut ledger = Ledger::default();
    ledger.now = now;
    ledger
}

fn drop_begun(disk: &dyn Disk, sequence: u64, bytes: &[u8], batch: u64, mend: bool) -> Result<(), LogError> {
    if later_batch(bytes, 0, batch).is_some() || !Opening::unfinished(bytes) {
        return Err(LogError::Damaged { segment: name(sequence), offset: 0, what: "the opening is damaged".into() });
    }
    if mend {
        tracing::warn!(segment = name(sequence), "taking away a segment that was never begun");
        disk.remove(&name(sequence))?;
    }
    Ok(())
}

fn read_whole(disk: &dyn Disk, name: &str) -> Result<Vec<u8>, LogError> {
    let length = usize::try_from(disk.len(name)?).unwrap_or(usize::MAX);
    Ok(disk.read_at(name, 0, length)?)
}

/// The sealed segments by their openings; what they hold is read when somebody asks.
fn read_openings(disk: &dyn Disk, sequences: &[u64]) -> Result<Ledger, LogError> {
    let mut ledger = Ledger::default();
    for &sequence in sequences {
        let name = name(sequence);
        let bytes = disk.read_at(&name, 0, 4096)?;
        let Some((opening, _)) = Opening::read(&name, &bytes)? else {
            return Err(LogError::Damaged { segment: name, offset: 0, what: "the opening is damaged".into() });
        };
        let length = disk.len(&name)?;
        push(&mut ledger, sequence, Segment { name, opening, bytes: length, offsets: None, used: 0 })?;
    }
    Ok(ledger)
}

fn push(ledger: &mut Ledger, sequence: u64, segment: Segment) -> Result<(), LogError> {
    let damaged = |what: &str| LogError::Damaged { segment: segment.name.clone(), offset: 0, what: what.to_owned() };
    if segment.opening.sequence != sequence {
        return Err(damaged("it says that it is another segment"));
    }
    if let Some(before) = ledger.segments.last()
        && (before.opening.cluster != segment.opening.cluster || before.opening.batch > segment.opening.batch)
    {
        return Err(damaged("it does not follow the segment before it"));
    }
    ledger.segments.push(segment);
    Ok(())
}

fn read_last(
    ledger: &mut Ledger,
    sequence: u64,
    opening: &Opening,
    start: usize,
    bytes: &[u8],
) -> Result<End, LogError> {
    let segment = name(sequence);
    let mut now = Opening { gap: false, ..opening.clone() };
    let mut offsets = Offsets { first: opening.next, at: Vec::new() };
    // What is appended after a truncation goes on from the entry that is then last.
    let mut last_heads: Vec<frame::Head> = Vec::new();
    let end = scan(&segment, bytes, start, opening.batch, &mut |head, offset| {
        let damaged =
            |what: &str| LogError::Damaged { segment: segment.clone(), offset: offset as u64, what: what.to_owned() };
        let position = Position { index: head.index, term: head.term, leader: head.leader };
        match head.kind {
            Kind::Normal | Kind::Blank | Kind::Membership => {
                if head.index != now.next {
                    return Err(damaged("an entry out of order"));
                }
                offsets.push(offset as u64);
                last_heads.push(*head);
                now.next = head.index + 1;
                (now.term, now.leader, now.chain) = (head.term, head.leader, head.chain);
                now.time = now.time.max(head.time);
            }
            Kind::Vote => now.vote = frame::payload(head, &bytes[offset..]).to_vec(),
            Kind::Committed => now.committed = (head.flags & 1 != 0).then_some(position),
            Kind::Truncate => {
                let next = truncated_to(head.flags, head.index);
                if next > now.next || next < offsets.first {
                    return Err(damaged("a truncation to an entry that is not there"));
                }
                offsets.truncate(next);
                last_heads.truncate(offsets.at.len());
                // The mark carries what holds of the entry that is then last.
                now.next = next;
                (now.term, now.leader, now.time, now.chain) = (head.term, head.leader, head.time, head.chain);
            }
            Kind::Purge => now.purged = now.purged.max(Some(position)),
            Kind::Footer | Kind::Segment => {}
        }
        Ok(())
    })?;
    now.batch = end.batch;
    let whole = end.whole as u64;
    let last = Segment { name: segment, opening: opening.clone(), bytes: whole, offsets: Some(offsets), used: 0 };
    push(ledger, sequence, last)?;
    ledger.start = Ledger::first_readable(&ledger.segments);
    ledger.flushed = end.batch - 1;
    // What was taken away had been purged, though the mark of that may not have reached the disk.
    let first = ledger.segments.iter().rev().find(|segment| segment.opening.next == ledger.start);
    now.purged = now.purged.max(first.and_then(|segment| segment.opening.last()));
    now.sequence = sequence;
    ledger.now = now;
    Ok(end)
}
