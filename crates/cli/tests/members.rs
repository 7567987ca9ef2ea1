//! Members lost, replaced and removed in a running cluster: one command, or none where `rutter up` sees it by itself. Never a second
//! cluster, nothing written is lost, and who was removed says so and stops.
mod cluster;

use cluster::{Cluster, agreed, eventually, rutter, text};
use serde_json::Value;
use std::path::Path;
use std::process::{Command, Output};

/// Runs rutter as a user does, whatever it ends with.
fn run(cluster: &Cluster, line: &str) -> Output {
    let mut command = Command::new(rutter());
    command.args(line.split(' ')).env("KUBECONFIG", cluster.kubeconfig()).current_dir(cluster.dir.path());
    command.output().expect("rutter runs")
}

/// That it fails with this code and one line that holds `wanted`.
fn refused(cluster: &Cluster, line: &str, code: i32, wanted: &str) {
    let output = run(cluster, line);
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "rutter {line}: {said}");
    let last = said.trim_end().lines().last().unwrap_or_default();
    assert!(last.starts_with("rutter: ") && last.contains(wanted) && last.contains("; "), "rutter {line}: {said}");
}

/// The members' ids by name, once `many` vote and all have the same state.
fn ids(cluster: &Cluster, many: usize) -> Vec<(String, u64)> {
    eventually("all members agree", || {
        let output = run(cluster, "status --output json");
        let status: Value = serde_json::from_slice(&output.stdout).ok()?;
        agreed(&status, many)?;
        let members = status["members"].as_array()?.iter();
        let ids = members.map(|member| {
            let votes = member["voter"] == true && member["health"] == "well";
            votes.then_some((member["name"].as_str()?.to_owned(), member["id"].as_u64()?))
        });
        let mut ids: Vec<(String, u64)> = ids.collect::<Option<_>>()?;
        ids.sort();
        Some(ids)
    })
}

fn named(ids: &[(&str, u64)]) -> Vec<(String, u64)> {
    ids.iter().map(|(name, id)| ((*name).to_owned(), *id)).collect()
}

fn there(cluster: &Cluster, names: &[&str]) {
    let all = cluster.kubectl(&["get", "configmaps", "-o", "name"]);
    for name in names {
        assert!(all.contains(&format!("configmap/{name}")), "{name} is lost: {all}");
    }
}

/// Overwrites the middle of what the log holds, as a failing disk does.
fn damage(log: &Path) {
    let segments = std::fs::read_dir(log).expect("a log").flatten().map(|entry| entry.path());
    let first = segments.filter(|path| path.is_file()).max_by_key(|path| path.metadata().map_or(0, |meta| meta.len()));
    let first = first.expect("a segment");
    let length = std::fs::metadata(&first).expect("it is there").len();
    let file = std::fs::OpenOptions::new().write(true).open(&first).expect("opens");
    std::os::unix::fs::FileExt::write_all_at(&file, &[0xa5; 64], length / 2).expect("writes");
}

#[test]
fn members_are_lost_replaced_and_removed() {
    let mut cluster = Cluster::start(17973, &["--nodes", "0"]);
    cluster.kubectl(&["create", "configmap", "one"]);
    assert_eq!(ids(&cluster, 3), named(&[("m1", 1), ("m2", 2), ("m3", 3)]));
    let name = cluster.status()["cluster"].clone();
    refused(&cluster, "member replace m9", 1, "there is no member");
    refused(&cluster, "member remove m9", 1, "m1, m2, m3");
    refused(&cluster, "member replace m2", 1, "--force");

    // The founder is killed and its disk is empty: it comes back as a new member of the same cluster, by itself.
    let founder = cluster.members().into_iter().find(|(name, ..)| name == "m1").expect("m1").1;
    std::fs::remove_dir_all(cluster.home().join("members/m1")).expect("it was there");
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(founder), nix::sys::signal::Signal::SIGKILL).expect("killed");
    eventually("m1 is another", || ids(&cluster, 3).contains(&("m1".into(), 4)).then_some(()));
    cluster.kubectl(&["create", "configmap", "two"]);
    there(&cluster, &["one", "two"]);

    // A member that runs, by one command.
    let done = cluster.rutter(&["member", "replace", "m2", "--force"]);
    assert_eq!((&done["replaced"], &done["was"], &done["id"]), (&"m2".into(), &2.into(), &5.into()), "{done}");
    assert_eq!(ids(&cluster, 3), named(&[("m1", 4), ("m2", 5), ("m3", 3)]));
    assert!(cluster.home().join("members/m2.old/identity.json").exists(), "the old directory is kept for inquiry");

    // One whose log is damaged: so too, by itself, once it cannot start any more.
    let log = cluster.home().join("members/m3/log");
    damage(&log);
    let pid = cluster.members().into_iter().find(|(name, ..)| name == "m3").expect("m3").1;
    nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGKILL).expect("killed");
    eventually("m3 is another", || ids(&cluster, 3).contains(&("m3".into(), 6)).then_some(()));
    there(&cluster, &["one", "two"]);

    // One that is removed says so, stops, and is not started again.
    cluster.rutter(&["member", "remove", "m3"]);
    let said = || std::fs::read_to_string(cluster.path("up.out")).unwrap_or_default();
    eventually("m3 has stopped", || said().contains("m3 was removed from the cluster").then_some(()));
    let log = std::fs::read_to_string(cluster.home().join("m3.log")).expect("a log");
    assert!(log.lines().last().is_some_and(|line| line.contains("was removed from cluster")), "{log}");
    assert_eq!(ids(&cluster, 2), named(&[("m1", 4), ("m2", 5)]));
    let home = cluster.home().display().to_string();
    let again = format!("control --name m3 --dir {home}/members/m3 --api 127.0.0.1:17976 --link 127.0.0.1:18076");
    refused(&cluster, &again, 3, "member m3 was removed from cluster");
    there(&cluster, &["one", "two"]);

    // The same command makes three again, whatever was lost meanwhile; but not of nothing.
    cluster.stop();
    std::fs::remove_dir_all(cluster.home().join("members/m3")).expect("it was there");
    cluster.up();
    cluster.kubectl(&["create", "configmap", "three"]);
    let members = ids(&cluster, 3);
    assert_eq!(members.iter().map(|(name, _)| &**name).collect::<Vec<_>>(), ["m1", "m2", "m3"]);
    cluster.stop();
    std::fs::remove_dir_all(cluster.home().join("members/m1")).expect("it was there");
    cluster.up();
    eventually("three members", || (ids(&cluster, 3).len() == 3).then_some(()));
    there(&cluster, &["one", "two", "three"]);
    assert_eq!(cluster.status()["cluster"], name, "it is the same cluster");

    // A log that is gone, though who the member is still stands beside it: no second cluster, and no vote of one who forgot.
    cluster.stop();
    let log = cluster.home().join("members/m2/log");
    for segment in std::fs::read_dir(&log).expect("a log").flatten().filter(|entry| entry.path().is_file()) {
        std::fs::remove_file(segment.path()).expect("it was there");
    }
    let home = cluster.home().display().to_string();
    let alone = format!("control --name m2 --dir {home}/members/m2 --api 127.0.0.1:17975 --link 127.0.0.1:18075");
    refused(&cluster, &alone, 4, "the log of this member is gone");
    cluster.up();
    eventually("three members", || (ids(&cluster, 3).len() == 3).then_some(()));
    there(&cluster, &["one", "two", "three"]);
    cluster.stop();
    let (mut revisions, members) = (Vec::new(), cluster.home().join("members"));
    for member in ["m1", "m2", "m3"] {
        let replay = cluster.rutter(&["replay", "--dir", &members.join(member).display().to_string()]);
        revisions.push((replay["revision"].clone(), replay["hash"].clone()));
    }
    assert!(revisions.iter().all(|each| *each == revisions[0]), "{revisions:?}");
    std::fs::remove_dir_all(members).expect("it was there");
    let up = format!("up --dir {home} --api-port {} --nodes 0", cluster.port);
    refused(&cluster, &up, 1, "no member is left");
}
