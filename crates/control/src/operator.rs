//! What operates the cluster itself: status, tokens, members, the log (the adapter of the API server's port). It answers from
//! this member and asks the others over link.
use crate::door::Door;
use crate::limits::{ASK_MAX, LOG_LINES_MAX, TOKEN_MS};
use crate::load;
use crate::peers::Peers;
use crate::submit::By;
use crate::tokens;
use crate::words::{AskMember, ClusterStatus, MemberLine, MemberStatus, NodeLine, NodeSession, StateAt, Told};
use api::command::Refusal;
use api::revision::{Millis, Revision};
use api::status::Status;
use apiserver::operator::{Answer, Operation};
use bytes::Bytes;
use consensus::Standing;
use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, StreamExt, stream};
use link::limits::TOKEN_MAX;
use link::token::Role;
use serde_json::{Value, json};
use store::log::frame::Kind;
use store::replay::{CommandLine, Line, LineResult};

/// Cloning it clones the handle.
#[derive(Clone)]
pub struct Operator {
    pub door: Door,
    pub peers: Peers,
}

impl apiserver::operator::Operator for Operator {
    fn call(&self, operation: Operation) -> BoxFuture<'static, Result<Answer, Status>> {
        let operator = self.clone();
        async move { operator.answer(operation).await }.boxed()
    }
}

impl Operator {
    async fn answer(&self, operation: Operation) -> Result<Answer, Status> {
        let text = |name: &str| {
            let asked = operation.query.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str());
            asked.or_else(|| operation.body[name].as_str()).unwrap_or_default().to_owned()
        };
        let number = |name: &str| operation.body[name].as_u64().or_else(|| text(name).parse().ok());
        let by = By { actor: &operation.actor, agent: &operation.agent };
        match (operation.verb.as_str(), operation.change) {
            ("status", false) => Ok(Answer::Value(value(&self.status().await))),
            ("token", false) => Ok(Answer::Value(json!({"tokens": tokens::list(&self.door.member.view())}))),
            ("token", true) => self.token(by, &text("role"), number("validSeconds"), None).await.map(Answer::Value),
            ("member", false) => Ok(Answer::Value(json!({"members": members(&self.door.member.members())}))),
            ("member/remove", true) => self.remove(by, &text("name")).await.map(Answer::Value),
            ("member/replace", true) => {
                let force = operation.body["force"].as_bool().unwrap_or(false);
                self.replace(by, &text("name"), force).await.map(Answer::Value)
            }
            ("member/lead", true) => self.hand_over(by, &text("name")).await.map(Answer::Value),
            ("log", false) => self.log(number("from"), number("to"), number("after")).await,
            ("load", true) => {
                let load = load::Load {
                    clients: number("clients").unwrap_or(1),
                    size: number("size").unwrap_or(1_024),
                    seconds: number("seconds").unwrap_or(1),
                    objects: number("objects"),
                    keep: operation.body["keep"].as_bool().unwrap_or(false),
                };
                load::run(&self.door.member, &load).await.map(Answer::Value)
            }
            (verb, _) => Err(Status::new(404, "NotFound", format!("there is no operation {verb}"))),
        }
    }

    /// All members and nodes; a member that does not answer is named with its reason.
    async fn status(&self) -> ClusterStatus {
        let own = self.door.status();
        let standings = self.door.member.members();
        let told = join_all(standings.iter().map(|standing| self.status_of(standing))).await;
        // The newest entry that all have applied: there they can be compared.
        let index = told.iter().flatten().map(|status| status.applied_index).min().unwrap_or(0);
        let states = join_all(standings.iter().zip(&told).map(|(standing, told)| async move {
            if told.is_ok() { self.state_of(standing, index).await } else { None }
        }));
        let states = states.await;
        let lines = standings.iter().zip(told).zip(states);
        let view = self.door.member.view();
        let sessions = self.sessions(&standings).await;
        let leader = standings.iter().find(|standing| Some(standing.info.id) == own.leader);
        ClusterStatus {
            cluster: self.door.cluster.to_string(),
            asked: own.name,
            leader: leader.map(|standing| standing.info.name.clone()),
            term: own.term,
            revision: view.revision().0,
            time: view.time().rfc3339(),
            objects: view.resources().map(|resource| view.count(resource, None)).sum::<usize>() as u64,
            members: lines.map(|((standing, told), state)| member_line(standing, told, state)).collect(),
            nodes: view.list("nodes", None).map(|node| node_line(&node.key.name, &sessions)).collect(),
        }
    }

    pub(crate) async fn status_of(&self, standing: &Standing) -> Result<MemberStatus, String> {
        if standing.info.id == self.own_id() {
            return Ok(self.door.status());
        }
        match self.peers.ask(&standing.info.link, &AskMember::Status, ASK_MAX).await {
            Ok(Told::Status(status)) if status.id == standing.info.id => Ok(*status),
            Ok(Told::Status(status)) => Err(format!("member {} answers at its address", status.id)),
            Ok(_) => Err("it gave another answer".to_owned()),
            Err(why) => Err(why.to_string()),
        }
    }

    async fn state_of(&self, standing: &Standing, index: u64) -> Option<StateAt> {
        if standing.info.id == self.own_id() {
            return self.door.state_at(index);
        }
        match self.peers.ask(&standing.info.link, &AskMember::State { index }, ASK_MAX).await {
            Ok(Told::State(state)) => state,
            Ok(_) | Err(_) => None,
        }
    }

    fn own_id(&self) -> u64 {
        self.door.member.status().id
    }

    /// The sessions of nodes, which are with the leader.
    async fn sessions(&self, standings: &[Standing]) -> Vec<NodeSession> {
        let member = &self.door.member;
        let leader = if member.leading().is_some() { None } else { member.status().leader };
        let leader = standings.iter().find(|standing| Some(standing.info.id) == leader);
        let Some(leader) = leader else { return self.door.node_sessions() };
        match self.peers.ask(&leader.info.link, &AskMember::Nodes, ASK_MAX).await {
            Ok(Told::Nodes(sessions)) => sessions,
            Ok(_) | Err(_) => Vec::new(),
        }
    }

    /// Makes a token; for a member that is to take the place of another, with that one's id.
    pub(crate) async fn token(
        &self,
        by: By<'_>,
        role: &str,
        valid_seconds: Option<u64>,
        replaces: Option<u64>,
    ) -> Result<Value, Status> {
        let role = Role::parse(role).ok_or_else(|| Status::bad_request("role: write node or member"))?;
        let valid_ms = valid_seconds.map_or(TOKEN_MS, |seconds| seconds.saturating_mul(1_000));
        if u128::from(valid_ms) > TOKEN_MAX.as_millis() || valid_ms == 0 {
            let days = TOKEN_MAX.as_secs() / 86_400;
            return Err(Status::bad_request(format!("validSeconds: a token holds for 1 second to {days} days")));
        }
        let pin = self.door.authority.pin().map_err(|why| Status::internal(why.to_string()))?;
        let token = tokens::create(&self.door.member, by, pin, role, valid_ms, replaces).await?;
        let members: Vec<String> = self.door.member.members().into_iter().map(|standing| standing.info.link).collect();
        Ok(
            json!({"token": token.to_string(), "id": token.id, "role": role.text(), "expires": token.expires.rfc3339(), "members": members}),
        )
    }

    /// Entries from revision `from` to `to`, both included (after log index `after`, if it is given), a line of JSON each, a page at
    /// once; without bounds the newest.
    async fn log(&self, from: Option<u64>, to: Option<u64>, after: Option<u64>) -> Result<Answer, Status> {
        let now = self.door.member.view().revision().0;
        let to = to.unwrap_or(u64::MAX);
        // What made the first revision that is kept went with what was before it.
        let first = self.door.member.oldest().next();
        let from = from.unwrap_or_else(|| to.min(now).saturating_sub(LOG_LINES_MAX - 1).max(first.0));
        let most = usize::try_from(LOG_LINES_MAX).unwrap_or(usize::MAX);
        let lines = self.door.member.lines((Revision(from), Revision(to)), after, most).await;
        let lines = lines.map_err(|why| Status::unavailable(why.0))?;
        let gone = || {
            let message = format!("what made revision {from} is no longer kept: the first that is kept made {first}");
            Status::new(410, "Expired", message)
        };
        let lines = lines.ok_or_else(gone)?.into_iter().map(|line| Bytes::from(format!("{}\n", log_line(&line))));
        Ok(Answer::Lines(stream::iter(lines).boxed()))
    }
}

fn value(shape: &impl serde::Serialize) -> Value {
    serde_json::to_value(shape).unwrap_or_default()
}

fn member_line(standing: &Standing, told: Result<MemberStatus, String>, state: Option<StateAt>) -> MemberLine {
    let info = standing.info.clone();
    let (status, silence) = match told {
        Ok(status) => (Some(status), String::new()),
        Err(why) => (None, format!("no answer: {why}")),
    };
    let number = |of: fn(&MemberStatus) -> u64| status.as_ref().map(of);
    MemberLine {
        id: info.id,
        name: info.name,
        link: info.link,
        api: info.api,
        voter: standing.voter,
        role: status.as_ref().map_or_else(|| "unknown".into(), |status| status.role.clone()),
        health: status.as_ref().map_or(silence, |status| status.health.clone()),
        pid: status.as_ref().map(|status| status.pid),
        version: status.as_ref().map(|status| status.version.clone()),
        term: number(|status| status.term),
        last_index: number(|status| status.last_index),
        applied_index: number(|status| status.applied_index),
        revision: number(|status| status.revision),
        hash_index: state.as_ref().map(|state| state.hash_index),
        hash_revision: state.as_ref().map(|state| state.hash_revision),
        hash: state.map(|state| state.hash),
    }
}

fn node_line(name: &str, sessions: &[NodeSession]) -> NodeLine {
    NodeLine { name: name.to_owned(), session: sessions.iter().find(|session| session.node == name).cloned() }
}

/// An entry with who, why and what changed; what objects became is named, not repeated.
#[must_use]
pub fn log_line(line: &Line) -> Value {
    json!({
        "index": line.index,
        "term": line.term,
        "time": (line.time > Millis::default()).then(|| line.time.rfc3339_micro()),
        "kind": if line.kind == Kind::Normal { "entry".into() } else { format!("{:?}", line.kind).to_lowercase() },
        "chain": line.chain.to_string(),
        "first": line.revisions.map(|(first, _)| first.0),
        "last": line.revisions.map(|(_, last)| last.0),
        "members": consensus::standings_in(&line.membership).map(|standings| members(&standings)),
        "commands": line.commands.iter().map(command).collect::<Vec<_>>(),
    })
}

/// Members as people and programs read them.
pub(crate) fn members(standings: &[Standing]) -> Vec<Value> {
    let line = |standing: &Standing| {
        let info = &standing.info;
        json!({"id": info.id, "name": info.name, "link": info.link, "api": info.api, "voter": standing.voter})
    };
    standings.iter().map(line).collect()
}

fn command(command: &CommandLine) -> Value {
    let changes = command.changes.iter().map(|change| {
        let act = format!("{:?}", change.act).to_lowercase();
        json!({"act": act, "key": change.key.to_string(), "revision": change.revision.0, "changed": change.changed})
    });
    let (result, why) = match &command.result {
        LineResult::Done => ("done", None),
        LineResult::Again => ("again", None),
        LineResult::Refused { write, refusal } => ("refused", Some(format!("write {write}: {}", refused(refusal)))),
    };
    json!({
        "id": format!("{:032x}", command.id.0), "actor": &*command.actor, "agent": &*command.agent,
        "cause": command.cause.0, "read": command.read.0, "note": &*command.note,
        "result": result, "why": why, "changes": changes.collect::<Vec<_>>(),
    })
}

fn refused(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Exists => "the object was there".into(),
        Refusal::NotFound => "the object was not there".into(),
        Refusal::Conflict { current } => format!("the object had revision {}", current.0),
        Refusal::Malformed(why) => why.to_string(),
    }
}
