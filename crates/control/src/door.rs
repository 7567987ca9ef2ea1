//! Who knocks on link: members, nodes, and machines that have only a token. It tells them apart and leads them to the right room.
use crate::limits::{ENTER_MAX, HELLO_MAX};
use crate::nodes::Nodes;
use crate::peers::CONSENSUS;
use crate::stop::Stop;
use crate::submit::{By, announce};
use crate::tokens;
use crate::words::{AskMember, MemberStatus, NodeSession, StateAt, Told};
use api::revision::Millis;
use consensus::{ChangeError, Health, Member, MemberInfo};
use link::authority::{Authority, Holder};
use link::error::LinkError;
use link::frame::FrameError;
use link::join::{Answer, Request};
use link::limits::ARRIVING_MAX;
use link::peer::Peer;
use link::session::{Receiver, Sender, Session};
use link::sessions::Sessions;
use link::token::{Role, Token};
use std::sync::Arc;
use store::view::View;
use tokio::sync::Semaphore;

/// Cloning it clones the handle.
#[derive(Clone)]
pub struct Door {
    pub member: Member,
    pub nodes: Nodes,
    pub authority: Arc<Authority>,
    pub cluster: Arc<str>,
}

/// A node may come back after its directory was lost, but not beside one of its name that is well: they would end each other's sessions.
fn free(view: &View, name: &str) -> Result<(), LinkError> {
    let Some(node) = view.get("nodes", "", name).map(|node| node.value()) else { return Ok(()) };
    let conditions = node["status"]["conditions"].as_array().cloned().unwrap_or_default();
    let ready = conditions.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
    if !ready {
        return Ok(());
    }
    Err(LinkError::Refused(format!(
        "a node {name} is there and ready: choose another name, or stop that one and try again when `kubectl get nodes` shows it NotReady"
    )))
}

impl Door {
    /// Lets peers in until `stop`.
    pub async fn run(self, sessions: Arc<dyn Sessions>, stop: Stop) {
        let arriving = Arc::new(Semaphore::new(ARRIVING_MAX));
        while let Some(Some(knock)) = stop.unless(sessions.accept()).await {
            // More handshakes than that at once: the peer tries again.
            let Ok(place) = arriving.clone().try_acquire_owned() else { continue };
            let door = self.clone();
            rt::spawn("session", async move {
                let session = knock.await;
                drop(place);
                match session {
                    Ok(session) => door.serve(session).await,
                    Err(why) => tracing::info!(%why, "a peer was not let in"),
                }
            });
        }
    }

    /// Serves a session until it ends.
    pub async fn serve(&self, session: Session) {
        match session.peer().clone() {
            Peer::Node(_) => self.nodes.serve(session).await,
            Peer::Member(name) => {
                while let Ok((sender, receiver)) = session.accept().await {
                    let (door, name) = (self.clone(), name.clone());
                    rt::spawn("member stream", async move {
                        if let Err(why) = door.stream(sender, receiver).await {
                            tracing::debug!(member = name, %why, "a stream of a member broke");
                        }
                    });
                }
            }
            Peer::Nobody => {
                if rt::timeout(HELLO_MAX, self.stranger(&session)).await.is_none() {
                    session.close("no request to join came in time");
                }
            }
        }
    }

    /// One stream of another member.
    async fn stream(&self, mut sender: Sender, mut receiver: Receiver) -> Result<(), LinkError> {
        let Some(first) = receiver.frame().await? else { return Ok(()) };
        if let [CONSENSUS, ids @ ..] = &*first {
            let ids: [u8; 16] =
                ids.try_into().map_err(|_| FrameError::Garbage("two members' ids have 16 bytes".into()))?;
            let ids = u128::from_be_bytes(ids);
            let (from, to) = ((ids >> 64) as u64, ids as u64);
            let Some(request) = receiver.frame().await? else { return Ok(()) };
            let answer =
                if to == self.member.id() { self.member.serve(from, request).await } else { consensus::not_here(to) };
            sender.frame(&answer).await?;
            return sender.finish().await;
        }
        let asked: AskMember = serde_json::from_slice(&first).map_err(|why| FrameError::Garbage(why.to_string()))?;
        let told = match asked {
            AskMember::NodeStream { node, stream } => return self.nodes.relay(&node, stream, sender, receiver).await,
            AskMember::Status => Told::Status(Box::new(self.status())),
            AskMember::Nodes => Told::Nodes(self.node_sessions()),
            AskMember::State { index } => Told::State(self.state_at(index)),
            AskMember::Enter { id, name, link, api, replaces } => {
                self.enter(MemberInfo { id, name, link, api }, replaces).await
            }
        };
        sender.json(&told).await?;
        sender.finish().await
    }

    async fn enter(&self, info: MemberInfo, replaces: Option<u64>) -> Told {
        tracing::info!(name = info.name, id = info.id, link = info.link, "a member asks to be taken in");
        let standings = self.member.members();
        // One that asks again has been announced.
        if !standings.iter().any(|standing| standing.info.id == info.id) {
            let named = |id| standings.iter().find(|standing| Some(standing.info.id) == id);
            let place = named(replaces).map(|gone| format!(" in the place of id {}", gone.info.id)).unwrap_or_default();
            let what = format!("member {} (id {}, at {}) is to be taken in{place}", info.name, info.id, info.link);
            let actor = format!("system:rutter:member:{}", info.name);
            if let Err(why) = announce(&self.member, By { actor: &actor, agent: "rutter control" }, &what).await {
                return Told::Later { why: why.to_string() };
            }
        }
        let entering = async {
            match replaces {
                Some(gone) => self.member.replace(gone, info).await,
                None => self.member.add(info).await,
            }
        };
        match rt::timeout(ENTER_MAX, entering).await {
            Some(Ok(())) => Told::Done,
            Some(Err(ChangeError::Refused(why))) => Told::Refused { why },
            Some(Err(why)) => Told::Later { why: why.to_string() },
            None => Told::Later { why: "it takes too long".into() },
        }
    }

    /// How this member is.
    #[must_use]
    pub fn status(&self) -> MemberStatus {
        let status = self.member.status();
        let health = match status.health {
            Health::Well => "well".to_owned(),
            Health::Disk(why) => format!("its disk fails: {why}"),
            Health::Damaged(why) => format!("its log is damaged: {why}"),
            Health::Diverged { index, why } => format!("its state differs at log index {index}: {why}"),
            Health::Disputed { index, why } => format!("the members differ at log index {index}: {why}"),
            Health::Removed => "it was removed".to_owned(),
            Health::Stopped(why) => format!("stopped: {why}"),
        };
        MemberStatus {
            id: status.id,
            name: status.name,
            role: format!("{:?}", status.role).to_ascii_lowercase(),
            term: status.term,
            leader: status.leader,
            last_index: status.last,
            applied_index: status.applied,
            revision: status.revision.0,
            health,
            version: env!("CARGO_PKG_VERSION").into(),
            pid: std::process::id(),
            nodes: self.nodes.count() as u64,
        }
    }

    /// This member's state after the entry at `index`, if that is one of the newest.
    #[must_use]
    pub fn state_at(&self, index: u64) -> Option<StateAt> {
        let (revision, hash) = self.member.state_at(index)?;
        Some(StateAt { hash_index: index, hash_revision: revision.0, hash: hash.to_string() })
    }

    /// The nodes that have a session here.
    #[must_use]
    pub fn node_sessions(&self) -> Vec<NodeSession> {
        let view = self.member.view();
        let sessions = view.list("nodes", None).filter_map(|node| {
            let (since, remote, version) = self.nodes.session(&node.key.name)?;
            Some(NodeSession { node: node.key.name.to_string(), since: since.rfc3339(), remote, version })
        });
        sessions.collect()
    }

    /// Hears the one request of a peer without a certificate.
    async fn stranger(&self, session: &Session) {
        let Ok((mut sender, mut receiver)) = session.accept().await else { return };
        let Ok(Some(request)) = receiver.json::<Request>().await else {
            return session.close("that is no request to join");
        };
        let answer = match self.admit(&request).await {
            Ok(answer) => answer,
            Err(why) => {
                tracing::info!(remote = session.remote(), name = request.name, %why, "not let in");
                Answer::Refused { why: why.to_string() }
            }
        };
        if sender.json(&answer).await.is_ok() && sender.finish().await.is_ok() {
            session.closed().await;
        }
    }

    async fn admit(&self, request: &Request) -> Result<Answer, LinkError> {
        let token = Token::parse(&request.token)?;
        if token.pin != self.authority.pin()? {
            return Err(LinkError::Token(format!("it is of another cluster than {}", self.cluster)));
        }
        let unavailable = |_| LinkError::Refused("the cluster has no leader at the moment; try again".into());
        let view = self.member.linearizable().await.map_err(unavailable)?;
        let now = Millis(rt::wall());
        token.check(tokens::kept(&view, &token.id).as_ref(), token.role, now)?;
        let standings = self.member.members();
        let name = request.name.clone();
        let mut replaces = None;
        let (holder, authority_key, member_id) = match token.role {
            Role::Node => {
                free(&view, &name)?;
                (Holder::Node { name }, None, None)
            }
            Role::Member => {
                replaces = self.place(&name, tokens::replaces(&view, &token.id))?;
                (Holder::Member { name }, Some(self.authority.key_pem().to_owned()), Some(self.member.free_id()))
            }
        };
        let certificate = self.authority.sign(&holder, &request.public_key, now)?;
        tracing::info!(name = request.name, role = token.role.text(), token = token.id, "let in");
        Ok(Answer::Welcome {
            member_id,
            cluster: self.cluster.to_string(),
            certificate,
            authority: self.authority.certificate_pem().to_owned(),
            authority_key,
            members: standings.into_iter().map(|standing| standing.info.link).collect(),
            replaces,
        })
    }

    /// Whose place a new member `name` takes, whose token is for the place of `replaces`; `None` if it is one more.
    fn place(&self, name: &str, replaces: Option<u64>) -> Result<Option<u64>, LinkError> {
        let standings = self.member.members();
        let named = |gone: u64| standings.iter().find(|standing| standing.info.id == gone).map(|gone| &*gone.info.name);
        match replaces.map(named) {
            Some(Some(gone)) if gone == name => Ok(replaces),
            Some(Some(gone)) => {
                Err(LinkError::Refused(format!("the token is for a new member {gone}, not for {name}: use that name")))
            }
            Some(None) => Err(LinkError::Refused(
                "the member whose place the token gives has been replaced or removed: make a new token".into(),
            )),
            None if standings.iter().any(|standing| standing.info.name == name) => Err(LinkError::Refused(format!(
                "this cluster has a member {name}: `rutter member replace {name}` puts a new one in its place, or choose another name"
            ))),
            None => Ok(None),
        }
    }
}
