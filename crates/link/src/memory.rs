//! Sessions inside one process: what tests and simulations put in the place of QUIC. It knows the peers' names, and no sockets.
use crate::error::LinkError;
use crate::limits::STREAM_WINDOW_BYTES;
use crate::peer::Peer;
use crate::session::{Doing, Reader, Session, Wire, Writer};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::{Mutex as AsyncMutex, Notify, mpsc};

/// Both ends of a session between `left` and `right`: the first is what `left` holds.
#[must_use]
pub fn pair(left: Peer, right: Peer) -> (Session, Session) {
    let end = Arc::new(End::default());
    let (to_right, from_left) = mpsc::unbounded_channel();
    let (to_left, from_right) = mpsc::unbounded_channel();
    let wire = |send, receive| Arc::new(Ends { send, receive: AsyncMutex::new(receive), end: end.clone() });
    let (held_by_left, held_by_right) = (wire(to_right, from_right), wire(to_left, from_left));
    (Session::new(right, "memory", held_by_left), Session::new(left, "memory", held_by_right))
}

type Halves = (Writer, Reader);

struct Ends {
    send: mpsc::UnboundedSender<Halves>,
    receive: AsyncMutex<mpsc::UnboundedReceiver<Halves>>,
    end: Arc<End>,
}

/// The end of the session, seen by both sides.
#[derive(Default)]
struct End {
    why: Mutex<Option<String>>,
    came: Notify,
}

impl End {
    fn why(&self) -> Option<LinkError> {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).clone().map(LinkError::Closed)
    }

    fn set(&self, why: &str) {
        self.why.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| why.to_owned());
        self.came.notify_waiters();
    }

    async fn wait(&self) -> LinkError {
        loop {
            let mut came = std::pin::pin!(self.came.notified());
            // Registered before looking, so that no notice falls between.
            came.as_mut().enable();
            if let Some(why) = self.why() {
                return why;
            }
            came.await;
        }
    }
}

impl Drop for Ends {
    fn drop(&mut self) {
        self.end.set("the peer is gone");
    }
}

impl Wire for Ends {
    fn open(&self) -> Doing<'_, Result<Halves, LinkError>> {
        Box::pin(async move {
            if let Some(why) = self.end.why() {
                return Err(why);
            }
            let (ours, theirs) = tokio::io::duplex(STREAM_WINDOW_BYTES as usize);
            let (our_reader, our_writer) = tokio::io::split(ours);
            let (their_reader, their_writer) = tokio::io::split(theirs);
            let gone = |_| LinkError::Closed("the peer is gone".into());
            self.send.send((Box::new(their_writer), Box::new(their_reader))).map_err(gone)?;
            Ok((Box::new(our_writer) as Writer, Box::new(our_reader) as Reader))
        })
    }

    fn accept(&self) -> Doing<'_, Result<Halves, LinkError>> {
        Box::pin(async move {
            let mut receive = self.receive.lock().await;
            let mut next = std::pin::pin!(receive.recv());
            let mut end = std::pin::pin!(self.end.wait());
            std::future::poll_fn(|context| {
                if let std::task::Poll::Ready(why) = end.as_mut().poll(context) {
                    return std::task::Poll::Ready(Err(why));
                }
                let gone = || LinkError::Closed("the peer is gone".into());
                next.as_mut().poll(context).map(|halves| halves.ok_or_else(gone))
            })
            .await
        })
    }

    fn closed(&self) -> Doing<'_, LinkError> {
        Box::pin(self.end.wait())
    }

    fn close(&self, why: &str) {
        self.end.set(why);
    }
}
