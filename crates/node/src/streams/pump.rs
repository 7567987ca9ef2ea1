//! Bytes both ways between a member's stream and a pod's. The channel frames of an exec are the same on both sides, so none
//! is opened here.
use crate::limits::{STREAM_IDLE_MAX, STREAM_LINGER};
use crate::runtime::BoxDuplex;
use futures::future::{Either, select};
use link::session::{Receiver, Sender};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

const PIECE_BYTES: usize = 16 * 1024;

#[derive(PartialEq, Eq)]
enum End {
    /// All was carried, and the end too.
    Whole,
    From,
    To,
}

/// Until the pod's side ends. `whole`: what the client still says after that is carried a while longer, as TCP allows.
pub(super) async fn pump(mut sender: Sender, mut receiver: Receiver, pod: BoxDuplex, whole: bool) {
    let (mut from_pod, mut to_pod) = tokio::io::split(pod);
    let moved = AtomicU64::new(rt::now().0);
    let both = async {
        let inward = std::pin::pin!(carry(&mut receiver, &mut to_pod, &moved));
        let outward = std::pin::pin!(carry(&mut from_pod, &mut sender, &moved));
        match select(outward, inward).await {
            Either::Left((End::Whole, inward)) if whole => {
                rt::timeout(Duration::from_millis(STREAM_LINGER), inward).await;
            }
            // The client's stream broke: nobody is there to hear the rest.
            Either::Left(_) | Either::Right((End::From, _)) => {}
            // It has said everything, or the pod hears no more: the pod's last words are still to come.
            Either::Right((End::Whole | End::To, outward)) => _ = outward.await,
        }
    };
    select(std::pin::pin!(both), std::pin::pin!(idle(&moved))).await;
}

async fn carry(from: &mut (impl AsyncRead + Unpin), to: &mut (impl AsyncWrite + Unpin), moved: &AtomicU64) -> End {
    let mut buffer = vec![0; PIECE_BYTES];
    loop {
        let count = match from.read(&mut buffer).await {
            Ok(0) => return if to.shutdown().await.is_ok() { End::Whole } else { End::To },
            Ok(count) => count,
            Err(_) => return End::From,
        };
        moved.store(rt::now().0, Ordering::Relaxed);
        if to.write_all(&buffer[..count]).await.is_err() || to.flush().await.is_err() {
            return End::To;
        }
    }
}

/// Returns when nothing has moved for too long.
async fn idle(moved: &AtomicU64) {
    let most = Duration::from_millis(STREAM_IDLE_MAX);
    loop {
        let until = rt::Instant(moved.load(Ordering::Relaxed)).after(most);
        if rt::now() >= until {
            return;
        }
        rt::sleep_until(until).await;
    }
}
