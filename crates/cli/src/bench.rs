//! `rutter bench`: what the log, the API and the watches cost, beside a real peer where there is one. Figures only; it judges nothing.
mod api;
mod etcd;
mod failover;
mod measure;
mod process;
mod state;
mod watch;

use crate::client::Target;
use crate::failure::{Failure, Output};
use crate::{kubeconfig, operator};
use measure::{Measured, median, ratio, round};
use serde_json::{Value, json};
use std::path::{Path, PathBuf};

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    /// Writes through the log of three members, without HTTP, beside a peer.
    Log(Log),
    /// Requests to any Kubernetes API server over HTTPS.
    Api(Api),
    /// Watchers, changes, and how late the events come.
    Watch(Watch),
    /// kill -9 of the leader, again and again, under writers and a watcher.
    Failover(Failover),
    /// Memory and disk for many objects, and the time to come back with them.
    State(State),
}

#[derive(Debug, clap::Args)]
pub(crate) struct State {
    #[arg(long, default_value_t = 100_000)]
    objects: usize,
    #[arg(long, default_value_t = 1024)]
    size: usize,
    #[arg(long, default_value_t = 8043)]
    api_port: u16,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Failover {
    #[arg(long, default_value_t = 20)]
    kills: usize,
    #[arg(long, default_value_t = 16)]
    writers: usize,
    #[arg(long, default_value_t = 1024)]
    size: usize,
    #[arg(long, default_value_t = 7743)]
    api_port: u16,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Log {
    #[arg(long, value_enum)]
    peer: Option<Peer>,
    #[arg(long, default_value_t = 64)]
    clients: usize,
    /// Bytes of an object.
    #[arg(long, default_value_t = 1024)]
    size: usize,
    /// Seconds of each round.
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// Rounds, ours and the peer's in turn.
    #[arg(long, default_value_t = 3)]
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

#[derive(Debug, clap::Args)]
pub(crate) struct Api {
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    #[arg(long, value_enum, default_value = "create")]
    operation: api::Operation,
    #[arg(long, default_value_t = 64)]
    clients: usize,
    #[arg(long, default_value_t = 1024)]
    size: usize,
    #[arg(long, default_value_t = 5)]
    seconds: u64,
    /// The server's processes, for CPU time; a Rutter cluster on this machine names its own.
    #[arg(long, value_delimiter = ',')]
    pids: Vec<u32>,
    /// Objects that are there before the load begins (for lists).
    #[arg(long, default_value_t = 0)]
    objects: usize,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Watch {
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    #[arg(long, default_value_t = 1000)]
    watchers: usize,
    /// Changes a second.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    rate: u64,
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    #[arg(long, default_value_t = 1024)]
    size: usize,
    #[arg(long, value_delimiter = ',')]
    pids: Vec<u32>,
}

pub(crate) async fn run(bench: &Bench, output: Output) -> Result<(), Failure> {
    match bench {
        Bench::Log(log) => run_log(log, output).await,
        Bench::Api(api) => run_api(api, output).await,
        Bench::Watch(watch) => run_watch(watch, output).await,
        Bench::Failover(failover) => run_failover(failover, output).await,
        Bench::State(state) => run_state(state, output).await,
    }
}

async fn run_log(log: &Log, output: Output) -> Result<(), Failure> {
    let dir = Scratch::make()?;
    let etcd = match log.peer {
        Some(Peer::Etcd) => Some(etcd::Etcd::start(&dir.0, log.etcd_port).await?),
        None => None,
    };
    let cluster = crate::up::Members::start(&dir.0.join("rutter"), 3, log.api_port).await?;
    let (mut ours, mut peers) = (Vec::new(), Vec::new());
    for round in 1..=log.rounds {
        eprintln!("round {round} of {}", log.rounds);
        ours.push(load(&cluster, log).await?);
        if let Some(etcd) = &etcd {
            peers.push(etcd.load(log.clients, log.size, log.seconds).await?);
        }
    }
    cluster.stop().await;
    let mut result = json!({"clients": log.clients, "size": log.size, "members": 3, "rutter": summary(&ours)});
    if !peers.is_empty() {
        let pairs = || ours.iter().zip(&peers);
        result["etcd"] = summary(&peers);
        result["cpu_ratio"] =
            round(median(pairs().map(|(a, b)| ratio(b.cpu_us_per_op(), a.cpu_us_per_op())).collect())).into();
        result["throughput_ratio"] = round(median(pairs().map(|(a, b)| ratio(a.rate(), b.rate())).collect())).into();
        let p99 = |m: &Measured| m.percentile(99.0) as f64;
        result["p99_ratio"] = round(median(pairs().map(|(a, b)| ratio(p99(b), p99(a))).collect())).into();
    }
    operator::print(output, &result, table);
    Ok(())
}

/// The load runs inside the leader's process, so its CPU time is counted as ours.
async fn load(cluster: &crate::up::Members, log: &Log) -> Result<Measured, Failure> {
    let cpu = process::cpu_us(&cluster.pids());
    let ask = json!({"clients": log.clients, "size": log.size, "seconds": log.seconds});
    let answer = operator::ask(&cluster.target, hyper::Method::POST, "load", Some(&ask)).await?;
    let latencies = answer.get("latencies_us").and_then(Value::as_array);
    let measured = Measured {
        latencies_us: latencies.into_iter().flatten().filter_map(Value::as_u64).collect(),
        errors: answer.get("errors").and_then(Value::as_u64).unwrap_or(0),
        error: answer.get("error").and_then(Value::as_str).map(str::to_owned),
        elapsed_us: answer.get("elapsed_us").and_then(Value::as_u64).unwrap_or(0),
        cpu_us: process::cpu_us(&cluster.pids()) - cpu,
    };
    measured.checked("rutter")
}

/// Medians over the rounds, with the least and the most of the rate.
fn summary(rounds: &[Measured]) -> Value {
    let all = |of: fn(&Measured) -> f64| rounds.iter().map(of).collect::<Vec<_>>();
    let rates = all(Measured::rate);
    json!({
        "ops_per_second": round(median(rates.clone())),
        "ops_per_second_min": round(rates.iter().copied().fold(f64::INFINITY, f64::min)),
        "ops_per_second_max": round(rates.iter().copied().fold(0.0, f64::max)),
        "p50_us": median(all(|m| m.percentile(50.0) as f64)),
        "p99_us": median(all(|m| m.percentile(99.0) as f64)),
        "cpu_us_per_op": round(median(all(Measured::cpu_us_per_op))),
        "errors": rounds.iter().map(|m| m.errors).sum::<u64>(),
    })
}

async fn run_failover(bench: &Failover, output: Output) -> Result<(), Failure> {
    let dir = Scratch::make()?;
    let mut cluster = crate::up::Members::start(&dir.0.join("rutter"), 3, bench.api_port).await?;
    let trial = failover::Trial { kills: bench.kills, writers: bench.writers, size: bench.size };
    let result = failover::run(&mut cluster, &trial).await;
    cluster.stop().await;
    operator::print(output, &result?, table);
    Ok(())
}

async fn run_state(bench: &State, output: Output) -> Result<(), Failure> {
    let dir = Scratch::make()?;
    let home = dir.0.join("rutter");
    let mut cluster = crate::up::Members::start(&home, 1, bench.api_port).await?;
    let result = state::run(&mut cluster, &home, bench.objects, bench.size).await;
    cluster.stop().await;
    operator::print(output, &result?, table);
    Ok(())
}

async fn run_api(bench: &Api, output: Output) -> Result<(), Failure> {
    let (target, pids) = reach(bench.kubeconfig.as_deref(), &bench.pids).await?;
    let namespace = format!("bench-{:x}", rt::random());
    api::make_namespace(&target, &namespace).await?;
    fill(&target, &namespace, bench.objects, bench.size).await?;
    let load = api::Load {
        operation: bench.operation,
        clients: bench.clients,
        size: bench.size,
        seconds: bench.seconds,
        namespace: namespace.clone(),
        pids: pids.clone(),
    };
    let measured = api::run(&target, &load).await;
    let resident: u64 = pids.iter().map(|pid| process::resident(*pid)).max().unwrap_or(0);
    api::remove_namespace(&target, &namespace).await;
    let mut result = measured?.to_value();
    result["resident_bytes"] = resident.into();
    operator::print(output, &result, table);
    Ok(())
}

async fn fill(target: &Target, namespace: &str, objects: usize, size: usize) -> Result<(), Failure> {
    let mut tasks = Vec::new();
    for lane in 0..FILL_LANES.min(objects) {
        let mut connection = target.connect().await?;
        let path = api::collection(namespace);
        tasks.push(rt::spawn("fill", async move {
            for number in (lane..objects).step_by(FILL_LANES) {
                connection
                    .call(hyper::Method::POST, &path, Some(api::config_map(&format!("f-{number}"), size)))
                    .await?;
            }
            Ok::<(), Failure>(())
        }));
    }
    for task in tasks {
        task.await.unwrap_or_else(|_| Err(Failure::new("a client of the benchmark failed", "measure again")))?;
    }
    Ok(())
}

/// Clients that make the objects which are there before the load.
const FILL_LANES: usize = 32;

async fn run_watch(bench: &Watch, output: Output) -> Result<(), Failure> {
    let (target, pids) = reach(bench.kubeconfig.as_deref(), &bench.pids).await?;
    let namespace = format!("bench-{:x}", rt::random());
    api::make_namespace(&target, &namespace).await?;
    let load = watch::Load {
        watchers: bench.watchers,
        rate: bench.rate,
        seconds: bench.seconds,
        size: bench.size,
        namespace: namespace.clone(),
        pids,
    };
    let measured = watch::run(&target, &load).await;
    api::remove_namespace(&target, &namespace).await;
    operator::print(output, &measured?.to_value(), table);
    Ok(())
}

/// The server, and the processes whose CPU time it costs.
async fn reach(flag: Option<&Path>, pids: &[u32]) -> Result<(Target, Vec<u32>), Failure> {
    let target = Target::new(&kubeconfig::read(&kubeconfig::find(flag, Path::new(".rutter")))?)?;
    if !pids.is_empty() {
        return Ok((target, pids.to_vec()));
    }
    // Another server than ours does not know the path; then the CPU figure is 0.
    let status = operator::ask(&target, hyper::Method::GET, "status", None).await.unwrap_or_default();
    let members = status.get("members").and_then(Value::as_array);
    let pids =
        members.into_iter().flatten().filter_map(|member| u32::try_from(member.get("pid")?.as_u64()?).ok()).collect();
    Ok((target, pids))
}

/// One line a field; what has fields of its own is indented.
fn table(value: &Value) -> String {
    let mut text = String::new();
    for (name, field) in value.as_object().into_iter().flatten() {
        match field {
            Value::Object(_) => {
                let inner = table(field);
                text += &format!("{name}\n{}", inner.lines().map(|line| format!("  {line}\n")).collect::<String>());
            }
            field => text += &format!("{name:<20} {field}\n"),
        }
    }
    text
}

/// A directory on the real disk that goes away.
struct Scratch(PathBuf);

impl Scratch {
    fn make() -> Result<Self, Failure> {
        // Not in /tmp, which may be memory: fsync must cost what it costs.
        let path = std::env::current_dir().unwrap_or_default().join(format!(".rutter-bench-{:x}", rt::random()));
        let bad = |why| Failure::new(format!("{}: {why}", path.display()), "run it where you may write");
        std::fs::create_dir_all(&path).map_err(bad)?;
        Ok(Self(path))
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays is named so that it can be removed by hand.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
