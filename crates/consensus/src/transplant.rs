//! A cluster's past as the past of another: what a simulation goes on from that begins at a backup. Every entry stays where it is, and the
//! state before the first one if the log no longer has its beginning; but of members it knows only the one that goes on alone. Others join
//! it as they join any cluster. It changes nothing of what it reads.
use crate::frame::{payload_bytes, vote_bytes};
use crate::limits::READ_BYTES_MAX;
use crate::parcel::Parcel;
use crate::rebuild::{failed, keep};
use crate::types::{MemberInfo, Membership, Payload, StoredMembership, Vote, term_of};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use store::disk::Disk;
use store::history::History;
use store::log::frame::{Frame, Kind, Position};
use store::log::{Log, Options};

/// Writes what `from` knows to be committed to an empty disk, as the log of `founder`, who has founded a cluster and is its only member.
///
/// # Errors
/// If a disk fails, or an entry or the state before the first cannot be read.
pub fn transplant(from: &Log, founder: &MemberInfo, to: Arc<dyn Disk>) -> io::Result<()> {
    let alone = Membership::new(vec![BTreeSet::from([founder.id])], BTreeMap::from([(founder.id, founder.clone())]));
    let alone = alone.map_err(io::Error::other)?;
    let log = Log::open(to, Options::default()).map_err(io::Error::other)?;
    let end = from.committed().map_or(0, |position| position.index + 1);
    let (mut next, mut term) = begin(from, &log, &alone, founder.id)?.unwrap_or((0, 1));
    while next < end {
        let part = from.reader().entries(next, end, READ_BYTES_MAX).map_err(io::Error::other)?;
        let frames: Vec<Frame> = part.into_iter().map(|(frame, _)| without_members(frame)).collect();
        let Some(last) = frames.last() else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("the log has no entry {next}")));
        };
        (next, term) = (last.index + 1, last.term.max(1));
        log.append(&frames).map_err(io::Error::other)?;
    }
    let (_, time, payload) = payload_bytes(&Payload::Membership(alone));
    log.append(&[Frame { index: next, term, leader: 0, time, kind: Kind::Membership, flags: 0, payload }])
        .and_then(|()| log.save_vote(&vote_bytes(&Vote::new(term, founder.id))))
        .and_then(|()| log.save_committed(Some(Position { index: next, term, leader: 0 })))
        .and_then(|()| log.flush())
        .map_err(io::Error::other)
}

/// Where `from` has lost its beginning, `to` begins after the same state; the next index, and the term so far.
fn begin(from: &Log, to: &Log, alone: &Membership, founder: u64) -> io::Result<Option<(u64, u64)>> {
    if from.reader().start() == 0 {
        return Ok(None);
    }
    let base = History::open(from.reader().clone()).and_then(|history| history.beginning()).map_err(failed)?;
    let mut parcel = Parcel::of(base.state, base.chain, &base.note)?;
    let Some(last) = parcel.meta.last_log_id else { return Ok(None) };
    parcel.meta.last_membership = StoredMembership::new(Some(last), alone.clone());
    parcel.highest_member = founder;
    keep(&History::open(to.reader().clone()).map_err(failed)?, &parcel)?;
    let at = Position { index: last.index, term: term_of(&last), leader: 0 };
    to.purge(at, Some(base.chain)).map_err(io::Error::other)?;
    Ok(Some((last.index + 1, at.term)))
}

fn without_members(frame: Frame) -> Frame {
    match frame.kind {
        Kind::Membership => Frame { kind: Kind::Blank, payload: Bytes::new(), ..frame },
        _ => frame,
    }
}
