//! Yesterday's production under storms: a real cluster's log, taken from a stopped member, is where simulated clusters begin.
#![allow(clippy::disallowed_methods, reason = "a test of real processes waits in real time")]
mod cluster;

use cluster::{Cluster, eventually, rutter, text};
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Output};

fn simulate(dir: &Path, line: &str) -> Output {
    let mut command = Command::new(rutter());
    command.arg("simulate").args(line.split(' ')).arg("--from").arg(dir);
    command.output().expect("rutter runs")
}

/// A Deployment that runs, and one that no node can hold.
fn deployments() -> String {
    let of = |name: &str, cpu: &str| {
        let container = json!({"name": "c", "image": "rutter.dev/hello", "resources": {"requests": {"cpu": cpu}}});
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name}, "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": {"metadata": {"labels": {"app": name}}, "spec": {"containers": [container]}},
        }})
    };
    json!({"apiVersion": "v1", "kind": "List", "items": [of("runs", "10m"), of("never", "9999")]}).to_string()
}

#[test]
fn a_real_clusters_past_goes_on_under_storms() {
    let mut cluster = Cluster::start(18_520, &["--nodes", "2", "--runtime", "process"]);
    let file = cluster.path("deployments.json");
    std::fs::write(&file, deployments()).expect("writes");
    cluster.kubectl(&["create", "--validate=false", "-f", &file.display().to_string()]);
    eventually("one of them runs", || {
        let all: Value = serde_json::from_str(&cluster.kubectl(&["get", "deployment", "runs", "-o", "json"])).ok()?;
        (all["status"]["availableReplicas"] == 1).then_some(())
    });
    let member = cluster.home().join("members/m2");
    let refused = simulate(&member, "--runs 1 --for 1s");
    assert!(text(&refused.stderr).contains("stop the member first"), "{}", text(&refused.stderr));
    cluster.stop();

    let output = simulate(&member, "--runs 3 --seed 1 --for 10s --twice --output json");
    let (told, out) = (text(&output.stderr), text(&output.stdout));
    assert!(output.status.success(), "{told}\n{out}");
    assert!(
        told.contains("2 nodes; not at rest there, and need not come to rest: 3"),
        "never, its set and its pod: {told}"
    );
    let report: Value = serde_json::from_str(&out).expect("JSON");
    assert!(report["seeds"] == 3 && report["faults"].as_u64() > Some(0), "{report}");

    // What was there is there still, and the past before it too.
    let left = cluster.path("left");
    let output = simulate(&member, &format!("--runs 1 --seed 2 --for 5s --log {}", left.display()));
    assert!(output.status.success(), "{}", text(&output.stderr));
    let log = Command::new(rutter()).args(["log", "--output", "json", "--dir"]).arg(left.join("m3")).output();
    let log = text(&log.expect("rutter runs").stdout);
    let made = |line: &&str| {
        let line: Value = serde_json::from_str(line).expect("an entry is JSON");
        let commands = line["commands"].as_array().into_iter().flatten();
        let mut changes = commands.flat_map(|command| command["changes"].as_array().into_iter().flatten());
        changes.any(|change| change["key"] == "deployments.apps/default/never" && change["act"] == "added")
    };
    assert_eq!(log.lines().filter(made).count(), 1, "the entry that made it, as it was");
    let replay = |dir: &Path| cluster.rutter(&["replay", "--dir", &dir.display().to_string()]);
    let (real, pretended) = (replay(&member), replay(&left.join("m1")));
    assert!(pretended["revision"].as_u64() > real["revision"].as_u64(), "it went on: {pretended}");
    let revision = real["revision"].to_string();
    let there = cluster.rutter(&["replay", "--dir", &left.join("m3").display().to_string(), "--to", &revision]);
    assert_eq!(there["hash"], real["hash"], "at the last revision of the backup the state is the backup's");
}
