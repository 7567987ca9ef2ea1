//! A cluster's past as the past of another: what a simulation goes on from that begins at a backup. Every entry stays where it is, but
//! of members it knows only the one that goes on alone; others join it as they join any cluster. It changes nothing of what it reads.
use crate::frame::{payload_bytes, vote_bytes};
use crate::limits::READ_BYTES_MAX;
use crate::types::{MemberInfo, Membership, Payload, Vote};
use bytes::Bytes;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::Arc;
use store::disk::Disk;
use store::log::frame::{Frame, Kind, Position};
use store::log::{Log, Options};

/// Writes what `from` knows to be committed to an empty disk, as the log of `founder`, who has founded a cluster and is its only member.
///
/// # Errors
/// `InvalidData` if `from` no longer has its beginning; else if a disk fails or an entry cannot be read.
pub fn transplant(from: &Log, founder: &MemberInfo, to: Arc<dyn Disk>) -> io::Result<()> {
    let start = from.reader().start();
    if start > 0 {
        let why = format!("the log no longer has its beginning: it starts at index {start}");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let log = Log::open(to, Options::default()).map_err(io::Error::other)?;
    let end = from.committed().map_or(0, |position| position.index + 1);
    let (mut next, mut term) = (0, 1);
    while next < end {
        let part = from.reader().entries(next, end, READ_BYTES_MAX).map_err(io::Error::other)?;
        let frames: Vec<Frame> = part.into_iter().map(|(frame, _)| without_members(frame)).collect();
        let Some(last) = frames.last() else {
            return Err(io::Error::new(io::ErrorKind::InvalidData, format!("the log has no entry {next}")));
        };
        (next, term) = (last.index + 1, last.term.max(1));
        log.append(&frames).map_err(io::Error::other)?;
    }
    let alone = Membership::new(vec![BTreeSet::from([founder.id])], BTreeMap::from([(founder.id, founder.clone())]));
    let (_, time, payload) = payload_bytes(&Payload::Membership(alone.map_err(io::Error::other)?));
    log.append(&[Frame { index: next, term, leader: 0, time, kind: Kind::Membership, flags: 0, payload }])
        .and_then(|()| log.save_vote(&vote_bytes(&Vote::new(term, founder.id))))
        .and_then(|()| log.save_committed(Some(Position { index: next, term, leader: 0 })))
        .and_then(|()| log.flush())
        .map_err(io::Error::other)
}

fn without_members(frame: Frame) -> Frame {
    match frame.kind {
        Kind::Membership => Frame { kind: Kind::Blank, payload: Bytes::new(), ..frame },
        _ => frame,
    }
}
