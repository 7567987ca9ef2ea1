//! What a member asks of a pod here beside the plan: its log, a command in it, its terminal, a connection to its port.
//! It starts and stops no container, and believes the runtime, not the member, about what there is.
mod find;
mod follow;
mod pump;
mod rotated;
mod text;

use crate::limits::{STREAM_HEAD_WAIT, STREAMS_MAX};
use crate::runtime::{BoxDuplex, ExecSpec, Runtime, RuntimeError};
use find::{Target, refuse};
use futures::future::{Either, select};
use link::error::LinkError;
use link::message::{NodeStream, StreamReply};
use link::session::{Receiver, Sender, Session};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Answers the streams that the member opens, each in a task of its own, until the session ends. A log that is followed ends
/// when the member ends its half of the stream: nobody reads it any more.
pub async fn serve(session: Session, runtime: Arc<dyn Runtime>) {
    let places = Arc::new(Semaphore::new(STREAMS_MAX));
    while let Ok((mut sender, receiver)) = session.accept().await {
        let place = places.clone().try_acquire_owned();
        let (runtime, session) = (runtime.clone(), session.clone());
        rt::spawn("stream", async move {
            let Ok(_place) = place else {
                let message = format!("this node serves {STREAMS_MAX} streams already");
                return say(&mut sender, &StreamReply::Refused { code: 503, message }).await;
            };
            let answer = std::pin::pin!(answer(sender, receiver, runtime));
            // What a stream has open does not outlive the session that it belongs to.
            if let Either::Right(_) = select(answer, std::pin::pin!(session.closed())).await {
                tracing::debug!("a stream was cut by the end of its session");
            }
        });
    }
}

async fn answer(mut sender: Sender, mut receiver: Receiver, runtime: Arc<dyn Runtime>) {
    let head = rt::timeout(Duration::from_millis(STREAM_HEAD_WAIT), receiver.json::<NodeStream>()).await;
    let head = match head {
        Some(Ok(Some(head))) => head,
        Some(Ok(None) | Err(LinkError::Closed(_))) => return,
        Some(Err(why)) => {
            let message = format!("the stream's head cannot be read: {why}");
            return say(&mut sender, &StreamReply::Refused { code: 400, message }).await;
        }
        None => {
            let message = "the stream's head did not come in time".into();
            return say(&mut sender, &StreamReply::Refused { code: 400, message }).await;
        }
    };
    let whole = matches!(head, NodeStream::Forward { .. });
    match open(head, &runtime).await {
        Err(refused) => say(&mut sender, &refused).await,
        Ok(Opened::Log(log)) => {
            if sender.json(&StreamReply::Ready).await.is_ok() {
                follow::send(*log, sender, receiver, runtime).await;
            }
        }
        Ok(Opened::Bytes(pod)) => {
            if sender.json(&StreamReply::Ready).await.is_ok() {
                pump::pump(sender, receiver, pod, whole).await;
            }
        }
    }
}

async fn say(sender: &mut Sender, reply: &StreamReply) {
    let saying = async {
        sender.json(reply).await?;
        sender.finish().await
    };
    if let Some(Err(why)) = rt::timeout(Duration::from_millis(STREAM_HEAD_WAIT), saying).await {
        tracing::debug!(%why, "a refusal was not heard");
    }
}

enum Opened {
    Log(Box<follow::Log>),
    Bytes(BoxDuplex),
}

async fn open(head: NodeStream, runtime: &Arc<dyn Runtime>) -> Result<Opened, StreamReply> {
    match head {
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
        } => {
            let target = Target { namespace, pod, uid };
            let sandboxes = target.sandboxes(runtime.as_ref()).await?;
            let view = find::logged(&sandboxes, &target, &container, previous)?;
            let uid = sandboxes.last().map(|sandbox| sandbox.uid.clone()).unwrap_or_default();
            let since = since_seconds.map(|seconds| rt::wall().saturating_sub(seconds.saturating_mul(1_000)));
            let wanted = text::Wanted { since: since.max(since_time), timestamps, limit: limit_bytes, skip: 0 };
            let log = follow::Log::open(uid, &view, wanted, tail_lines, follow).await?;
            Ok(Opened::Log(Box::new(log)))
        }
        NodeStream::Exec { namespace, pod, uid, container, command, stdin, tty } => {
            let target = Target { namespace, pod, uid };
            let view = find::running(&target.sandboxes(runtime.as_ref()).await?, &target, &container)?;
            if command.is_empty() {
                return Err(refuse(400, "you must specify at least one command for the container"));
            }
            let opened = runtime.exec(&view.id, ExecSpec { command, stdin, tty }).await;
            opened.map(Opened::Bytes).map_err(refused)
        }
        NodeStream::Attach { namespace, pod, uid, container, stdin, tty: _ } => {
            let target = Target { namespace, pod, uid };
            let view = find::running(&target.sandboxes(runtime.as_ref()).await?, &target, &container)?;
            runtime.attach(&view.id, stdin).await.map(Opened::Bytes).map_err(refused)
        }
        NodeStream::Forward { namespace, pod, uid, port } => {
            let target = Target { namespace, pod, uid };
            let sandboxes = target.sandboxes(runtime.as_ref()).await?;
            let sandbox = find::ready(&sandboxes, &target)?;
            runtime.forward(&sandbox.id, port).await.map(Opened::Bytes).map_err(refused)
        }
    }
}

fn refused(why: RuntimeError) -> StreamReply {
    let code = match &why {
        RuntimeError::NotFound(_) => 404,
        RuntimeError::State(_) | RuntimeError::Config(_) => 400,
        RuntimeError::InvalidImage(_) | RuntimeError::Pull(_) | RuntimeError::Failed(_) => 500,
    };
    refuse(code, &why.to_string())
}
