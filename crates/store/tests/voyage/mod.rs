//! Random voyages: entries of commands over a few keys, so that conditions hold and fail, objects come, change, go, and are retried.
#![allow(dead_code, reason = "each test file uses its own part")]
use api::command::{Change, Command, CommandId, Condition, Entry, Write};
use api::facet::{Facet, Owner};
use api::key::Key;
use api::object::Body;
use api::record;
use api::revision::{Millis, Revision};
use proptest::prelude::*;
use serde_json::json;
use store::log::frame::{Frame, Kind};

const RESOURCES: [&str; 3] = ["configmaps", "pods", "deployments.apps"];
const NAMESPACES: [&str; 3] = ["", "a", "b"];
const NAMES: [&str; 4] = ["p", "q", "r", "s"];

fn write() -> impl Strategy<Value = Write> {
    let key = (0..RESOURCES.len(), 0..NAMESPACES.len(), 0..NAMES.len());
    (key, 0..6_u8, 0..12_u64, 0..4_u8, 0..4_usize).prop_map(|((r, ns, n), condition, at, value, node)| {
        let condition = match condition {
            0 | 1 => Condition::Absent,
            2..=4 => Condition::Exists,
            _ => Condition::Revision(Revision(at)),
        };
        let change = if value == 3 { Change::Delete } else { Change::Put(body(RESOURCES[r], NAMES[n], value, node)) };
        Write { key: Key::new(RESOURCES[r], NAMESPACES[ns], NAMES[n]), condition, change }
    })
}

fn body(resource: &str, name: &str, value: u8, node: usize) -> Body {
    let value = json!({"apiVersion": "v1", "kind": resource, "metadata": {"name": name}, "data": {"value": value}});
    let owner = |uid| Owner { uid, controller: uid == 1, block: false, kind: "Owner".into(), name: "o".into() };
    let facet = Facet {
        labels: vec![("app".into(), name.into())],
        owners: if node == 0 { vec![] } else { vec![owner(node as u128), owner(9)] },
        fields: if node == 3 { vec![] } else { vec![("spec.nodeName".into(), format!("n{node}").into())] },
        ..Facet::default()
    };
    Body::new(&value, facet).expect("a body")
}

/// Entries in order; ids repeat now and then, as retries do.
pub(crate) fn entries(most: usize) -> impl Strategy<Value = Vec<Entry>> {
    let command = (0..200_u128, prop::collection::vec(write(), 1..4)).prop_map(|(id, writes)| Command {
        id: CommandId(id),
        actor: "admin".into(),
        agent: "test".into(),
        cause: Revision(0),
        read: Revision(0),
        note: "".into(),
        writes,
    });
    let entry = (prop::collection::vec(command, 1..4), 0..3_u64);
    prop::collection::vec(entry, 1..most).prop_map(|entries| {
        let mut time = 1_000;
        let stamped = entries.into_iter().map(|(commands, later)| {
            time += later;
            Entry { time: Millis(time), epoch: 1, commands }
        });
        stamped.collect()
    })
}

/// The frames of a log: Raft's first entry, then the entries.
pub(crate) fn frames(entries: &[Entry]) -> Vec<Frame> {
    let frame = |index, kind, time, payload| Frame { index, term: 1, leader: 1, time, kind, flags: 0, payload };
    let mut frames = vec![frame(0, Kind::Membership, Millis(0), bytes::Bytes::from_static(b"members"))];
    for (index, entry) in (1..).zip(entries) {
        frames.push(frame(index, Kind::Normal, entry.time, record::encode(entry).expect("encodes")));
    }
    frames
}
