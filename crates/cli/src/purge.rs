//! `rutter purge`: ends what the nodes of a directory left on this machine: shims, namespaces, links, rules, mounts. It leaves the
//! directory itself, and touches nothing of other directories.
use crate::failure::{Failure, Output};
use crate::{operator, up};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Args)]
pub(crate) struct Purge {
    /// The directory of a stopped `rutter up`, or of a stopped `rutter node`.
    #[arg(long, default_value = ".rutter")]
    dir: PathBuf,
}

pub(crate) async fn run(flags: &Purge, output: Output) -> Result<(), Failure> {
    let mut ended = Vec::new();
    if !flags.dir.is_dir() {
        let what = format!("{}: there is no such directory", flags.dir.display());
        return Err(Failure::new(what, "say with --dir where `rutter up` or `rutter node` ran"));
    }
    let _lock = up::lock::lock(&flags.dir)?;
    let binary = std::env::current_exe()
        .map_err(|why| Failure::new(format!("this binary cannot be found: {why}"), "start it by its full path"))?;
    for node in nodes(&flags.dir) {
        let gone = ::node::agent::purge(&node, &binary).await;
        ended.extend(gone.map_err(|why| {
            Failure::new(format!("{}: {why}", node.display()), "stop the node, and purge as the user who ran it")
        })?);
    }
    operator::print(output, &json!({"ended": ended}), |result| {
        let ended: Vec<&str> = result["ended"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        if ended.is_empty() { "nothing was left\n".into() } else { format!("ended {}\n", ended.join(", ")) }
    });
    Ok(())
}

/// The directory itself, and those of the nodes below it.
fn nodes(dir: &Path) -> Vec<PathBuf> {
    let below = std::fs::read_dir(dir.join("nodes")).into_iter().flatten().flatten().map(|entry| entry.path());
    let mut nodes: Vec<PathBuf> = [dir.to_owned()].into_iter().chain(below.filter(|path| path.is_dir())).collect();
    nodes.sort();
    nodes
}
