//! A state made anew from the log, where its checkpoint is lost and Raft would go on from behind it. Deleting what can be rebuilt
//! costs time and nothing else. It reads the log and changes nothing.
use crate::entries::entry_of;
use crate::limits::READ_BYTES_MAX;
use crate::parcel::Parcel;
use crate::types::{Payload, SnapshotMeta, StoredMembership};
use api::record;
use openraft::entry::RaftEntry as _;
use std::io;
use store::apply::{apply, skip};
use store::log::Log;
use store::state::State;

/// The state at the last entry that Raft let go of, if `newest` does not reach that far; `None` if it does.
///
/// # Errors
/// If the log no longer has its beginning, or cannot be read.
pub(crate) fn rebuild(log: &Log, newest: Option<&Parcel>) -> io::Result<Option<Parcel>> {
    let Some(purged) = log.purged() else { return Ok(None) };
    let reached = newest.and_then(|parcel| parcel.meta.last_log_id).map(|last| last.index);
    if reached >= Some(purged.index) {
        return Ok(None);
    }
    if log.reader().start() > 0 {
        return Err(io::Error::other(
            "the checkpoint is lost and the log no longer has its beginning: remove this member and let it join anew",
        ));
    }
    tracing::warn!(to = purged.index, "the checkpoint is lost; the state is made anew from the log");
    let (mut state, mut meta, mut highest_member) = (State::default(), SnapshotMeta::default(), 0);
    let (mut next, end) = (0, purged.index + 1);
    let mut last_chain = None;
    while next < end {
        let part = log.reader().entries(next, end, READ_BYTES_MAX).map_err(io::Error::other)?;
        if part.is_empty() {
            return Err(io::Error::other(format!("the log has no entry {next}")));
        }
        for (frame, chain) in part {
            let entry = entry_of(frame)?;
            let id = entry.log_id();
            match &entry.payload {
                Payload::Blank => skip(&mut state, id.index),
                Payload::Membership(members) => {
                    skip(&mut state, id.index);
                    highest_member = members.nodes().map(|(id, _)| *id).max().unwrap_or(0).max(highest_member);
                    meta.last_membership = StoredMembership::new(Some(id), members.clone());
                }
                Payload::Normal(bytes) => {
                    let record = record::decode(&bytes.bytes).map_err(io::Error::other)?;
                    apply(&mut state, id.index, &record);
                }
            }
            meta.last_log_id = Some(id);
            last_chain = Some(chain);
            next = id.index + 1;
        }
    }
    Ok(Some(Parcel { meta, state, chain: last_chain.unwrap_or_default(), highest_member }))
}
