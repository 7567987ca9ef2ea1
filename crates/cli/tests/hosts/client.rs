//! One client of real members over HTTPS: one member at a time, the next when it fails. It writes down what it asked and what it was told,
//! as simulated clients do, and judges nothing.
use crate::client::{Connection, Target};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::Method;
use serde_json::Value;
use simulation::whole::evidence::{Seen, Watched, Watches};
use simulation::whole::spoken::{Speech, Spoken};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

const ANSWER_MAX: Duration = Duration::from_secs(3);
const PAUSE: Duration = Duration::from_millis(200);

/// What all clients share.
#[derive(Default)]
pub(crate) struct Record {
    pub(crate) speech: Speech,
    pub(crate) watches: Watches,
    /// Clients end.
    pub(crate) over: AtomicBool,
    /// Watchers end.
    pub(crate) watched: AtomicBool,
    /// Writes that each member has acknowledged.
    pub(crate) acknowledged: [AtomicU64; 3],
    /// Requests without an answer that says what became of them.
    pub(crate) unknown: AtomicU64,
}

impl Record {
    pub(crate) fn acknowledged(&self) -> [u64; 3] {
        [0, 1, 2].map(|member: usize| self.acknowledged[member].load(Ordering::SeqCst))
    }
}

pub(crate) struct Client {
    members: Arc<[Target]>,
    turn: usize,
    pub(crate) number: usize,
    connection: Option<Connection>,
    pub(crate) record: Arc<Record>,
}

impl Client {
    pub(crate) fn new(members: &Arc<[Target]>, number: usize, record: &Arc<Record>) -> Self {
        Self { members: members.clone(), turn: number, number, connection: None, record: record.clone() }
    }

    /// Goes to another member from now on.
    pub(crate) fn turn(&mut self) {
        self.connection = None;
        self.turn += 1;
    }

    async fn connect(&mut self) -> Option<Connection> {
        match self.connection.take() {
            Some(connection) => Some(connection),
            None => self.members[self.turn % self.members.len()].connect().await.ok(),
        }
    }

    /// Asks once: the code and the answer, `None` if it is not known what became of it.
    pub(crate) async fn ask(&mut self, method: &str, path: &str, body: Value) -> Option<(u16, Value)> {
        let name = body["metadata"]["name"].as_str().map(str::to_owned);
        let bytes = (!body.is_null()).then(|| Bytes::from(body.to_string()));
        let word = Method::from_bytes(method.as_bytes()).expect("a method");
        let begin = rt::now();
        let asking = rt::timeout(ANSWER_MAX, async {
            let mut connection = self.connect().await?;
            let (code, bytes) = connection.call(word, path, bytes).await.ok()?;
            Some((connection, code, serde_json::from_slice::<Value>(&bytes).ok()?))
        });
        let told = asking.await.flatten();
        let end = rt::now();
        let Some((connection, code, answer)) = told.filter(|(_, code, _)| *code < 500) else {
            self.record.unknown.fetch_add(1, Ordering::SeqCst);
            self.turn();
            return None;
        };
        self.connection = Some(connection);
        if method != "GET" && code < 300 {
            self.record.acknowledged[self.turn % self.members.len()].fetch_add(1, Ordering::SeqCst);
        }
        let (method, path) = (method.to_owned(), path.to_owned());
        let (by, answered) = (String::new(), answer.clone());
        self.record.speech.add(Spoken { begin: begin.0, end: end.0, method, path, name, by, code, answer: answered });
        Some((code, answer))
    }

    /// Lists once and then watches all of a resource, from where it was when a connection broke, until nobody is there any more.
    pub(crate) async fn watch(mut self, resource: &'static str) {
        let path = format!("/api/v1/{resource}");
        let from = loop {
            match self.ask("GET", &path, Value::Null).await {
                Some((200, list)) => break revision(&list),
                _ => rt::sleep(PAUSE).await,
            }
        };
        let number = self.record.watches.begin(Watched { resource, from, ..Watched::default() });
        let mut at = from;
        while !self.record.watched.load(Ordering::SeqCst) {
            let opened = rt::timeout(ANSWER_MAX, async {
                let mut connection = self.connect().await?;
                let path = format!("{path}?watch=1&allowWatchBookmarks=true&resourceVersion={at}");
                let response = connection.open(Method::GET, &path, None).await.ok()?;
                (response.status() == 200).then_some((connection, response.into_body()))
            });
            if let Some((_connection, body)) = opened.await.flatten() {
                self.record.watches.with(|all| all[number].connections += 1);
                self.follow(number, body, &mut at).await;
            }
            self.turn();
            rt::sleep(PAUSE).await;
        }
    }

    /// One connection, until it breaks or says nothing for a while.
    async fn follow(&self, number: usize, mut body: hyper::body::Incoming, at: &mut u64) {
        let mut text = Vec::new();
        while let Some(Some(Ok(frame))) = rt::timeout(ANSWER_MAX, body.frame()).await {
            text.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
            while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = text.drain(..=end).collect();
                let Ok(event) = serde_json::from_slice::<Value>(&line) else { return };
                if event["type"] == "ERROR" {
                    self.record.watches.with(|all| all[number].expired = event["object"]["code"] == 410);
                    return;
                }
                let revision = revision(&event["object"]);
                *at = revision.max(*at);
                if event["type"] != "BOOKMARK" {
                    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
                    let seen =
                        Seen { what: word(&event["type"]), uid: word(&event["object"]["metadata"]["uid"]), revision };
                    self.record.watches.with(|all| all[number].seen.push(seen));
                }
            }
        }
    }
}

pub(crate) fn revision(object: &Value) -> u64 {
    object["metadata"]["resourceVersion"].as_str().and_then(|word| word.parse().ok()).unwrap_or(0)
}
