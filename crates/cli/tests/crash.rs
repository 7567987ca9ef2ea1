//! kill -9 again and again, under sixteen writers and a watcher: nothing acknowledged is lost, nothing happens twice, no read is
//! stale, the watcher sees each revision once and in order, and in the end members and replays agree.
mod cluster;

use cluster::{Cluster, eventually, marked, rutter, text};
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

/// (container id, restarts) of each pod, by name.
fn containers(cluster: &Cluster) -> Vec<String> {
    let path = "jsonpath={range .items[*]}{.metadata.name} {.status.containerStatuses[0].containerID} {.status.containerStatuses[0].restartCount}{\"\\n\"}{end}";
    let mut lines: Vec<String> = cluster.kubectl(&["get", "pods", "-o", path]).lines().map(str::to_owned).collect();
    lines.sort();
    lines
}

/// Whether agents and members die alone or all at once: what was written is there, and the containers never notice.
#[test]
fn pods_outlive_whatever_is_killed_beside_them() {
    let mut cluster = Cluster::start(17963, &[]);
    cluster.kubectl(&["create", "deployment", "hello", "--image=rutter.dev/hello", "--replicas=2"]);
    cluster.kubectl(&["rollout", "status", "deployment/hello", "--timeout=90s"]);
    let before = containers(&cluster);
    assert_eq!(before.len(), 2, "{before:?}");
    for (turn, verbs) in [&["node"][..], &["up"], &["up", "control", "node"]].into_iter().enumerate() {
        let made = format!("turn-{turn}");
        cluster.kubectl(&["create", "configmap", &made]);
        let killed = cluster.kill(verbs);
        assert!(killed >= verbs.len(), "{verbs:?}: {killed} processes");
        if verbs.contains(&"up") {
            // The children of a killed parent end by themselves, and give their directories back.
            eventually("the old processes are gone", || (cluster.kill(&["control", "node"]) == 0).then_some(()));
            cluster.up();
        }
        cluster.kubectl(&["get", "configmap", &made]);
        // What comes next is made by an agent that is back.
        let next = format!("next-{turn}");
        cluster.kubectl(&["run", &next, "--image=rutter.dev/hello"]);
        cluster.kubectl(&["wait", "--for=condition=Ready", &format!("pod/{next}"), "--timeout=90s"]);
        cluster.kubectl(&["delete", "pod", &next, "--wait=true"]);
        assert_eq!(containers(&cluster), before, "after kill -9 of {verbs:?}");
    }
    cluster.kubectl(&["delete", "deployment", "hello"]);
}

fn a_lost_shim(port: u16, runtime: &str) {
    let mut cluster = Cluster::start(port, &["--members", "1", "--runtime", runtime]);
    let mark = format!("MARK={runtime}-{}", std::process::id());
    cluster.kubectl(&["run", "hello", "--image=rutter.dev/hello", "--env", &mark]);
    cluster.kubectl(&["wait", "--for=condition=Ready", "pod/hello", "--timeout=90s"]);
    assert_eq!(marked(&mark), 1);
    assert_eq!(cluster.kill(&["pod-shim"]), 1);
    let path = "jsonpath={.status.containerStatuses[0].restartCount} {.status.containerStatuses[0].ready}";
    eventually("it runs again", || (cluster.kubectl(&["get", "pod", "hello", "-o", path]) == "1 true").then_some(()));
    assert_eq!(marked(&mark), 1, "the container whose shim is gone is gone");
    cluster.kubectl(&["delete", "pod", "hello"]);
    eventually("nothing is left", || (marked(&mark) == 0).then_some(()));
}

/// A lost shim takes its containers with it: the pod has one container again, and not two.
#[test]
fn a_lost_shim_leaves_no_container_behind() {
    if !cluster::is_root() {
        eprintln!("skipped: containers need root");
        return;
    }
    a_lost_shim(17973, "oci");
}

#[test]
fn a_lost_shim_leaves_no_plain_process_behind() {
    a_lost_shim(17972, "process");
}
