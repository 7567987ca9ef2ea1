//! The twin of UDP: sockets at addresses, datagrams that are delayed, overtaken, lost, doubled, damaged, and too large for the way. It
//! never looks into them.
use crate::network::Network;
use crate::stream::Stream;
use crate::trace::{Node, hash};
use crate::world::World;
use link::datagrams::Datagrams;
use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

/// The largest datagram that passes: an Ethernet frame's, without the heads of IP and UDP.
const WAY_BYTES_MAX: usize = 1_500 - 28;
/// What waits at a socket: beyond, what comes is lost, as at a socket whose buffer is full.
const WAITING_BYTES_MAX: usize = 208 << 10;
/// Of a thousand datagrams: how many come twice, and in how many a bit flips.
const DOUBLED: u64 = 5;
const DAMAGED: u64 = 2;

/// All sockets of a site. Cloning it clones the handle.
#[derive(Clone)]
pub struct Sockets {
    world: World,
    network: Network,
    table: Arc<Mutex<Table>>,
}

struct Table {
    bound: BTreeMap<SocketAddr, Bound>,
    mishaps: Stream,
    /// How often a machine got another address.
    moves: u16,
}

#[derive(Clone)]
struct Bound {
    node: Node,
    life: u32,
    inbox: Arc<Mutex<Inbox>>,
}

struct Inbox {
    /// The address that others see. The process knows only the one that it bound, as behind NAT.
    seen: SocketAddr,
    waiting: VecDeque<(SocketAddr, Vec<u8>)>,
    bytes: usize,
    waker: Option<Waker>,
}

/// One socket, for as long as its process lives.
pub(super) struct Socket {
    sockets: Sockets,
    address: SocketAddr,
    bound: Bound,
}

impl Sockets {
    #[must_use]
    pub fn new(world: &World, network: &Network) -> Self {
        let table = Table { bound: BTreeMap::new(), mishaps: world.stream("datagrams"), moves: 0 };
        Self { world: world.clone(), network: network.clone(), table: Arc::new(Mutex::new(table)) }
    }

    /// A socket of the process that runs on `node` now. It takes the place of one of an earlier life.
    pub(super) fn bind(&self, node: Node, address: SocketAddr) -> Socket {
        let inbox = Inbox { seen: address, waiting: VecDeque::new(), bytes: 0, waker: None };
        let bound = Bound { node, life: self.world.life(node), inbox: Arc::new(Mutex::new(inbox)) };
        self.lock().bound.insert(address, bound.clone());
        Socket { sockets: self.clone(), address, bound }
    }

    /// The machine of this node gets another address: what it sends comes from there, what goes to the old one is lost.
    pub fn migrate(&self, node: Node) {
        let mut table = self.lock();
        let old: Vec<SocketAddr> =
            table.bound.iter().filter(|(_, bound)| bound.node == node).map(|(at, _)| *at).collect();
        for at in old {
            table.moves = table.moves.wrapping_add(1);
            let [high, low] = table.moves.to_be_bytes();
            let new = SocketAddr::from(([10, 200, high, low], at.port()));
            if let Some(bound) = table.bound.remove(&at) {
                bound.lock().seen = new;
                table.bound.insert(new, bound);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lives(&self, bound: &Bound) -> bool {
        self.world.life(bound.node) == bound.life && !self.world.dying(bound.node)
    }

    /// Sends one datagram on its way. The way is the network's own: it does not end with its sender.
    fn send(&self, from: (Node, SocketAddr), to: SocketAddr, bytes: &[u8]) {
        let there = self.lock().bound.get(&to).map(|bound| bound.node);
        let Some(there) = there.filter(|_| bytes.len() <= WAY_BYTES_MAX) else { return };
        let doubled = self.lock().mishaps.chance(DOUBLED);
        for _ in 0..=u8::from(doubled) {
            let Some(delay) = self.network.datagram(from.0, there, hash(bytes)) else { continue };
            let (sockets, bytes) = (self.clone(), self.travelled(bytes));
            self.world.spawn_on(Node::default(), "datagram", async move {
                rt::sleep(delay).await;
                if sockets.network.arrive(from.0, there) {
                    sockets.arrive(from.1, to, bytes);
                }
            });
        }
    }

    /// What comes of a datagram on its way: the same, or with a bit flipped.
    fn travelled(&self, bytes: &[u8]) -> Vec<u8> {
        let mut bytes = bytes.to_vec();
        let mut table = self.lock();
        if table.mishaps.chance(DAMAGED) {
            let at = table.mishaps.below(bytes.len() as u64 * 8);
            if let Some(byte) = usize::try_from(at / 8).ok().and_then(|at| bytes.get_mut(at)) {
                *byte ^= 1 << (at % 8);
            }
        }
        bytes
    }

    fn arrive(&self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let Some(bound) = self.lock().bound.get(&to).cloned().filter(|bound| self.lives(bound)) else { return };
        let waker = {
            let mut inbox = bound.lock();
            if inbox.bytes + bytes.len() > WAITING_BYTES_MAX {
                return;
            }
            inbox.bytes += bytes.len();
            inbox.waiting.push_back((from, bytes));
            inbox.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

impl Bound {
    fn lock(&self) -> MutexGuard<'_, Inbox> {
        self.inbox.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Datagrams for Socket {
    fn address(&self) -> SocketAddr {
        self.address
    }

    fn send(&self, to: SocketAddr, bytes: &[u8]) {
        if self.sockets.lives(&self.bound) {
            let seen = self.bound.lock().seen;
            self.sockets.send((self.bound.node, seen), to, bytes);
        }
    }

    fn poll_receive(&self, context: &mut Context<'_>, into: &mut [u8]) -> Poll<(usize, SocketAddr)> {
        let mut inbox = self.bound.lock();
        let Some((from, bytes)) = inbox.waiting.pop_front() else {
            inbox.waker = Some(context.waker().clone());
            return Poll::Pending;
        };
        inbox.bytes -= bytes.len();
        // What does not fit into the buffer is cut off, as by a socket.
        let length = bytes.len().min(into.len());
        into[..length].copy_from_slice(&bytes[..length]);
        Poll::Ready((length, from))
    }
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "socket at {}", self.address)
    }
}
