//! Recorded exchanges of a Kubernetes API server (1.28, one request after another), asked of ours. Everything is compared but what a
//! cluster gives itself: uids, revisions, times, generated names. What still differs is listed with its reason, and only that.
mod serve;

use apiserver::identity::User;
use apiserver::server::ApiServer;
use serde_json::Value;
use serve::{Reply, alone, ask, ask_as};
use std::collections::BTreeMap;

/// What differs, and why.
const DIFFERS: &[(&str, &str)] = &[
    ("version", "it is another version, and not compiled by Go"),
    ("api legacy", "addresses by client: no client of this century asks for them"),
    ("create wrong kind", "the words of Go's conversion"),
    ("get yaml", "quotes round keys that have a colon or a dot"),
    ("get future rv", "the revision that is current"),
    ("get as Table", "columns are described by their names only"),
    ("list", "each item says its kind, for its bytes are those of a get"),
    ("list limit", "each item says its kind"),
    ("list continue", "each item says its kind"),
    ("list bad continue", "the words of Go's JSON"),
    ("list rv exact old", "nothing is compacted: the past can be read"),
    ("list rv future", "the revision that is current"),
    ("list Table", "columns are described by their names only"),
    ("list Table includeObject=None", "columns are described by their names only"),
    ("watch old rv", "nothing is compacted: the past can be watched from"),
    ("watch future rv", "who asks for a revision that nobody has is told so"),
    ("watch sendInitialEvents unsupported", "it is supported, as in later versions"),
    ("watch Table", "columns are described by their names only"),
    ("ssa force", "no controllers run here"),
    ("smp container image", "no controllers run here"),
    ("smp delete directive", "no controllers run here"),
    ("smp setElementOrder", "no controllers run here"),
    ("smp retainKeys", "no controllers run here"),
    ("patch status", "no controllers run here"),
    ("list deployments Table", "no controllers run here"),
    (
        "pod create defaults",
        "pods have a generation, as in later versions; the name of the token volume; who owns a list that Go always writes",
    ),
    ("pod after bind", "as it was created"),
    ("pod log no node", "no nodes are here"),
    ("pod immutable field", "the words of Go's diff"),
    ("delete foreground deployment", "no controllers run here"),
    ("sar", "the reason is told; what nobody keeps has no owners"),
    ("ssr", "certificates give no uid"),
    ("oidc", "tokens are signed with ES256; each cluster has names of its own for issuer and keys"),
    ("service create", "who owns a struct that Go always writes, and what is allocated"),
];

#[derive(serde::Deserialize)]
struct Exchange {
    label: String,
    method: String,
    url: String,
    accept: Option<String>,
    content_type: Option<String>,
    body: Value,
    status: u16,
    headers: BTreeMap<String, String>,
    response: String,
}

/// What a cluster gives itself, and another gives otherwise: as recorded, and as it is here.
#[derive(Default)]
struct Given {
    known: BTreeMap<String, String>,
}

impl Given {
    /// A request as it was recorded, in the words of this cluster.
    fn translate(&self, text: &str) -> String {
        let mut known: Vec<_> = self.known.iter().collect();
        // The longest first, for a short one may be a part of it.
        known.sort_by_key(|(theirs, _)| usize::MAX - theirs.len());
        known.into_iter().fold(text.to_owned(), |text, (theirs, ours)| text.replace(theirs.as_str(), ours))
    }

    /// Notes what both gave, and takes it out of both; what is said of it in sentences is said in this cluster's words.
    fn learn(&mut self, theirs: &mut Value, ours: &mut Value) {
        match (theirs, ours) {
            (Value::Object(theirs), Value::Object(ours)) => {
                for (name, theirs) in theirs.iter_mut() {
                    let Some(ours) = ours.get_mut(name) else { continue };
                    let generated = name == "name" && ours.as_str().is_some_and(|name| name.starts_with("gn-"));
                    if generated || GIVEN.contains(&name.as_str()) && same_form(theirs, ours) {
                        self.note(name, theirs, ours);
                    } else {
                        self.learn(theirs, ours);
                    }
                }
            }
            (Value::Array(theirs), Value::Array(ours)) => {
                theirs.iter_mut().zip(ours).for_each(|(theirs, ours)| self.learn(theirs, ours));
            }
            (Value::String(theirs), _) => *theirs = self.translate(theirs),
            _ => {}
        }
    }

    fn note(&mut self, name: &str, theirs: &mut Value, ours: &mut Value) {
        let (here, there) = (ours.take(), theirs.take());
        if let (Some(there), Some(here)) = (there.as_str(), here.as_str())
            && matches!(name, "uid" | "resourceVersion" | "continue")
            && there.len() > 2
        {
            self.known.insert(there.to_owned(), here.to_owned());
        }
    }
}

/// Both say something, and as much.
fn same_form(theirs: &Value, ours: &Value) -> bool {
    match (theirs, ours) {
        (Value::Array(theirs), Value::Array(ours)) => theirs.len() == ours.len(),
        (theirs, ours) => theirs.is_string() && ours.is_string(),
    }
}

/// Members whose values are a cluster's own.
const GIVEN: [&str; 13] = [
    "uid",
    "resourceVersion",
    "continue",
    "creationTimestamp",
    "deletionTimestamp",
    "time",
    "startTime",
    "lastTransitionTime",
    "lastUpdateTime",
    "expirationTimestamp",
    "clusterIP",
    "clusterIPs",
    "cells",
];

/// The body as values: one of JSON, or of each line of a watch; text if it is neither.
fn values(text: &str) -> Vec<Value> {
    let lines: Result<Vec<Value>, _> = serde_json::Deserializer::from_str(text).into_iter::<Value>().collect();
    match lines {
        Ok(lines) if !lines.is_empty() => lines,
        _ => vec![Value::from(text.trim_end())],
    }
}

/// The recording keeps the beginning of a long body only.
fn cut(exchange: &Exchange) -> bool {
    exchange.response.len() % 100 == 0 && values(&exchange.response)[0].is_string()
}

fn differences(at: &str, theirs: &Value, ours: &Value, found: &mut Vec<String>) {
    match (theirs, ours) {
        (Value::Object(left), Value::Object(right)) => {
            let names: std::collections::BTreeSet<&String> = left.keys().chain(right.keys()).collect();
            for name in names {
                let (theirs, ours) = (left.get(name).unwrap_or(&Value::Null), right.get(name).unwrap_or(&Value::Null));
                differences(&format!("{at}.{name}"), theirs, ours, found);
            }
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            for (number, (theirs, ours)) in left.iter().zip(right).enumerate() {
                differences(&format!("{at}[{number}]"), theirs, ours, found);
            }
        }
        _ if theirs != ours => found.push(format!("{at}: {theirs} is {ours} here")),
        _ => {}
    }
}

/// Who asked.
fn user(label: &str) -> Option<User> {
    match label {
        "anonymous" => None,
        _ if label.starts_with("impersonate forbidden") => Some(User::new("bob", &["system:authenticated"])),
        _ => Some(User::new("admin", &["system:masters"])),
    }
}

/// What the controllers of the recorded cluster had made in the new namespace.
async fn as_controllers_do(server: &ApiServer) {
    let body = serde_json::json!({"metadata": {"name": "kube-root-ca.crt"}}).to_string();
    let made = ask(server, "POST", "/api/v1/namespaces/g/configmaps", &[], body).await;
    assert_eq!(made.code, 201, "{}", made.body);
}

fn compare(exchange: &Exchange, reply: &Reply, given: &mut Given) -> Vec<String> {
    let mut found = Vec::new();
    if exchange.status != reply.code {
        found.push(format!("status: {} is {} here: {}", exchange.status, reply.code, reply.body));
        return found;
    }
    // `Cache-Control` is set where HTTP is spoken.
    for name in ["Content-Type", "Warning", "Retry-After"] {
        let theirs = exchange.headers.get(name).map(String::as_str);
        let ours = reply.headers.get(name).and_then(|value| value.to_str().ok());
        if theirs != ours {
            found.push(format!("header {name}: {theirs:?} is {ours:?} here"));
        }
    }
    if cut(exchange) {
        return found;
    }
    let (mut theirs, mut ours) = (Value::from(values(&exchange.response)), Value::from(values(&reply.body)));
    given.learn(&mut theirs, &mut ours);
    differences("", &theirs, &ours, &mut found);
    found
}

#[tokio::test]
async fn every_recorded_exchange_goes_as_recorded() {
    let server = alone().await;
    let text = include_str!("golden/exchanges.jsonl");
    let (mut given, mut wrong, mut differing) = (Given::default(), Vec::new(), Vec::new());
    for (number, line) in text.lines().enumerate() {
        let exchange: Exchange = serde_json::from_str(line).unwrap_or_else(|why| panic!("line {number}: {why}"));
        let mut headers: Vec<String> = exchange.accept.iter().map(|accept| format!("Accept: {accept}")).collect();
        headers.extend(exchange.content_type.iter().map(|form| format!("Content-Type: {form}")));
        let headers: Vec<&str> = headers.iter().map(String::as_str).collect();
        let body = match &exchange.body {
            Value::Null => String::new(),
            Value::String(text) => text.clone(),
            value => value.to_string(),
        };
        let (url, body) = (given.translate(&exchange.url), given.translate(&body));
        let reply = ask_as(&server, user(&exchange.label), &exchange.method, &url, &headers, body).await;
        if exchange.label == "create namespace" {
            as_controllers_do(&server).await;
        }
        let found = compare(&exchange, &reply, &mut given);
        let listed = DIFFERS.iter().any(|(label, _)| *label == exchange.label);
        if found.is_empty() && listed {
            wrong.push(format!("{number} {}: goes as recorded: take it out of the list", exchange.label));
        }
        if !found.is_empty() && !listed {
            wrong.push(format!("{number} {}\n    {}", exchange.label, found.join("\n    ")));
        }
        if !found.is_empty() {
            differing.push(exchange.label);
        }
    }
    println!("{} differ: {differing:?}", differing.len());
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
