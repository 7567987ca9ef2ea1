//! A client that lists once and then watches, through whichever member answers, from where it was when a connection broke. It writes
//! down what it was given and checks nothing.
use super::api::{Client, Told};
use super::evidence::{Seen, Watched, Watches};
use serde_json::Value;
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(200);
/// A connection on which nothing comes for so long is given up.
const SILENCE_MAX: Duration = Duration::from_secs(20);

pub(super) struct Watcher {
    client: Client,
    watches: Watches,
    resource: &'static str,
    path: &'static str,
    label: Option<(&'static str, &'static str)>,
}

impl Watcher {
    /// Of pods, all or those with a label.
    pub(super) fn of_pods(client: Client, watches: &Watches, label: Option<(&'static str, &'static str)>) -> Self {
        Self { client, watches: watches.clone(), resource: "pods", path: "/api/v1/pods", label }
    }

    /// Watches for ever.
    pub(super) async fn work(mut self) {
        loop {
            let Some(from) = self.list().await else {
                rt::sleep(PAUSE).await;
                continue;
            };
            let (resource, label) = (self.resource, self.label);
            let number = self.watches.begin(Watched { resource, label, from, seen: Vec::new(), ..Watched::default() });
            let mut at = from;
            while follow(&mut self.client, &self.watches, (number, self.path, label), &mut at, None).await {
                rt::sleep(PAUSE).await;
            }
        }
    }

    async fn list(&mut self) -> Option<u64> {
        match self.client.ask("GET", self.path, Value::Null).await {
            Told::Answer(200, list) => list["metadata"]["resourceVersion"].as_str()?.parse().ok(),
            _ => None,
        }
    }
}

/// One connection, for so many seconds or for as long as it goes; false if what it wants is no longer kept.
pub(super) async fn follow(
    client: &mut Client,
    watches: &Watches,
    (number, path, label): (usize, &str, Option<(&str, &str)>),
    at: &mut u64,
    seconds: Option<u64>,
) -> bool {
    let selector = label.map(|(name, value)| format!("&labelSelector={name}%3D{value}")).unwrap_or_default();
    let seconds = seconds.map(|seconds| format!("&timeoutSeconds={seconds}")).unwrap_or_default();
    let path = format!("{path}?watch=1&allowWatchBookmarks=true&resourceVersion={at}{selector}{seconds}");
    let Some((200, mut receiver)) = client.stream(&path).await else { return true };
    watches.with(|all| all[number].connections += 1);
    let mut text = Vec::new();
    // Silence is not waited out: who serves it may be gone for good (client-go asks after 30 seconds).
    while let Some(Ok(Some(piece))) = rt::timeout(SILENCE_MAX, receiver.frame()).await {
        text.extend_from_slice(&piece);
        while let Some(end) = text.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = text.drain(..=end).collect();
            let Ok(event) = serde_json::from_slice::<Value>(&line) else { return true };
            if event["type"] == "ERROR" {
                let expired = event["object"]["code"] == 410;
                watches.with(|all| all[number].expired = expired);
                return !expired;
            }
            let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
            let meta = &event["object"]["metadata"];
            let revision: u64 = word(&meta["resourceVersion"]).parse().unwrap_or(0);
            *at = revision.max(*at);
            if event["type"] != "BOOKMARK" {
                let seen = Seen { what: word(&event["type"]), uid: word(&meta["uid"]), revision };
                watches.with(|all| all[number].seen.push(seen));
            }
        }
    }
    client.turn();
    true
}
