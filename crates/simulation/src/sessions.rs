//! The twin of link's sessions (ports `Sessions` and `Wire`): endpoints at addresses, handshakes, streams of bytes that arrive whole
//! and in order, or not at all. Packets travel over the simulated network: what is lost is sent again, silence ends a session, and a
//! process that was started again ends those of its former life. It never looks into the bytes.
mod addresses;
mod end;
mod lane;
mod stream;
mod wire;

use crate::trace::Node;
pub use addresses::Addresses;
use addresses::{AGAIN_MAX, Listener, Process};
use end::End;
use link::error::LinkError;
use link::limits::CONNECT_MAX;
use link::peer::Peer;
use link::session::{Doing, Session};
use link::sessions::{Knock, Sessions};
use std::sync::Arc;
use tokio::sync::{Mutex as AsyncMutex, mpsc, oneshot};
use wire::Handle;

/// What one life of a process dials from and is dialled at.
pub struct Endpoint {
    addresses: Addresses,
    process: Process,
    peer: Peer,
    knocks: AsyncMutex<mpsc::UnboundedReceiver<Knock>>,
}

impl Endpoint {
    /// That of the process that runs on `node` now, which proves to be `peer`; served at `address`, if there is one.
    #[must_use]
    pub fn new(addresses: &Addresses, node: Node, peer: Peer, address: Option<&str>) -> Self {
        let process = Process { node, life: addresses.world.life(node) };
        let (knocks, receiver) = mpsc::unbounded_channel();
        if let Some(address) = address {
            addresses.open(address, Listener { process, peer: peer.clone(), knocks });
        }
        Self { addresses: addresses.clone(), process, peer, knocks: AsyncMutex::new(receiver) }
    }

    async fn dial(&self, address: &str) -> Result<Session, LinkError> {
        let unreachable = |why: String| LinkError::Unreachable { address: address.into(), why };
        let late = || unreachable(format!("no answer in {} seconds", CONNECT_MAX.as_secs()));
        rt::timeout(CONNECT_MAX, self.shake(address)).await.ok_or_else(late)?
    }

    /// The handshake: a packet there, one back, one there.
    async fn shake(&self, address: &str) -> Result<Session, LinkError> {
        let here = self.process;
        loop {
            let known = self.addresses.at(address).map(|listener| listener.process.node);
            let Some(to) = known else {
                // Nothing ever was there, and may be in a moment.
                rt::sleep(AGAIN_MAX).await;
                continue;
            };
            let (tell, told) = oneshot::channel();
            let (addresses, own, address) = (self.addresses.clone(), self.peer.clone(), address.to_owned());
            self.addresses.send(here, async move {
                if !addresses.carry(here, to, 0, || !tell.is_closed()).await {
                    return;
                }
                let listener = addresses.at(&address);
                let Some(listener) = listener.filter(|listener| addresses.lives(listener.process)) else { return };
                let (dialled, knock) = meet(&addresses, (here, own), &listener);
                // Nobody accepts any more: the process is about to end.
                let accepted = listener.knocks.send(knock).is_ok();
                if accepted && addresses.carry(listener.process, here.node, 1, || !tell.is_closed()).await {
                    let _ = tell.send(dialled);
                }
            });
            if let Ok((session, done)) = told.await {
                let addresses = self.addresses.clone();
                self.addresses.send(here, async move {
                    if addresses.carry(here, to, 2, || !done.is_closed()).await {
                        let _ = done.send(());
                    }
                });
                return Ok(session);
            }
            // Who does not listen does not answer: the first packet is sent again until time is up.
            rt::sleep(AGAIN_MAX).await;
        }
    }
}

/// Both ends of a new session: what the dialler gets, with the way to say that it has it, and what the listener hears.
fn meet(
    addresses: &Addresses,
    (dialler, own): (Process, Peer),
    listener: &Listener,
) -> ((Session, oneshot::Sender<()>), Knock) {
    let (one, two) = End::pair(addresses, dialler, listener.process);
    let (one, two) = (Handle::new(one), Handle::new(two));
    let (done, confirmed) = oneshot::channel();
    let session = |peer: Peer, handle: Handle| {
        let at = format!("node {}", handle.there().0);
        Session::new(peer, &at, Arc::new(handle))
    };
    let (dialled, served) = (session(listener.peer.clone(), one), session(own, two));
    let knock: Knock = Box::pin(async move {
        match rt::timeout(CONNECT_MAX, confirmed).await {
            Some(Ok(())) => Ok(served),
            _ => Err(LinkError::Unreachable {
                address: served.remote().into(),
                why: "its handshake took too long".into(),
            }),
        }
    });
    ((dialled, done), knock)
}

impl Sessions for Endpoint {
    fn connect<'a>(&'a self, address: &'a str) -> Doing<'a, Result<Session, LinkError>> {
        Box::pin(self.dial(address))
    }

    fn accept(&self) -> Doing<'_, Option<Knock>> {
        Box::pin(async move { self.knocks.lock().await.recv().await })
    }
}

#[cfg(test)]
#[path = "sessions/tests.rs"]
mod tests;
