//! Sends a container's log down a stream, and goes on as it grows until the container has ended. It knows no format.
use super::find::refuse;
use super::rotated::Rotated;
use super::text::{Text, Wanted, count};
use crate::limits::{LOG_FOLLOW_EVERY, LOG_STATE_EVERY, STREAM_FRAME_MAX, STREAM_IDLE_MAX};
use crate::runtime::{ContainerView, Runtime};
use futures::future::select;
use link::message::StreamReply;
use link::session::{Receiver, Sender};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// A log that is open, and how much of it is wanted.
pub(super) struct Log {
    uid: String,
    container: String,
    files: Rotated,
    text: Text,
    follow: bool,
}

impl Log {
    /// `uid`: the pod's.
    pub(super) async fn open(
        uid: String,
        view: &ContainerView,
        mut wanted: Wanted,
        tail: Option<u64>,
        follow: bool,
    ) -> Result<Self, StreamReply> {
        let path = view.log.clone();
        let opening = rt::blocking("log-open", move || {
            let mut files = Rotated::open(&path)?;
            let (mut lines, mut rest) = (0, Vec::new());
            if tail.is_some() {
                files.survey(|bytes| lines += count(bytes, &mut rest))?;
            }
            Ok::<_, io::Error>((files, lines))
        });
        let opened = opening.await.unwrap_or_else(|_| Err(io::ErrorKind::Other.into()));
        let path = view.log.display();
        let (files, lines) =
            opened.map_err(|why| refuse(500, &format!("failed to open log file \"{path}\": {why}")))?;
        wanted.skip = tail.map_or(0, |tail| lines.saturating_sub(tail));
        Ok(Self { uid, container: view.id.clone(), files, text: Text::new(wanted), follow })
    }
}

/// Until the log's end, or until nobody reads any more.
pub(super) async fn send(log: Log, mut sender: Sender, mut receiver: Receiver, runtime: Arc<dyn Runtime>) {
    let follow = log.follow;
    let sending = async {
        if let Err(why) = run(log, &mut sender, runtime.as_ref()).await {
            tracing::debug!(%why, "a log broke off");
        }
        // The client may be gone already.
        let _ = sender.finish().await;
    };
    if !follow {
        return sending.await;
    }
    let gone = async {
        let mut buffer = [0; 64];
        while matches!(receiver.read(&mut buffer).await, Ok(1..)) {}
    };
    select(std::pin::pin!(sending), std::pin::pin!(gone)).await;
}

async fn run(log: Log, sender: &mut Sender, runtime: &dyn Runtime) -> io::Result<()> {
    let Log { uid, container, mut files, mut text, follow } = log;
    let mut buffer = vec![0; STREAM_FRAME_MAX];
    // The container's end has been seen: what is read from then on is all there will be.
    let mut last = !follow;
    let mut looked = rt::now();
    while !text.full() {
        let reading = rt::blocking("log-read", move || {
            let mut count = files.read(&mut buffer);
            if let Ok(0) = count {
                count = files.advance().and_then(|more| if more { files.read(&mut buffer) } else { Ok(0) });
            }
            (files, buffer, count)
        });
        let count;
        (files, buffer, count) = reading.await.map_err(|_| io::Error::other("the reader is gone"))?;
        let mut out = Vec::new();
        match count? {
            0 if last => break,
            0 => {
                if rt::now().since(looked) >= Duration::from_millis(LOG_STATE_EVERY) {
                    last = ended(runtime, &uid, &container).await;
                    looked = rt::now();
                }
                if !last {
                    rt::sleep(Duration::from_millis(LOG_FOLLOW_EVERY)).await;
                }
            }
            count => text.take(&buffer[..count], &mut out),
        }
        write(sender, &out).await?;
    }
    let mut out = Vec::new();
    text.end(&mut out);
    write(sender, &out).await
}

async fn write(sender: &mut Sender, bytes: &[u8]) -> io::Result<()> {
    if bytes.is_empty() {
        return Ok(());
    }
    let writing = async {
        sender.write_all(bytes).await?;
        sender.flush().await
    };
    let late = || io::Error::from(io::ErrorKind::TimedOut);
    rt::timeout(Duration::from_millis(STREAM_IDLE_MAX), writing).await.ok_or_else(late)?
}

/// True if the container runs no more, or is gone. A runtime that does not answer now is asked again later.
async fn ended(runtime: &dyn Runtime, uid: &str, container: &str) -> bool {
    let Ok(views) = runtime.list(Some(uid)).await else { return false };
    let mut all = views.iter().flat_map(|view| &view.containers);
    all.find(|view| view.id == container).is_none_or(|view| view.end.is_some())
}
