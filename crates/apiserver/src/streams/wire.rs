//! How SPDY frames travel: as the bytes of a connection, or as WebSocket messages. It reads none of them.
use crate::limits::CHUNK_BYTES;
use crate::request::Duplex;
use bytes::{Bytes, BytesMut};
use futures::stream::BoxStream;
use futures::{SinkExt as _, StreamExt as _};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::Role;

/// Frames that wait for the client, and pieces that wait for one connection.
pub(super) const WAITING_MAX: usize = 64;

pub(super) type Outgoing = mpsc::Sender<Bytes>;

pub(super) async fn messages(client: Box<dyn Duplex>) -> (BoxStream<'static, Bytes>, Outgoing) {
    let socket = WebSocketStream::from_raw_socket(client, Role::Server, None).await;
    let (mut sink, stream) = socket.split();
    let (send, mut receive) = mpsc::channel::<Bytes>(WAITING_MAX);
    drop(rt::spawn("stream writer", async move {
        while let Some(bytes) = receive.recv().await {
            if sink.send(Message::Binary(bytes)).await.is_err() {
                return;
            }
        }
        // Whoever is gone needs no farewell.
        let _ = sink.close().await;
    }));
    let incoming =
        stream.take_while(|message| std::future::ready(matches!(message, Ok(message) if !message.is_close())));
    let incoming = incoming.filter_map(|message| async move {
        match message {
            Ok(Message::Binary(bytes)) => Some(bytes),
            _ => None,
        }
    });
    (incoming.boxed(), send)
}

pub(super) fn raw(client: Box<dyn Duplex>) -> (BoxStream<'static, Bytes>, Outgoing) {
    let (read, mut write) = tokio::io::split(client);
    let (send, mut receive) = mpsc::channel::<Bytes>(WAITING_MAX);
    drop(rt::spawn("stream writer", async move {
        while let Some(bytes) = receive.recv().await {
            if write.write_all(&bytes).await.is_err() || write.flush().await.is_err() {
                return;
            }
        }
        let _ = write.shutdown().await;
    }));
    let incoming = futures::stream::unfold(read, |mut read| async move {
        let mut buffer = BytesMut::with_capacity(CHUNK_BYTES / 4);
        match read.read_buf(&mut buffer).await {
            Ok(0) | Err(_) => None,
            Ok(_) => Some((buffer.freeze(), read)),
        }
    });
    (incoming.boxed(), send)
}
