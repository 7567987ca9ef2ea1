//! Kills members again and again under writers and a watcher, starts them again, and counts: writes lost, writes twice, events
//! missed or out of order, the longest time in which nothing could be written.
mod pace;
mod watcher;
mod writer;

use super::api;
use super::cluster::Cluster;
use super::operation::collection;
use crate::client::Target;
use crate::failure::Failure;
use crate::operator;
use hyper::Method;
use pace::{NAMESPACE, RETRY};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use watcher::Seen;
use writer::{Answered, Writer};

/// Who is killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Victim {
    /// Whoever leads.
    Leader,
    /// Any member, by chance.
    Any,
}

pub(crate) struct Trial {
    pub(crate) kills: usize,
    pub(crate) victim: Victim,
    pub(crate) writers: usize,
    pub(crate) size: usize,
}

/// Between a kill and the next: long enough for the killed member to be back.
const BETWEEN_KILLS: Duration = Duration::from_secs(2);
/// How long a killed member stays away.
const DOWN: Duration = Duration::from_millis(800);
/// How long somebody to kill is looked for, and members are given to agree in the end.
const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) async fn run(cluster: &mut Cluster, trial: &Trial) -> Result<Value, Failure> {
    api::make_namespace(&cluster.target, NAMESPACE).await?;
    let members: Arc<[Target]> = cluster.targets()?.into();
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for number in 0..trial.writers {
        let (members, stop, size) = (members.clone(), stop.clone(), trial.size);
        let task = async move { Writer { members: &members, number, size, stop: &stop }.run().await };
        writers.push(rt::spawn("writer", task));
    }
    let watcher = {
        let (members, stop) = (members.clone(), stop.clone());
        rt::spawn("watcher", async move { watcher::watch(&members, &stop).await })
    };
    let mut kills = Vec::new();
    while kills.len() < trial.kills {
        // Not always at the same moment of the election's clock.
        rt::sleep(BETWEEN_KILLS + Duration::from_millis(rt::random() % 700)).await;
        kills.push(kill(cluster, trial.victim).await?);
        eprintln!("kill {} of {}", kills.len(), trial.kills);
        rt::sleep(DOWN).await;
        cluster.restart_ended()?;
    }
    rt::sleep(BETWEEN_KILLS).await;
    stop.store(true, Ordering::Relaxed);
    let mut answered = Vec::new();
    for writer in writers {
        let lost = |_| Failure::new("a writer of the trial failed", "try again");
        answered.push(writer.await.map_err(lost)?);
    }
    let seen = watcher.await.unwrap_or_default();
    let mut found = judge(&members, answered, &seen, &kills).await?;
    found["hashes_equal"] = agree(&members[0]).await?.into();
    Ok(found)
}

/// kill -9 of somebody; when that was.
async fn kill(cluster: &mut Cluster, victim: Victim) -> Result<rt::Instant, Failure> {
    let began = rt::now();
    while rt::now().since(began) < PATIENCE {
        let killed = match victim {
            Victim::Leader => cluster.kill_leader().await?,
            Victim::Any => cluster.kill_any().await,
        };
        if let Some(when) = killed {
            return Ok(when);
        }
        rt::sleep(RETRY).await;
    }
    Err(Failure::new("nobody leads", "see the members' logs"))
}

/// Whether all members come to tell one state hash at one revision.
async fn agree(member: &Target) -> Result<bool, Failure> {
    let began = rt::now();
    while rt::now().since(began) < PATIENCE {
        if let Ok(status) = operator::status(member).await {
            let hashes: Vec<_> = status.members.iter().map(|member| &member.hash).collect();
            if hashes.iter().all(|hash| hash.is_some()) {
                return Ok(hashes.windows(2).all(|pair| pair[0] == pair[1]));
            }
        }
        rt::sleep(RETRY * 10).await;
    }
    Err(Failure::new("not all members tell their state", "see `rutter status` and the members' logs"))
}

async fn judge(
    members: &[Target],
    answered: Vec<Answered>,
    seen: &[Seen],
    kills: &[rt::Instant],
) -> Result<Value, Failure> {
    let list = members[0].connect().await?.json(Method::GET, &collection(NAMESPACE), None).await?;
    let items = list.get("items").and_then(Value::as_array).into_iter().flatten();
    let there: BTreeMap<&str, &Value> =
        items.filter_map(|item| Some((item.pointer("/metadata/name")?.as_str()?, item))).collect();
    let counters = answered.iter().map(|writer| &writer.counter);
    let (mut lost, mut twice) = (0, 0);
    for counter in counters {
        let value = there.get(counter.name.as_str()).map_or(0, |object| writer::value(object));
        lost += counter.acknowledged.saturating_sub(value);
        twice += value.saturating_sub(counter.acknowledged + counter.unknown);
    }
    let made = answered.iter().flat_map(|writer| writer.made.iter().map(|(name, _)| name).chain(&writer.resolved));
    lost += made.filter(|name| !there.contains_key(name.as_str())).count() as u64;
    let impossible: Vec<&String> = answered.iter().flat_map(|writer| &writer.impossible).collect();
    let mut added: BTreeMap<&str, usize> = BTreeMap::new();
    for (_, _, name) in seen.iter().filter(|(_, act, _)| act == "ADDED") {
        *added.entry(name).or_default() += 1;
    }
    let mut times: Vec<rt::Instant> =
        answered.iter().flat_map(|writer| writer.made.iter().map(|(_, when)| *when)).collect();
    times.sort_unstable();
    let mut gaps: Vec<u64> = kills.iter().map(|kill| gap_ms(&times, *kill)).collect();
    gaps.sort_unstable();
    let raises: u64 = answered.iter().map(|writer| writer.counter.acknowledged).sum();
    Ok(json!({
        "kills": kills.len(),
        "acknowledged": times.len() as u64 + raises,
        "resolved": answered.iter().map(|writer| writer.resolved.len()).sum::<usize>(),
        "present": there.len(),
        "lost": lost,
        "twice": twice,
        "impossible": impossible,
        "events": seen.len(),
        "events_missed": there.keys().filter(|name| !added.contains_key(*name)).count(),
        "events_twice": added.values().filter(|times| **times > 1).count(),
        "events_in_order": seen.windows(2).all(|pair| pair[0].0 < pair[1].0),
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
