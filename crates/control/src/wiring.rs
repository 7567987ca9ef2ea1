//! A member on what it is given (identity, log, disk, sessions): consensus, door, API, deciders, nodes, wired to each other. A process
//! and a simulation both come through here, so that what is simulated is what runs. It opens nothing and holds no rule.
use crate::certificates::Certificates;
use crate::decide;
use crate::directory::MemberIdentity;
use crate::door::Door;
use crate::error::ControlError;
use crate::founding::Founding;
use crate::limits::{ENTER_MAX, ENTER_PAUSE};
use crate::nodes::Nodes;
use crate::operator::Operator;
use crate::peers::Peers;
use crate::stop::Stop;
use crate::trust;
use crate::words::{AskMember, Told};
use apiserver::audit::sink::Audit;
use apiserver::authentication::authenticator::Authenticator;
use apiserver::room::Parts;
use apiserver::server::ApiServer;
use consensus::{CheckpointStore, Member, MemberInfo, Options, Tuning};
use controllers::controller::Controller;
use link::authority::Authority;
use link::sessions::Sessions;
use std::net::SocketAddr;
use std::sync::Arc;
use store::disk::Disk;
use store::log::Log;

/// What a member is made of.
pub struct Given {
    pub info: MemberInfo,
    pub identity: MemberIdentity,
    pub authority: Arc<Authority>,
    pub log: Log,
    pub disk: Arc<dyn Disk>,
    /// `None`: a restart folds the log from its beginning.
    pub checkpoints: Option<Arc<dyn CheckpointStore>>,
    pub sessions: Arc<dyn Sessions>,
    pub tuning: Tuning,
    /// `None`: no audit stream.
    pub audit: Option<Audit>,
    /// Who else knows tokens.
    pub others: Vec<Arc<dyn Authenticator>>,
}

/// A member that has its place in the cluster. Its API answers whoever is led to it.
pub struct Wired {
    pub member: Member,
    pub api: ApiServer,
    pub operator: Operator,
    pub stop: Stop,
    pub tasks: Vec<rt::JoinHandle<()>>,
}

/// Wires a member and waits until the cluster has taken it in.
///
/// # Errors
/// If its log is of no use, or the cluster does not take it.
pub async fn wire(given: Given) -> Result<Wired, ControlError> {
    let Given { info, identity, authority, log, disk, checkpoints, sessions, tuning, audit, others } = given;
    let peers = Peers::new(sessions.clone(), identity.id);
    let transport = Arc::new(peers.clone());
    let member = Member::start(Options { info: info.clone(), log, disk, checkpoints, transport, tuning }).await?;
    whereabouts(&member, &info)?;
    let trust = trust::of(&authority, others);
    let nodes = Nodes::new(member.clone(), &identity.name, Some(peers.clone())).signing(trust.signer.clone());
    let cluster = identity.cluster.as_str().into();
    let door = Door { member: member.clone(), nodes: nodes.clone(), authority, cluster };
    let stop = Stop::default();
    let tasks = vec![rt::spawn("door", door.clone().run(sessions, stop.clone()))];
    if identity.founder {
        member.found().await.map_err(|why| ControlError::Log(why.to_string()))?;
    } else {
        enter(&member, &peers, &identity, &info).await?;
    }
    let operator = Operator { door, peers };
    let (ways, operations) = (Some(Arc::new(nodes) as _), Some(Arc::new(operator.clone()) as _));
    let parts = Parts { nodes: ways, operator: operations, audit, trust, ..Parts::new(member.clone()) };
    Ok(Wired { member, api: ApiServer::new(parts), operator, stop, tasks })
}

impl Wired {
    /// Begins what a member does by itself: deciding, serving nodes, writing what every cluster has. `api`: where its API is served.
    pub fn begin(&mut self, api: SocketAddr) {
        let (member, stop, door) = (&self.member, &self.stop, &self.operator.door);
        self.tasks.push(rt::spawn("nodes", door.nodes.clone().run(stop.clone())));
        self.tasks.push(rt::spawn("decide", decide::run(member.clone(), deciders(), stop.clone())));
        let certificates =
            Certificates { member: member.clone(), api: self.api.clone(), authority: door.authority.clone() };
        self.tasks.push(rt::spawn("certificates", certificates.run(stop.clone())));
        let authority_pem = door.authority.certificate_pem().to_owned();
        let founding =
            Founding { member: member.clone(), api: self.api.clone(), own: (member.id(), api), authority_pem };
        self.tasks.push(rt::spawn("found", founding.run(stop.clone())));
    }
}

/// Every decider, in the order in which a new leader asks them.
#[must_use]
pub fn deciders() -> Vec<Controller> {
    let scheduler =
        Controller { name: "kube-scheduler", keys: scheduler::keys, all: scheduler::all, decide: scheduler::decide };
    controllers::all().iter().copied().chain([scheduler]).collect()
}

/// The others look for a member where the log says that it is.
fn whereabouts(member: &Member, info: &MemberInfo) -> Result<(), ControlError> {
    let standings = member.members();
    let known = standings.iter().map(|standing| &standing.info).find(|known| known.id == info.id);
    match known {
        Some(known) if standings.len() > 1 && known.link != info.link => {
            Err(ControlError::Moved { known: known.link.clone(), given: info.link.clone() })
        }
        _ => Ok(()),
    }
}

/// Asks the cluster to take this member in, unless it already has a vote.
async fn enter(
    member: &Member,
    peers: &Peers,
    identity: &MemberIdentity,
    info: &MemberInfo,
) -> Result<(), ControlError> {
    if member.members().iter().any(|standing| standing.info == *info && standing.voter) {
        return Ok(());
    }
    let MemberInfo { id, name, link, api } = info.clone();
    let question = AskMember::Enter { id, name, link, api, replaces: identity.replaces };
    let began = rt::now();
    let mut last = "no other member's address is known".to_owned();
    while rt::now().since(began) < ENTER_MAX {
        for address in identity.members.iter().filter(|address| **address != info.link) {
            match peers.ask(address, &question, ENTER_MAX).await {
                Ok(Told::Done) => return Ok(()),
                Ok(Told::Refused { why }) => return Err(ControlError::NoPlace(why)),
                Ok(Told::Later { why }) => last = why,
                Ok(_) => last = format!("{address} gave another answer"),
                Err(why) => last = why.to_string(),
            }
        }
        rt::sleep(ENTER_PAUSE).await;
    }
    Err(ControlError::NotTaken(last))
}
