//! What members say to each other beside consensus: questions and answers on streams of their own. Shapes only.
use link::message::NodeStream;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The head of a stream from one member to another.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum AskMember {
    /// How are you? Answered by `Told::Status`.
    Status,
    /// I am running and have my log: take me in, first without a vote. Answered by `Told::Done` when I have one.
    #[serde(rename_all = "camelCase")]
    Enter { id: u64, name: String, link: String, api: String },
    /// A stream to a node that has its session with you. What the node answers is passed on as it is.
    NodeStream { node: String, stream: NodeStream },
    /// Which nodes have a session with you? Answered by `Told::Nodes`.
    Nodes,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Told {
    Status(Box<MemberStatus>),
    Nodes(Vec<NodeSession>),
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
    /// The state hash at `hash_index`.
    pub hash_index: u64,
    pub hash: String,
    /// `well`, or what ails it.
    pub health: String,
    pub version: String,
    pub pid: u32,
    /// How many nodes have a session with it.
    pub nodes: u64,
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

/// As JSON, with what the asker adds.
#[must_use]
pub fn with(value: &impl Serialize, more: &[(&str, Value)]) -> Value {
    let mut value = serde_json::to_value(value).unwrap_or_default();
    if let Some(members) = value.as_object_mut() {
        members.extend(more.iter().map(|(name, value)| ((*name).to_owned(), value.clone())));
    }
    value
}
