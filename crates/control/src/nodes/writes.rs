//! Carries a node's reports into the log, one after another, so that an older status never overwrites a newer one.
//! What a report may write stands in `report`; here it is only submitted, again if somebody else was faster.
use crate::limits::REPORT_RETRIES;
use crate::nodes::report::{self, Refused};
use crate::nodes::tokens::{self, Asked};
use crate::submit::{By, submit};
use api::command::{Outcome, Write};
use api::key::Key;
use api::revision::{Millis, Revision};
use apiserver::authentication::signer::Signer;
use bytes::Bytes;
use consensus::Member;
use link::error::LinkError;
use link::message::{FromNode, ToNode};
use serde_json::Value;
use serde_json::value::RawValue;
use std::sync::Arc;
use store::view::View;
use tokio::sync::mpsc;

/// In whose name reports are written.
pub(crate) struct Author {
    pub(crate) member: Member,
    pub(crate) signer: Arc<Signer>,
    pub(crate) node: String,
    pub(crate) version: String,
}

impl Author {
    /// Writes reports as they come; gives why it ended.
    pub(crate) async fn write_reports(
        &self,
        mut work: mpsc::Receiver<FromNode>,
        outbox: mpsc::Sender<Bytes>,
    ) -> LinkError {
        while let Some(report) = work.recv().await {
            let Some(answer) = self.one(report).await else { continue };
            let Ok(frame) = serde_json::to_vec(&answer) else { continue };
            if outbox.send(frame.into()).await.is_err() {
                break;
            }
        }
        LinkError::Closed("the node has said its last".into())
    }

    async fn one(&self, report: FromNode) -> Option<ToNode> {
        let node = self.node.as_str();
        match report {
            FromNode::Register { object } => {
                let given = parsed(&object);
                let done = self.write(|view| report::register(view, node, given.clone()?)).await;
                if let Err(why) = done {
                    tracing::warn!(node, why, "the node could not be registered");
                }
                None
            }
            FromNode::Event { object } => {
                let given = parsed(&object);
                let done = self.write(|view| report::event(view, node, given.as_ref().map_err(Clone::clone)?)).await;
                if let Err(why) = done {
                    tracing::debug!(node, why, "an event was not recorded");
                }
                None
            }
            FromNode::Status { id, resource, namespace, name, uid, status } => {
                let key = Key::new(&resource, &namespace, &name);
                let given = parsed(&status);
                Some(reported(id, self.write(|view| report::observed(view, node, &key, &uid, given.clone()?)).await))
            }
            FromNode::Removed { id, namespace, name, uid } => {
                let key = Key::new("pods", &namespace, &name);
                Some(reported(id, self.write(|view| report::removed(view, node, &key, &uid)).await))
            }
            FromNode::Token { id, namespace, pod, uid, audience, seconds } => {
                let asked = Asked { namespace: &namespace, pod: &pod, uid: &uid, audience: &audience, seconds };
                let (view, now) = (self.member.view(), Millis(rt::wall()));
                Some(match tokens::for_pod(&view, &self.signer, node, &asked, now, rt::unique()) {
                    Ok(issued) => {
                        ToNode::Token { id, token: issued.token, expires: issued.expires.0, error: String::new() }
                    }
                    Err(error) => ToNode::Token { id, token: String::new(), expires: 0, error },
                })
            }
            FromNode::Hello { .. } | FromNode::Ping { .. } => None,
        }
    }

    /// Makes a write of the newest view and submits it, again while others write the same object.
    async fn write(&self, make: impl Fn(&View) -> Result<Option<Write>, Refused>) -> Result<Revision, Refused> {
        for _ in 0..REPORT_RETRIES {
            let view = self.member.view();
            let Some(write) = make(&view)? else { return Ok(view.revision()) };
            let agent = format!("rutter-node/{}", self.version);
            let actor = format!("system:node:{}", self.node);
            match submit(&self.member, By { actor: &actor, agent: &agent }, view.revision(), vec![write]).await {
                Ok(Outcome::Done { last, .. }) => return Ok(last),
                Ok(Outcome::Refused { .. }) => {}
                Err(error) => return Err(format!("not written: {error:?}")),
            }
        }
        Err("others keep writing this object; report again".into())
    }
}

fn parsed(raw: &RawValue) -> Result<Value, Refused> {
    serde_json::from_str(raw.get()).map_err(|why| format!("it is no JSON: {why}"))
}

fn reported(id: u64, done: Result<Revision, Refused>) -> ToNode {
    match done {
        Ok(revision) => ToNode::Reported { id, revision: revision.0, error: String::new() },
        Err(error) => ToNode::Reported { id, revision: 0, error },
    }
}
