//! What is said over link: the words between node and member, and the heads of streams. Shapes only; no sockets.
//! A frame is a length (u32, big endian), then JSON of one of these; an object's own bytes go as they are.
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// Node to member, on the session's first stream.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FromNode {
    /// Opens the session. `seen` is the last revision the node has folded; 0 on a first start.
    Hello { node: String, seen: u64, version: String },
    /// The node's own object, to be created or brought up to date (metadata, spec of a new one, status).
    Register { object: Box<RawValue> },
    /// The status of an object as the node observes it: `status` replaces the status of the live object if its uid matches.
    /// Answered by `Reported` with the same `id`.
    Status { id: u64, resource: String, namespace: String, name: String, uid: String, status: Box<RawValue> },
    /// The pod's containers are gone: take the object away (only one whose deletion has begun).
    Removed { id: u64, namespace: String, name: String, uid: String },
    /// A Kubernetes Event to be recorded.
    Event { object: Box<RawValue> },
    /// Asks for a service account token for a volume of a pod that runs on the node, bound to the pod. Empty audience: the API's own.
    /// Answered by `Token` with the same `id`.
    Token { id: u64, namespace: String, pod: String, uid: String, audience: String, seconds: u64 },
    /// Keeps the session alive and measures it.
    Ping { sent: u64 },
}

/// Member to node, on the session's first stream.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ToNode {
    /// The session stands; what changed after `seen` follows. `full`: everything follows, what is not named is gone.
    Welcome {
        member: String,
        full: bool,
        cluster_domain: String,
        dns: Option<String>,
    },
    /// This member does not lead; try these addresses first.
    Elsewhere {
        leader: Option<String>,
    },
    /// An object that concerns this node, whole.
    Set {
        resource: String,
        object: Box<RawValue>,
    },
    /// It no longer concerns this node, or is gone.
    Gone {
        resource: String,
        namespace: String,
        name: String,
    },
    /// Everything up to `revision` has been said.
    Through {
        revision: u64,
    },
    /// What came of a `Status` or `Removed`. `error` is empty when it was written.
    Reported {
        id: u64,
        revision: u64,
        error: String,
    },
    /// The token that was asked for, and its end (milliseconds since the epoch), or why there is none.
    Token {
        id: u64,
        token: String,
        expires: u64,
        error: String,
    },
    Pong {
        sent: u64,
    },
}

/// The head of a stream that a member opens to a node. What follows depends on it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum NodeStream {
    /// Answered by a `StreamReply`, then the log's text until its end.
    #[serde(rename_all = "camelCase")]
    Logs {
        namespace: String,
        pod: String,
        uid: String,
        container: String,
        follow: bool,
        previous: bool,
        timestamps: bool,
        tail_lines: Option<u64>,
        since_seconds: Option<u64>,
        since_time: Option<u64>,
        limit_bytes: Option<u64>,
    },
    /// Answered by a `StreamReply`, then channel frames both ways: channel (u8: 0 stdin, 1 stdout, 2 stderr, 3 exit, 4 resize,
    /// 255 end of a channel), length (u32, big endian), bytes. Channel 3 carries `ExecExit` once, at the end.
    Exec {
        namespace: String,
        pod: String,
        uid: String,
        container: String,
        command: Vec<String>,
        stdin: bool,
        tty: bool,
    },
    /// As `Exec`, but to the container's first process.
    Attach { namespace: String, pod: String, uid: String, container: String, stdin: bool, tty: bool },
    /// Answered by a `StreamReply`, then the bytes of one TCP connection to the pod's port, both ways.
    Forward { namespace: String, pod: String, uid: String, port: u16 },
}

/// The first frame back on a node stream.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum StreamReply {
    Ready,
    /// `code` is an HTTP status: 404 no such container, 400 not running, 500 the runtime failed.
    Refused {
        code: u16,
        message: String,
    },
}

/// How an exec ended.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct ExecExit {
    pub code: i32,
    /// Why it could not run at all; empty if it ran.
    pub error: String,
}
