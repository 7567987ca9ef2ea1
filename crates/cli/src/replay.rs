//! `rutter replay`: folds the log of a stopped member again, without a network, and says where it came to: revision and state hash.
//! It writes nothing: the directory may be a copy, or on a disk that cannot be written.
use crate::failure::{Failure, Output};
use crate::operator;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
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
    let result = replay(flags, &mut |line| operator::print(output, line, crate::entry::show))?;
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

/// The log in a member's directory, which nobody else may have open.
pub(crate) fn open(dir: &Path) -> Result<(Log, String), Failure> {
    let place = dir.join("log");
    let shown = place.display().to_string();
    let there = std::fs::metadata(&place);
    if let Err(why) = &there
        && why.kind() == std::io::ErrorKind::PermissionDenied
    {
        return Err(Failure::new(format!("{shown}: {why}"), "give a directory that you may read"));
    }
    if !there.is_ok_and(|there| there.is_dir()) {
        return Err(Failure::new(
            format!("{shown} is not there"),
            "give the directory of a stopped member, such as .rutter/members/m1",
        ));
    }
    let disk = RealDisk::look(&place).map_err(|why| {
        let next = match why {
            DiskError::Locked(_) => "stop the member first, or give a copy of its directory",
            _ => "give a directory that you may read",
        };
        Failure::new(format!("{shown}: {why}"), next)
    })?;
    let log = store::replay::open(Arc::new(disk)).map_err(|why| bad(&shown, &why))?;
    if log.reader().last().is_none() && log.purged().is_none() {
        return Err(Failure::new(
            format!("{shown}: the log is empty or gone"),
            "another member's log holds the same history; `rutter member replace` puts a new member in this one's place",
        ));
    }
    Ok((log, shown))
}

fn bad(shown: &str, why: &HistoryError) -> Failure {
    let next = match why {
        HistoryError::Before { .. } => "give that revision or a later one with --from or --to",
        _ => "another member's log holds the same history",
    };
    Failure::new(format!("{shown}: {why}"), next)
}

/// The oldest state from which the log can be folded.
fn beginning(log: &Log, shown: &str) -> Result<Base, Failure> {
    History::open(log.reader().clone()).and_then(|history| history.beginning()).map_err(|why| bad(shown, &why))
}

/// Tells the entries that a stopped member holds, from the one that made revision `from` on, up to `to` or to the last that is known to
/// be committed.
///
/// # Errors
/// If there is no log, or it cannot be read.
pub(crate) fn entries(
    dir: &Path,
    from: Option<u64>,
    to: Option<u64>,
    each: &mut dyn FnMut(&Value),
) -> Result<(), Failure> {
    let (log, shown) = open(dir)?;
    let begun = beginning(&log, &shown)?;
    let oldest = begun.state.view().revision();
    if from.is_some_and(|from| from > 1 && from <= oldest.0) {
        return Err(bad(&shown, &HistoryError::Before { oldest }));
    }
    tell_entries(&log, &begun, from, to, each).map_err(|why| bad(&shown, &why))
}

/// Folds the log; `each` is told the entries, if they are asked for.
///
/// # Errors
/// If there is no log, or it cannot be read.
pub(crate) fn replay(flags: &Replay, each: &mut dyn FnMut(&Value)) -> Result<Value, Failure> {
    let (log, shown) = open(&flags.dir)?;
    let bad = |why: HistoryError| bad(&shown, &why);
    let begun = beginning(&log, &shown)?;
    let from = begun.state.view().revision();
    if flags.to.is_some_and(|to| to < from.0) {
        return Err(bad(HistoryError::Before { oldest: from }));
    }
    let committed = log.committed().map_or(0, |position| position.index);
    if flags.entries {
        tell_entries(&log, &begun, None, flags.to, each).map_err(bad)?;
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

/// The entries that are kept and known to be committed, from the one that made revision `from` on, up to the one that made `to`.
fn tell_entries(
    log: &Log,
    begun: &Base,
    from: Option<u64>,
    to: Option<u64>,
    each: &mut dyn FnMut(&Value),
) -> Result<(), HistoryError> {
    let committed = log.committed().map_or(0, |position| position.index);
    for line in Lines::new(Walk::new(log.reader().clone(), begun.state.clone(), u64::MAX)) {
        let line = line?;
        if line.index > committed || line.revisions.is_some_and(|(first, _)| to.is_some_and(|to| first.0 > to)) {
            break;
        }
        if from.is_none_or(|from| line.revisions.is_some_and(|(_, last)| last.0 >= from)) {
            each(&control::operator::log_line(&line));
        }
    }
    Ok(())
}
