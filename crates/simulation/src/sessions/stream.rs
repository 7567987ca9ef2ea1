//! The halves of a simulated stream, as a process holds them: bytes go in pieces, and what is not read holds the writer back.
use super::end::{End, Held};
use super::lane::{Lane, Piece, Streams};
use crate::trace::hash;
use bytes::{Buf, Bytes};
use link::limits::STREAM_WINDOW_BYTES;
use link::session::{Reader, Writer};
use std::io::{Error, ErrorKind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

const WINDOW: usize = STREAM_WINDOW_BYTES as usize;

/// The halves that a process holds.
pub(super) fn halves(held: &Arc<Held>, streams: Streams) -> (Writer, Reader) {
    let Streams { number, out, back } = streams;
    let writer = WriteHalf { held: held.clone(), lane: out, number: number << 1, done: false };
    let reader = ReadHalf { held: held.clone(), lane: back, number: number << 1 | 1 };
    (Box::new(writer), Box::new(reader))
}

struct WriteHalf {
    held: Arc<Held>,
    lane: Arc<Lane>,
    number: u64,
    done: bool,
}

impl WriteHalf {
    fn end(&self) -> &Arc<End> {
        &self.held.0
    }

    fn send(&self, number: u64, piece: Piece) {
        let print = match &piece {
            Piece::Bytes(bytes) => hash(bytes),
            Piece::Last => 7,
        };
        let lane = self.lane.clone();
        self.end().send(print, move |other| other.arrive(&lane, number, piece));
    }

    fn finish(&mut self) {
        if std::mem::replace(&mut self.done, true) {
            return;
        }
        let number = {
            let mut bed = self.lane.lock();
            bed.sent += 1;
            bed.sent - 1
        };
        self.send(number, Piece::Last);
    }
}

fn broken(why: String) -> Error {
    Error::new(ErrorKind::ConnectionReset, why)
}

impl AsyncWrite for WriteHalf {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<std::io::Result<usize>> {
        if let Some(why) = self.end().why() {
            return Poll::Ready(Err(broken(why)));
        }
        let (number, length) = {
            let mut bed = self.lane.lock();
            if bed.stopped || self.done {
                return Poll::Ready(Err(broken("the stream was stopped".into())));
            }
            let room = WINDOW.saturating_sub(bed.unread);
            if room == 0 {
                bed.writer = Some(context.waker().clone());
                drop(bed);
                self.end().wait(self.number, context.waker());
                return Poll::Pending;
            }
            let length = bytes.len().min(room);
            bed.unread += length;
            bed.sent += 1;
            (bed.sent - 1, length)
        };
        self.send(number, Piece::Bytes(Bytes::copy_from_slice(&bytes[..length])));
        Poll::Ready(Ok(length))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Poll::Ready(self.end().why().map_or(Ok(()), |why| Err(broken(why))))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        self.finish();
        Poll::Ready(self.end().why().map_or(Ok(()), |why| Err(broken(why))))
    }
}

impl Drop for WriteHalf {
    fn drop(&mut self) {
        self.end().forget(self.number);
        self.finish();
    }
}

struct ReadHalf {
    held: Arc<Held>,
    lane: Arc<Lane>,
    number: u64,
}

impl AsyncRead for ReadHalf {
    fn poll_read(self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<std::io::Result<()>> {
        let mut bed = self.lane.lock();
        if let Some(first) = bed.ready.front_mut() {
            let length = first.len().min(into.remaining());
            into.put_slice(&first[..length]);
            first.advance(length);
            if first.is_empty() {
                bed.ready.pop_front();
            }
            bed.unread = bed.unread.saturating_sub(length);
            let writer = bed.writer.take();
            drop(bed);
            if let Some(writer) = writer {
                writer.wake();
            }
            return Poll::Ready(Ok(()));
        }
        if bed.last {
            return Poll::Ready(Ok(()));
        }
        if let Some(why) = self.held.0.why() {
            return Poll::Ready(Err(broken(why)));
        }
        bed.reader = Some(context.waker().clone());
        drop(bed);
        self.held.0.wait(self.number, context.waker());
        Poll::Pending
    }
}

impl Drop for ReadHalf {
    fn drop(&mut self) {
        let end = &self.held.0;
        end.forget(self.number);
        let over = {
            let bed = self.lane.lock();
            bed.last && bed.ready.is_empty()
        };
        if !over {
            let lane = self.lane.clone();
            end.send(8, move |_| {
                let mut bed = lane.lock();
                bed.stopped = true;
                let writer = bed.writer.take();
                drop(bed);
                if let Some(writer) = writer {
                    writer.wake();
                }
            });
        }
    }
}
