//! What a member does when its disk is full, turns read-only, or gives back something else than was written: it says so in one line,
//! stops, and never serves what it does not know. The others go on, nothing that was acknowledged is lost, and it comes back or is replaced.
mod cluster;

use cluster::is_root;
use cluster::members::{Members, replay, tool};
use std::path::{Path, PathBuf};

/// Writes until the member has ended; what was acknowledged meanwhile.
fn write_until_it_ends(members: &mut Members, name: &str, prefix: &str) -> (Vec<String>, String) {
    let mut acknowledged = Vec::new();
    for round in 0..100 {
        acknowledged.extend(members.create("m1", &format!("{prefix}-{round}"), 25, 20_000));
        if let Some(code) = members.ended(name) {
            let said = members.said(name);
            let words: Vec<&str> = said.lines().filter(|line| line.starts_with("rutter: ")).collect();
            assert_eq!((code, words.len()), (1, 1), "{said}");
            return (acknowledged, words[0].to_owned());
        }
    }
    panic!("{name} still runs: {}", members.said(name));
}

fn all_there(members: &Members, by: &str, acknowledged: &[String]) {
    let there = members.names(by);
    let lost: Vec<&String> = acknowledged.iter().filter(|name| !there.contains(name)).collect();
    assert!(lost.is_empty(), "{by} has lost {lost:?}");
}

#[test]
fn a_full_disk_stops_one_member_and_loses_nothing() {
    if !is_root() {
        println!("skipped: only root can mount a small disk");
        return;
    }
    let mut members = Members::new(18_240, &[]);
    members.mount("m2", &["-t", "tmpfs", "-o", "size=16m", "tmpfs"]).expect("mounts");
    members.found();
    let (mut acknowledged, words) = write_until_it_ends(&mut members, "m2", "before");
    println!("{words}");
    assert!(words.contains("the disk is full") && words.contains("start it again"), "{words}");
    let more = members.create("m1", "after", 20, 100);
    assert_eq!(more.len(), 20, "the others go on");
    acknowledged.extend(more);
    all_there(&members, "m3", &acknowledged);
    // Started on a disk that is still full it says so again, and harms nothing.
    // What it cuts off gives it a little room for a while.
    members.start("m2");
    let (more, words) = write_until_it_ends(&mut members, "m2", "meanwhile");
    assert!(words.contains("full") || words.contains("No space"), "{words}");
    acknowledged.extend(more);
    // Space is given back: it goes on from where it was.
    let home = members.home("m2").display().to_string();
    tool(&["mount", "-o", "remount,size=512m", &home]).expect("remounts");
    members.start("m2");
    members.await_ready("m2");
    members.agree("m1", 3);
    all_there(&members, "m2", &acknowledged);
}

#[test]
fn a_disk_that_turns_read_only_stops_one_member_and_loses_nothing() {
    if !is_root() {
        println!("skipped: only root can mount a disk of its own");
        return;
    }
    let mut members = Members::new(18_210, &[]);
    let image = members.dir.path().join("image").display().to_string();
    let made = tool(&["truncate", "-s", "256M", &image]).and_then(|()| tool(&["mkfs.ext4", "-q", "-F", &image]));
    if let Err(why) = made.and_then(|()| members.mount("m2", &["-o", "loop", &image])) {
        println!("skipped: no disk of its own can be made here: {why}");
        return;
    }
    members.found();
    let mut acknowledged = members.create("m1", "first", 20, 100);
    // What ext4 does by itself when its device fails.
    let home = members.home("m2").display().to_string();
    tool(&["mount", "-o", "remount,abort", &home]).expect("the file system gives up");
    let (more, words) = write_until_it_ends(&mut members, "m2", "before");
    println!("{words}");
    assert!(words.contains("read-only") && words.contains("start it again"), "{words}");
    acknowledged.extend(more);
    acknowledged.extend(members.create("m1", "after", 20, 100));
    all_there(&members, "m3", &acknowledged);
    members.start("m2");
    let words = members.last_words("m2", 1);
    assert!(words.to_lowercase().contains("read-only"), "{words}");
    // The directory can still be read: what it holds replays.
    let replayed = replay(&members.home("m2"), &[]).expect("replays from a disk that cannot be written");
    assert!(replayed["revision"].as_u64() > Some(20), "{replayed}");
    tool(&["umount", &home]).expect("unmounts");
    // The image's errors are noted in it; a check clears them.
    let _ = tool(&["e2fsck", "-f", "-y", &image]);
    tool(&["mount", "-o", "loop", &image, &home]).expect("mounts again");
    members.start("m2");
    members.await_ready("m2");
    members.agree("m1", 3);
    all_there(&members, "m2", &acknowledged);
}

/// The last segment of a member's log.
fn segment(home: &Path) -> PathBuf {
    let entries = std::fs::read_dir(home.join("log")).expect("a log").flatten().map(|entry| entry.path());
    let segments = entries.filter(|path| path.extension().is_some_and(|extension| extension == "log"));
    segments.max().expect("a segment")
}

fn flip(path: &Path, at: usize) {
    let mut bytes = std::fs::read(path).expect("reads");
    bytes[at] ^= 0x10;
    std::fs::write(path, bytes).expect("writes");
}

#[test]
fn a_damaged_log_is_refused_and_the_member_replaced() {
    let mut members = Members::new(18_220, &[]);
    members.found();
    let acknowledged = members.create("m1", "a", 50, 1_000);
    assert_eq!(acknowledged.len(), 50);
    members.agree("m1", 3);
    members.stop("m2", false);
    let path = segment(&members.home("m2"));
    let whole = std::fs::read(&path).expect("reads");
    // In the middle, in the last write, and in its very end: all of it was durable.
    for at in [whole.len() / 2, whole.len() - 300, whole.len() - 40] {
        flip(&path, at);
        members.start("m2");
        let words = members.last_words("m2", 4);
        println!("{words}");
        let name = path.file_name().expect("a name").to_string_lossy();
        assert!(words.contains(&*name) && words.contains("is damaged at byte"), "byte {at}: {words}");
        assert!(words.contains("rutter member replace m2"), "byte {at}: {words}");
        assert!(!members.said("m2").contains("serves the API"), "it never served");
        flip(&path, at);
    }
    assert_eq!(std::fs::read(&path).expect("reads"), whole, "looking changed nothing");
    // A write that was never finished is no damage: it is cut, and the others send it again.
    let file = std::fs::OpenOptions::new().write(true).open(&path).expect("opens");
    file.set_len(whole.len() as u64 - 10).expect("cuts");
    members.start("m2");
    members.await_ready("m2");
    members.agree("m1", 3);
    all_there(&members, "m2", &acknowledged);
    // Damaged for good: one command puts a new member in its place.
    members.stop("m2", true);
    flip(&segment(&members.home("m2")), whole.len() / 2);
    let replaced = members.rutter("m1", &["member", "replace", "m2"]);
    assert_eq!(replaced["replaces"], "m2", "{replaced}");
    std::fs::rename(members.home("m2"), members.home("m2-damaged")).expect("kept for inquiry");
    members.join_with("m2", "m1", &replaced);
    members.agree("m1", 3);
    all_there(&members, "m2", &acknowledged);
}

#[test]
fn the_checkpoint_can_be_deleted_and_a_directory_replays_however_it_was_left() {
    let mut members = Members::new(18_230, &["--keep-bytes", "1MiB"]);
    members.found();
    let mut acknowledged = members.create("m1", "a", 100, 1_000);
    // Far more than is kept: the beginning goes, on every member.
    for round in 0..12 {
        acknowledged.extend(members.create("m1", &format!("b{round}"), 25, 20_000));
    }
    for name in ["m1", "m2", "m3"] {
        cluster::eventually(&format!("{name} keeps less"), || {
            let log = members.try_rutter(name, &["log", "--from", "1", "--to", "2"]);
            let said = cluster::text(&log.stderr);
            (!log.status.success()).then(|| assert!(said.contains("the first that is kept made"), "{said}"))
        });
        let log = members.try_rutter(name, &["log"]);
        let lines = cluster::text(&log.stdout);
        assert!(
            log.status.success() && lines.lines().count() > 3,
            "what is kept is shown: {}",
            cluster::text(&log.stderr)
        );
        let past = members.try_kubectl(name, &["get", "--raw", "/asof/1/api/v1/namespaces"], "");
        let said = cluster::text(&past.stderr);
        assert!(!past.status.success() && said.contains("the first that is kept is"), "{said}");
    }
    // m3 goes, and a new one comes that never saw the beginning.
    members.stop("m3", true);
    members.rutter("m1", &["member", "remove", "m3"]);
    members.join("m4", "m1");
    acknowledged.extend(members.create("m4", "c", 10, 100));
    let (revision, hash) = members.agree("m1", 3);
    for name in ["m1", "m2", "m4"] {
        members.stop(name, true);
    }
    let to = revision.to_string();
    for name in ["m1", "m2", "m4"] {
        let replayed = replay(&members.home(name), &["--to", &to]).expect("replays after kill -9");
        assert_eq!(
            (replayed["revision"].as_u64(), replayed["hash"].as_str()),
            (Some(revision), Some(&*hash)),
            "{name}"
        );
        assert!(replayed["from"].as_u64() > Some(0), "from a base: {replayed}");
        let early = replay(&members.home(name), &["--to", "1"]).expect_err("it is gone");
        assert!(early.contains("the first revision that is kept is") && early.contains("--to"), "{early}");
        std::fs::remove_dir_all(members.home(name).join("state")).expect("the checkpoint is deleted");
    }
    if is_root() {
        members.mount("copy", &["-t", "tmpfs", "tmpfs"]).expect("mounts");
        let (from, copy) = (members.home("m1").display().to_string(), members.home("copy").display().to_string());
        tool(&["cp", "-r", &format!("{from}/log"), &copy]).expect("copies");
        tool(&["mount", "-o", "remount,ro", &copy]).expect("remounts");
        let replayed = replay(&members.home("copy"), &["--to", &to]).expect("replays a copy that cannot be written");
        assert_eq!(replayed["hash"].as_str(), Some(&*hash));
    } else {
        println!("skipped: only root can mount a copy that cannot be written");
    }
    for name in ["m1", "m2", "m4"] {
        members.start(name);
    }
    for name in ["m1", "m2", "m4"] {
        members.await_ready(name);
        let running = replay(&members.home(name), &[]).expect_err("it runs");
        assert!(running.contains("stop the member first"), "{running}");
    }
    let (_, after) = members.agree("m4", 3);
    all_there(&members, "m4", &acknowledged);
    println!("hash {hash} before, {after} after");
    // Who leads may have changed, and that is all: the state at that revision is the same everywhere.
    for name in ["m1", "m2", "m4"] {
        let past = members.try_kubectl(name, &["get", "--raw", &format!("/asof/{to}/api/v1/configmaps")], "");
        assert!(past.status.success(), "{name}: {}", cluster::text(&past.stderr));
        members.stop(name, false);
        let replayed = replay(&members.home(name), &["--to", &to]).expect("replays");
        assert_eq!(replayed["hash"].as_str(), Some(&*hash), "{name}");
    }
}
