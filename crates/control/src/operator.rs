//! What operates the cluster itself: status, tokens, members, the log (the adapter of the API server's port). It answers from
//! this member and asks the others over link.
use crate::door::Door;
use crate::limits::{ASK_MAX, LOG_LINES_MAX, TOKEN_MS};
use crate::load;
use crate::peers::Peers;
use crate::tokens;
use crate::words::{AskMember, MemberStatus, NodeSession, Told, with};
use api::command::{Change, Command, Condition};
use api::status::Status;
use apiserver::operator::{Answer, Operation};
use bytes::Bytes;
use consensus::{ChangeError, LogLine, Logged, Standing};
use futures::future::{BoxFuture, join_all};
use futures::{FutureExt, StreamExt, stream};
use link::limits::TOKEN_MAX;
use link::token::Role;
use serde_json::{Value, json};

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
        match (operation.verb.as_str(), operation.change) {
            ("status", false) => Ok(Answer::Value(self.status().await)),
            ("token", false) => Ok(Answer::Value(json!({"tokens": tokens::list(&self.door.member.view())}))),
            ("token", true) => self.token(&text("role"), number("validSeconds")).await.map(Answer::Value),
            ("member", false) => Ok(Answer::Value(json!({"members": self.members()}))),
            ("member/remove", true) => self.remove(&text("name")).await.map(Answer::Value),
            ("member/lead", true) => self.hand_over(&text("name")).await.map(Answer::Value),
            ("log", false) => self.log(number("from"), number("to")),
            ("load", true) => {
                let size = number("size").unwrap_or(1_024);
                load::run(&self.door.member, number("clients").unwrap_or(1), size, number("seconds").unwrap_or(1))
                    .await
                    .map(Answer::Value)
            }
            (verb, _) => Err(Status::new(404, "NotFound", format!("there is no operation {verb}"))),
        }
    }

    /// All members and nodes; a member that does not answer is named with its reason.
    async fn status(&self) -> Value {
        let own = self.door.status();
        let standings = self.door.member.members();
        let told = join_all(standings.iter().map(|standing| async {
            if standing.info.id == own.id {
                return Ok(own.clone());
            }
            match self.peers.ask(&standing.info.link, &AskMember::Status, ASK_MAX).await {
                Ok(Told::Status(status)) => Ok(*status),
                Ok(_) => Err("it gave another answer".to_owned()),
                Err(why) => Err(why.to_string()),
            }
        }));
        let told: Vec<Result<MemberStatus, String>> = told.await;
        let members: Vec<Value> =
            standings.iter().zip(&told).map(|(standing, told)| member_line(standing, told)).collect();
        let view = self.door.member.view();
        let sessions = self.sessions(&standings).await;
        json!({
            "cluster": &*self.door.cluster,
            "asked": own.name,
            "leader": standings.iter().find(|standing| Some(standing.info.id) == own.leader).map(|standing| &standing.info.name),
            "term": own.term,
            "revision": own.revision,
            "time": view.time().rfc3339(),
            "objects": view.resources().map(|resource| view.count(resource, None)).sum::<usize>(),
            "members": members,
            "nodes": view.list("nodes", None).map(|node| {
                let session = sessions.iter().find(|session| session.node == *node.key.name);
                json!({"name": &*node.key.name, "session": session})
            }).collect::<Vec<_>>(),
        })
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

    fn members(&self) -> Vec<Value> {
        let line = |standing: &Standing| {
            let info = &standing.info;
            json!({"id": info.id, "name": info.name, "link": info.link, "api": info.api, "voter": standing.voter})
        };
        self.door.member.members().iter().map(line).collect()
    }

    async fn token(&self, role: &str, valid_seconds: Option<u64>) -> Result<Value, Status> {
        let role = Role::parse(role).ok_or_else(|| Status::bad_request("role: write node or member"))?;
        let valid_ms = valid_seconds.map_or(TOKEN_MS, |seconds| seconds.saturating_mul(1_000));
        if u128::from(valid_ms) > TOKEN_MAX.as_millis() || valid_ms == 0 {
            let days = TOKEN_MAX.as_secs() / 86_400;
            return Err(Status::bad_request(format!("validSeconds: a token holds for 1 second to {days} days")));
        }
        let pin = self.door.authority.pin().map_err(|why| Status::internal(why.to_string()))?;
        let token = tokens::create(&self.door.member, pin, role, valid_ms).await?;
        let members: Vec<String> = self.door.member.members().into_iter().map(|standing| standing.info.link).collect();
        Ok(
            json!({"token": token.to_string(), "id": token.id, "role": role.text(), "expires": token.expires.rfc3339(), "members": members}),
        )
    }

    fn id(&self, name: &str) -> Result<u64, Status> {
        let found = self.door.member.members().into_iter().find(|standing| standing.info.name == name);
        found
            .map(|standing| standing.info.id)
            .ok_or_else(|| Status::new(404, "NotFound", format!("there is no member {name:?}")))
    }

    async fn remove(&self, name: &str) -> Result<Value, Status> {
        self.door.member.remove(self.id(name)?).await.map_err(change)?;
        Ok(json!({"removed": name}))
    }

    async fn hand_over(&self, name: &str) -> Result<Value, Status> {
        let to = if name.is_empty() { None } else { Some(self.id(name)?) };
        self.door.member.hand_over(to).await.map_err(change)?;
        Ok(json!({"asked": name}))
    }

    /// Entries from index `from` to `to`, both included, a line of JSON each; without bounds the newest.
    fn log(&self, from: Option<u64>, to: Option<u64>) -> Result<Answer, Status> {
        let to = to.unwrap_or_else(|| self.door.member.view().index());
        let from = from.unwrap_or_else(|| to.saturating_sub(LOG_LINES_MAX - 1));
        let to = to.min(from.saturating_add(LOG_LINES_MAX - 1));
        let lines = self.door.member.log(from, to).map_err(|why| Status::unavailable(why.0))?;
        let lines = lines.into_iter().map(|line| Bytes::from(format!("{}\n", log_line(&line))));
        Ok(Answer::Lines(stream::iter(lines).boxed()))
    }
}

fn change(error: ChangeError) -> Status {
    match error {
        ChangeError::Refused(why) => Status::bad_request(why),
        other => Status::unavailable(other.to_string()),
    }
}

fn member_line(standing: &Standing, told: &Result<MemberStatus, String>) -> Value {
    let info = &standing.info;
    let more = [("link", json!(info.link)), ("api", json!(info.api)), ("voter", json!(standing.voter))];
    match told {
        Ok(status) => with(status, &more),
        Err(why) => {
            let name = json!(info.name);
            with(&json!({"id": info.id, "name": name, "role": "unknown", "health": format!("no answer: {why}")}), &more)
        }
    }
}

/// An entry as a person reads it: what objects became is named, not repeated.
fn log_line(line: &LogLine) -> Value {
    let mut value = json!({"index": line.index, "term": line.term});
    match &line.what {
        Logged::Blank => value["kind"] = "blank".into(),
        Logged::Membership(members) => {
            value["kind"] = "membership".into();
            value["members"] = json!(members);
        }
        Logged::Damaged(why) => {
            value["kind"] = "damaged".into();
            value["why"] = json!(why);
        }
        Logged::Entry(entry) => {
            value["kind"] = "entry".into();
            value["time"] = entry.time.rfc3339_micro().into();
            value["commands"] = entry.commands.iter().map(command).collect();
        }
    }
    value
}

fn command(command: &Command) -> Value {
    let writes = command.writes.iter().map(|write| {
        let condition = match write.condition {
            Condition::Absent => json!("absent"),
            Condition::Exists => json!("exists"),
            Condition::Revision(revision) => json!(revision.0),
        };
        let (change, bytes) = match &write.change {
            Change::Put(body) => ("put", body.text.len()),
            Change::Delete => ("delete", 0),
        };
        json!({"key": write.key.to_string(), "change": change, "condition": condition, "bytes": bytes})
    });
    json!({
        "id": format!("{:032x}", command.id.0), "actor": &*command.actor, "agent": &*command.agent,
        "cause": command.cause.0, "read": command.read.0, "note": &*command.note, "writes": writes.collect::<Vec<_>>(),
    })
}
