//! What openraft's types are here. This file and those it is used in are the only ones that know openraft.
use api::revision::Millis;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use std::fmt;

/// One member of the quorum, as the others know it. An id is given once and never again.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct MemberInfo {
    pub id: u64,
    pub name: String,
    /// Where other members and nodes reach it: `host:port` of its QUIC endpoint.
    pub link: String,
    /// Where clients reach it: `host:port` of its API.
    pub api: String,
}

/// The bytes of one record of the log, as `api::record` makes and reads them. Encoded once, by the leader.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Record {
    /// The stamp of the entry in `bytes`, for the log's own index of time.
    pub(crate) time: Millis,
    pub(crate) bytes: Bytes,
}

impl fmt::Debug for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.bytes.len())
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

// openraft asks that a record can be serialized; `frame` carries records as they are and never comes here.
impl Serialize for Record {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.time.0, &*self.bytes).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Record {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let (time, bytes) = <(u64, Vec<u8>)>::deserialize(deserializer)?;
        Ok(Self { time: Millis(time), bytes: bytes.into() })
    }
}

openraft::declare_raft_types!(
    /// One leader a term (Raft's own rule), so that a term is an epoch and a place in the log is (term, index).
    pub(crate) Types:
        D = Record,
        R = (),
        NodeId = u64,
        Node = MemberInfo,
        LeaderId = openraft::impls::leader_id_std::LeaderId<u64, u64>,
        AsyncRuntime = crate::runtime::Runtime,
);

pub(crate) type Entry = openraft::alias::EntryOf<Types>;
pub(crate) type Payload = openraft::EntryPayload<Record, u64, MemberInfo>;
pub(crate) type LogId = openraft::alias::LogIdOf<Types>;
pub(crate) type Vote = openraft::alias::VoteOf<Types>;
pub(crate) type Membership = openraft::Membership<u64, MemberInfo>;
pub(crate) type StoredMembership = openraft::alias::StoredMembershipOf<Types>;
pub(crate) type SnapshotMeta = openraft::alias::SnapshotMetaOf<Types>;
pub(crate) type Term = openraft::alias::CommittedLeaderIdOf<Types>;

pub(crate) fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(Term::new(term), index)
}

pub(crate) fn term_of(id: &LogId) -> u64 {
    id.leader_id.term
}

pub(crate) type Snapshot<D> = openraft::storage::Snapshot<Term, u64, MemberInfo, D>;
