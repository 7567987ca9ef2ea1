//! Writes through the log of three members, without HTTP, beside three members of etcd: the same number of clients, each write a
//! new key, all asked of the leader. Rounds of both take turns, and who goes first changes.
use super::cluster::Cluster;
use super::etcd::Etcd;
use super::measure::{Measured, clients, median, ratio, round, rounds, summary};
use super::process;
use super::scratch::Scratch;
use crate::failure::Failure;
use crate::operator;
use hyper::Method;
use serde_json::{Value, json};

#[derive(Debug, clap::Args)]
pub(crate) struct Log {
    #[arg(long, value_enum)]
    peer: Option<Peer>,
    #[arg(long, default_value_t = 64, value_parser = clients)]
    clients: usize,
    /// Bytes of an object.
    #[arg(long, default_value_t = 1024)]
    size: usize,
    /// Seconds of each round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds, ours and the peer's in turn.
    #[arg(long, default_value_t = 3, value_parser = rounds)]
    rounds: usize,
    #[arg(long, default_value_t = 7443)]
    api_port: u16,
    #[arg(long, default_value_t = 7379)]
    etcd_port: u16,
}

#[derive(Clone, Copy, Debug, clap::ValueEnum)]
enum Peer {
    Etcd,
}

/// Rounds in which leadership moved are measured again, at most so many.
const AGAIN_MAX: usize = 5;

pub(crate) async fn run(log: &Log) -> Result<Value, Failure> {
    let dir = Scratch::make()?;
    let etcd = match log.peer {
        Some(Peer::Etcd) => Some(Etcd::start(dir.path(), log.etcd_port).await?),
        None => None,
    };
    let cluster = Cluster::start(&dir.path().join("rutter"), 3, log.api_port).await?;
    let rounds = both(&cluster, etcd.as_ref(), log).await;
    cluster.stop().await;
    let (ours, peers, dropped) = rounds?;
    let mut result = json!({
        "clients": log.clients, "size": log.size, "members": 3, "rounds_dropped": dropped, "rutter": summary(&ours),
    });
    if !peers.is_empty() {
        result["etcd"] = summary(&peers);
        let over = |of: fn(&Measured, &Measured) -> f64| {
            round(median(ours.iter().zip(&peers).map(|(ours, peers)| of(ours, peers)).collect()))
        };
        let cpu = |m: &Measured| m.cpu_us_per_op().unwrap_or(0.0);
        result["cpu_ratio"] =
            round(median(ours.iter().zip(&peers).map(|(a, b)| ratio(cpu(b), cpu(a))).collect())).into();
        result["throughput_ratio"] = over(|a, b| ratio(a.rate(), b.rate())).into();
        result["p99_ratio"] = over(|a, b| ratio(b.percentile(99.0) as f64, a.percentile(99.0) as f64)).into();
    }
    Ok(result)
}

type Rounds = (Vec<Measured>, Vec<Measured>, usize);

async fn both(cluster: &Cluster, etcd: Option<&Etcd>, log: &Log) -> Result<Rounds, Failure> {
    let (mut ours, mut peers, mut dropped) = (Vec::new(), Vec::new(), 0);
    while ours.len() < log.rounds {
        eprintln!("round {} of {}", ours.len() + 1, log.rounds);
        // Who comes second finds the machine as the first left it.
        let peer_first = ours.len() % 2 == 1;
        let mut peer = None;
        if let (true, Some(etcd)) = (peer_first, etcd) {
            peer = of_etcd(etcd, log).await?;
        }
        let own = of_rutter(cluster, log).await?;
        if let (false, Some(etcd)) = (peer_first, etcd) {
            peer = of_etcd(etcd, log).await?;
        }
        match (own, peer, etcd) {
            (Some(own), Some(peer), _) => {
                ours.push(own);
                peers.push(peer);
            }
            (Some(own), None, None) => ours.push(own),
            _ => {
                dropped += 1;
                eprintln!("leadership moved: the round does not count");
            }
        }
        if dropped > AGAIN_MAX {
            return Err(Failure::new("leadership does not stay", "measure on a machine with less other work"));
        }
    }
    Ok((ours, peers, dropped))
}

async fn of_etcd(etcd: &Etcd, log: &Log) -> Result<Option<Measured>, Failure> {
    let Some(before) = etcd.leader().await? else { return Ok(None) };
    let measured = etcd.load(before.0, log.clients, log.size, log.seconds).await?;
    Ok((etcd.leader().await? == Some(before)).then_some(measured))
}

/// The load runs inside the leader's process, so its own CPU time is counted as ours.
async fn of_rutter(cluster: &Cluster, log: &Log) -> Result<Option<Measured>, Failure> {
    let Some((pid, target)) = cluster.leader().await? else { return Ok(None) };
    let term = operator::status(&target).await?.term;
    let meter = process::Meter::start(&cluster.pids());
    let ask = json!({"clients": log.clients, "size": log.size, "seconds": log.seconds, "keep": true});
    let answer = operator::ask(&target, Method::POST, "load", Some(&ask)).await?;
    let latencies = answer.get("latencies_us").and_then(Value::as_array);
    let measured = Measured {
        cpu_us: meter.used_us(),
        latencies_us: latencies.into_iter().flatten().filter_map(Value::as_u64).collect(),
        errors: answer.get("errors").and_then(Value::as_u64).unwrap_or(0),
        error: answer.get("error").and_then(Value::as_str).map(str::to_owned),
        elapsed_us: answer.get("elapsed_us").and_then(Value::as_u64).unwrap_or(0),
    }
    .checked("rutter")?;
    let stayed =
        cluster.leader().await?.is_some_and(|(now, _)| now == pid) && operator::status(&target).await?.term == term;
    Ok(stayed.then_some(measured))
}
