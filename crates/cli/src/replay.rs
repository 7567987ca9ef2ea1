//! `rutter replay`: folds the log of a stopped member again, without a network, and says where it came to: revision and state hash.
use crate::failure::{Failure, Output};
use crate::operator;
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use store::disk::real::RealDisk;
use store::replay;

#[derive(Debug, clap::Args)]
pub(crate) struct Replay {
    /// The directory of a stopped member.
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
        let hash = result["hash"].as_str().unwrap_or_default();
        format!(
            "revision {} at index {}, {} objects, state hash {hash}\n",
            result["revision"], result["index"], result["objects"]
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
    let stopped = |why: &dyn std::fmt::Display| Failure::new(format!("{shown}: {why}"), "stop the member first");
    let disk = RealDisk::open(&place).map_err(|why| stopped(&why))?;
    let log = replay::open(Arc::new(disk))
        .map_err(|why| Failure::new(format!("{shown}: {why}"), "another member's log holds the same history"))?;
    let committed = log.committed().map_or(0, |position| position.index);
    let bad = |why: store::walk::HistoryError| {
        Failure::new(format!("{shown}: {why}"), "another member's log holds the same history")
    };
    if flags.entries {
        for line in replay::Lines::of(&log).map_err(bad)? {
            let line = line.map_err(bad)?;
            if flags.to.map_or(line.index > committed, |to| line.revisions.is_some_and(|(first, _)| first.0 > to)) {
                break;
            }
            each(&control::operator::log_line(&line));
        }
    }
    let reached = |state: &store::state::State| match flags.to {
        Some(to) => state.view().revision().0 >= to,
        None => state.view().index() >= committed,
    };
    let replayed = replay::replay(&log, None, &mut |state| reached(state)).map_err(bad)?;
    let view = replayed.state.view();
    Ok(json!({
        "revision": view.revision().0,
        "index": view.index(),
        "time": view.time().rfc3339(),
        "hash": view.hash().to_string(),
        "entries": replayed.entries,
        "objects": view.all().count(),
    }))
}
