//! The twin of the network: delay, loss, cuts in one direction, between members and from clients to members. What is under
//! way when its sender dies still arrives. It never delivers one request twice, for the transport's port forbids it.
use crate::clock::Nanos;
use crate::stream::Stream;
use crate::trace::{Node, hash};
use crate::world::World;
use bytes::Bytes;
use consensus::{MemberInfo, Transport, TransportError};
use std::collections::BTreeMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// A request that has arrived, and where its answer goes.
pub type Letter<Q, A> = (Q, oneshot::Sender<A>);
/// Where requests to a node arrive.
pub type Inbox<Q, A> = mpsc::UnboundedSender<Letter<Q, A>>;

/// The whole network. Cloning it clones the handle.
#[derive(Clone)]
pub struct Network(Arc<Mutex<Wires>>);

struct Wires {
    world: World,
    /// How many faults cut the way from one node to another.
    cuts: BTreeMap<(Node, Node), u32>,
    streams: BTreeMap<(Node, Node), Stream>,
    /// Messages lost, in thousandths.
    loss: u64,
    mean: Nanos,
    members: BTreeMap<Node, Inbox<(u64, Bytes), Bytes>>,
    lost: u64,
    delivered: u64,
}

enum Fate {
    Arrives(Duration),
    Lost,
    /// The sender is told, after a while, that there is no way.
    Refused(Duration),
}

impl Network {
    /// A network on which a message takes about `mean`.
    #[must_use]
    pub fn new(world: &World, mean: Nanos) -> Self {
        Self(Arc::new(Mutex::new(Wires {
            world: world.clone(),
            cuts: BTreeMap::new(),
            streams: BTreeMap::new(),
            loss: 0,
            mean,
            members: BTreeMap::new(),
            lost: 0,
            delivered: 0,
        })))
    }

    /// Nothing passes from `from` to `to` until `mend` has been called as often.
    pub fn cut(&self, from: Node, to: Node) {
        *self.lock().cuts.entry((from, to)).or_insert(0) += 1;
    }

    /// Takes one cut away.
    pub fn mend(&self, from: Node, to: Node) {
        if let Some(count) = self.lock().cuts.get_mut(&(from, to)) {
            *count = count.saturating_sub(1);
        }
    }

    /// Takes all cuts and losses away.
    pub fn heal(&self) {
        let mut wires = self.lock();
        wires.cuts.clear();
        wires.loss = 0;
    }

    /// Loses so many messages of a thousand.
    pub fn set_loss(&self, thousandths: u64) {
        self.lock().loss = thousandths;
    }

    /// A message takes about so long.
    pub fn set_mean(&self, mean: Nanos) {
        self.lock().mean = mean;
    }

    /// Messages (delivered, lost) so far.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let wires = self.lock();
        (wires.delivered, wires.lost)
    }

    fn lock(&self) -> MutexGuard<'_, Wires> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The way of one message: true if it arrived.
    pub(crate) async fn travel(&self, from: Node, to: Node, print: u64) -> bool {
        match self.depart(from, to, print) {
            Fate::Arrives(delay) => {
                rt::sleep(delay).await;
                self.arrive(from, to)
            }
            Fate::Lost | Fate::Refused(_) => false,
        }
    }

    /// How long one datagram is under way; `None` if it is lost.
    pub(crate) fn datagram(&self, from: Node, to: Node, print: u64) -> Option<Duration> {
        match self.depart(from, to, print) {
            Fate::Arrives(delay) => Some(delay),
            Fate::Lost | Fate::Refused(_) => None,
        }
    }

    fn depart(&self, from: Node, to: Node, print: u64) -> Fate {
        let mut wires = self.lock();
        let (loss, mean, world) = (wires.loss, wires.mean, wires.world.clone());
        let cut = wires.cuts.get(&(from, to)).is_some_and(|cuts| *cuts > 0);
        let name = format!("link {} {}", from.0, to.0);
        let stream = wires.streams.entry((from, to)).or_insert_with(|| world.stream(&name));
        let delay = Duration::from_nanos(stream.around(mean));
        let fate = match (cut, stream.chance(if cut { 500 } else { loss })) {
            (true, true) => Fate::Refused(delay),
            (true, false) | (false, true) => Fate::Lost,
            (false, false) => Fate::Arrives(delay),
        };
        if !matches!(fate, Fate::Arrives(_)) {
            wires.lost += 1;
        }
        drop(wires);
        world.note_at(from, "message", u64::from(to.0), print);
        fate
    }

    /// Whether what was under way comes in: nothing has cut its way meanwhile.
    pub(crate) fn arrive(&self, from: Node, to: Node) -> bool {
        let mut wires = self.lock();
        let cut = wires.cuts.get(&(from, to)).is_some_and(|cuts| *cuts > 0);
        if cut {
            wires.lost += 1;
        } else {
            wires.delivered += 1;
        }
        !cut
    }

    /// Carries a request to the inbox that `to` has when it arrives, and its answer back. The way is the network's own: it
    /// does not end with the caller. `print` is what the trace says of the request.
    pub fn exchange<Q: Send + 'static, A: Send + 'static>(
        &self,
        (from, to): (Node, Node),
        print: u64,
        request: Q,
        inbox: impl FnOnce() -> Option<Inbox<Q, A>> + Send + 'static,
    ) -> impl Future<Output = Result<A, TransportError>> + Send + 'static {
        let (tell, told) = oneshot::channel();
        let (network, world) = (self.clone(), self.lock().world.clone());
        // What a node sends after its power went reaches nobody.
        if !world.dying(from) {
            world.spawn_on(Node::default(), "wire", async move {
                // Nobody may be waiting for the answer any more.
                let _ = tell.send(network.carry(from, to, print, request, inbox).await);
            });
        }
        async move {
            match told.await {
                Ok(Some(result)) => result,
                // A lost message is silence, which the caller ends when it likes.
                Ok(None) | Err(_) => std::future::pending().await,
            }
        }
    }

    async fn carry<Q, A>(
        &self,
        from: Node,
        to: Node,
        print: u64,
        request: Q,
        inbox: impl FnOnce() -> Option<Inbox<Q, A>>,
    ) -> Option<Result<A, TransportError>> {
        let unreachable = |why: &str| Some(Err(TransportError::Unreachable(why.into())));
        match self.depart(from, to, print) {
            Fate::Lost => return None,
            Fate::Refused(delay) => {
                rt::sleep(delay).await;
                return unreachable("no route");
            }
            Fate::Arrives(delay) => rt::sleep(delay).await,
        }
        if !self.arrive(from, to) {
            return None;
        }
        let (answer, answered) = oneshot::channel();
        let delivered = inbox().is_some_and(|inbox| inbox.send((request, answer)).is_ok());
        let answer = if delivered { answered.await.ok() } else { None };
        if !self.travel(to, from, print).await {
            return None;
        }
        match answer {
            Some(answer) => Some(Ok(answer)),
            None if delivered => Some(Err(TransportError::Broken("connection reset".into()))),
            None => unreachable("connection refused"),
        }
    }

    /// The inbox of a member that was started: requests, each with its sender's id. It replaces that of an earlier life.
    #[must_use]
    pub fn listen(&self, node: Node) -> mpsc::UnboundedReceiver<Letter<(u64, Bytes), Bytes>> {
        let (inbox, letters) = mpsc::unbounded_channel();
        self.lock().members.insert(node, inbox);
        letters
    }

    /// The transport of one member.
    #[must_use]
    pub fn transport(&self, from: Node) -> SimulatedTransport {
        SimulatedTransport { network: self.clone(), from }
    }
}

/// `consensus::Transport` over the simulated network. A member's id is its node's number.
pub struct SimulatedTransport {
    network: Network,
    from: Node,
}

impl Transport for SimulatedTransport {
    fn call(
        &self,
        to: &MemberInfo,
        request: Bytes,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, TransportError>> + Send + 'static>> {
        let to = Node(u16::try_from(to.id).unwrap_or(u16::MAX));
        let print = hash(&request);
        let network = self.network.clone();
        let inbox = move || network.lock().members.get(&to).cloned();
        Box::pin(self.network.exchange((self.from, to), print, (u64::from(self.from.0), request), inbox))
    }
}

#[cfg(test)]
#[path = "network/tests.rs"]
mod tests;
