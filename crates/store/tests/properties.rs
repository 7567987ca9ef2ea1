//! What must hold of every voyage: the fold is a function, hash and indexes equal their rebuild, and the past reads as it was.
mod voyage;

use api::command::{Entry, Outcome};
use api::event::{Act, Event};
use api::object::{Object, Uid};
use api::revision::{Millis, Revision};
use proptest::prelude::*;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::apply::{Applied, apply};
use store::bases::Base;
use store::disk::memory::MemoryDisk;
use store::history::History;
use store::log::frame::{Chain, Frame};
use store::log::{Log, Options, Retention};
use store::replay::{Lines, replay};
use store::snapshot;
use store::state::State;
use store::view::View;
use store::walk::HistoryError;

fn fold(entries: &[Entry]) -> (State, Vec<Applied>) {
    let mut state = State::default();
    let applied = (1..).zip(entries).map(|(index, entry)| apply(&mut state, index, entry)).collect();
    (state, applied)
}

fn objects(view: &View) -> Vec<Arc<Object>> {
    view.all().cloned().collect()
}

fn same(one: &View, other: &View) {
    assert_eq!(
        (one.index(), one.revision(), one.time(), one.hash()),
        (other.index(), other.revision(), other.time(), other.hash())
    );
    assert_eq!(objects(one), objects(other));
    assert!(one.resources().eq(other.resources()));
}

/// Every way to find an object gives what a walk over all of them gives.
fn indexes_equal_rebuild(view: &View) {
    let all = objects(view);
    for resource in ["configmaps", "pods", "deployments.apps", "none"] {
        for namespace in [None, Some(""), Some("a"), Some("b"), Some("zz")] {
            let wanted: Vec<_> = all
                .iter()
                .filter(|o| {
                    &*o.key.resource == resource && namespace.is_none_or(|namespace| &*o.key.namespace == namespace)
                })
                .cloned()
                .collect();
            assert_eq!(view.list(resource, namespace).cloned().collect::<Vec<_>>(), wanted);
            assert_eq!(view.count(resource, namespace), wanted.len());
            for (skip, object) in (1..).zip(&wanted) {
                let after = Some((&*object.key.namespace, &*object.key.name));
                let page: Vec<_> = view.list_after(resource, namespace, after).cloned().collect();
                assert_eq!(page, wanted[skip..], "the page after {object:?}");
            }
        }
        for node in ["n0", "n1", "n2", "n3"] {
            let on = |o: &&Arc<Object>| &*o.key.resource == resource && o.facet.field("spec.nodeName") == Some(node);
            let wanted: Vec<_> = all.iter().filter(on).cloned().collect();
            assert_eq!(view.list_by_field(resource, "spec.nodeName", node).cloned().collect::<Vec<_>>(), wanted);
        }
    }
    for owner in [1, 2, 3, 9, 77] {
        let owned = |o: &&Arc<Object>| o.facet.owners.iter().any(|named| named.uid == owner);
        let wanted: Vec<_> = all.iter().filter(owned).cloned().collect();
        assert_eq!(view.list_by_owner(Uid(owner)).cloned().collect::<Vec<_>>(), wanted);
    }
    assert!(all.windows(2).all(|pair| pair[0].key < pair[1].key), "in order");
    assert!(all.iter().all(|object| view.get_key(&object.key) == Some(object)));
}

fn log_of(entries: &[Entry], segment_bytes: u64) -> (MemoryDisk, Log) {
    let disk = MemoryDisk::default();
    let options = Options { segment_bytes, cache_bytes: 0, ..Options::default() };
    let log = Log::open(Arc::new(disk.clone()), options).expect("opens");
    for frames in voyage::frames(entries).chunks(3) {
        log.append(frames).expect("appends");
        log.flush().expect("flushes");
    }
    (disk, log)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn apply_twice_is_equal_and_revisions_are_dense(entries in voyage::entries(40)) {
        let (state, applied) = fold(&entries);
        let (again, applied_again) = fold(&entries);
        same(&state.view(), &again.view());
        let mut last = Revision(0);
        for (one, other) in applied.iter().zip(&applied_again) {
            prop_assert_eq!(&one.outcomes, &other.outcomes);
            for event in &one.events {
                prop_assert_eq!(event.revision, last.next());
                last = event.revision;
            }
        }
        prop_assert_eq!(state.view().revision(), last);
    }

    #[test]
    fn hash_and_indexes_equal_their_rebuild(entries in voyage::entries(40)) {
        let mut state = State::default();
        for (index, entry) in (1..).zip(&entries) {
            apply(&mut state, index, entry);
            prop_assert_eq!(state.view().hash(), state.view().rehash());
        }
        indexes_equal_rebuild(&state.view());
    }

    #[test]
    fn difference_of_views_equals_the_events_between(entries in voyage::entries(40), cut in 0..40_usize) {
        let cut = cut.min(entries.len());
        let (before, _) = fold(&entries[..cut]);
        let (after, applied) = fold(&entries);
        let mut net: BTreeMap<_, (Option<Arc<Object>>, Option<Arc<Object>>)> = BTreeMap::new();
        for event in applied[cut..].iter().flat_map(|applied| &applied.events) {
            let Event { act, object, before, .. } = &**event;
            let after = (*act != Act::Deleted).then(|| object.clone());
            net.entry(object.key.clone()).or_insert_with(|| (before.clone(), None)).1 = after;
        }
        let net: Vec<_> = net.into_values().filter(|(before, after)| before != after).collect();
        let (old, new) = (before.view(), after.view());
        let diff: Vec<_> = old.diff(&new).map(|(before, after)| (before.cloned(), after.cloned())).collect();
        prop_assert_eq!(diff, net);
    }

    #[test]
    fn snapshot_then_restore_is_the_identity(entries in voyage::entries(40), more in voyage::entries(10)) {
        let (mut state, _) = fold(&entries);
        let mut bytes = Vec::new();
        snapshot::write(&state, Chain([3; 16]), &mut bytes).expect("writes");
        let (mut restored, chain) = snapshot::read(&mut &bytes[..]).expect("reads");
        prop_assert_eq!(chain, Chain([3; 16]));
        same(&state.view(), &restored.view());
        indexes_equal_rebuild(&restored.view());
        // What comes after is folded to the same: the outcomes kept for retries are there too.
        for (index, entry) in (state.view().index() + 1..).zip(entries.iter().chain(&more)) {
            let entry = Entry { time: Millis(9_000), ..entry.clone() };
            let outcomes: Vec<Outcome> = apply(&mut state, index, &entry).outcomes;
            prop_assert_eq!(outcomes, apply(&mut restored, index, &entry).outcomes);
        }
        same(&state.view(), &restored.view());
    }

    #[test]
    fn the_past_reads_as_it_was(entries in voyage::entries(60), based in any::<bool>()) {
        let (_disk, log) = log_of(&entries, 4_096);
        let history = History::open(log.reader().clone()).expect("opens");
        let mut state = State::default();
        let (mut views, mut events) = (vec![state.view()], Vec::new());
        history.note(&state, &[]);
        for (index, entry) in (1..).zip(&entries) {
            let applied = apply(&mut state, index, entry);
            history.note(&state, &applied.events);
            views.push(state.view());
            events.extend(applied.events);
        }
        if based {
            // From disk alone, as after a restart.
            history.save_base(&Base { state: state.clone(), ..Base::default() }).expect("saves");
        }
        let fresh = History::open(log.reader().clone()).expect("opens");
        fresh.note(&state, &[]);
        for history in [&history, &fresh] {
            for revision in 0..=state.view().revision().0 {
                let wanted = views.iter().find(|view| view.revision().0 >= revision).expect("made by some entry");
                let found = history.view_at(Revision(revision)).expect("reads").expect("is there");
                prop_assert_eq!((found.revision(), found.hash()), (wanted.revision(), wanted.hash()));
                let mut walk = history.walk_after(Revision(revision)).expect("reads");
                let mut told = Vec::new();
                loop {
                    let (more, _) = walk.events(3).expect("reads");
                    if more.is_empty() {
                        break;
                    }
                    told.extend(more.iter().map(|event| (event.revision, event.act, event.object.clone())));
                }
                let rest = events.iter().filter(|event| event.revision.0 > revision);
                prop_assert_eq!(told, rest.map(|event| (event.revision, event.act, event.object.clone())).collect::<Vec<_>>());
            }
            for time in 999..1_000 + 3 * entries.len() as u64 {
                let wanted = views.iter().rfind(|view| view.time().0 <= time).expect("the empty view at least");
                let found = history.view_at_time(Millis(time)).expect("reads");
                prop_assert_eq!((found.revision(), found.hash()), (wanted.revision(), wanted.hash()));
            }
            prop_assert!(history.view_at(state.view().revision().next()).expect("reads").is_none());
        }
    }

    #[test]
    fn replay_reproduces_state_and_chain(entries in voyage::entries(40)) {
        let (disk, log) = log_of(&entries, 4_096);
        let (state, applied) = fold(&entries);
        let replayed = replay(&log, None, &mut |_| false).expect("replays");
        same(&state.view(), &replayed.state.view());
        prop_assert_eq!(Some(replayed.chain), log.reader().chain_at(entries.len() as u64).expect("reads"));
        let log = store::replay::open(Arc::new(disk)).expect("opens");
        let lines: Vec<_> = Lines::of(&log).expect("reads").collect::<Result<_, HistoryError>>().expect("reads");
        prop_assert_eq!(lines.len(), entries.len() + 1);
        for (line, applied) in lines[1..].iter().zip(&applied) {
            let revisions = applied.events.first().zip(applied.events.last()).map(|(first, last)| (first.revision, last.revision));
            prop_assert_eq!(line.revisions, revisions);
            let changes = line.commands.iter().map(|command| command.changes.len()).sum::<usize>();
            prop_assert_eq!(changes, applied.events.len());
        }
    }

    #[test]
    fn folding_from_a_base_equals_folding_all(entries in voyage::entries(40), at in any::<prop::sample::Index>()) {
        let (disk, log) = log_of(&entries, 2_048);
        let all = replay(&log, None, &mut |_| false).expect("replays");
        let at = at.index(entries.len()) as u64 + 1;
        let head = replay(&log, None, &mut |state| state.view().index() >= at).expect("replays");
        let history = History::open(log.reader().clone()).expect("opens");
        let base = Base { state: head.state, chain: head.chain, note: b"members".to_vec() };
        history.save_base(&base).expect("saves");
        log.purge(log.reader().last().expect("entries"), None).expect("purges");
        log.flush().expect("flushes");
        let everything = Retention { needed_from: u64::MAX, bytes_max: Some(0), since: None };
        let surplus = log.surplus(&Retention { needed_from: at + 1, ..everything });
        let before = log.bytes();
        let gone = history.retire(&log, &everything).expect("retires");
        prop_assert_eq!(surplus.map_or(0, |(_, bytes)| bytes), before - log.bytes());
        prop_assert_eq!(gone > 0, surplus.is_some());
        let log = store::replay::open(Arc::new(disk)).expect("opens");
        prop_assert_eq!(log.reader().start(), surplus.map_or(0, |(start, _)| start));
        let begun = History::open(log.reader().clone()).expect("opens").beginning().expect("reads");
        prop_assert_eq!(begun.note.is_empty(), gone == 0);
        let again = replay(&log, Some(begun), &mut |_| false).expect("replays");
        same(&all.state.view(), &again.state.view());
        prop_assert_eq!(all.chain, again.chain);
    }

    #[test]
    fn bad_bytes_are_an_error_and_never_a_panic(entries in voyage::entries(6), at in any::<prop::sample::Index>(), bit in 0..8_u8) {
        let (state, _) = fold(&entries);
        let mut bytes = Vec::new();
        snapshot::write(&state, Chain::default(), &mut bytes).expect("writes");
        let at = at.index(bytes.len());
        prop_assert!(snapshot::read(&mut &bytes[..at]).is_err(), "a cut at {}", at);
        bytes[at] ^= 1 << bit;
        prop_assert!(snapshot::read(&mut &bytes[..]).is_err(), "bit {} of byte {}", bit, at);
    }
}

#[test]
fn a_changed_entry_breaks_the_chain_of_replay() {
    let frame =
        |index, payload: &'static [u8]| Frame { payload: payload.into(), index, ..voyage::frames(&[])[0].clone() };
    let disk = MemoryDisk::default();
    let log = Log::open(Arc::new(disk.clone()), Options::default()).expect("opens");
    log.append(&[frame(0, b"a"), frame(1, b"b")]).expect("appends");
    log.flush().expect("flushes");
    replay(&log, None, &mut |_| false).expect("whole");
    // Somebody swaps the first entry for another log's, checksums and all.
    let other = MemoryDisk::default();
    let forged = Log::open(Arc::new(other.clone()), Options::default()).expect("opens");
    forged.append(&[frame(0, b"x"), frame(1, b"b")]).expect("appends");
    forged.flush().expect("flushes");
    let (mut files, forged) = (disk.contents(), other.contents());
    let (name, bytes) = files.pop_first().expect("a segment");
    let first = bytes.windows(8).position(|w| w == [1, 0, 0, 0, 0, 0, 0, 0]).expect("some frame");
    assert!(first < bytes.len());
    // The first entry's frame is the 80 bytes that differ before the second entry's chain does.
    let start = bytes.iter().zip(&forged[&name]).position(|(a, b)| a != b).expect("they differ") / 16 * 16;
    let mut swapped = bytes.clone();
    swapped[start..start + 80].copy_from_slice(&forged[&name][start..start + 80]);
    files.insert(name, swapped);
    let log =
        Log::open(Arc::new(MemoryDisk::from(files)), Options { read_only: true, ..Options::default() }).expect("opens");
    assert!(matches!(replay(&log, None, &mut |_| false), Err(HistoryError::Chain { index: 1 })));
}

#[test]
fn history_goes_no_further_back_than_it_can_and_says_so() {
    let entries: Vec<Entry> = (0..400)
        .map(|n| {
            let value = serde_json::json!({"apiVersion": "v1", "kind": "X", "metadata": {"name": "x"}, "n": n});
            let body = api::object::Body::new(&value, api::facet::Facet::default()).expect("a body");
            let (key, change) = (api::key::Key::new("xs", "", "x"), api::command::Change::Put(body));
            let condition = if n == 0 { api::command::Condition::Absent } else { api::command::Condition::Exists };
            let command = api::command::Command {
                id: api::command::CommandId(n),
                actor: "a".into(),
                agent: "t".into(),
                cause: Revision(0),
                read: Revision(0),
                note: "".into(),
                writes: vec![api::command::Write { key, condition, change }],
            };
            Entry { time: Millis(1_000), epoch: 1, commands: vec![command] }
        })
        .collect();
    let (_disk, log) = log_of(&entries, 8_192);
    let last = api::revision::Revision(400);
    let history = History::open(log.reader().clone()).expect("opens");
    let (state, _) = fold(&entries);
    history.note(&state, &[]);
    let keep = Retention { needed_from: u64::MAX, bytes_max: Some(20_000), since: None };
    let purged = log.reader().last().expect("entries");
    log.purge(purged, None).expect("purges");
    log.flush().expect("flushes");
    assert_eq!(history.retire(&log, &keep).expect("retires"), 0, "without a base, nothing may go");
    let (middle, _) = fold(&entries[..350]);
    history.save_base(&Base { state: middle, ..Base::default() }).expect("saves");
    assert!(history.retire(&log, &keep).expect("retires") > 0);
    assert_eq!(history.view_at(Revision(360)).expect("reads").expect("there").revision(), Revision(360));
    assert_eq!(history.view_at(last).expect("reads").expect("there").hash(), state.view().hash());
    assert!(matches!(history.view_at(Revision(340)), Err(HistoryError::Before { oldest: Revision(350) })));
    assert!(matches!(history.walk_after(Revision(10)), Err(HistoryError::Before { oldest: Revision(350) })));
}
