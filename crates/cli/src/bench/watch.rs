//! Watch fan-out: many watchers of one resource, a bounded rate of changes; how late each event comes and what it costs the server.
use super::api;
use super::measure::Measured;
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

/// After the last change, how long events may still come.
const TAIL: Duration = Duration::from_secs(3);
/// What stands before the sending time in each object.
const MARK: &[u8] = b"\"sent\":\"";

/// Latencies are those of each delivered event, from before the change was asked to its arrival.
pub(crate) async fn run(target: &Target, load: &Load) -> Result<Measured, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let opened = Arc::new(AtomicU64::new(0));
    let mut watchers = Vec::new();
    for _ in 0..load.watchers {
        let mut connection = target.connect().await?;
        let path = format!("{}?watch=true", api::collection(&load.namespace));
        let response = connection.open(Method::GET, &path, None).await?;
        opened.fetch_add(1, Ordering::Relaxed);
        let stop = stop.clone();
        watchers.push(rt::spawn("watcher", async move { receive(connection, response.into_body(), &stop).await }));
    }
    let mut writer = target.connect().await?;
    let (start, cpu) = (rt::now(), process::cpu_us(&load.pids));
    let mut failed = Measured::default();
    for turn in 0..load.rate * load.seconds {
        rt::sleep_until(start.after(Duration::from_nanos(turn * 1_000_000_000 / load.rate))).await;
        let (status, body) =
            writer.call(Method::POST, &api::collection(&load.namespace), Some(stamped(turn, load.size))).await?;
        if status >= 300 {
            failed.errors += 1;
            failed.error.get_or_insert_with(|| String::from_utf8_lossy(&body).into_owned());
        }
    }
    let elapsed_us = rt::now().since(start).as_micros() as u64;
    rt::sleep(TAIL).await;
    let cpu_us = process::cpu_us(&load.pids) - cpu;
    stop.store(true, Ordering::Relaxed);
    // One more change wakes each watcher, so that it sees the stop.
    writer.call(Method::POST, &api::collection(&load.namespace), Some(api::config_map("stop", 64))).await?;
    let mut whole = failed;
    for each in watchers {
        whole.add(each.await.unwrap_or_default());
    }
    (whole.elapsed_us, whole.cpu_us) = (elapsed_us, cpu_us);
    whole.checked("watch")
}

fn stamped(turn: u64, size: usize) -> Bytes {
    let padding = "x".repeat(size.saturating_sub(160));
    let sent = rt::now().0.to_string();
    let metadata = json!({"name": format!("w-{turn}")});
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"padding": padding, "sent": sent}})
        .to_string()
        .into()
}

async fn receive(_connection: Connection, mut body: hyper::body::Incoming, stop: &AtomicBool) -> Measured {
    let mut measured = Measured::default();
    let mut rest: Vec<u8> = Vec::new();
    while let Some(Ok(frame)) = body.frame().await {
        let now = rt::now().0;
        rest.extend_from_slice(frame.data_ref().map_or(&[][..], |data| data));
        let Some(end) = rest.iter().rposition(|byte| *byte == b'\n') else { continue };
        for line in rest[..end].split(|byte| *byte == b'\n') {
            if let Some(sent) = sent_at(line) {
                measured.latencies_us.push(now.saturating_sub(sent) / 1_000);
            }
        }
        rest.drain(..=end);
        if stop.load(Ordering::Relaxed) {
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
