//! `rutter replay`: folds the log of a stopped member again, without a network, and says where it came to: revision and state hash.
//! It writes nothing: the directory may be a copy, or on a disk that cannot be written.
use crate::failure::{Failure, Output};
use crate::operator;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use store::bases::Base;
use store::disk::DiskError;
use store::disk::real::RealDisk;
use store::history::History;
use store::log::Log;
use store::replay::Lines;
use store::walk::{HistoryError, Walk};

#[derive(Debug, clap::Args)]
pub(crate) struct Replay {
    /// The directory of a stopped member, or a copy of it.
    #[arg(long)]
    pub(crate) dir: PathBuf,
    /// The last revision to fold; by itself all that is known to be committed.
    #[arg(long)]
    pub(crate) to: Option<u64>,
    /// Print each entry on the way.
    #[arg(long)]
    pub(crate) entries: bool,
}

pub(crate) fn run(flags: &Replay, output: Output) -> Result<(), Failure> {
    let result = replay(flags, &mut |line| operator::print(output, line, crate::log::show))?;
    operator::print(output, &result, |result| {
        let begun = match result["from"].as_u64() {
            Some(from) if from > 0 => format!(", from the state kept at revision {from}"),
            _ => String::new(),
        };
        format!(
            "revision {} at index {}, {} objects, state hash {}{begun}\n",
            result["revision"],
            result["index"],
            result["objects"],
            result["hash"].as_str().unwrap_or_default()
        )
    });
    Ok(())
}

/// Folds the log; `each` is told the entries, if they are asked for.
///
/// # Errors
/// If there is no log, or it cannot be read.
pub(crate) fn replay(flags: &Replay, each: &mut dyn FnMut(&Value)) -> Result<Value, Failure> {
    let place = flags.dir.join("log");
    let shown = place.display().to_string();
    if !place.is_dir() {
        return Err(Failure::new(
            format!("{shown} is not there"),
            "give the directory of a stopped member, such as .rutter/members/m1",
        ));
    }
    let disk = RealDisk::look(&place).map_err(|why| {
        let next = match why {
            DiskError::Locked(_) => "stop the member first, or replay a copy of its directory",
            _ => "give a directory that you may read",
        };
        Failure::new(format!("{shown}: {why}"), next)
    })?;
    let bad = |why: HistoryError| {
        let next = match why {
            HistoryError::Before { .. } => "give --to that revision or a later one",
            _ => "another member's log holds the same history",
        };
        Failure::new(format!("{shown}: {why}"), next)
    };
    let log = store::replay::open(Arc::new(disk)).map_err(bad)?;
    if log.reader().last().is_none() && log.purged().is_none() {
        return Err(Failure::new(
            format!("{shown}: the log is empty or gone"),
            "another member's log holds the same history; `rutter member replace` puts a new member in this one's place",
        ));
    }
    let begun = History::open(log.reader().clone()).and_then(|history| history.beginning()).map_err(bad)?;
    let from = begun.state.view().revision();
    if flags.to.is_some_and(|to| to < from.0) {
        return Err(bad(HistoryError::Before { oldest: from }));
    }
    let committed = log.committed().map_or(0, |position| position.index);
    if flags.entries {
        tell_entries(&log, &begun, flags.to, committed, each).map_err(bad)?;
    }
    let reached = |state: &store::state::State| match flags.to {
        Some(to) => state.view().revision().0 >= to,
        None => state.view().index() >= committed,
    };
    let replayed = store::replay::replay(&log, Some(begun), &mut |state| reached(state)).map_err(bad)?;
    let view = replayed.state.view();
    Ok(json!({
        "from": from.0,
        "revision": view.revision().0,
        "index": view.index(),
        "time": view.time().rfc3339(),
        "hash": view.hash().to_string(),
        "chain": replayed.chain.to_string(),
        "entries": replayed.entries,
        "objects": view.all().count(),
    }))
}

/// The entries that are kept, up to revision `to` or to the last that is known to be committed.
fn tell_entries(
    log: &Log,
    begun: &Base,
    to: Option<u64>,
    committed: u64,
    each: &mut dyn FnMut(&Value),
) -> Result<(), HistoryError> {
    for line in Lines::new(Walk::new(log.reader().clone(), begun.state.clone(), u64::MAX)) {
        let line = line?;
        if to.map_or(line.index > committed, |to| line.revisions.is_some_and(|(first, _)| first.0 > to)) {
            break;
        }
        each(&control::operator::log_line(&line));
    }
    Ok(())
}
