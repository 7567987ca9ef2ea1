//! Streams to nodes: logs, exec, attach, port-forward (the adapter of the API server's port). To a node with a session here the
//! stream goes over that session; else through the leader, where nodes have theirs.
use crate::limits::ASK_MAX;
use crate::nodes::Nodes;
use crate::words::AskMember;
use api::status::Status;
use apiserver::nodes::{PodStream, What};
use apiserver::request::Duplex;
use futures::FutureExt;
use futures::future::BoxFuture;
use link::error::LinkError;
use link::message::{NodeStream, StreamReply};
use link::session::{Receiver, Sender};
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

impl apiserver::nodes::Nodes for Nodes {
    fn open(&self, node: &str, stream: PodStream) -> BoxFuture<'static, Result<Box<dyn Duplex>, Status>> {
        let (nodes, node) = (self.clone(), node.to_owned());
        async move {
            let (sender, receiver) = nodes.open_ready(&node, head(stream)).await?;
            Ok(Box::new(Both { sender, receiver }) as Box<dyn Duplex>)
        }
        .boxed()
    }
}

impl Nodes {
    /// Passes on a stream that another member opened to a node which has its session here. What the node answers goes back as it is.
    pub(crate) async fn relay(
        &self,
        node: &str,
        stream: NodeStream,
        sender: Sender,
        receiver: Receiver,
    ) -> Result<(), LinkError> {
        let mut asker = Both { sender, receiver };
        let Some(connected) = self.table.get(node) else {
            let message = no_session(node).message.clone();
            return asker.sender.json(&StreamReply::Refused { code: 503, message }).await;
        };
        let (mut sender, receiver) = connected.session.open().await?;
        sender.json(&stream).await?;
        let mut node = Both { sender, receiver };
        // Each direction ends by itself; the peer's errors end both.
        let copied = tokio::io::copy_bidirectional(&mut asker, &mut node).await;
        copied.map(|_| ()).map_err(|why| LinkError::Closed(why.to_string()))
    }

    async fn open_ready(&self, node: &str, head: NodeStream) -> Result<(Sender, Receiver), Status> {
        let gone = |why: LinkError| Status::unavailable(format!("node {node}: {why}"));
        let opening = async {
            let (sender, mut receiver) = self.open_any(node, head).await?;
            let reply: Option<StreamReply> = receiver.json().await.map_err(gone)?;
            match reply {
                Some(StreamReply::Ready) => Ok((sender, receiver)),
                Some(StreamReply::Refused { code, message }) => Err(refused(code, message)),
                None => Err(gone(LinkError::Closed("it gave no answer".into()))),
            }
        };
        let late = || Status::unavailable(format!("node {node} did not answer in {} seconds", ASK_MAX.as_secs()));
        rt::timeout(ASK_MAX, opening).await.ok_or_else(late)?
    }

    async fn open_any(&self, node: &str, head: NodeStream) -> Result<(Sender, Receiver), Status> {
        let gone = |why: LinkError| Status::unavailable(format!("node {node}: {why}"));
        if let Some(connected) = self.table.get(node) {
            let (mut sender, receiver) = connected.session.open().await.map_err(gone)?;
            sender.json(&head).await.map_err(gone)?;
            return Ok((sender, receiver));
        }
        let elsewhere = if self.member.leading().is_some() { None } else { self.leader_address() };
        let (Some(peers), Some(leader)) = (&self.peers, elsewhere) else { return Err(no_session(node)) };
        peers.open(&leader, &AskMember::NodeStream { node: node.to_owned(), stream: head }).await.map_err(gone)
    }
}

fn no_session(node: &str) -> Status {
    Status::unavailable(format!("node {node} has no session with the cluster; see whether its agent runs"))
}

fn refused(code: u16, message: String) -> Status {
    match code {
        400 => Status::bad_request(message),
        404 => Status::new(404, "NotFound", message),
        503 => Status::unavailable(message),
        _ => Status::internal(message),
    }
}

fn head(stream: PodStream) -> NodeStream {
    let PodStream { namespace, pod, uid, what } = stream;
    match what {
        What::Logs { container, follow, previous, timestamps, tail_lines, since_seconds, since_time, limit_bytes } => {
            NodeStream::Logs {
                namespace,
                pod,
                uid,
                container,
                follow,
                previous,
                timestamps,
                tail_lines,
                since_seconds,
                since_time,
                limit_bytes,
            }
        }
        What::Exec { container, command, stdin, tty } => {
            NodeStream::Exec { namespace, pod, uid, container, command, stdin, tty }
        }
        What::Attach { container, stdin, tty } => NodeStream::Attach { namespace, pod, uid, container, stdin, tty },
        What::Forward { port } => NodeStream::Forward { namespace, pod, uid, port },
    }
}

/// Both halves of a stream as one.
struct Both {
    sender: Sender,
    receiver: Receiver,
}

impl AsyncRead for Both {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.receiver).poll_read(context, into)
    }
}

impl AsyncWrite for Both {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.sender).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.sender).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.sender).poll_shutdown(context)
    }
}
