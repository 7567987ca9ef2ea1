//! Each kind of benchmark, small and short: it runs, and answers with the fields that its readers look for.
mod cluster;

use cluster::{Cluster, rutter, text};
use serde_json::Value;
use std::process::Command;

fn bench(arguments: &[&str]) -> Value {
    let dir = tempfile::tempdir().expect("a directory");
    let mut command = Command::new(rutter());
    command.arg("bench").args(arguments).args(["--output", "json"]).current_dir(dir.path()).env_remove("KUBECONFIG");
    let output = command.output().expect("rutter runs");
    assert!(output.status.success(), "{arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
    let found: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    println!("{arguments:?}: {found}");
    found
}

fn assert_numbers(found: &Value, fields: &[&str]) {
    for field in fields {
        assert!(found[*field].is_number(), "{field} is no number: {found}");
    }
}

const SUMMARY: [&str; 12] = [
    "rounds",
    "operations",
    "errors",
    "seconds",
    "ops_per_second",
    "ops_per_second_min",
    "ops_per_second_max",
    "p50_us",
    "p99_us",
    "cpu_us_per_op",
    "cpu_us_per_op_min",
    "cpu_us_per_op_max",
];

#[test]
fn log() {
    let short = ["log", "--seconds", "1", "--rounds", "2", "--clients", "4", "--api-port", "16443"];
    let peer = Command::new("etcd").arg("--version").output().is_ok();
    if !peer {
        eprintln!("without etcd (scripts/install bench installs it): Rutter alone");
    }
    let more: &[&str] = if peer { &["--peer", "etcd", "--etcd-port", "16379"] } else { &[] };
    let found = bench(&[&short[..], more].concat());
    assert_numbers(&found["rutter"], &SUMMARY);
    assert_eq!(found["rutter"]["errors"], 0, "{found}");
    if peer {
        assert_numbers(&found["etcd"], &SUMMARY);
        assert_numbers(&found, &["cpu_ratio", "throughput_ratio", "p99_ratio"]);
    }
}

#[test]
fn api_and_watch() {
    let cluster = Cluster::start(16543, &["--members", "1", "--nodes", "0"]);
    let config = cluster.kubeconfig().display().to_string();
    let words = ["api", "--kubeconfig", &config, "--seconds", "1", "--rounds", "1"];
    let found = bench(&[&words[..], &["--clients", "4", "--objects", "10", "--watchers", "4"]].concat());
    let operations = ["create", "get", "list", "page", "update", "patch", "status-patch", "apply", "mixed"];
    for operation in operations {
        assert_numbers(&found[operation], &SUMMARY);
        assert_numbers(&found[operation], &["resident_bytes", "clients", "size"]);
        assert_eq!(found[operation]["errors"], 0, "{operation}: {found}");
    }
    let watch = &found["watch"];
    assert_numbers(watch, &SUMMARY);
    assert_numbers(watch, &["resident_per_watcher_bytes"]);
    assert_eq!(
        (&watch["operations"], &watch["errors"]),
        (&80.into(), &0.into()),
        "every watcher saw every change: {found}"
    );
}

#[test]
fn failover() {
    let found = bench(&["failover", "--kills", "1", "--writers", "4", "--api-port", "16643"]);
    assert_numbers(&found, &["kills", "acknowledged", "lost", "events", "events_missed", "events_twice"]);
    assert_numbers(&found, &["gap_ms_median", "gap_ms_longest"]);
    assert_eq!((&found["lost"], &found["events_in_order"]), (&0.into(), &true.into()), "{found}");
}

#[test]
fn state() {
    let found = bench(&["state", "--objects", "1000", "--api-port", "16743"]);
    let memory = ["resident_empty_bytes", "resident_bytes_per_object", "resident_after_restart_bytes_per_object"];
    assert_numbers(&found, &memory);
    assert_numbers(&found, &["objects", "written_per_logged_byte", "disk_per_logged_byte", "restart_to_ready_ms"]);
    assert_eq!(found["objects"], 1000, "{found}");
}
