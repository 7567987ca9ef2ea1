//! kill -9 again and again, under sixteen writers and a watcher: nothing acknowledged is lost, nothing happens twice, no read is
//! stale, the watcher sees each revision once and in order, and in the end members and replays agree.
mod cluster;

use cluster::{rutter, text};
use serde_json::Value;
use std::process::Command;

fn trial(port: &str, victim: &str, kills: u64) {
    let dir = tempfile::tempdir().expect("a directory");
    let output = Command::new(rutter())
        .args(["bench", "failover", "--writers", "16", "--output", "json", "--api-port", port])
        .args(["--kills", &kills.to_string(), "--victim", victim])
        .current_dir(dir.path())
        .output()
        .expect("rutter runs");
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    println!("{found}");
    let number = |name: &str| found[name].as_u64().unwrap_or_else(|| panic!("{name} is missing: {found}"));
    assert_eq!(number("kills"), kills, "{found}");
    assert!(number("acknowledged") > 500, "writers wrote: {found}");
    assert_eq!((number("lost"), number("twice")), (0, 0), "{found}");
    assert_eq!(found["impossible"], serde_json::json!([]), "{found}");
    assert_eq!((number("events_missed"), number("events_twice")), (0, 0), "{found}");
    for name in ["events_in_order", "hashes_equal", "replays_equal"] {
        assert_eq!(found[name], true, "{name}: {found}");
    }
}

#[test]
fn twenty_kills_of_the_leader() {
    trial("17943", "leader", 20);
}

#[test]
fn ten_kills_of_any_member() {
    trial("17953", "any", 10);
}
