//! What members say to each other beside consensus: questions and answers on streams of their own. Shapes only.
use link::message::NodeStream;
use serde::{Deserialize, Serialize};

/// The head of a stream from one member to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AskMember {
    /// How are you? Answered by `Told::Status`.
    Status,
    /// I am running and have my log: take me in, first without a vote. Answered by `Told::Done` when I have one.
    #[serde(rename_all = "camelCase")]
    Enter {
        id: u64,
        name: String,
        link: String,
        api: String,
        /// The member whose place I take.
        #[serde(default)]
        replaces: Option<u64>,
    },
    /// A stream to a node that has its session with you. What the node answers is passed on as it is.
    NodeStream { node: String, stream: NodeStream },
    /// Which nodes have a session with you? Answered by `Told::Nodes`.
    Nodes,
    /// What was your state after the entry at this log index? Answered by `Told::State`.
    State { index: u64 },
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Told {
    Status(Box<MemberStatus>),
    Nodes(Vec<NodeSession>),
    /// `None`: the entry is not applied yet, or long ago.
    State(Option<StateAt>),
    Done,
    /// It will not be done.
    Refused {
        why: String,
    },
    /// It was not done, or not yet: ask again.
    Later {
        why: String,
    },
}

/// How a member is and how far it has come.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberStatus {
    pub id: u64,
    pub name: String,
    pub role: String,
    pub term: u64,
    pub leader: Option<u64>,
    pub last_index: u64,
    pub applied_index: u64,
    pub revision: u64,
    /// `well`, or what ails it.
    pub health: String,
    pub version: String,
    pub pid: u32,
    /// How many nodes have a session with it.
    pub nodes: u64,
}

/// What a member's state was after one entry.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct StateAt {
    pub hash_index: u64,
    pub hash_revision: u64,
    pub hash: String,
}

/// What `rutter status` prints.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    pub cluster: String,
    /// The member that answers.
    pub asked: String,
    pub leader: Option<String>,
    pub term: u64,
    pub revision: u64,
    /// RFC 3339: the newest entry's stamp.
    pub time: String,
    pub objects: u64,
    pub members: Vec<MemberLine>,
    pub nodes: Vec<NodeLine>,
}

/// A member, as it tells of itself (nothing, if it gave no answer), and its state hash at the newest entry that every answering
/// member has applied.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MemberLine {
    pub id: u64,
    pub name: String,
    pub link: String,
    pub api: String,
    pub voter: bool,
    pub role: String,
    /// `well`, or what ails it, or that it gave no answer.
    pub health: String,
    pub pid: Option<u32>,
    pub version: Option<String>,
    pub term: Option<u64>,
    pub last_index: Option<u64>,
    pub applied_index: Option<u64>,
    pub revision: Option<u64>,
    pub hash_index: Option<u64>,
    pub hash_revision: Option<u64>,
    pub hash: Option<String>,
}

/// A node that is registered, and its session if it has one.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeLine {
    pub name: String,
    pub session: Option<NodeSession>,
}

/// A node's session with a member.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodeSession {
    pub node: String,
    /// RFC 3339.
    pub since: String,
    pub remote: String,
    pub version: String,
}
