//! What objects cost once they are there: memory, disk, and how long a member takes to come back with them. One member, so
//! that the figures are one process's.
use super::cluster::Cluster;
use super::measure::{ratio, round};
use super::process;
use crate::failure::Failure;
use crate::operator;
use hyper::Method;
use serde_json::{Value, json};
use std::path::Path;
use std::time::Duration;

/// Clients of the load that makes the objects.
const CLIENTS: usize = 256;
/// A load that makes a given number of objects ends by itself; this is when it would be given up.
const SECONDS_MAX: u64 = 600;
/// Memory has settled when it changed by less than a hundredth over `SETTLED_POLLS` looks, or after `SETTLE_MAX`.
const SETTLE_POLL: Duration = Duration::from_millis(500);
const SETTLED_POLLS: u32 = 4;
const SETTLE_MAX: Duration = Duration::from_secs(20);

pub(crate) async fn run(cluster: &mut Cluster, dir: &Path, objects: usize, size: usize) -> Result<Value, Failure> {
    let pid = *cluster.pids().first().ok_or_else(|| Failure::new("no member runs", "measure again"))?;
    let (empty, written, disk) = (settled(pid).await, process::written(pid), bytes_below(dir));
    let clients = CLIENTS.min(objects.max(1));
    let ask = json!({"clients": clients, "size": size, "seconds": SECONDS_MAX, "objects": objects, "keep": true});
    let load = operator::ask(&cluster.target, Method::POST, "load", Some(&ask)).await?;
    let made = load.get("operations").and_then(Value::as_u64).unwrap_or(0);
    if made < objects as u64 {
        let why = load.get("error").and_then(Value::as_str).unwrap_or("the time was up");
        return Err(Failure::new(format!("{made} of {objects} objects could be made: {why}"), "see the member's log"));
    }
    let full = settled(pid).await;
    let (written, disk) = (process::written(pid).saturating_sub(written), bytes_below(dir).saturating_sub(disk));
    let restart = cluster.restart_all().await?;
    let after = match cluster.pids().first() {
        Some(pid) => settled(*pid).await,
        None => 0,
    };
    let logged = made * size as u64;
    Ok(json!({
        "objects": made,
        "object_bytes": size,
        "resident_empty_bytes": empty,
        "resident_bytes_per_object": round(ratio(full.saturating_sub(empty) as f64, made as f64)),
        "resident_after_restart_bytes_per_object": round(ratio(after.saturating_sub(empty) as f64, made as f64)),
        "written_per_logged_byte": round(ratio(written as f64, logged as f64)),
        "disk_per_logged_byte": round(ratio(disk as f64, logged as f64)),
        "restart_to_ready_ms": restart.as_millis() as u64,
    }))
}

/// Resident memory once it moves no longer.
async fn settled(pid: u32) -> u64 {
    let started = rt::now();
    let (mut last, mut still) = (process::resident(pid), 0);
    while still < SETTLED_POLLS && rt::now().since(started) < SETTLE_MAX {
        rt::sleep(SETTLE_POLL).await;
        let now = process::resident(pid);
        still = if now.abs_diff(last) * 100 < last { still + 1 } else { 0 };
        last = now;
    }
    last
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
