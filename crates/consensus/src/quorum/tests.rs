//! One member: its settings, and how it behaves when it is ill.
use super::*;
use crate::frame::{decode_answer, encode_request};
use crate::submit::SubmitError;
use crate::transport::Nowhere;
use api::command::{Command, CommandId, Outcome};
use std::sync::atomic::{AtomicBool, Ordering};
use store::disk::memory::MemoryDisk;
use store::disk::{Disk, DiskError};

#[test]
fn a_leader_is_never_restored_and_pre_vote_is_on() {
    let config = super::config(&Tuning::default()).validate().expect("valid");
    assert_eq!((config.enable_leader_restore, config.enable_pre_vote), (Some(false), Some(true)));
}

/// A disk that is full once it is told so.
struct Filling {
    disk: MemoryDisk,
    full: Arc<AtomicBool>,
}

impl Disk for Filling {
    fn list(&self) -> Result<Vec<String>, DiskError> {
        self.disk.list()
    }
    fn create(&self, name: &str) -> Result<(), DiskError> {
        self.disk.create(name)
    }
    fn len(&self, name: &str) -> Result<u64, DiskError> {
        self.disk.len(name)
    }
    fn append(&self, name: &str, bytes: &[u8]) -> Result<(), DiskError> {
        if self.full.load(Ordering::SeqCst) { Err(DiskError::Full) } else { self.disk.append(name, bytes) }
    }
    fn read_at(&self, name: &str, offset: u64, length: usize) -> Result<Vec<u8>, DiskError> {
        self.disk.read_at(name, offset, length)
    }
    fn sync(&self, name: &str) -> Result<(), DiskError> {
        self.disk.sync(name)
    }
    fn truncate(&self, name: &str, length: u64) -> Result<(), DiskError> {
        self.disk.truncate(name, length)
    }
    fn rename(&self, from: &str, to: &str) -> Result<(), DiskError> {
        self.disk.rename(from, to)
    }
    fn remove(&self, name: &str) -> Result<(), DiskError> {
        self.disk.remove(name)
    }
}

fn command(id: u128) -> Command {
    Command {
        id: CommandId(id),
        actor: "test".into(),
        agent: "test".into(),
        cause: Revision(0),
        read: Revision(0),
        note: "".into(),
        writes: Vec::new(),
    }
}

async fn one(full: &Arc<AtomicBool>) -> Quorum {
    let disk = Arc::new(Filling { disk: MemoryDisk::default(), full: full.clone() });
    let log = store::log::Log::open(disk.clone(), store::log::Options::default()).expect("opens");
    let info = MemberInfo { id: 1, name: "m1".into(), ..MemberInfo::default() };
    let quorum = Quorum::start(Options {
        info,
        log,
        disk,
        checkpoints: None,
        transport: Arc::new(Nowhere),
        tuning: Tuning::default(),
    })
    .await
    .expect("starts");
    quorum.found().await.expect("founds");
    let outcome = quorum.submitter.submit(command(1), None).await;
    assert!(matches!(outcome, Ok(Outcome::Done { .. })), "{outcome:?}");
    quorum
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_whose_disk_is_full_says_so_and_takes_no_part() {
    let full = Arc::default();
    let quorum = one(&full).await;
    full.store(true, Ordering::SeqCst);
    let outcome = quorum.submitter.submit(command(2), None).await;
    assert!(matches!(outcome, Err(SubmitError::Unknown(_))), "it was taken, and is not acknowledged: {outcome:?}");
    let Health::Disk(why) = quorum.status().health else { panic!("{:?}", quorum.status()) };
    assert!(why.contains("full"), "{why}");
    assert!(matches!(quorum.submitter.submit(command(3), None).await, Err(SubmitError::Unavailable(_))));
    assert!(quorum.reader.linearizable().await.is_err());
    assert!(!quorum.room.leadership().here);
    let answer = decode_answer(quorum.serve(2, encode_request(&Request::ReadIndex)).await).expect("a frame");
    assert!(matches!(answer, Answer::Refused(_)), "{answer:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_that_differs_from_the_majority_stops_serving() {
    let quorum = one(&Arc::default()).await;
    let (index, hash) = quorum.status().hash;
    let verdict = |hash| encode_request(&Request::Verdict { index, hash });
    quorum.serve(2, verdict(hash.0)).await;
    assert_eq!(quorum.status().health, Health::Well);
    quorum.serve(2, verdict(hash.0 ^ 1)).await;
    assert!(matches!(quorum.status().health, Health::Diverged { .. }), "{:?}", quorum.status());
    assert!(quorum.reader.linearizable().await.is_err());
    assert!(matches!(quorum.submitter.submit(command(3), None).await, Err(SubmitError::Unavailable(_))));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_is_too_large_is_refused_before_it_is_taken() {
    let quorum = one(&Arc::default()).await;
    let mut large = command(2);
    large.note = "x".repeat(crate::limits::COMMAND_BYTES_MAX + 1).into();
    assert!(matches!(quorum.submitter.submit(large, None).await, Err(SubmitError::TooLarge(_))));
}

/// Members that reach each other by hand.
#[derive(Default)]
struct Room3 {
    members: std::sync::Mutex<BTreeMap<u64, Arc<Quorum>>>,
}

struct Way(u64, Arc<Room3>);

impl Transport for Way {
    fn call(
        &self,
        to: &MemberInfo,
        request: Bytes,
    ) -> futures::future::BoxFuture<'static, Result<Bytes, crate::transport::TransportError>> {
        let there = self.1.members.lock().expect("no panic").get(&to.id).cloned();
        let from = self.0;
        Box::pin(async move {
            let there = there.ok_or_else(|| crate::transport::TransportError::Unreachable("down".into()))?;
            Ok(there.serve(from, request).await)
        })
    }
}

async fn join(room: &Arc<Room3>, id: u64, disk: MemoryDisk) -> Arc<Quorum> {
    let disk = Arc::new(disk);
    let log = store::log::Log::open(disk.clone(), store::log::Options::default()).expect("opens");
    let info = MemberInfo { id, name: format!("m{id}"), ..MemberInfo::default() };
    let quorum = Quorum::start(Options {
        info,
        log,
        disk,
        checkpoints: None,
        transport: Arc::new(Way(id, room.clone())),
        tuning: Tuning::default(),
    })
    .await;
    let quorum = Arc::new(quorum.expect("starts"));
    room.members.lock().expect("no panic").insert(id, quorum.clone());
    quorum
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_joins_by_snapshot_and_restarts_from_its_checkpoint() {
    let room = Arc::new(Room3::default());
    let first = join(&room, 1, MemoryDisk::default()).await;
    first.found().await.expect("founds");
    for id in 1..=40 {
        assert!(first.submitter.submit(command(id), None).await.is_ok());
    }
    // Raft forgets what comes before the checkpoint, so a new member can only have the snapshot.
    let applied = first.room.applied.reached();
    first.checkpoint().await.expect("it is made");
    let waiting = first.raft.wait(Some(std::time::Duration::from_secs(5)));
    first.raft.trigger().purge_log(applied).await.expect("Raft runs");
    waiting.metrics(|metrics| metrics.purged.is_some(), "a purge").await.expect("it is done");
    let disk = MemoryDisk::default();
    let second = join(&room, 2, disk.clone()).await;
    first.change(Change::Add(second.info.clone())).await.expect("joins");
    let view = second.reader.linearizable().await.expect("reads");
    assert_eq!(view.hash(), first.room.published.view().hash());
    assert!(disk.contents().keys().any(|name| name.starts_with("checkpoint-")), "{:?}", disk.contents().keys());
    // A retry finds its first outcome in what the snapshot brought.
    let again = second.submitter.submit(command(7), None).await;
    assert!(matches!(again, Ok(Outcome::Done { .. })), "{again:?}");
    let before = second.status();
    second.stop().await;
    room.members.lock().expect("no panic").remove(&2);
    let second = join(&room, 2, disk).await;
    assert!(second.room.applied.reached() >= applied, "it starts from the checkpoint");
    let view = second.reader.linearizable().await.expect("reads");
    assert!(view.revision() >= before.revision);
    assert_eq!(view.hash(), first.room.published.view().hash());
    assert_eq!(second.room.highest_member(), 2);
    let chain = |quorum: &Quorum| quorum.log.store().reader().chain_at(view.index()).expect("reads");
    assert_eq!(chain(&first), chain(&second));
}

/// What can be rebuilt from the log may be deleted: the member comes back to the same state, and goes on.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_checkpoint_costs_time_and_nothing_else() {
    let room = Arc::new(Room3::default());
    let disk = MemoryDisk::default();
    let first = join(&room, 1, disk.clone()).await;
    first.found().await.expect("founds");
    for id in 1..=40 {
        assert!(first.submitter.submit(command(id), None).await.is_ok());
    }
    let applied = first.room.applied.reached();
    first.checkpoint().await.expect("it is made");
    let waiting = first.raft.wait(Some(std::time::Duration::from_secs(5)));
    first.raft.trigger().purge_log(applied).await.expect("Raft runs");
    waiting.metrics(|metrics| metrics.purged.is_some(), "a purge").await.expect("it is done");
    let before = first.status();
    first.stop().await;
    room.members.lock().expect("no panic").remove(&1);
    drop(first);
    let lost: Vec<String> = disk.contents().into_keys().filter(|name| name.starts_with("checkpoint-")).collect();
    assert!(!lost.is_empty(), "there was one");
    for name in lost {
        disk.remove(&name).expect("removes");
    }
    let again = join(&room, 1, disk).await;
    let view = again.reader.linearizable().await.expect("reads");
    assert_eq!((view.revision(), view.hash()), (before.revision, before.hash.1));
    let retry = again.submitter.submit(command(7), None).await;
    assert!(matches!(retry, Ok(Outcome::Done { .. })), "a retry finds its first outcome: {retry:?}");
}
