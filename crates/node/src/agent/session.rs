//! One session with a member: hello, then words both ways until it ends. It understands none of them but the first answer.
use link::error::LinkError;
use link::frame::FrameError;
use link::message::{FromNode, ToNode};
use link::session::{Receiver, Sender, Session};
use std::time::Duration;
use tokio::sync::mpsc;

/// How long a member may take to answer a hello.
const WELCOME_MAX: Duration = Duration::from_secs(10);

/// How a session ended.
#[derive(Debug)]
pub(crate) enum Ended {
    /// The member does not lead; who does, if it knows.
    Elsewhere(Option<String>),
    Broken(LinkError),
}

/// Says hello and carries words until the session ends. What the member says goes to `heard`; what `mail` holds goes to it.
pub(crate) async fn converse(
    session: &Session,
    node: &str,
    seen: u64,
    heard: &mpsc::Sender<ToNode>,
    mail: &mut mpsc::Receiver<FromNode>,
    welcome: impl FnOnce(),
) -> Ended {
    match talk(session, node, seen, heard, mail, welcome).await {
        Ok(ended) => ended,
        Err(why) => Ended::Broken(why),
    }
}

async fn talk(
    session: &Session,
    node: &str,
    seen: u64,
    heard: &mpsc::Sender<ToNode>,
    mail: &mut mpsc::Receiver<FromNode>,
    welcome: impl FnOnce(),
) -> Result<Ended, LinkError> {
    let closed = |why: &str| LinkError::Closed(why.into());
    let (mut sender, mut receiver) = session.open().await?;
    let hello = FromNode::Hello { node: node.into(), seen, version: env!("CARGO_PKG_VERSION").into() };
    sender.json(&hello).await?;
    let first = rt::timeout(WELCOME_MAX, receiver.json::<ToNode>()).await;
    match first.ok_or_else(|| closed("the member did not answer in time"))?? {
        Some(ToNode::Elsewhere { leader }) => return Ok(Ended::Elsewhere(leader)),
        Some(word @ ToNode::Welcome { .. }) => {
            // What was to be said to the last member is void: everything is said anew.
            while mail.try_recv().is_ok() {}
            welcome();
            heard.send(word).await.map_err(|_| closed("the agent ends"))?;
        }
        Some(_) => return Err(FrameError::Garbage("the first word of a member must be welcome".into()).into()),
        None => return Err(closed("the member gave no answer")),
    }
    let hearing = std::pin::pin!(hear(receiver, heard));
    let saying = std::pin::pin!(say(sender, mail));
    let closing = std::pin::pin!(session.closed());
    let talk = futures::future::select(hearing, saying);
    use futures::future::Either::{Left, Right};
    Ok(Ended::Broken(match futures::future::select(talk, closing).await {
        Left((Left((why, _)) | Right((why, _)), _)) | Right((why, _)) => why,
    }))
}

async fn hear(mut receiver: Receiver, heard: &mpsc::Sender<ToNode>) -> LinkError {
    loop {
        match receiver.json::<ToNode>().await {
            Ok(Some(word)) => {
                if heard.send(word).await.is_err() {
                    return LinkError::Closed("the agent ends".into());
                }
            }
            Ok(None) => return LinkError::Closed("the member has said its last".into()),
            Err(why) => return why,
        }
    }
}

async fn say(mut sender: Sender, mail: &mut mpsc::Receiver<FromNode>) -> LinkError {
    while let Some(word) = mail.recv().await {
        if let Err(why) = sender.json(&word).await {
            return why;
        }
    }
    LinkError::Closed("the agent ends".into())
}
