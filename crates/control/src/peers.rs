//! The way to the other members: one session each, made when first needed and again when it broke. Consensus calls over it
//! (the adapter of its port `Transport`), and so does whatever one member asks of another. It knows addresses, no roles.
use crate::limits::{ASK_MAX, RECONNECT_PAUSE};
use crate::words::{AskMember, Told};
use bytes::Bytes;
use consensus::{MemberInfo, Transport, TransportError};
use futures::FutureExt;
use futures::future::BoxFuture;
use link::error::LinkError;
use link::peer::Peer;
use link::session::{Receiver, Sender, Session};
use link::sessions::Sessions;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The first frame of a stream between members: this byte, the caller's id and the id of who is called (u64, big endian) for
/// consensus, else JSON of `AskMember`. Ids, for an address may be another member's by now.
pub(crate) const CONSENSUS: u8 = 0;

/// Cloning it clones the handle.
#[derive(Clone)]
pub struct Peers {
    shared: Arc<Shared>,
}

struct Shared {
    sessions: Arc<dyn Sessions>,
    /// This member's id.
    id: u64,
    slots: Mutex<BTreeMap<String, Slot>>,
    changed: Notify,
}

enum Slot {
    Connecting,
    Open(Session),
    Failed(rt::Instant, LinkError),
}

impl Peers {
    #[must_use]
    pub fn new(sessions: Arc<dyn Sessions>, id: u64) -> Self {
        Self { shared: Arc::new(Shared { sessions, id, slots: Mutex::default(), changed: Notify::new() }) }
    }

    /// The session with the member at `address`. Connecting goes on if the caller gives up waiting.
    ///
    /// # Errors
    /// If nobody answers there, or did not a moment ago.
    pub async fn session(&self, address: &str) -> Result<Session, LinkError> {
        loop {
            let mut changed = std::pin::pin!(self.shared.changed.notified());
            // Registered before looking, so that no change falls between.
            changed.as_mut().enable();
            if let Some(found) = self.shared.look(address) {
                return found;
            }
            changed.await;
        }
    }

    /// A stream to the member at `address`, after its first frame.
    async fn stream(&self, address: &str, first: &[u8]) -> Result<(Sender, Receiver), LinkError> {
        let (mut sender, receiver) = self.session(address).await?.open().await?;
        sender.frame(first).await?;
        Ok((sender, receiver))
    }

    /// Asks the member at `address` and reads its answer.
    ///
    /// # Errors
    /// If it cannot be reached or does not answer in time.
    pub async fn ask(
        &self,
        address: &str,
        question: &AskMember,
        limit: std::time::Duration,
    ) -> Result<Told, LinkError> {
        let asking = async {
            let (mut sender, mut receiver) = self.open(address, question).await?;
            sender.finish().await?;
            receiver.json().await?.ok_or_else(|| LinkError::Closed("the member gave no answer".into()))
        };
        let late = || LinkError::Unreachable { address: address.into(), why: "no answer in time".into() };
        rt::timeout(limit, asking).await.ok_or_else(late)?
    }

    /// A stream to the member at `address` that begins with `head`; what follows depends on it.
    ///
    /// # Errors
    /// If it cannot be reached.
    pub async fn open(&self, address: &str, head: &AskMember) -> Result<(Sender, Receiver), LinkError> {
        let text = serde_json::to_vec(head).map_err(|why| link::frame::FrameError::Garbage(why.to_string()))?;
        let late = || LinkError::Unreachable { address: address.into(), why: "no stream in time".into() };
        rt::timeout(ASK_MAX, self.stream(address, &text)).await.ok_or_else(late)?
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Slot>> {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is known of the address; `None` while a connection is being made.
    fn look(self: &Arc<Self>, address: &str) -> Option<Result<Session, LinkError>> {
        let mut slots = self.lock();
        match slots.get(address) {
            Some(Slot::Open(session)) => return Some(Ok(session.clone())),
            Some(Slot::Connecting) => return None,
            Some(Slot::Failed(at, why)) if rt::now().since(*at) < RECONNECT_PAUSE => return Some(Err(why.clone())),
            Some(Slot::Failed(..)) | None => {}
        }
        slots.insert(address.to_owned(), Slot::Connecting);
        drop(slots);
        rt::spawn("connect", self.clone().keep(address.to_owned()));
        None
    }

    fn set(&self, address: &str, slot: Slot) {
        self.lock().insert(address.to_owned(), slot);
        self.changed.notify_waiters();
    }

    /// Connects, and notes when the session ends.
    async fn keep(self: Arc<Self>, address: String) {
        let why = match self.sessions.connect(&address).await {
            Err(why) => why,
            Ok(session) if !matches!(session.peer(), Peer::Member(_)) => {
                session.close("not a member");
                LinkError::Stranger("who answers is not a member".into())
            }
            Ok(session) => {
                tracing::debug!(%address, peer = %session.peer(), "connected");
                self.set(&address, Slot::Open(session.clone()));
                let why = session.closed().await;
                tracing::debug!(%address, %why, "disconnected");
                // Ended, not unreachable: the next caller may try at once.
                self.lock().remove(&address);
                return;
            }
        };
        self.set(&address, Slot::Failed(rt::now(), why));
    }
}

impl Transport for Peers {
    fn call(&self, to: &MemberInfo, request: Bytes) -> BoxFuture<'static, Result<Bytes, TransportError>> {
        let (peers, address, to) = (self.clone(), to.link.clone(), to.id);
        async move {
            let mut first = [CONSENSUS; 17];
            first[1..9].copy_from_slice(&peers.shared.id.to_be_bytes());
            first[9..].copy_from_slice(&to.to_be_bytes());
            let unreachable = |why: LinkError| TransportError::Unreachable(why.to_string());
            let broken = |why: LinkError| TransportError::Broken(why.to_string());
            let (mut sender, mut receiver) = peers.stream(&address, &first).await.map_err(unreachable)?;
            sender.frame(&request).await.map_err(broken)?;
            sender.finish().await.map_err(broken)?;
            let answer = receiver.frame().await.map_err(broken)?;
            answer.ok_or_else(|| TransportError::Broken("the member gave no answer".into()))
        }
        .boxed()
    }
}
