//! The past that is not kept goes, and nothing else: reads in retention, restarts, joins and replays stay right. And checkpoints may
//! fail or be lost.
mod net;

use api::command::Condition;
use api::revision::Revision;
use consensus::{CheckpointStore, Health, Keep, Kept, Member, Tuning};
use net::{Network, Setup, done, put};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use store::disk::memory::MemoryDisk;
use store::history::History;
use store::log::Options;
use store::replay::replay;
use store::view::StateHash;
use store::watch::Interest;

type Test = Result<(), Box<dyn std::error::Error>>;

const EVERYTHING: Interest = Interest { resource: None, namespace: None, name: None, field: None };

/// Small segments, few entries behind a checkpoint, and a log of at most so many bytes.
fn small(bytes: Option<u64>) -> Setup {
    let keep = Keep { age: None, bytes, every: Duration::from_millis(50) };
    let tuning = Tuning { checkpoint_entries: 60, entries_behind: 20, ring_events: 16, keep, ..Tuning::default() };
    let log = Options { segment_bytes: 8 << 10, cache_bytes: 0, ..Options::default() };
    Setup { tuning, log, checkpoints: None }
}

async fn write(member: &Member, numbers: std::ops::Range<u32>) -> Vec<(Revision, StateHash)> {
    let mut made = Vec::new();
    for number in numbers {
        let name = format!("a{}", number % 40);
        let condition = if number < 40 { Condition::Absent } else { Condition::Exists };
        let command = put(u128::from(number) + 1, &name, &format!("{number:0100}"), condition);
        let revision = done(&member.submit(command).await.expect("is done"));
        made.push((revision, member.view().hash()));
    }
    made
}

async fn eventually(what: &str, check: impl Fn() -> bool) {
    for _ in 0..1_000 {
        if check() {
            return;
        }
        rt::sleep(Duration::from_millis(10)).await;
    }
    panic!("{what}");
}

/// Whether the log is within 40 KiB, but for the segments at both ends, and for as much as the state beside it takes: less is not
/// taken away at once, for each time costs as much.
fn shrunk(disk: &MemoryDisk) -> bool {
    let bytes = |prefix: &str| -> usize {
        disk.contents().iter().filter(|(name, _)| name.starts_with(prefix)).map(|(_, bytes)| bytes.len()).sum()
    };
    bytes("base-") > 0 && bytes("segment-") <= (40 << 10) + 2 * (8 << 10) + bytes("base-")
}

/// The directory as a killed process leaves it. Killed here, a member may have a thread that takes segments away still.
fn left(disk: &MemoryDisk) -> MemoryDisk {
    MemoryDisk::from(disk.contents())
}

/// What the directory says by itself, without the member.
fn replayed(disk: &MemoryDisk) -> (Revision, StateHash, Revision) {
    let log = store::replay::open(Arc::new(left(disk))).expect("opens");
    let history = History::open(log.reader().clone()).expect("opens");
    let begun = history.beginning().expect("there is a beginning");
    let from = begun.state.view().revision();
    let view = replay(&log, Some(begun), &mut |_| false).expect("the chain holds").state.view();
    (view.revision(), view.hash(), from)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_not_kept_goes_and_everything_else_stays_right() -> Test {
    let network = Network::default();
    let setup = small(Some(40 << 10));
    let (members, mut disks) = network.three_with(&[setup.clone(), setup.clone(), setup.clone()]).await;
    let made = write(&members[0], 0..600).await;
    eventually("the logs shrink", || disks.iter().all(shrunk)).await;
    for member in &members {
        member.linearizable().await?;
        let first = member.oldest();
        assert!(first > Revision(100) && first < made[590].0, "{first}");
        assert!(member.view_at(Revision(first.0 - 1)).await?.is_none(), "before what is kept");
        let mut early = member.watch(EVERYTHING, Revision(first.0 - 1)).expect("it is told when it reads");
        let behind = early.next().await.expect_err("it is gone");
        assert!(behind.oldest >= first);
        // What is kept may go while it is read: then, and only then, a read says that it is gone.
        for (revision, hash) in made.iter().filter(|(revision, _)| *revision >= first) {
            match member.view_at(*revision).await? {
                Some(view) => assert_eq!(view.hash(), *hash, "{revision}"),
                None => assert!(member.oldest() > *revision, "{revision} is kept"),
            }
        }
        let mut last = member.oldest();
        let mut watch = member.watch(EVERYTHING, last).expect("it is told when it reads");
        while last < made[599].0 {
            match watch.next().await {
                Ok(batch) => {
                    for event in batch.events {
                        assert_eq!(event.revision.0, last.0 + 1, "no gap");
                        last = event.revision;
                    }
                }
                Err(behind) => {
                    assert!(behind.oldest > last && member.oldest() >= behind.oldest, "{last} is kept");
                    last = behind.oldest;
                    watch = member.watch(EVERYTHING, last).expect("it is told when it reads");
                }
            }
        }
    }
    // Again from the disks: once as they are, once without what can be rebuilt.
    let hash = members[0].view().hash();
    for lost in [false, true] {
        for id in 1..=3 {
            network.kill(id).await;
        }
        for (id, disk) in (1..).zip(&mut disks) {
            *disk = left(disk);
            assert_eq!(replayed(disk).1, hash, "replay of member {id}");
            if lost {
                for name in disk.contents().into_keys().filter(|name| name.starts_with("checkpoint-")) {
                    store::disk::Disk::remove(disk, &name)?;
                }
            }
            network.try_start(id, disk.clone(), &setup).await?;
        }
        let member = network.member(2);
        assert_eq!(member.linearizable().await?.hash(), hash, "lost: {lost}");
        assert!(member.oldest() > Revision(100));
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_joins_by_a_snapshot_has_all_it_needs_beside_its_log() -> Test {
    let network = Network::default();
    let setup = small(Some(40 << 10));
    let (members, disks) = network.three_with(&[setup.clone(), setup.clone(), setup.clone()]).await;
    write(&members[0], 0..400).await;
    eventually("the logs shrink", || disks.iter().all(shrunk)).await;
    let disk = MemoryDisk::default();
    let four = network.try_start(4, disk.clone(), &setup).await?;
    members[0].replace(3, Network::info(4)).await?;
    network.kill(3).await;
    let made = write(&four, 400..460).await;
    assert!(four.oldest() > Revision(0) && four.oldest() < made[0].0, "{} {}", four.oldest(), made[0].0);
    assert_eq!(four.view_at(made[0].0).await?.expect("it is kept").hash(), made[0].1);
    let hash = four.linearizable().await?.hash();
    network.kill(4).await;
    let disk = left(&disk);
    assert_eq!((replayed(&disk).0, replayed(&disk).1), (made[59].0, hash), "replay of what began with a snapshot");
    for name in disk.contents().into_keys().filter(|name| name.starts_with("checkpoint-")) {
        store::disk::Disk::remove(&disk, &name)?;
    }
    let four = network.try_start(4, disk.clone(), &setup).await?;
    let view = four.linearizable().await?;
    assert_eq!((view.hash(), view.hash()), (hash, members[0].linearizable().await?.hash()));
    assert_eq!(four.members().len(), 3, "who the members are is known without the checkpoint");
    // It keeps no more than the others as time goes on.
    write(&four, 460..900).await;
    eventually("the log shrinks", || shrunk(&disk)).await;
    network.kill(4).await;
    assert_eq!(replayed(&disk).1, members[0].linearizable().await?.hash());
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_was_away_is_waited_for_or_sent_a_snapshot() -> Test {
    let network = Network::default();
    let setup = small(Some(40 << 10));
    let (members, disks) = network.three_with(&[setup.clone(), setup.clone(), setup.clone()]).await;
    write(&members[0], 0..50).await;
    network.kill(3).await;
    let made = write(&members[0], 50..500).await;
    eventually("the others' logs shrink", || disks[..2].iter().all(shrunk)).await;
    let disk = left(&disks[2]);
    let three = network.try_start(3, disk.clone(), &setup).await?;
    assert_eq!(three.reached(made[449].0).await.hash(), made[449].1);
    assert_eq!(three.status().health, Health::Well);
    network.kill(3).await;
    assert_eq!(replayed(&disk).1, made[449].1, "its log goes on after the snapshot");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_old_goes_and_what_is_young_stays() -> Test {
    let network = Network::default();
    let mut setup = small(None);
    // Long beside what sixty writes may take on a busy machine: the young must be young together.
    setup.tuning.keep.age = Some(Duration::from_secs(4));
    let (members, disks) = network.three_with(&[setup.clone(), setup.clone(), setup.clone()]).await;
    let old = write(&members[0], 0..300).await;
    rt::sleep(Duration::from_secs(5)).await;
    // Time is what the log says: without entries nothing grows old.
    let young = write(&members[0], 300..360).await;
    let all_gone = || members.iter().all(|member| member.oldest() > old[250].0);
    eventually("what is old goes", all_gone).await;
    for (member, disk) in members.iter().zip(&disks) {
        member.linearizable().await?;
        assert!(member.oldest() <= young[0].0, "{} of {}", member.oldest(), young[0].0);
        assert!(member.view_at(old[0].0).await?.is_none());
        assert_eq!(member.view_at(young[1].0).await?.expect("it is kept").hash(), young[1].1);
        assert_eq!(replayed(disk).1, young[59].1);
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn by_itself_everything_stays() -> Test {
    let network = Network::default();
    let mut setup = small(None);
    setup.tuning.keep = Keep { every: Duration::from_millis(50), ..Keep::default() };
    let (members, disks) = network.three_with(&[setup.clone(), setup.clone(), setup.clone()]).await;
    let made = write(&members[0], 0..300).await;
    rt::sleep(Duration::from_millis(300)).await;
    assert_eq!(members[0].oldest(), Revision(0));
    assert_eq!(members[1].view_at(made[0].0).await?.expect("it is kept").hash(), made[0].1);
    assert_eq!(replayed(&disks[0]).2, Revision(0));
    Ok(())
}

/// A database that fails whatever it is asked.
struct Broken;

impl CheckpointStore for Broken {
    fn newest(&self) -> io::Result<Option<Kept>> {
        Err(io::Error::other("the database cannot be read"))
    }

    fn save(&self, _: &Kept) -> io::Result<()> {
        Err(io::Error::other("the database cannot be written"))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checkpoints_that_fail_stop_nobody_and_lose_nothing() -> Test {
    for bytes in [None, Some(40 << 10)] {
        let network = Network::default();
        let broken = Setup { checkpoints: Some(Arc::new(Broken)), ..small(bytes) };
        let (members, disks) = network.three_with(&[broken.clone(), broken.clone(), broken.clone()]).await;
        let made = write(&members[0], 0..400).await;
        if bytes.is_some() {
            eventually("the logs shrink", || disks.iter().all(shrunk)).await;
        }
        for member in &members {
            assert_eq!(member.reached(made[399].0).await.hash(), made[399].1);
            assert_eq!(member.status().health, Health::Well);
        }
        for id in 1..=3 {
            network.kill(id).await;
        }
        for (id, disk) in (1..).zip(&disks) {
            network.try_start(id, left(disk), &broken).await?;
        }
        assert_eq!(network.member(1).linearizable().await?.hash(), made[399].1);
        assert_eq!(network.member(1).members().len(), 3);
    }
    Ok(())
}
