//! Members in one process over a network in memory that can be cut. It is for this crate's tests only.
#![allow(dead_code, unreachable_pub, reason = "each test file uses a part of it")]
use api::command::{Change, Command, CommandId, Condition, Outcome, Write};
use api::facet::Facet;
use api::key::Key;
use api::object::Body;
use api::revision::Revision;
use bytes::Bytes;
use consensus::{CheckpointStore, Member, MemberInfo, Options, StartError, Transport, TransportError, Tuning};
use futures::future::BoxFuture;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::disk::memory::MemoryDisk;
use store::log::{Log, Options as LogOptions};

#[derive(Clone, Default)]
pub struct Network {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    members: BTreeMap<u64, Member>,
    /// Pairs (from, to) that hear nothing of each other.
    cut: BTreeSet<(u64, u64)>,
    delay: Duration,
}

struct Way {
    from: u64,
    network: Network,
}

impl Transport for Way {
    fn call(&self, to: &MemberInfo, request: Bytes) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        let (from, to, network) = (self.from, to.id, self.network.clone());
        assert_ne!(from, to, "a member asks itself over the network");
        Box::pin(async move {
            let (member, delay, cut) = {
                let inner = network.inner.lock().expect("no panic");
                (inner.members.get(&to).cloned(), inner.delay, inner.cut.contains(&(from, to)))
            };
            if cut {
                // A lost packet gives no sign.
                std::future::pending::<()>().await;
            }
            let Some(member) = member else { return Err(TransportError::Unreachable("it is down".into())) };
            rt::sleep(delay).await;
            let answer = member.serve(from, request).await;
            rt::sleep(delay).await;
            let cut = network.inner.lock().expect("no panic").cut.contains(&(to, from));
            if cut {
                std::future::pending::<()>().await;
            }
            Ok(answer)
        })
    }
}

/// What differs from a member as it is by itself.
#[derive(Clone, Default)]
pub struct Setup {
    pub tuning: Tuning,
    pub log: LogOptions,
    pub checkpoints: Option<Arc<dyn CheckpointStore>>,
}

impl Network {
    pub fn info(id: u64) -> MemberInfo {
        MemberInfo { id, name: format!("m{id}"), link: format!("m{id}:1"), api: format!("m{id}:2") }
    }

    pub async fn start(&self, id: u64, disk: MemoryDisk) -> Member {
        self.try_start(id, disk, &Setup::default()).await.expect("starts")
    }

    pub async fn try_start(&self, id: u64, disk: MemoryDisk, setup: &Setup) -> Result<Member, StartError> {
        self.try_start_as(Self::info(id), disk, setup).await
    }

    pub async fn start_as(&self, info: MemberInfo, disk: MemoryDisk) -> Member {
        self.try_start_as(info, disk, &Setup::default()).await.expect("starts")
    }

    async fn try_start_as(&self, info: MemberInfo, disk: MemoryDisk, setup: &Setup) -> Result<Member, StartError> {
        let id = info.id;
        let transport = Arc::new(Way { from: id, network: self.clone() });
        let disk = Arc::new(disk);
        let log = Log::open(disk.clone(), setup.log).expect("opens");
        let (checkpoints, tuning) = (setup.checkpoints.clone(), setup.tuning);
        let member = Member::start(Options { info, log, disk, checkpoints, transport, tuning }).await?;
        self.inner.lock().expect("no panic").members.insert(id, member.clone());
        Ok(member)
    }

    /// Three voters.
    pub async fn three(&self) -> (Vec<Member>, Vec<MemoryDisk>) {
        self.three_with(&[Setup::default(), Setup::default(), Setup::default()]).await
    }

    pub async fn three_with(&self, setups: &[Setup; 3]) -> (Vec<Member>, Vec<MemoryDisk>) {
        let disks: Vec<_> = (0..3).map(|_| MemoryDisk::default()).collect();
        let mut members = Vec::new();
        for ((id, disk), setup) in (1..).zip(&disks).zip(setups) {
            members.push(self.try_start(id, disk.clone(), setup).await.expect("starts"));
        }
        members[0].found().await.expect("founds");
        for id in 2..=3 {
            members[0].add(Self::info(id)).await.expect("joins");
        }
        (members, disks)
    }

    /// The member that runs under this id.
    pub fn member(&self, id: u64) -> Member {
        self.inner.lock().expect("no panic").members[&id].clone()
    }

    pub async fn kill(&self, id: u64) {
        let member = self.inner.lock().expect("no panic").members.remove(&id);
        member.expect("it was up").stop().await;
    }

    pub fn delay(&self, delay: Duration) {
        self.inner.lock().expect("no panic").delay = delay;
    }

    /// Cuts one member off from all others.
    pub fn isolate(&self, id: u64) {
        let mut inner = self.inner.lock().expect("no panic");
        for other in 1..10 {
            inner.cut.insert((id, other));
            inner.cut.insert((other, id));
        }
    }

    pub fn heal(&self) {
        self.inner.lock().expect("no panic").cut.clear();
    }
}

pub fn put(id: u128, name: &str, value: &str, condition: Condition) -> Command {
    let json =
        serde_json::json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"v": value}});
    let body = Body::new(&json, Facet::default()).expect("a body");
    let write = Write { key: Key::new("configmaps", "default", name), condition, change: Change::Put(body) };
    Command {
        id: CommandId(id),
        actor: "test".into(),
        agent: "test".into(),
        cause: Revision(0),
        read: Revision(0),
        note: "".into(),
        writes: vec![write],
    }
}

pub fn done(outcome: &Outcome) -> Revision {
    match outcome {
        Outcome::Done { last, .. } => *last,
        Outcome::Refused { refusal, .. } => panic!("refused: {refusal:?}"),
    }
}

/// The leader among these, once there is one.
pub async fn leader(members: &[Member]) -> usize {
    for _ in 0..500 {
        if let Some(place) = members.iter().position(|member| member.leading().is_some()) {
            return place;
        }
        rt::sleep(Duration::from_millis(10)).await;
    }
    panic!("no leader: {:?}", members.iter().map(Member::status).collect::<Vec<_>>());
}
