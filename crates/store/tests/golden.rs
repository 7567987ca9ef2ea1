//! Logs written by earlier versions, kept for ever: each must replay to the revision, the state hash and the hash chain that it had
//! when it was written. A file here is never written again; a new version of the record, the frame or the segment adds one.
use api::command::{Change, Command, CommandId, Condition, Entry, Write};
use api::facet;
use api::key::Key;
use api::object::Body;
use api::record;
use api::revision::{Millis, Revision};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::sync::Arc;
use store::disk::memory::MemoryDisk;
use store::log::frame::{Frame, Kind};
use store::log::{Log, Options};
use store::replay::replay;

/// File, revision, state hash, hash chain of the last entry.
const GOLDEN: &[(&str, u64, &str, &str)] =
    &[("v1.log", 6, "d9fe1d8d4ecf796c420eb424ad02c4b8", "8a5effbaa1f4269bcdf7c708cfb3b228")];

/// What the first segment of a log is called.
const FIRST: &str = "segment-0000000000000001.log";

fn place(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/logs").join(name)
}

fn pod(name: &str, phase: &str) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "labels": {"app": "a"},
        "ownerReferences": [{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "r", "uid": "00000000-0000-0000-0000-000000000007", "controller": true}]},
        "spec": {"nodeName": "n1", "containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": "100m"}}}]},
        "status": {"phase": phase}})
}

fn put(condition: Condition, resource: &str, value: &Value) -> Write {
    let name = value["metadata"]["name"].as_str().expect("a name");
    let namespace = value["metadata"]["namespace"].as_str().unwrap_or_default();
    let body = Body::new(value, facet::of(resource, value)).expect("a body");
    Write { key: Key::new(resource, namespace, name), condition, change: Change::Put(body) }
}

/// Everything that an entry may hold: every condition, both changes, refusals, retries, many writes at once, non-ASCII, an empty entry.
fn entries() -> Vec<Entry> {
    let map = |name: &str, text: &str| {
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default",
        "finalizers": ["a/b"], "deletionTimestamp": "2026-01-01T00:00:00Z", "generation": 3}, "data": {"k": text}})
    };
    let gone = |name: &str| Write {
        key: Key::new("pods", "default", name),
        condition: Condition::Exists,
        change: Change::Delete,
    };
    let commands = [
        vec![
            put(Condition::Absent, "pods", &pod("a", "Pending")),
            put(Condition::Absent, "pods", &pod("b", "Pending")),
        ],
        vec![put(Condition::Absent, "pods", &pod("a", "Running"))],
        vec![put(Condition::Revision(Revision(1)), "pods", &pod("a", "Running"))],
        vec![put(Condition::Revision(Revision(1)), "pods", &pod("a", "Failed"))],
        vec![],
        vec![put(Condition::Absent, "configmaps", &map("m", "väl\u{1F6A2}")), gone("b")],
        vec![put(Condition::Exists, "configmaps", &map("m", "väl\u{1F6A2}"))],
        vec![put(Condition::Exists, "configmaps", &map("m", ""))],
        vec![put(
            Condition::Absent,
            "nodes",
            &json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"},
            "status": {"allocatable": {"cpu": "2", "memory": "1Gi"}}}),
        )],
    ];
    let command = |(number, writes): (usize, Vec<Write>)| Command {
        // The last but one is a retry of the first.
        id: CommandId(if number == 7 { 1 } else { number as u128 + 1 }),
        actor: "admin".into(),
        agent: "golden".into(),
        cause: Revision(number as u64),
        read: Revision(number as u64),
        note: if number == 0 { "why" } else { "" }.into(),
        writes,
    };
    let entry = |(number, command): (usize, Command)| Entry {
        time: Millis(1_000 + number as u64),
        epoch: 1,
        commands: vec![command],
    };
    commands.into_iter().enumerate().map(command).enumerate().map(entry).collect()
}

fn frames() -> Vec<Frame> {
    let frame = |index, kind, time, payload| Frame { index, term: 1, leader: 1, time, kind, flags: 0, payload };
    let mut frames = vec![
        frame(0, Kind::Membership, Millis(0), bytes::Bytes::from_static(b"members")),
        frame(1, Kind::Blank, Millis(0), bytes::Bytes::new()),
    ];
    for (index, entry) in (2..).zip(entries()) {
        frames.push(frame(index, Kind::Normal, entry.time, record::encode(&entry).expect("encodes")));
    }
    frames
}

/// The log as this binary writes it.
fn written() -> Vec<u8> {
    let disk = MemoryDisk::default();
    let log = Log::open(Arc::new(disk.clone()), Options { cluster: Some(7), ..Options::default() }).expect("opens");
    log.save_vote(b"a vote").expect("saves");
    log.append(&frames()).expect("appends");
    log.save_committed(log.reader().last()).expect("saves");
    log.flush().expect("flushes");
    let mut files = disk.contents();
    let (_, bytes) = files.pop_first().expect("a segment");
    assert!(files.is_empty());
    bytes
}

#[test]
fn every_golden_log_replays_to_what_it_was() {
    for (name, revision, hash, chain) in GOLDEN {
        let bytes = std::fs::read(place(name)).expect("a golden log is there");
        let disk = MemoryDisk::from(std::collections::BTreeMap::from([(FIRST.to_owned(), bytes)]));
        let log = Log::open(Arc::new(disk), Options { read_only: true, ..Options::default() }).expect("opens");
        assert_eq!(log.vote(), b"a vote", "{name}");
        assert_eq!(log.committed(), log.reader().last(), "{name}");
        let replayed = replay(&log, None, &mut |_| false).expect("replays");
        let view = replayed.state.view();
        let found = (view.revision().0, view.hash().to_string(), replayed.chain.to_string());
        assert_eq!(found, (*revision, (*hash).to_owned(), (*chain).to_owned()), "{name}");
        let pod = view.get("pods", "default", "a").expect("the pod is there");
        assert_eq!((pod.facet.field("spec.nodeName"), pod.facet.amount("cpu")), (Some("n1"), 100), "{name}");
    }
}

/// The newest golden log is what this binary writes: a change of format is never made by accident.
#[test]
fn this_binary_writes_the_newest_version() {
    let (name, ..) = GOLDEN.last().expect("there is one");
    let bytes = written();
    if !place(name).exists() {
        std::fs::create_dir_all(place("")).and_then(|()| std::fs::write(place(name), &bytes)).expect("writes");
        panic!("{name} was not there and has been written: fill in what it replays to, and keep it");
    }
    let kept = std::fs::read(place(name)).expect("reads");
    assert!(kept == bytes, "the format has changed: give it a new version, and add a golden log of it");
}
