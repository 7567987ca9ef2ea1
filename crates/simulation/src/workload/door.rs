//! The door of a member for simulated clients: what the API's server is to real ones. It dies with its member, and its
//! answers travel over the network. It adds nothing to what the member says.
use crate::history::Found;
use crate::network::{Inbox, Letter, Network};
use crate::trace::Node;
use crate::world::World;
use api::command::{Command, Outcome};
use api::key::Key;
use api::revision::Revision;
use consensus::{Member, SubmitError, TransportError};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use store::view::View;
use store::watch::{Batch, Interest};
use tokio::sync::mpsc;

/// What a client asks of a member.
pub enum Ask {
    Submit(Command),
    Read(Key),
    Watch { interest: Interest, from: Revision, feed: mpsc::UnboundedSender<Batch> },
}

/// What the member answers.
pub enum Answer {
    Submitted(Result<Outcome, SubmitError>),
    Read(Result<Found, String>),
    /// Batches will come; or they cannot, for a reason.
    Watching(Result<(), String>),
}

/// Where the doors of all members are.
#[derive(Clone)]
pub struct Doors {
    world: World,
    network: Network,
    open: Arc<Mutex<BTreeMap<Node, Inbox<Ask, Answer>>>>,
    members: Arc<Vec<Node>>,
    /// Reads without asking a majority: a fault planted to see that the checkers see it.
    local_reads: bool,
}

impl Doors {
    #[must_use]
    pub fn new(world: &World, network: &Network, members: &[Node], local_reads: bool) -> Self {
        Self {
            world: world.clone(),
            network: network.clone(),
            open: Arc::default(),
            members: Arc::new(members.to_vec()),
            local_reads,
        }
    }

    /// All members, open or not.
    #[must_use]
    pub fn members(&self) -> &[Node] {
        &self.members
    }

    /// Opens the door of a member that runs on `node`; called by a task of that node.
    pub fn open(&self, node: Node, member: Member) {
        let (inbox, mut letters) = mpsc::unbounded_channel::<Letter<Ask, Answer>>();
        self.lock().insert(node, inbox);
        let doors = self.clone();
        rt::spawn("door", async move {
            while let Some((ask, answer)) = letters.recv().await {
                let (doors, member) = (doors.clone(), member.clone());
                rt::spawn("request", async move {
                    let given = doors.serve(node, &member, ask).await;
                    // The network carries it; it may be gone.
                    let _ = answer.send(given);
                });
            }
        });
    }

    /// Asks the member on `to`, for at most `patience`; `None` if there was no answer.
    pub async fn ask(
        &self,
        from: Node,
        to: Node,
        ask: Ask,
        patience: Duration,
    ) -> Option<Result<Answer, TransportError>> {
        let doors = self.clone();
        let print = match &ask {
            Ask::Submit(command) => u64::try_from(command.id.0 & u128::from(u64::MAX)).unwrap_or(0),
            Ask::Read(_) => 1,
            Ask::Watch { from, .. } => from.0,
        };
        let call = self.network.exchange((from, to), print, ask, move || doors.lock().get(&to).cloned());
        rt::timeout(patience, call).await
    }

    async fn serve(&self, node: Node, member: &Member, ask: Ask) -> Answer {
        match ask {
            Ask::Submit(command) => Answer::Submitted(member.submit(command).await),
            Ask::Read(key) => Answer::Read(match self.look(member).await {
                Err(why) => Err(why),
                Ok(view) => Ok(Found {
                    index: view.index(),
                    revision: view.revision(),
                    hash: view.hash(),
                    object: view.get_key(&key).cloned(),
                }),
            }),
            Ask::Watch { interest, from, feed } => Answer::Watching(self.watch(node, member, interest, from, feed)),
        }
    }

    async fn look(&self, member: &Member) -> Result<Arc<View>, String> {
        if self.local_reads {
            return Ok(member.view());
        }
        member.linearizable().await.map_err(|why| why.0)
    }

    fn watch(
        &self,
        node: Node,
        member: &Member,
        interest: Interest,
        from: Revision,
        feed: mpsc::UnboundedSender<Batch>,
    ) -> Result<(), String> {
        let mut watch = member.watch(interest, from).map_err(|behind| format!("{behind:?}"))?;
        let (out, mut stream) = mpsc::unbounded_channel::<Batch>();
        let network = self.network.clone();
        // One stream, in order: a lost part breaks it. It is the network's, and ends with either end.
        self.world.spawn_on(Node::default(), "stream", async move {
            while let Some(batch) = stream.recv().await {
                if !network.travel(node, Node::default(), batch.through.0).await || feed.send(batch).is_err() {
                    break;
                }
            }
        });
        rt::spawn("watch", async move {
            while let Ok(batch) = watch.next().await {
                if out.send(batch).is_err() {
                    break;
                }
            }
        });
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Node, Inbox<Ask, Answer>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
