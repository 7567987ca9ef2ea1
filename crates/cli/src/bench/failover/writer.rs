//! A writer of a failover trial: new objects, and a counter of its own. What it was answered, it remembers; an answer that was lost
//! stays unknown until a later one tells.
use crate::bench::failover::pace::{NAMESPACE, REQUEST_WAIT, RETRY};
use crate::bench::operation::{collection, config_map};
use crate::client::{Connection, Target};
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

/// Every so many writes the counter is raised.
const COUNT_EVERY: u64 = 4;

/// What one writer was answered.
#[derive(Default)]
pub(super) struct Answered {
    /// When each object was acknowledged: the server said 201.
    pub(super) made: Vec<(String, rt::Instant)>,
    /// Objects whose answer was lost and that were found there at the next attempt.
    pub(super) resolved: Vec<String>,
    pub(super) counter: Counter,
    /// Answers that cannot be: a first attempt that meets its own object, a raise that meets nobody's change.
    pub(super) impossible: Vec<String>,
}

/// An object that only one writer changes, by ones.
#[derive(Default)]
pub(super) struct Counter {
    pub(super) name: String,
    /// The value that was acknowledged last.
    pub(super) acknowledged: u64,
    /// Raises since whose answer was lost.
    pub(super) unknown: u64,
}

pub(super) struct Writer<'a> {
    pub(super) members: &'a [Target],
    pub(super) number: usize,
    pub(super) size: usize,
    pub(super) stop: &'a AtomicBool,
}

impl Writer<'_> {
    pub(super) async fn run(self) -> Answered {
        let mut done = Answered::default();
        done.counter.name = format!("count-{}", self.number);
        let mut way = Way { members: self.members, at: self.number % self.members.len(), connection: None };
        let mut turn = 0;
        while !self.stop.load(Ordering::Relaxed) {
            turn += 1;
            if turn % COUNT_EVERY == 0 {
                raise(&mut way, &mut done).await;
            } else {
                let name = format!("f-{}-{turn}", self.number);
                make(&mut way, &name, self.size, self.stop, &mut done).await;
            }
        }
        done
    }
}

/// The connection of a writer, to one member after the other.
struct Way<'a> {
    members: &'a [Target],
    at: usize,
    connection: Option<Connection>,
}

impl Way<'_> {
    /// Asks once; `None` if the answer was lost. The next member is asked after that.
    async fn ask(&mut self, method: Method, path: &str, body: Option<Bytes>) -> Option<(u16, Value)> {
        let asked = async {
            if self.connection.is_none() {
                self.connection = self.members[self.at].connect().await.ok();
            }
            self.connection.as_mut()?.call(method, path, body).await.ok()
        };
        let answer = rt::timeout(REQUEST_WAIT, asked).await.flatten();
        if answer.as_ref().is_none_or(|(status, _)| *status >= 500) {
            self.connection = None;
            self.at = (self.at + 1) % self.members.len();
            rt::sleep(RETRY).await;
        }
        answer.map(|(status, bytes)| (status, serde_json::from_slice(&bytes).unwrap_or_default()))
    }
}

/// Makes an object, however often it must be asked for.
async fn make(way: &mut Way<'_>, name: &str, size: usize, stop: &AtomicBool, done: &mut Answered) {
    let mut lost = false;
    while !stop.load(Ordering::Relaxed) {
        match way.ask(Method::POST, &collection(NAMESPACE), Some(config_map(name, size, 0))).await {
            Some((201, _)) => return done.made.push((name.to_owned(), rt::now())),
            // An attempt whose answer was lost had happened.
            Some((409, _)) if lost => return done.resolved.push(name.to_owned()),
            Some((409, _)) => return done.impossible.push(format!("{name} was there before it was made")),
            // 503 says that nothing was taken; anything else may have happened.
            Some((503, _)) => {}
            _ => lost = true,
        }
    }
}

/// Raises the counter by one, from what a read says it is.
async fn raise(way: &mut Way<'_>, done: &mut Answered) {
    let counter = &mut done.counter;
    let path = format!("{}/{}", collection(NAMESPACE), counter.name);
    let Some((status, found)) = way.ask(Method::GET, &path, None).await else { return };
    let value = match status {
        200 => value(&found),
        404 => 0,
        _ => return,
    };
    // A read sees all that was acknowledged, and no more than was tried.
    if value < counter.acknowledged || value > counter.acknowledged + counter.unknown {
        let (low, high) = (counter.acknowledged, counter.acknowledged + counter.unknown);
        done.impossible.push(format!("{} reads {value}, not {low} to {high}", counter.name));
        return;
    }
    let fresh = counter.unknown == 0;
    let next = value + 1;
    let mut body = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": counter.name}, "data": {"value": next.to_string()}});
    let (method, place) = if status == 404 {
        (Method::POST, collection(NAMESPACE))
    } else {
        body["metadata"]["resourceVersion"] = found["metadata"]["resourceVersion"].clone();
        (Method::PUT, path)
    };
    match way.ask(method, &place, Some(body.to_string().into())).await {
        Some((200 | 201, _)) => (counter.acknowledged, counter.unknown) = (next, 0),
        // Somebody changed it in between, and nobody else does: an attempt that was still on its way.
        Some((409, _)) if !fresh => {}
        Some((409, _)) => done.impossible.push(format!("{} was changed by nobody", counter.name)),
        Some((503, _)) => {}
        _ => counter.unknown += 1,
    }
}

/// The counter's value in an object.
pub(super) fn value(object: &Value) -> u64 {
    object.pointer("/data/value").and_then(Value::as_str).and_then(|text| text.parse().ok()).unwrap_or(0)
}
