//! Runs that begin at a backup: with a log from its beginning on, and with one whose beginning was taken away. What judges other runs judges
//! these, and finds what is wrong in them.
use api::event::Act;
use simulation::disk::Files;
use simulation::whole::{Backup, Run, Scenario, Sheet, in_fresh_thread, invariants};
use std::sync::Arc;
use store::disk::memory::MemoryDisk;

fn sail(seed: u64, sheet: &Sheet) -> Run {
    let keep = simulation::Keep { disks: true, ..simulation::Keep::default() };
    let run = in_fresh_thread(&Scenario::drawn(seed, sheet), keep);
    assert!(run.violations.is_empty(), "{:?}", run.violations);
    run
}

fn calm(mut sheet: Sheet) -> Sheet {
    sheet.draw_from("none").expect("none is a word");
    sheet
}

fn backup(files: &Files) -> Result<Backup, String> {
    let disk = MemoryDisk::from(files.iter().cloned().collect::<std::collections::BTreeMap<_, _>>());
    Backup::read(&store::replay::open(Arc::new(disk)).map_err(|why| why.to_string())?)
}

#[test]
fn a_past_goes_on_with_its_beginning_and_without() {
    let text = "nodes 2\nfor 20s\nsegment 4096\nkeep 16384\nclients 2 rollouts\nclients 1 counters\n";
    let sheet = Sheet::read(text).expect("a sheet");
    let before = sail(5, &calm(sheet.clone()));
    let revision = before.evidence.members.reference.events.last().expect("much happened").revision.0;
    for (member, whole) in [("m1", true), ("m3", false)] {
        let run = sail(6, &sheet.clone().from(backup(&before.disks[member]).expect("a backup")));
        let reference = &run.evidence.members.reference;
        let (found, begun) = reference.begun;
        assert_eq!((found == 0, begun == 0), (whole, whole), "{member}");
        assert!(begun <= revision, "what is known to be committed and more: {begun} of {revision}");
        let newest = reference.events.last().expect("it goes on").revision.0;
        assert!(newest > revision && !run.evidence.deeds.is_empty(), "{member} goes on from {revision} to {newest}");
        assert!(run.evidence.members.logs.iter().all(|log| !log.records.is_empty()), "every member shows its log");
        let uids: std::collections::BTreeSet<_> =
            reference.events.iter().filter(|event| event.act == Act::Added).map(|event| event.object.uid).collect();
        assert!(reference.views.values().last().expect("a view").all().all(|object| uids.contains(&object.uid)));

        let mut broken = run.evidence.clone();
        let middle = broken.members.reference.events.len() / 2;
        broken.members.reference.events.remove(middle.max(found + 1));
        assert!(!invariants::check(&broken).is_empty(), "{member}: a lost event is seen");
    }
}

#[test]
fn what_is_no_backup_is_refused() {
    assert!(backup(&Vec::new()).expect_err("nothing is there").contains("0 nodes"));
    let run = sail(5, &calm(Sheet::read("nodes 1\nfor 2s\nclients 1 counters\n").expect("a sheet")));
    let mut files = run.disks["m1"].clone();
    let (_, bytes) = files.iter_mut().max_by_key(|(_, bytes)| bytes.len()).expect("a log");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    assert!(backup(&files).is_err(), "damage is not a past");
}
