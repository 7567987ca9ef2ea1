//! Watch fan-out: many watchers of one resource, a bounded rate of changes; how late each event comes and what it costs the server.
use super::cost::Cost;
use super::measure::Measured;
use super::operation::{collection, config_map};
use super::process;
use crate::client::{Connection, Target};
use crate::failure::Failure;
use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::Method;
use serde_json::json;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

pub(crate) struct Load {
    pub(crate) watchers: usize,
    /// Changes a second.
    pub(crate) rate: u64,
    pub(crate) seconds: u64,
    pub(crate) size: usize,
    pub(crate) namespace: String,
    pub(crate) pids: Vec<u32>,
}

/// After the last change, how long events may still come. It ends with the last one, so that no idle time is counted.
const TAIL: Duration = Duration::from_secs(3);
const TAIL_POLL: Duration = Duration::from_millis(5);
/// What stands before the sending time in each object.
const MARK: &[u8] = b"\"sent\":\"";

/// What watchers and writer share.
#[derive(Default)]
struct Shared {
    stop: AtomicBool,
    received: AtomicU64,
}

/// How long the server's memory may settle after the last watch was opened.
const SETTLE: Duration = Duration::from_secs(2);

/// One round.
pub(crate) struct Round {
    /// Latencies are those of each delivered event, from before the change was asked to its arrival.
    pub(crate) measured: Measured,
    /// By how many bytes the server's memory grew for each idle watcher with its connection; `None` if its processes are not known.
    /// Later rounds use again what earlier ones gave back.
    pub(crate) resident_per_watcher: Option<u64>,
}

/// Opens the watches, leaves them idle for a moment, then makes the changes. `admin` may read the server's metrics.
pub(crate) async fn run(target: &Target, admin: &Target, load: &Load) -> Result<Round, Failure> {
    let shared = Arc::new(Shared::default());
    let mut watchers = Vec::new();
    let mut writer = target.connect().await?;
    let from = newest(&mut writer, &load.namespace).await?;
    let empty = resident(&load.pids);
    for _ in 0..load.watchers {
        let mut connection = target.connect().await?;
        let path = format!("{}?watch=true&resourceVersion={from}", collection(&load.namespace));
        let response = connection.open(Method::GET, &path, None).await?;
        if !response.status().is_success() {
            let what = format!("a watch was answered with HTTP status {}", response.status());
            return Err(Failure::new(what, "see that the server has room for so many watchers"));
        }
        let shared = shared.clone();
        watchers.push(rt::spawn("watcher", async move { receive(connection, response.into_body(), &shared).await }));
    }
    rt::sleep(SETTLE).await;
    let full = resident(&load.pids);
    let each = |(empty, full): (u64, u64)| full.saturating_sub(empty) / load.watchers.max(1) as u64;
    let resident_per_watcher = empty.zip(full).map(each);
    let (start, cost, salt) = (rt::now(), Cost::start(admin, &load.pids).await, rt::random());
    let mut whole = Measured::default();
    let mut sent = 0;
    for turn in 0..load.rate * load.seconds {
        rt::sleep_until(start.after(Duration::from_nanos(turn * 1_000_000_000 / load.rate))).await;
        let body = stamped(&format!("w-{salt:x}-{turn}"), load.size);
        let (status, body) = writer.call(Method::POST, &collection(&load.namespace), Some(body)).await?;
        if status < 300 {
            sent += load.watchers as u64;
        } else {
            whole.errors += 1;
            whole.error.get_or_insert_with(|| String::from_utf8_lossy(&body).into_owned());
        }
    }
    let written = rt::now();
    while shared.received.load(Ordering::Relaxed) < sent && rt::now().since(written) < TAIL {
        rt::sleep(TAIL_POLL).await;
    }
    whole.elapsed_us = rt::now().since(start).as_micros() as u64;
    whole.cpu_us = cost.used_us().await;
    shared.stop.store(true, Ordering::Relaxed);
    // One more change wakes each watcher, so that it sees the stop.
    let last = config_map(&format!("stop-{salt:x}"), 64, 0);
    writer.call(Method::POST, &collection(&load.namespace), Some(last)).await?;
    for each in watchers {
        whole.add(each.await.unwrap_or_default());
    }
    let missing = sent.saturating_sub(whole.operations());
    if missing > 0 {
        whole.errors += missing;
        whole.error.get_or_insert_with(|| format!("{missing} events did not come in time"));
    }
    Ok(Round { measured: whole.checked("watch")?, resident_per_watcher })
}

/// Bytes of all processes; `None` if none is known.
fn resident(pids: &[u32]) -> Option<u64> {
    (!pids.is_empty()).then(|| pids.iter().map(|pid| process::resident(*pid)).sum())
}

/// The revision at which the watches begin: none of them starts with what is there.
async fn newest(connection: &mut Connection, namespace: &str) -> Result<String, Failure> {
    let list = connection.json(Method::GET, &format!("{}?limit=1", collection(namespace)), None).await?;
    let revision = list.pointer("/metadata/resourceVersion").and_then(serde_json::Value::as_str);
    revision.map(str::to_owned).ok_or_else(|| Failure::new("the list has no revision", "name a Kubernetes API server"))
}

fn stamped(name: &str, size: usize) -> Bytes {
    let padding = "x".repeat(size.saturating_sub(160));
    let sent = rt::now().0.to_string();
    let metadata = json!({"name": name});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"padding": padding, "sent": sent}})
        .to_string()
        .into()
}

async fn receive(_connection: Connection, mut body: hyper::body::Incoming, shared: &Shared) -> Measured {
    let mut measured = Measured::default();
    let mut rest: Vec<u8> = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let now = rt::now().0;
        rest.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { continue };
        for line in rest[..end].split(|byte| *byte == b'\n') {
            if let Some(sent) = sent_at(line) {
                measured.latencies_us.push(now.saturating_sub(sent) / 1_000);
                shared.received.fetch_add(1, Ordering::Relaxed);
            }
        }
        rest.drain(..=end);
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
    }
    measured
}

fn sent_at(line: &[u8]) -> Option<u64> {
    let at = line.windows(MARK.len()).position(|window| window == MARK)? + MARK.len();
    let digits: Vec<u8> = line[at..].iter().copied().take_while(u8::is_ascii_digit).collect();
    std::str::from_utf8(&digits).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_stamp_is_found() {
        assert_eq!(super::sent_at(br#"{"object":{"data":{"sent":"123","x":"1"}}}"#), Some(123));
        assert_eq!(super::sent_at(b"{}"), None);
    }
}
