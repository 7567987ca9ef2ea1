//! What objects cost once they are there: memory, disk, and how long a member takes to come back with them. One member, so
//! that the figures are one process's.
use super::measure::{ratio, round};
use super::process;
use crate::failure::Failure;
use crate::operator;
use crate::up::Members;
use hyper::Method;
use serde_json::{Value, json};
use std::path::Path;

/// Clients of the load that makes the objects.
const CLIENTS: usize = 256;
/// A load that makes a given number of objects ends by itself; this is when it would be given up.
const SECONDS_MAX: u64 = 600;

pub(crate) async fn run(cluster: &mut Members, dir: &Path, objects: usize, size: usize) -> Result<Value, Failure> {
    let pid = *cluster.pids().first().ok_or_else(|| Failure::new("no member runs", "measure again"))?;
    let (empty, written, disk) = (process::resident(pid), process::written(pid), bytes_below(dir));
    let ask = json!({"clients": CLIENTS, "size": size, "seconds": SECONDS_MAX, "objects": objects});
    let load = operator::ask(&cluster.target, Method::POST, "load", Some(&ask)).await?;
    let made = load.get("operations").and_then(Value::as_u64).unwrap_or(0);
    if made < objects as u64 {
        return Err(Failure::new(format!("{made} of {objects} objects could be made: {load}"), "see the member's log"));
    }
    let full = process::resident(pid);
    let (written, disk) = (process::written(pid) - written, bytes_below(dir) - disk);
    let restart = cluster.restart_all().await?;
    let after = cluster.pids().first().map_or(0, |pid| process::resident(*pid));
    let logged = made * size as u64;
    Ok(json!({
        "objects": made,
        "object_bytes": size,
        "resident_empty_bytes": empty,
        "resident_bytes_per_object": round(ratio((full - empty) as f64, made as f64)),
        "resident_after_restart_bytes_per_object": round(ratio(after.saturating_sub(empty) as f64, made as f64)),
        "written_per_logged_byte": round(ratio(written as f64, logged as f64)),
        "disk_per_logged_byte": round(ratio(disk as f64, logged as f64)),
        "restart_to_ready_ms": restart.as_millis() as u64,
    }))
}

fn bytes_below(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| {
            let path = entry.path();
            if path.is_dir() {
                return bytes_below(&path);
            }
            // Blocks, not length: a segment filled ahead has room that holds nothing yet.
            entry.metadata().map_or(0, |data| std::os::unix::fs::MetadataExt::blocks(&data) * 512)
        })
        .sum()
}
