//! The API below the socket: requests travel over simulated sessions to the `ApiServer` of a member, answers and watches come back.
//! A frame of JSON there, a frame with the code back, then the body. It adds nothing to what the server says.
use super::spoken::{Speech, Spoken};
use crate::sessions::{Addresses, Endpoint};
use crate::trace::Node;
use apiserver::identity::User;
use apiserver::request::{Content, Request};
use apiserver::server::ApiServer;
use futures::StreamExt as _;
use futures::future::select;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{HeaderMap, Method};
use link::peer::Peer;
use link::session::{Receiver, Sender, Session};
use link::sessions::Sessions as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::pin::pin;
use std::time::Duration;

/// Who clients are that need not be told apart.
pub(super) const MASTER: &str = "simulated";
/// How long a client waits for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(12);

/// One request. What is empty is not sent.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    pub(super) method: String,
    pub(super) path: String,
    pub(super) content_type: String,
    pub(super) body: Value,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) accept: String,
    /// Whom the transport proves; without it, and without a token, a member of `system:masters`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) user: String,
    /// In whose name (`Impersonate-User`).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) acts_as: String,
    /// A bearer token; the transport proves nobody then.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) token: String,
    /// The name of the request in the log (`Audit-Id`).
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) audit_id: String,
}

impl Asked {
    /// Who asks, if it is somebody who may little.
    fn by(&self) -> String {
        match (self.user.as_str(), self.acts_as.as_str()) {
            ("", "") if self.token.is_empty() => String::new(),
            ("", "") => "the bearer of a token".into(),
            ("", acts_as) => acts_as.into(),
            (user, "") => user.into(),
            (user, acts_as) => format!("{user} as {acts_as}"),
        }
    }
}

/// What a client was told.
#[derive(Clone, Debug)]
pub(super) enum Told {
    Answer(u16, Value),
    /// No answer: it may have been done.
    Unknown,
}

/// Serves a member's API at its endpoint, until the member ends.
pub(super) async fn serve(endpoint: Endpoint, api: ApiServer) {
    while let Some(knock) = endpoint.accept().await {
        let api = api.clone();
        rt::spawn("api session", async move {
            let Ok(session) = knock.await else { return };
            while let Ok((sender, receiver)) = session.accept().await {
                let (api, session) = (api.clone(), session.clone());
                rt::spawn("request", async move {
                    let answering = pin!(answer(&api, sender, receiver));
                    // As with a real server, a request ends with its connection.
                    select(answering, pin!(session.closed())).await;
                });
            }
        });
    }
}

async fn answer(api: &ApiServer, mut sender: Sender, mut receiver: Receiver) {
    let Ok(Some(asked)) = receiver.json::<Asked>().await else { return };
    let Some(request) = request(asked) else { return };
    let response = api.handle(request).await;
    if sender.json(&response.code.as_u16()).await.is_err() {
        return;
    }
    match response.content {
        Content::Whole(body) => _ = sender.frame(&body).await,
        Content::Pieces(mut pieces) => {
            while let Some(piece) = pieces.next().await {
                if sender.frame(&piece).await.is_err() {
                    return;
                }
            }
        }
        Content::Upgrade(_) => return,
    }
    // The client may be gone.
    let _ = sender.finish().await;
}

fn request(asked: Asked) -> Option<Request> {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_str(&asked.content_type).ok()?);
    let bearer = if asked.token.is_empty() { String::new() } else { format!("Bearer {}", asked.token) };
    let others = [
        ("accept", &asked.accept),
        ("impersonate-user", &asked.acts_as),
        ("authorization", &bearer),
        ("audit-id", &asked.audit_id),
    ];
    for (name, value) in others.into_iter().filter(|(_, value)| !value.is_empty()) {
        headers.insert(name, HeaderValue::from_str(value).ok()?);
    }
    let body = if asked.body.is_null() { Vec::new() } else { serde_json::to_vec(&asked.body).ok()? };
    let user = match asked.user.as_str() {
        "" if !asked.token.is_empty() => None,
        "" => Some(User::new(MASTER, &["system:masters"])),
        user => Some(User::new(user, &[])),
    };
    Some(Request {
        method: Method::from_bytes(asked.method.as_bytes()).ok()?,
        uri: asked.path.parse().ok()?,
        headers,
        body: body.into(),
        user,
        from: None,
    })
}

/// What an answer says, in JSON or protobuf; null if it is neither.
fn read(body: &[u8]) -> Value {
    if body.starts_with(b"k8s\0") {
        return api::codec::protobuf::parse(body).unwrap_or_default();
    }
    serde_json::from_slice(body).unwrap_or_default()
}

/// One client's way to the API: one member at a time, the next when it fails.
pub(super) struct Client {
    endpoint: Endpoint,
    members: Vec<String>,
    turn: usize,
    session: Option<Session>,
    speech: Speech,
}

impl Client {
    pub(super) fn new(addresses: &Addresses, node: Node, members: &[String], speech: &Speech) -> Self {
        let endpoint = Endpoint::new(addresses, node, Peer::Member(format!("client {}", node.0)), None);
        Self { endpoint, members: members.to_vec(), turn: usize::from(node.0), session: None, speech: speech.clone() }
    }

    /// Goes to another member from now on.
    pub(super) fn turn(&mut self) {
        self.session = None;
        self.turn += 1;
    }

    /// Asks once.
    pub(super) async fn ask(&mut self, method: &str, path: &str, body: Value) -> Told {
        let content_type = if method == "PATCH" { "application/merge-patch+json" } else { "application/json" };
        let (method, path, content_type) = (method.into(), path.into(), content_type.into());
        self.send(Asked { method, path, content_type, body, ..Asked::default() }).await
    }

    /// Sends a request once.
    pub(super) async fn send(&mut self, asked: Asked) -> Told {
        let name = asked.body["metadata"]["name"].as_str().map(str::to_owned);
        let begin = rt::now();
        let Some((code, body)) = self.bytes(&asked).await else {
            self.turn();
            return Told::Unknown;
        };
        let (answer, by, Asked { method, path, .. }) = (read(&body), asked.by(), asked);
        let said = Spoken { begin: begin.0, end: rt::now().0, method, path, name, by, code, answer: answer.clone() };
        self.speech.add(said);
        Told::Answer(code, answer)
    }

    /// The code and the bytes of an answer, if there is one in time.
    pub(super) async fn bytes(&mut self, asked: &Asked) -> Option<(u16, Vec<u8>)> {
        let answer = rt::timeout(ANSWER_MAX, async {
            let (code, mut receiver) = self.open(asked).await?;
            let mut body = Vec::new();
            while let Some(frame) = receiver.frame().await.ok()? {
                body.extend_from_slice(&frame);
            }
            Some((code, body))
        });
        answer.await.flatten()
    }

    /// Asks for a stream: the code, and where its pieces come.
    pub(super) async fn stream(&mut self, path: &str) -> Option<(u16, Receiver)> {
        let json = "application/json".to_owned();
        let asked = Asked { method: "GET".into(), path: path.into(), content_type: json, ..Asked::default() };
        let opened = rt::timeout(ANSWER_MAX, self.open(&asked)).await.flatten();
        if opened.is_none() {
            self.turn();
        }
        opened
    }

    async fn open(&mut self, asked: &Asked) -> Option<(u16, Receiver)> {
        let session = match &self.session {
            Some(session) => session.clone(),
            None => {
                let address = self.members[self.turn % self.members.len()].clone();
                let session = self.endpoint.connect(&address).await.ok()?;
                self.session.insert(session).clone()
            }
        };
        let (mut sender, mut receiver) = session.open().await.ok()?;
        sender.json(asked).await.ok()?;
        sender.finish().await.ok()?;
        let code = receiver.json::<u16>().await.ok()??;
        Some((code, receiver))
    }
}
