//! kill -9 of the leader, again and again, under sixteen writers and a watcher: nothing acknowledged is lost, nothing happens
//! twice, and the watcher sees each revision once and in order.
mod cluster;

use cluster::{rutter, text};
use serde_json::Value;
use std::process::Command;

#[test]
fn twenty_kills_of_the_leader() {
    let dir = tempfile::tempdir().expect("a directory");
    let output = Command::new(rutter())
        .args(["bench", "failover", "--kills", "20", "--writers", "16", "--api-port", "17943", "--output", "json"])
        .current_dir(dir.path())
        .output()
        .expect("rutter runs");
    assert!(output.status.success(), "{}{}", text(&output.stdout), text(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    println!("{found}");
    let number = |name: &str| found[name].as_u64().unwrap_or_else(|| panic!("{name} is missing: {found}"));
    assert!(number("kills") >= 18, "the leader was found and killed: {found}");
    assert!(number("acknowledged") > 500, "writers wrote: {found}");
    assert_eq!((number("lost"), number("events_missed"), number("events_twice")), (0, 0, 0), "{found}");
    assert_eq!(found["events_in_order"], true, "{found}");
}
