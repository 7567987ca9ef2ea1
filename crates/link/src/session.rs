//! A session with one peer: streams both ways, frames on them, calls. It knows who the peer is. What carries it (QUIC, or memory
//! in tests and simulations) stands behind the port `Wire`.
use crate::error::LinkError;
use crate::frame::{FrameError, Frames, HEAD_BYTES, head};
use crate::limits::{FRAME_BYTES_MAX, JOIN_FRAME_BYTES_MAX};
use crate::peer::Peer;
use bytes::{Buf, Bytes};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

pub type Reader = Box<dyn AsyncRead + Send + Sync + Unpin>;
pub type Writer = Box<dyn AsyncWrite + Send + Sync + Unpin>;
pub type Doing<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What carries a session.
pub trait Wire: Send + Sync {
    /// Opens a stream; waits while the peer allows no more.
    fn open(&self) -> Doing<'_, Result<(Writer, Reader), LinkError>>;
    /// The next stream that the peer opened.
    fn accept(&self) -> Doing<'_, Result<(Writer, Reader), LinkError>>;
    /// Waits for the end of the session; gives its reason.
    fn closed(&self) -> Doing<'_, LinkError>;
    /// Ends it, with a reason that the peer is told.
    fn close(&self, why: &str);
}

/// A session. Cloning it clones the handle.
#[derive(Clone)]
pub struct Session {
    peer: Peer,
    remote: Arc<str>,
    wire: Arc<dyn Wire>,
}

impl Session {
    /// A session with `peer` at the address `remote`.
    #[must_use]
    pub fn new(peer: Peer, remote: &str, wire: Arc<dyn Wire>) -> Self {
        Self { peer, remote: remote.into(), wire }
    }

    /// Who is at the other end.
    #[must_use]
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Where it is, for people to read.
    #[must_use]
    pub fn remote(&self) -> &str {
        &self.remote
    }

    fn stream(&self, (writer, reader): (Writer, Reader)) -> (Sender, Receiver) {
        let max = if self.peer == Peer::Nobody { JOIN_FRAME_BYTES_MAX } else { FRAME_BYTES_MAX };
        (Sender { writer }, Receiver { reader, frames: Frames::default(), max })
    }

    /// Opens a stream. The peer learns of it with the first bytes.
    ///
    /// # Errors
    /// If the session has ended.
    pub async fn open(&self) -> Result<(Sender, Receiver), LinkError> {
        Ok(self.stream(self.wire.open().await?))
    }

    /// The next stream that the peer opened.
    ///
    /// # Errors
    /// If the session has ended.
    pub async fn accept(&self) -> Result<(Sender, Receiver), LinkError> {
        Ok(self.stream(self.wire.accept().await?))
    }

    /// One frame there, one frame back, on a stream of their own. It has no time limit: wrap it in `rt::timeout`.
    ///
    /// # Errors
    /// If the session ends or the peer gives no answer.
    pub async fn call(&self, request: &[u8]) -> Result<Bytes, LinkError> {
        let (mut sender, mut receiver) = self.open().await?;
        // The answer may be longer than what a stranger may send: it was asked for.
        receiver.max = FRAME_BYTES_MAX;
        sender.frame(request).await?;
        sender.finish().await?;
        receiver.frame().await?.ok_or_else(|| LinkError::Closed("the peer gave no answer".into()))
    }

    /// Waits for the end of the session; gives its reason.
    pub async fn closed(&self) -> LinkError {
        self.wire.closed().await
    }

    /// Ends the session, with a reason that the peer is told.
    pub fn close(&self, why: &str) {
        self.wire.close(why);
    }
}

impl std::fmt::Debug for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "session with {} at {}", self.peer, self.remote)
    }
}

/// The half of a stream that is written. Dropping it ends the stream. As `AsyncWrite` it writes raw bytes.
pub struct Sender {
    writer: Writer,
}

impl Sender {
    /// Sends one frame.
    ///
    /// # Errors
    /// If it is too long or the stream has ended.
    pub async fn frame(&mut self, body: &[u8]) -> Result<(), LinkError> {
        let head = head(body.len(), FRAME_BYTES_MAX)?;
        if body.len() <= SMALL_BYTES {
            let mut both = [0; HEAD_BYTES + SMALL_BYTES];
            both[..HEAD_BYTES].copy_from_slice(&head);
            both[HEAD_BYTES..HEAD_BYTES + body.len()].copy_from_slice(body);
            self.writer.write_all(&both[..HEAD_BYTES + body.len()]).await.map_err(ended)?;
        } else {
            self.writer.write_all(&head).await.map_err(ended)?;
            self.writer.write_all(body).await.map_err(ended)?;
        }
        self.writer.flush().await.map_err(ended)
    }

    /// Sends one frame of JSON.
    ///
    /// # Errors
    /// As `frame`.
    pub async fn json(&mut self, body: &impl Serialize) -> Result<(), LinkError> {
        let text = serde_json::to_vec(body).map_err(|why| FrameError::Garbage(why.to_string()))?;
        self.frame(&text).await
    }

    /// Ends the stream: the peer reads to its end.
    ///
    /// # Errors
    /// If the session has ended.
    pub async fn finish(&mut self) -> Result<(), LinkError> {
        self.writer.shutdown().await.map_err(ended)
    }
}

/// Frames up to this size go out in one write, head and all.
const SMALL_BYTES: usize = 1_024;

/// The half of a stream that is read. As `AsyncRead` it reads raw bytes, from behind the last frame on.
pub struct Receiver {
    reader: Reader,
    frames: Frames,
    max: usize,
}

impl Receiver {
    /// The next frame; `None` at the end of the stream. It may be dropped half way and called again: no byte is lost.
    ///
    /// # Errors
    /// If a frame is too long or cut, or the session has ended.
    pub async fn frame(&mut self) -> Result<Option<Bytes>, LinkError> {
        loop {
            if let Some(body) = self.frames.next(self.max)? {
                return Ok(Some(body));
            }
            if self.reader.read_buf(self.frames.room()).await.map_err(ended)? == 0 {
                self.frames.end()?;
                return Ok(None);
            }
        }
    }

    /// The next frame, read as JSON; `None` at the end of the stream.
    ///
    /// # Errors
    /// As `frame`, or if it is not what was expected.
    pub async fn json<T: DeserializeOwned>(&mut self) -> Result<Option<T>, LinkError> {
        let Some(body) = self.frame().await? else { return Ok(None) };
        let value = serde_json::from_slice(&body).map_err(|why| FrameError::Garbage(why.to_string()))?;
        Ok(Some(value))
    }
}

fn ended(why: std::io::Error) -> LinkError {
    LinkError::Closed(why.to_string())
}

impl AsyncRead for Receiver {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let rest = self.frames.rest();
        if !rest.is_empty() {
            let length = rest.len().min(into.remaining());
            into.put_slice(&rest[..length]);
            rest.advance(length);
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.reader).poll_read(context, into)
    }
}

impl AsyncWrite for Sender {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.writer).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.writer).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.writer).poll_shutdown(context)
    }
}
