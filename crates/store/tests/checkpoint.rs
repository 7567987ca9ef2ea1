//! A checkpoint is the state that was saved, or nothing: never another one. And it says where each version stands in the log.
#![cfg(feature = "disk")]
mod voyage;

use api::event::Act;
use api::object::Object;
use api::revision::Revision;
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use store::apply::apply;
use store::checkpoint::Checkpoint;
use store::log::frame::Chain;
use store::state::State;
use store::view::View;

fn same(one: &View, other: &View) {
    assert_eq!(
        (one.index(), one.revision(), one.time(), one.hash()),
        (other.index(), other.revision(), other.time(), other.hash())
    );
    assert!(one.all().eq(other.all()));
}

fn open(path: &Path) -> (Checkpoint, Option<(State, Chain, Vec<u8>)>) {
    let mut checkpoint = Checkpoint::open(path).expect("opens");
    let loaded = checkpoint.load().expect("loads");
    (checkpoint, loaded)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 12, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn checkpoint_then_restore_is_the_identity(entries in voyage::entries(60), every in 1..20_usize) {
        let directory = tempfile::tempdir().expect("a directory");
        let mut state = State::default();
        let mut saved = State::default();
        let mut versions: BTreeMap<_, Vec<(Revision, u64)>> = BTreeMap::new();
        let (mut checkpoint, loaded) = open(directory.path());
        prop_assert!(loaded.is_none());
        for (index, entry) in (1..).zip(&entries) {
            let events = apply(&mut state, index, entry).events;
            checkpoint.note(index, &events);
            for event in &events {
                versions.entry(event.object.key.clone()).or_default().push((event.revision, index));
            }
            if index as usize % every == 0 {
                checkpoint.save(&state, Chain([index as u8; 16]), b"note").expect("saves");
                saved = state.clone();
            }
            if index as usize % (3 * every) == 0 {
                drop(checkpoint);
                let (reopened, loaded) = open(directory.path());
                let (restored, chain, note) = loaded.expect("it was saved");
                same(&restored.view(), &saved.view());
                prop_assert_eq!((chain, note.as_slice()), (Chain([index as u8; 16]), &b"note"[..]));
                (checkpoint, state) = (reopened, restored);
            }
        }
        checkpoint.save(&state, Chain::default(), b"note").expect("saves");
        for (key, wanted) in &versions {
            prop_assert_eq!(&checkpoint.versions(key).expect("reads"), wanted);
            for revision in 0..=state.view().revision().0 {
                let newest = wanted.iter().rfind(|(at, _)| at.0 <= revision).copied();
                prop_assert_eq!(checkpoint.version_at(key, Revision(revision)).expect("reads"), newest);
            }
        }
        // What comes after is folded to the same: retries are known.
        drop(checkpoint);
        let (_, loaded) = open(directory.path());
        let (mut restored, ..) = loaded.expect("it was saved");
        for (index, entry) in (state.view().index() + 1..).zip(&entries) {
            prop_assert_eq!(apply(&mut state, index, entry).outcomes, apply(&mut restored, index, entry).outcomes);
        }
        same(&restored.view(), &state.view());
    }
}

fn many(count: u64, index: u64) -> State {
    let mut state = State::default();
    let value = |n: u64| {
        serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": n.to_string()},
        "data": {"text": "x".repeat(900), "at": index}})
    };
    let writes = |range: std::ops::Range<u64>| {
        let write = |n: u64| api::command::Write {
            key: api::key::Key::new("configmaps", "default", &n.to_string()),
            condition: api::command::Condition::Absent,
            change: api::command::Change::Put(
                api::object::Body::new(&value(n), api::facet::Facet::default()).expect("a body"),
            ),
        };
        range.map(write).collect()
    };
    for (index, first) in (index..).zip((0..count).step_by(1_000)) {
        let command = api::command::Command {
            id: api::command::CommandId(u128::from(index)),
            actor: "a".into(),
            agent: "t".into(),
            cause: Revision(0),
            read: Revision(0),
            note: "".into(),
            writes: writes(first..count.min(first + 1_000)),
        };
        let entry = api::command::Entry { time: api::revision::Millis(1), epoch: 1, commands: vec![command] };
        let events = apply(&mut state, index, &entry).events;
        assert!(events.iter().all(|event| event.act == Act::Added));
    }
    state
}

#[test]
fn a_large_save_in_several_batches_reads_back() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut checkpoint, _) = open(directory.path());
    let state = many(12_000, 1);
    checkpoint.save(&state, Chain::default(), b"note").expect("saves");
    drop(checkpoint);
    let (mut checkpoint, loaded) = open(directory.path());
    same(&loaded.expect("it was saved").0.view(), &state.view());
    checkpoint.clear().expect("clears");
    assert!(checkpoint.load().expect("loads").is_none());
    checkpoint.save(&state, Chain::default(), b"note").expect("saves");
    drop(checkpoint);
    assert!(open(directory.path()).1.is_some());
}

#[test]
fn damaged_files_give_an_error_or_the_right_state() {
    let directory = tempfile::tempdir().expect("a directory");
    let (mut checkpoint, _) = open(directory.path());
    let state = many(50, 1);
    checkpoint.save(&state, Chain::default(), b"note").expect("saves");
    drop(checkpoint);
    let wanted: Vec<Arc<Object>> = state.view().all().cloned().collect();
    let tables = std::fs::read_dir(directory.path()).expect("reads");
    let tables =
        tables.map(|entry| entry.expect("reads").path()).filter(|path| path.extension().is_some_and(|e| e == "sst"));
    let tables: Vec<_> = tables.collect();
    assert!(!tables.is_empty());
    for table in tables {
        let whole = std::fs::read(&table).expect("reads");
        for at in (0..whole.len()).step_by(whole.len() / 40 + 1) {
            let mut bad = whole.clone();
            bad[at] ^= 0x10;
            std::fs::write(&table, &bad).expect("writes");
            if let Ok(mut checkpoint) = Checkpoint::open(directory.path())
                && let Ok(Some((state, ..))) = checkpoint.load()
            {
                assert_eq!(state.view().all().cloned().collect::<Vec<_>>(), wanted, "byte {at}");
            }
            std::fs::write(&table, &whole).expect("writes");
        }
        std::fs::write(&table, b"nonsense").expect("writes");
    }
    let mut begun = Checkpoint::open_or_begin(directory.path()).expect("begins anew");
    assert!(!matches!(begun.load(), Ok(Some(_))));
}
