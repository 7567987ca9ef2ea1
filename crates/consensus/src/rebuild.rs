//! A state made anew from the log: where the checkpoint is lost and Raft would go on from behind it, and as a place to go on from
//! once what came before is taken away. It reads the log and changes nothing.
use crate::entries::entry_of;
use crate::limits::READ_BYTES_MAX;
use crate::parcel::Parcel;
use crate::types::{Payload, StoredMembership};
use api::record;
use openraft::entry::RaftEntry as _;
use std::io;
use store::apply::{apply, skip};
use store::bases::Base;
use store::history::History;
use store::log::Log;

/// The state at the last entry that Raft let go of, if `newest` does not reach that far; `None` if it does.
///
/// # Errors
/// If the log no longer has what is needed, or cannot be read.
pub(crate) fn rebuild(log: &Log, history: &History, newest: Option<&Parcel>) -> io::Result<Option<Parcel>> {
    let Some(purged) = log.purged() else { return Ok(None) };
    if newest.and_then(reached) >= Some(purged.index) {
        return Ok(None);
    }
    tracing::warn!(to = purged.index, "the checkpoint is lost or old; the state is made anew from the log");
    state_at(log, history, newest, purged.index).map(Some)
}

fn reached(parcel: &Parcel) -> Option<u64> {
    parcel.meta.last_log_id.map(|last| last.index)
}

/// The state after the entry at `index`: from `newest` or a base, whichever is nearer, or from the log's beginning.
///
/// # Errors
/// As `rebuild`.
pub(crate) fn state_at(log: &Log, history: &History, newest: Option<&Parcel>, index: u64) -> io::Result<Parcel> {
    let start = log.reader().start();
    let newest = newest.filter(|parcel| reached(parcel).is_some_and(|at| at <= index && at + 1 >= start));
    let base = history
        .base_before(index)
        .map_err(failed)
        .and_then(|base| base.map(|base| Parcel::of(base.state, base.chain, &base.note)).transpose());
    let base = base.inspect_err(|why| tracing::warn!(%why, "a state beside the log cannot be used")).ok().flatten();
    let nearest = newest.cloned().into_iter().chain(base).max_by_key(reached);
    let mut parcel = match nearest {
        Some(parcel) => parcel,
        None if start == 0 => Parcel::default(),
        None => {
            let why = "the checkpoint is lost, and the log has neither its beginning nor a state to go on from";
            return Err(io::Error::new(io::ErrorKind::NotFound, why));
        }
    };
    let mut next = reached(&parcel).map_or(0, |at| at + 1);
    while next <= index {
        let part = log.reader().entries(next, index + 1, READ_BYTES_MAX).map_err(io::Error::other)?;
        if part.is_empty() {
            return Err(io::Error::new(io::ErrorKind::NotFound, format!("the log has no entry {next}")));
        }
        for (frame, chain) in part {
            let entry = entry_of(frame)?;
            let id = entry.log_id();
            match &entry.payload {
                Payload::Blank => skip(&mut parcel.state, id.index),
                Payload::Membership(members) => {
                    skip(&mut parcel.state, id.index);
                    let highest = members.nodes().map(|(id, _)| *id).max().unwrap_or(0);
                    parcel.highest_member = parcel.highest_member.max(highest);
                    parcel.meta.last_membership = StoredMembership::new(Some(id), members.clone());
                }
                Payload::Normal(bytes) => {
                    let record = record::decode(&bytes.bytes).map_err(io::Error::other)?;
                    apply(&mut parcel.state, id.index, &record);
                }
            }
            parcel.meta.last_log_id = Some(id);
            parcel.chain = chain;
            next = id.index + 1;
        }
    }
    Ok(parcel)
}

/// The parcel as a base beside the log; durable when this returns.
///
/// # Errors
/// If the disk fails.
pub(crate) fn keep(history: &History, parcel: &Parcel) -> io::Result<()> {
    let base = Base { state: parcel.state.clone(), chain: parcel.chain, note: parcel.note()? };
    history.save_base(&base).map_err(failed)
}

/// Errors of the log keep their kind: whoever starts a member asks whether something was lost.
pub(crate) fn failed(why: store::walk::HistoryError) -> io::Error {
    match why {
        store::walk::HistoryError::Log(why) => io::Error::other(why),
        why => io::Error::new(io::ErrorKind::InvalidData, why.to_string()),
    }
}
