//! All addresses of a simulated site, and the way of one packet between two processes: sent again while it is lost, and held while
//! its receiver stands still. It knows nothing of sessions.
use crate::network::Network;
use crate::trace::Node;
use crate::world::World;
use link::peer::Peer;
use link::sessions::Knock;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;

/// One life of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Process {
    pub(super) node: Node,
    pub(super) life: u32,
}

/// How long after a packet was lost it is sent again, at first and at most.
const AGAIN_FIRST: Duration = Duration::from_millis(40);
pub(super) const AGAIN_MAX: Duration = Duration::from_millis(1_000);
/// How often a packet waits for a process that stands still.
pub(super) const STILL: Duration = Duration::from_millis(20);

/// All addresses of the site. Cloning it clones the handle.
#[derive(Clone)]
pub struct Addresses {
    pub world: World,
    pub network: Network,
    open: Arc<Mutex<BTreeMap<String, Listener>>>,
}

/// Where one life of a process is dialled.
#[derive(Clone)]
pub(super) struct Listener {
    pub(super) process: Process,
    pub(super) peer: Peer,
    pub(super) knocks: mpsc::UnboundedSender<Knock>,
}

impl Addresses {
    #[must_use]
    pub fn new(world: &World, network: &Network) -> Self {
        Self { world: world.clone(), network: network.clone(), open: Arc::default() }
    }

    /// From now on whoever dials `address` is led to this listener.
    pub(super) fn open(&self, address: &str, listener: Listener) {
        self.lock().insert(address.to_owned(), listener);
    }

    /// Who listened at the address last, living or not.
    pub(super) fn at(&self, address: &str) -> Option<Listener> {
        self.lock().get(address).cloned()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Listener>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether this life of a process goes on.
    pub(super) fn lives(&self, process: Process) -> bool {
        self.world.life(process.node) == process.life && !self.world.dying(process.node)
    }

    /// Whether any process is listening on the node: one that is, ends the sessions of those before it.
    pub(super) fn listens(&self, node: Node) -> bool {
        self.lock().values().any(|listener| listener.process.node == node && self.lives(listener.process))
    }

    /// Brings one packet there, sent again while it is lost and its sender lives and `wanted` says that it still matters.
    pub(super) async fn carry(&self, from: Process, to: Node, print: u64, wanted: impl Fn() -> bool) -> bool {
        let mut again = AGAIN_FIRST;
        loop {
            if self.network.travel(from.node, to, print).await {
                break;
            }
            rt::sleep(again).await;
            again = (again * 2).min(AGAIN_MAX);
            while self.world.paused(from.node) {
                rt::sleep(STILL).await;
            }
            if !self.lives(from) || !wanted() {
                return false;
            }
        }
        while self.world.paused(to) {
            rt::sleep(STILL).await;
        }
        true
    }

    /// Sends one packet on its way. The way is the network's own: it does not end with its sender.
    pub(super) fn send<F>(&self, from: Process, task: F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        if self.lives(from) {
            self.world.spawn_on(Node::default(), "packet", task);
        }
    }
}
