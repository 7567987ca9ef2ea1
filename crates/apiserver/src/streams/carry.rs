//! One connection to a port of a pod, carried to a client that has several in one stream. How a piece is framed is the caller's to say.
use crate::limits::CHUNK_BYTES;
use crate::request::Duplex;
use bytes::Bytes;
use futures::future::{Either, select};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

/// Carries `pieces` to the node and what the node says, framed, to `outgoing`, until the pod's end. The client's end lets the pod finish
/// what it has to say.
pub(super) async fn carry(
    node: Box<dyn Duplex>,
    mut pieces: mpsc::Receiver<Bytes>,
    outgoing: &mpsc::Sender<Bytes>,
    frame: impl Fn(&[u8]) -> Bytes,
) {
    let (mut from_node, mut to_node) = tokio::io::split(node);
    let inward = async {
        while let Some(piece) = pieces.recv().await {
            if to_node.write_all(&piece).await.is_err() || to_node.flush().await.is_err() {
                return;
            }
        }
        let _ = to_node.shutdown().await;
    };
    let outward = async {
        let mut buffer = vec![0; CHUNK_BYTES / 4];
        while let Ok(length @ 1..) = from_node.read(&mut buffer).await {
            if outgoing.send(frame(&buffer[..length])).await.is_err() {
                return;
            }
        }
    };
    match select(std::pin::pin!(outward), std::pin::pin!(inward)).await {
        Either::Left(_) => {}
        Either::Right(((), outward)) => outward.await,
    }
}
