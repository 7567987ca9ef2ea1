//! The watcher of a failover trial: one watch, resumed at the last revision it saw, at whichever member answers.
use crate::bench::failover::pace::{NAMESPACE, REQUEST_WAIT, RETRY};
use crate::bench::operation::collection;
use crate::client::{Connection, Target};
use http_body_util::BodyExt;
use hyper::Method;
use serde_json::Value;
use std::sync::atomic::{AtomicBool, Ordering};

/// (revision, type, name) of an event.
pub(super) type Seen = (u64, String, String);

/// One watch from the namespace's beginning, resumed at the last revision after each break: (revision, type, name) as they came.
pub(super) async fn watch(members: &[Target], stop: &AtomicBool) -> Vec<Seen> {
    let mut seen = Vec::new();
    let mut from = 0;
    let mut at = 0;
    let mut quiet = 0;
    // After the stop, what is still on its way is waited for.
    while quiet < QUIET_ROUNDS {
        at = (at + 1) % members.len();
        let before = seen.len();
        if let Some(Ok(connection)) = rt::timeout(REQUEST_WAIT, members[at].connect()).await {
            from = follow(connection, from, &mut seen, stop).await;
        }
        quiet = if stop.load(Ordering::Relaxed) && seen.len() == before { quiet + 1 } else { 0 };
        rt::sleep(RETRY).await;
    }
    seen
}

const QUIET_ROUNDS: u32 = 3;

async fn follow(mut connection: Connection, from: u64, seen: &mut Vec<Seen>, stop: &AtomicBool) -> u64 {
    // From 0 a watch would begin with the present; from 1 it begins with what happened.
    let start = from.max(1);
    let path = format!("{}?watch=true&resourceVersion={start}&timeoutSeconds=2", collection(NAMESPACE));
    let Some(Ok(response)) = rt::timeout(REQUEST_WAIT, connection.open(Method::GET, &path, None)).await else {
        return from;
    };
    let mut body = response.into_body();
    let mut last = from;
    let mut rest = Vec::new();
    while let Some(Some(Ok(frame))) = rt::timeout(REQUEST_WAIT * 2, body.frame()).await {
        rest.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
            let event: Value = serde_json::from_slice(&rest[..end]).unwrap_or_default();
            rest.drain(..=end);
            let text = |path: &str| event.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
            let Ok(revision) = text("/object/metadata/resourceVersion").parse::<u64>() else { continue };
            last = last.max(revision);
            seen.push((revision, text("/type"), text("/object/metadata/name")));
        }
        if stop.load(Ordering::Relaxed) && rest.is_empty() && seen.is_empty() {
            break;
        }
    }
    last
}
