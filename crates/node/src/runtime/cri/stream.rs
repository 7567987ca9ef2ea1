//! Streams of a CRI runtime without its streaming server: an ExecSync told in channel frames, and connections made in the
//! pod's network namespace. What both lack is said in `About.lacks`.
use super::super::{BoxDuplex, RuntimeError};
use super::messages as cri;
use super::wire::Wire;
use crate::limits::{CRI_EXEC_MAX, FORWARD_CONNECT_WAIT, STREAM_FRAME_MAX};
use crate::shim::protocol::frame;
use link::message::ExecExit;
use nix::sched::{CloneFlags, setns};
use std::io;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf};
use tokio::sync::oneshot;

/// A stream whose going is noticed by who feeds it.
struct Guarded {
    stream: DuplexStream,
    _here: oneshot::Sender<()>,
}

impl AsyncRead for Guarded {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, into)
    }
}

impl AsyncWrite for Guarded {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Runs the command to its end and then says all of its output. It is cancelled when the reader goes.
pub(super) fn exec(wire: Arc<Wire>, container: String, cmd: Vec<String>) -> BoxDuplex {
    let (ours, theirs) = tokio::io::duplex(STREAM_FRAME_MAX);
    let (here, gone) = oneshot::channel::<()>();
    rt::spawn("cri-exec", async move {
        let said = run(&wire, container, cmd, ours);
        tokio::pin!(said, gone);
        futures::future::select(said, gone).await;
    });
    Box::new(Guarded { stream: theirs, _here: here })
}

async fn run(wire: &Wire, container_id: String, cmd: Vec<String>, mut out: DuplexStream) -> io::Result<()> {
    let timeout = i64::try_from(CRI_EXEC_MAX / 1_000).unwrap_or(i64::MAX);
    let request = cri::ExecSyncRequest { container_id, cmd, timeout };
    let wait = CRI_EXEC_MAX + crate::limits::CRI_WAIT;
    let said: Result<cri::ExecSyncResponse, _> =
        wire.call_within(wait, "/runtime.v1.RuntimeService/ExecSync", request).await;
    let exit = match said {
        Ok(said) => {
            for (channel, bytes) in [(1, &said.stdout), (2, &said.stderr)] {
                for piece in bytes.chunks(STREAM_FRAME_MAX) {
                    out.write_all(&frame(channel, piece)).await?;
                }
            }
            ExecExit { code: said.exit_code, error: String::new() }
        }
        Err(why) => ExecExit { code: 0, error: why.to_string() },
    };
    out.write_all(&frame(3, &serde_json::to_vec(&exit)?)).await
}

/// A connection made inside the network namespace of process `pid`, by a thread that goes nowhere else afterwards.
pub(super) async fn forward(pid: Option<u64>, port: u16) -> Result<BoxDuplex, RuntimeError> {
    let (send, receive) = oneshot::channel();
    rt::spawn_thread("cri-forward", async move {
        // Nobody may be waiting for it any more.
        let _ = send.send(connect(pid, port));
    });
    let made = receive.await.unwrap_or_else(|_| Err("the thread in the pod's network broke off".into()));
    let made = made.and_then(|stream| tokio::net::TcpStream::from_std(stream).map_err(|why| why.to_string()));
    let made = made.map_err(|why| RuntimeError::Failed(format!("connecting to port {port} in the pod: {why}")));
    made.map(|stream| Box::new(stream) as BoxDuplex)
}

fn connect(pid: Option<u64>, port: u16) -> Result<TcpStream, String> {
    if let Some(pid) = pid {
        let file = std::fs::File::open(format!("/proc/{pid}/ns/net")).map_err(|why| why.to_string())?;
        setns(file, CloneFlags::CLONE_NEWNET).map_err(|why| why.to_string())?;
    }
    let address = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let stream = TcpStream::connect_timeout(&address, Duration::from_millis(FORWARD_CONNECT_WAIT));
    let stream = stream.map_err(|why| why.to_string())?;
    stream.set_nonblocking(true).map_err(|why| why.to_string())?;
    Ok(stream)
}
