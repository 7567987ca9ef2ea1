//! The port to the nodes: a stream to the agent that runs a pod. `control` implements it over link.
//! Nothing here knows how a node is reached.
use crate::request::Duplex;
use api::status::Status;
use futures::future::BoxFuture;

/// What is asked of a pod's node; the words are those of `link::message::NodeStream`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PodStream {
    pub namespace: String,
    pub pod: String,
    pub uid: String,
    pub what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// The log's text, until its end.
    Logs {
        container: String,
        follow: bool,
        previous: bool,
        timestamps: bool,
        tail_lines: Option<u64>,
        since_seconds: Option<u64>,
        /// Milliseconds since the epoch.
        since_time: Option<u64>,
        limit_bytes: Option<u64>,
    },
    /// Channel frames both ways: channel (u8: 0 stdin, 1 stdout, 2 stderr, 3 exit, 4 resize, 255 end of a channel), length (u32,
    /// big endian), bytes. Channel 3 carries `{"code": i32, "error": string}` once, at the end.
    Exec { container: String, command: Vec<String>, stdin: bool, tty: bool },
    /// As `Exec`, to the container's first process.
    Attach { container: String, stdin: bool, tty: bool },
    /// The bytes of one TCP connection to the pod's port, both ways.
    Forward { port: u16 },
}

/// Ways to nodes.
pub trait Nodes: Send + Sync {
    /// A stream to `node`, after its `StreamReply` said that it is ready.
    ///
    /// # Errors
    /// What the node refused with, or 503 if it has no session.
    fn open(&self, node: &str, stream: PodStream) -> BoxFuture<'static, Result<Box<dyn Duplex>, Status>>;
}
