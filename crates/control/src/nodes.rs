//! The member's side of node sessions: what concerns a node goes out, what it reports comes in. Nodes have sessions with the
//! leader only. A session is the node's heartbeat: whether a node lives is never written while nothing changes.
mod feed;
mod liveness;
mod named;
mod report;
mod streams;
mod table;
mod tokens;
mod writes;

use crate::limits::{HELLO_MAX, NODE_QUEUE_MAX, SESSIONS_MAX, THROUGH_EVERY};
use crate::peers::Peers;
use crate::stop::Stop;
use api::key::Key;
use api::planted::{Bug, planted};
use api::revision::{Millis, Revision};
use apiserver::authentication::signer::Signer;
use bytes::Bytes;
use consensus::{Member, Watch};
use feed::{Feed, NAMED, NODES, PODS, SHARED, Say};
use futures::future::select;
use link::error::LinkError;
use link::frame::FrameError;
use link::message::{FromNode, ToNode};
use link::peer::Peer;
use link::session::{Receiver, Sender, Session};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::Poll;
use store::view::View;
use store::watch::{Behind, Interest};
use table::Table;
use tokio::sync::mpsc;
use writes::Author;

/// The domain of names inside the cluster.
const CLUSTER_DOMAIN: &str = "cluster.local";

/// The nodes' side of one member. Cloning it clones the handle.
#[derive(Clone)]
pub struct Nodes {
    member: Member,
    /// This member's name.
    name: Arc<str>,
    /// Its way to the other members; `None` if it has none.
    peers: Option<Peers>,
    table: Arc<Table>,
    /// What the tokens of its pods are signed with.
    signer: Arc<Signer>,
}

impl Nodes {
    #[must_use]
    pub fn new(member: Member, name: &str, peers: Option<Peers>) -> Self {
        Self { member, name: name.into(), peers, table: Arc::default(), signer: Arc::new(Signer::random()) }
    }

    /// The same, signing tokens as the API does.
    #[must_use]
    pub fn signing(self, signer: Arc<Signer>) -> Self {
        Self { signer, ..self }
    }

    /// Watches over leadership and over nodes that have gone silent, until `stop`.
    pub async fn run(self, stop: Stop) {
        stop.unless(liveness::run(&self.member, &self.table)).await;
        self.table.close_all("this member stops");
    }

    /// Serves one node until its session ends.
    pub async fn serve(&self, session: Session) {
        let Peer::Node(node) = session.peer().clone() else { return session.close("this is no node") };
        let why = match self.converse(&session, &node).await {
            Err(why) | Ok(why) => why,
        };
        tracing::info!(node, remote = session.remote(), %why, "node session ended");
        session.close(&why.to_string());
    }

    /// How many nodes have a session here.
    #[must_use]
    pub fn count(&self) -> usize {
        self.table.count()
    }

    /// Since when a node has a session here, from where, and with which version of the agent.
    #[must_use]
    pub fn session(&self, node: &str) -> Option<(Millis, String, String)> {
        let connected = self.table.get(node)?;
        Some((connected.since, connected.session.remote().to_owned(), connected.version))
    }

    async fn converse(&self, session: &Session, node: &str) -> Result<LinkError, LinkError> {
        let closed = |why: &str| LinkError::Closed(why.into());
        let hello = async {
            let (sender, mut receiver) = session.accept().await?;
            let hello: Option<FromNode> = receiver.json().await?;
            Ok::<_, LinkError>((sender, receiver, hello))
        };
        let late = || closed("the node did not say hello in time");
        let (mut sender, receiver, hello) = rt::timeout(HELLO_MAX, hello).await.ok_or_else(late)??;
        let Some(FromNode::Hello { node: named, seen, version }) = hello else {
            return Err(FrameError::Garbage("the first word of a node must be hello".into()).into());
        };
        if named != node {
            return Err(LinkError::Stranger(format!("its certificate is of node {node}, it calls itself {named}")));
        }
        if self.member.leading().is_none() || self.table.count() >= SESSIONS_MAX {
            sender.json(&ToNode::Elsewhere { leader: self.leader_address() }).await?;
            sender.finish().await?;
            // The node goes by itself once it has read that.
            let end = rt::timeout(HELLO_MAX, session.closed()).await;
            return Ok(end.unwrap_or_else(|| closed("another member leads")));
        }
        let turn = self.table.enter(node, session.clone(), version.clone(), Millis(rt::wall()));
        tracing::info!(node, remote = session.remote(), seen, version, "node session");
        let (outbox, mail) = mpsc::channel(NODE_QUEUE_MAX);
        let (reports, work) = mpsc::channel(NODE_QUEUE_MAX);
        let author =
            Author { member: self.member.clone(), signer: self.signer.clone(), node: node.to_owned(), version };
        let feeding = std::pin::pin!(self.feed(node, Revision(seen), outbox.clone()));
        let hearing = std::pin::pin!(hear(receiver, reports, outbox.clone()));
        let writing = std::pin::pin!(author.write_reports(work, outbox));
        let sending = std::pin::pin!(send(sender, mail));
        let closing = std::pin::pin!(session.closed());
        // Whichever ends first ends the session.
        let talk = select(select(feeding, hearing), select(writing, sending));
        let why = select(talk, closing).await;
        self.table.leave(node, turn, rt::now());
        use futures::future::Either::{Left, Right};
        Ok(match why {
            Right((why, _)) => why,
            Left((Left((Left((why, _)) | Right((why, _)), _)), _)) => why,
            Left((Right((Left((why, _)), _)), _)) => why,
            Left((Right((Right((why, _)), _)), _)) => why,
        })
    }

    /// The leader's link address, as far as this member knows.
    fn leader_address(&self) -> Option<String> {
        let leader = self.member.status().leader?;
        let standing = self.member.members().into_iter().find(|standing| standing.info.id == leader)?;
        Some(standing.info.link)
    }

    /// Tells the node what concerns it, from `seen` on; gives why it cannot go on. A node that falls behind what is in memory is told
    /// everything in the same session: one that lost its session would look for a member elsewhere first, and be silent meanwhile.
    async fn feed(&self, node: &str, seen: Revision, outbox: mpsc::Sender<Bytes>) -> LinkError {
        let mut seen = seen;
        loop {
            match self.feed_on(node, seen, &outbox).await {
                Ok(never) => match never {},
                Err(Stopped::Behind) => seen = Revision(0),
                Err(Stopped::Lost(why)) => return why,
            }
        }
    }

    async fn feed_on(
        &self,
        node: &str,
        seen: Revision,
        outbox: &mpsc::Sender<Bytes>,
    ) -> Result<std::convert::Infallible, Stopped> {
        let view = self.member.linearizable().await.map_err(|why| LinkError::Closed(why.0))?;
        // What is no longer in memory is not read from the log for it: all that concerns a node is soon told.
        let known = (seen > Revision(0) && seen <= view.revision()).then(|| self.watch(node, seen).ok()).flatten();
        let known = known.filter(|known| known.in_memory() || planted(Bug::FeedsWithoutEnd));
        let full = known.is_none();
        let mut watches = match known {
            Some(watches) => watches,
            None => self.watch(node, view.revision())?,
        };
        let since = if full { BTreeSet::new() } else { watches.until(view.revision()).await? };
        let dns = cluster_dns(&view);
        let welcome =
            ToNode::Welcome { member: self.name.to_string(), full, cluster_domain: CLUSTER_DOMAIN.into(), dns };
        tell(outbox, json(&welcome)?).await?;
        let mut feed = Feed::new(node);
        // The newest view holds at least what the watches have told.
        let view = self.member.view();
        let said = if full { feed.full(&view) } else { feed.resume(&view, since) };
        say(outbox, said).await?;
        let mut through = watches.through();
        tell(outbox, json(&ToNode::Through { revision: through.0 })?).await?;
        loop {
            let keys = match rt::timeout(THROUGH_EVERY, watches.next()).await {
                Some(keys) => keys?,
                None => BTreeSet::new(),
            };
            let said = feed.changed(&self.member.view(), keys);
            let news = !said.is_empty();
            say(outbox, said).await?;
            if news || watches.through() > through {
                through = watches.through();
                tell(outbox, json(&ToNode::Through { revision: through.0 })?).await?;
            }
        }
    }

    fn watch(&self, node: &str, from: Revision) -> Result<Watches, Behind> {
        let of = |resource: &str| Interest { resource: Some(resource.into()), ..Interest::default() };
        let mine = Interest { field: Some(("spec.nodeName".into(), node.into())), ..of(PODS) };
        let itself = Interest { name: Some(node.into()), ..of(NODES) };
        let rest = SHARED.iter().chain(&NAMED).map(|resource| of(resource));
        let interests = [mine, itself].into_iter().chain(rest);
        Ok(Watches { list: interests.map(|interest| self.member.watch(interest, from)).collect::<Result<_, _>>()? })
    }
}

/// Why a feed ends.
enum Stopped {
    /// What is to be told next is no longer in memory.
    Behind,
    Lost(LinkError),
}

impl From<Behind> for Stopped {
    fn from(_: Behind) -> Self {
        Self::Behind
    }
}

impl From<LinkError> for Stopped {
    fn from(why: LinkError) -> Self {
        Self::Lost(why)
    }
}

/// All that one node's feed watches.
struct Watches {
    list: Vec<Watch>,
}

impl Watches {
    fn in_memory(&self) -> bool {
        self.list.iter().all(Watch::in_memory)
    }

    /// Keys that have changed; waits until there are some.
    async fn next(&mut self) -> Result<BTreeSet<Key>, Behind> {
        self.keys(|keys, _| !keys.is_empty()).await
    }

    /// Keys that have changed up to `target`.
    async fn until(&mut self, target: Revision) -> Result<BTreeSet<Key>, Behind> {
        self.keys(|_, through| through >= target).await
    }

    async fn keys(&mut self, enough: impl Fn(&BTreeSet<Key>, Revision) -> bool) -> Result<BTreeSet<Key>, Behind> {
        let mut keys = BTreeSet::new();
        loop {
            // One turn over all watches: each gives what it has and remembers whom to wake.
            let some = std::future::poll_fn(|context| {
                let mut some = false;
                for watch in &mut self.list {
                    let polled = std::pin::pin!(watch.next()).poll(context);
                    match polled {
                        Poll::Ready(Err(behind)) => return Poll::Ready(Err(behind)),
                        Poll::Ready(Ok(batch)) => {
                            keys.extend(batch.events.iter().map(|event| event.object.key.clone()));
                            some = true;
                        }
                        // It has fallen behind what is in memory, and would begin to read the log anew at each turn.
                        Poll::Pending if !watch.in_memory() && !planted(Bug::FeedsWithoutEnd) => {
                            return Poll::Ready(Err(Behind { oldest: watch.cursor() }));
                        }
                        Poll::Pending => {}
                    }
                }
                let through = self.list.iter().map(Watch::cursor).min().unwrap_or_default();
                if some || enough(&keys, through) { Poll::Ready(Ok(some)) } else { Poll::Pending }
            })
            .await?;
            if !some || enough(&keys, self.through()) {
                return Ok(keys);
            }
        }
    }

    /// Everything up to here has been seen.
    fn through(&self) -> Revision {
        self.list.iter().map(Watch::cursor).min().unwrap_or_default()
    }
}

/// The address of the cluster's DNS service, if there is one.
fn cluster_dns(view: &View) -> Option<String> {
    let service = view.get("services", "kube-system", "kube-dns")?.value();
    service["spec"]["clusterIP"].as_str().filter(|address| *address != "None").map(str::to_owned)
}

fn json(word: &ToNode) -> Result<Bytes, LinkError> {
    let text = serde_json::to_vec(word).map_err(|why| FrameError::Garbage(why.to_string()))?;
    Ok(text.into())
}

async fn tell(outbox: &mpsc::Sender<Bytes>, frame: Bytes) -> Result<(), LinkError> {
    outbox.send(frame).await.map_err(|_| LinkError::Closed("the node is gone".into()))
}

async fn say(outbox: &mpsc::Sender<Bytes>, said: Vec<Say>) -> Result<(), LinkError> {
    for one in said {
        let frame = match one {
            Say::Set(object) => set(&object.key.resource, &object.bytes),
            Say::Gone(key) => json(&ToNode::Gone {
                resource: key.resource.to_string(),
                namespace: key.namespace.to_string(),
                name: key.name.to_string(),
            })?,
        };
        tell(outbox, frame).await?;
    }
    Ok(())
}

/// `ToNode::Set` around the object's own bytes, which are not parsed again for it. A resource's name needs no escapes.
fn set(resource: &str, object: &[u8]) -> Bytes {
    let mut frame = Vec::with_capacity(object.len() + resource.len() + 40);
    frame.extend_from_slice(b"{\"set\":{\"resource\":\"");
    frame.extend_from_slice(resource.as_bytes());
    frame.extend_from_slice(b"\",\"object\":");
    frame.extend_from_slice(object);
    frame.extend_from_slice(b"}}");
    frame.into()
}

async fn send(mut sender: Sender, mut mail: mpsc::Receiver<Bytes>) -> LinkError {
    while let Some(frame) = mail.recv().await {
        if let Err(why) = sender.frame(&frame).await {
            return why;
        }
    }
    LinkError::Closed("there is nothing more to say".into())
}

/// Reads what the node says: pings are answered at once, reports wait their turn.
async fn hear(mut receiver: Receiver, reports: mpsc::Sender<FromNode>, outbox: mpsc::Sender<Bytes>) -> LinkError {
    loop {
        let word = match receiver.json::<FromNode>().await {
            Ok(Some(word)) => word,
            Ok(None) => return LinkError::Closed("the node has said its last".into()),
            Err(why) => return why,
        };
        let told = match word {
            FromNode::Ping { sent } => match json(&ToNode::Pong { sent }) {
                Ok(pong) => tell(&outbox, pong).await,
                Err(why) => Err(why),
            },
            FromNode::Hello { .. } => Err(FrameError::Garbage("a second hello".into()).into()),
            report => reports.send(report).await.map_err(|_| LinkError::Closed("the session ends".into())),
        };
        if let Err(why) = told {
            return why;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;

    #[test]
    fn an_object_is_framed_as_the_contract_says() {
        let object = RawValue::from_string(r#"{"a":[1,"x"]}"#.into()).expect("JSON");
        let written = set("pods", object.get().as_bytes());
        assert_eq!(written, json(&ToNode::Set { resource: "pods".into(), object }).expect("JSON"));
    }
}
