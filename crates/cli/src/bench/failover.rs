//! Kills the leader again and again under writers and a watcher, starts it again, and counts: writes lost, writes twice,
//! events missed or out of order, the longest time in which nothing could be written.
use super::api;
use super::cluster::Cluster;
use crate::client::{Connection, Target};
use crate::failure::Failure;

use http_body_util::BodyExt;
use hyper::Method;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(crate) struct Trial {
    pub(crate) kills: usize,
    pub(crate) writers: usize,
    pub(crate) size: usize,
}

/// Between a kill and the next: long enough for the killed member to be back.
const BETWEEN_KILLS: Duration = Duration::from_secs(3);
/// How long a killed member stays away.
const DOWN: Duration = Duration::from_millis(1_500);
const RETRY: Duration = Duration::from_millis(20);
/// A request that takes longer is asked again of the next member.
const REQUEST_WAIT: Duration = Duration::from_secs(2);
const NAMESPACE: &str = "failover";

/// What one writer did: when each name was acknowledged.
type Acknowledged = Vec<(String, rt::Instant)>;

pub(crate) async fn run(cluster: &mut Cluster, trial: &Trial) -> Result<Value, Failure> {
    api::make_namespace(&cluster.target, NAMESPACE).await?;
    let members: Arc<[Target]> = cluster.targets()?.into();
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for number in 0..trial.writers {
        let (members, stop, size) = (members.clone(), stop.clone(), trial.size);
        writers.push(rt::spawn("writer", async move { write(&members, number, size, &stop).await }));
    }
    let watcher = {
        let (members, stop) = (members.clone(), stop.clone());
        rt::spawn("watcher", async move { watch(&members, &stop).await })
    };
    let mut kills = Vec::new();
    for turn in 1..=trial.kills {
        // Not always at the same moment of the election's clock.
        rt::sleep(BETWEEN_KILLS + Duration::from_millis(rt::random() % 700)).await;
        if let Some(killed) = cluster.kill_leader().await? {
            kills.push(killed);
        }
        eprintln!("kill {turn} of {}", trial.kills);
        rt::sleep(DOWN).await;
        cluster.restart_ended()?;
    }
    rt::sleep(BETWEEN_KILLS).await;
    stop.store(true, Ordering::Relaxed);
    let mut acknowledged = Acknowledged::new();
    for writer in writers {
        acknowledged.extend(writer.await.unwrap_or_default());
    }
    let seen = watcher.await.unwrap_or_default();
    judge(&members, acknowledged, &seen, &kills).await
}

async fn write(members: &[Target], number: usize, size: usize, stop: &AtomicBool) -> Acknowledged {
    let mut done = Acknowledged::new();
    let mut at = number % members.len();
    let mut connection: Option<Connection> = None;
    let mut turn = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let name = format!("f-{number}-{turn}");
        match attempt(&mut connection, &members[at], &name, size).await {
            // 409: an attempt whose answer was lost had happened.
            Some(201 | 409) => {
                done.push((name, rt::now()));
                turn += 1;
            }
            _ => {
                connection = None;
                at = (at + 1) % members.len();
                rt::sleep(RETRY).await;
            }
        }
    }
    done
}

async fn attempt(connection: &mut Option<Connection>, member: &Target, name: &str, size: usize) -> Option<u16> {
    if connection.is_none() {
        *connection = rt::timeout(REQUEST_WAIT, member.connect()).await?.ok();
    }
    let path = api::collection(NAMESPACE);
    let call = connection.as_mut()?.call(Method::POST, &path, Some(api::config_map(name, size)));
    rt::timeout(REQUEST_WAIT, call).await?.ok().map(|(status, _)| status)
}

/// One watch from the namespace's beginning, resumed at the last revision after each break: (revision, type, name) as they came.
async fn watch(members: &[Target], stop: &AtomicBool) -> Vec<(u64, String, String)> {
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

async fn follow(
    mut connection: Connection,
    from: u64,
    seen: &mut Vec<(u64, String, String)>,
    stop: &AtomicBool,
) -> u64 {
    // From 0 a watch would begin with the present; from 1 it begins with what happened.
    let start = from.max(1);
    let path = format!("{}?watch=true&resourceVersion={start}&timeoutSeconds=2", api::collection(NAMESPACE));
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

async fn judge(
    members: &[Target],
    mut acknowledged: Acknowledged,
    seen: &[(u64, String, String)],
    kills: &[rt::Instant],
) -> Result<Value, Failure> {
    let list = members[0].connect().await?.json(Method::GET, &api::collection(NAMESPACE), None).await?;
    let items = list.get("items").and_then(Value::as_array);
    let there: BTreeMap<String, u64> = items
        .into_iter()
        .flatten()
        .filter_map(|item| {
            let meta = item.get("metadata")?;
            Some((meta.get("name")?.as_str()?.to_owned(), meta.get("resourceVersion")?.as_str()?.parse().ok()?))
        })
        .collect();
    let lost = acknowledged.iter().filter(|(name, _)| !there.contains_key(name)).count();
    let mut added: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, _, name) in seen.iter().filter(|(_, act, _)| act == "ADDED") {
        *added.entry(name).or_default() += 1;
    }
    let in_order = seen.windows(2).all(|pair| pair[0].0 < pair[1].0);
    let missed = there.keys().filter(|name| !added.contains_key(name.as_str())).count();
    let twice = added.values().filter(|times| **times > 1).count();
    acknowledged.sort_by_key(|(_, when)| *when);
    let times: Vec<rt::Instant> = acknowledged.iter().map(|(_, when)| *when).collect();
    let mut gaps: Vec<u64> = kills.iter().map(|kill| gap_ms(&times, *kill)).collect();
    gaps.sort_unstable();
    Ok(json!({
        "kills": kills.len(),
        "acknowledged": acknowledged.len(),
        "present": there.len(),
        "lost": lost,
        "events": seen.len(),
        "events_missed": missed,
        "events_twice": twice,
        "events_in_order": in_order,
        "gap_ms_median": gaps.get(gaps.len() / 2),
        "gap_ms_longest": gaps.last(),
    }))
}

/// The longest time between two acknowledgements, one after the other, that ended after the kill and began while the killed
/// member was away.
fn gap_ms(times: &[rt::Instant], kill: rt::Instant) -> u64 {
    let around = times.windows(2).filter(|pair| pair[1] > kill && pair[0] < kill.after(DOWN));
    let longest = around.map(|pair| pair[1].since(pair[0]).as_millis() as u64).max();
    // Nothing was acknowledged any more.
    longest.unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_gap_begins_with_the_last_acknowledgement_and_not_with_the_kill() {
        let at = |ms: u64| rt::Instant(ms * 1_000_000);
        // Killed at 1,000: answers on their way still come at 1,002, then nothing until 1,300.
        let times = [at(0), at(990), at(1_002), at(1_300), at(1_310), at(1_330)];
        assert_eq!(super::gap_ms(&times, at(1_000)), 298);
        assert_eq!(super::gap_ms(&times[..2], at(1_000)), u64::MAX);
    }
}
