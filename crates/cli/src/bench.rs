//! `rutter bench`: what the log, the API and the watches cost, beside a real peer where there is one. Figures only; it judges nothing.
mod api;
mod cluster;
mod cost;
mod etcd;
mod failover;
mod loads;
mod log;
mod measure;
mod operation;
mod process;
mod reach;
mod scratch;
mod state;
mod user;
mod watch;

use crate::failure::{Failure, Output};
use crate::operator;
use crate::replay::{self, Replay};
use cluster::Cluster;
use scratch::Scratch;
use serde_json::Value;
use std::path::Path;

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Bench {
    /// Writes through the log of three members, without HTTP, beside a peer.
    Log(log::Log),
    /// Requests to any Kubernetes API server over HTTPS, and watches of it.
    Api(loads::Loads),
    /// kill -9 of members, again and again, under writers and a watcher.
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
    /// Who is killed.
    #[arg(long, value_enum, default_value = "leader")]
    victim: failover::Victim,
    #[arg(long, default_value_t = 16)]
    writers: usize,
    #[arg(long, default_value_t = 1024)]
    size: usize,
    #[arg(long, default_value_t = 7743)]
    api_port: u16,
}

pub(crate) async fn run(bench: &Bench, output: Output) -> Result<(), Failure> {
    let result = match bench {
        Bench::Log(log) => log::run(log).await,
        Bench::Api(loads) => loads::run(loads).await,
        Bench::Failover(failover) => run_failover(failover).await,
        Bench::State(state) => run_state(state).await,
    };
    operator::print(output, &result?, table);
    Ok(())
}

async fn run_failover(bench: &Failover) -> Result<Value, Failure> {
    let dir = Scratch::make()?;
    let home = dir.path().join("rutter");
    let mut cluster = Cluster::start(&home, 3, bench.api_port).await?;
    let trial = failover::Trial { kills: bench.kills, victim: bench.victim, writers: bench.writers, size: bench.size };
    let result = failover::run(&mut cluster, &trial).await;
    cluster.stop().await;
    let mut result = result?;
    result["replays_equal"] = replays_equal(&home)?.into();
    Ok(result)
}

/// Whether each stopped member's log, folded again, gives one state: where two of them end at one revision, one hash.
fn replays_equal(home: &Path) -> Result<bool, Failure> {
    let replayed = |to: Option<u64>| {
        let each = (1..=3).map(|number| {
            let dir = home.join(format!("members/m{number}"));
            replay::replay(&Replay { dir, to, entries: false }, &mut |_| ())
        });
        each.collect::<Result<Vec<Value>, Failure>>()
    };
    // A follower that was stopped first has not heard that the last entries are committed.
    let shortest = replayed(None)?.iter().filter_map(|found| found["revision"].as_u64()).min();
    Ok(replayed(shortest)?.windows(2).all(|pair| pair[0]["hash"] == pair[1]["hash"]))
}

async fn run_state(bench: &State) -> Result<Value, Failure> {
    let dir = Scratch::make()?;
    let home = dir.path().join("rutter");
    let mut cluster = Cluster::start(&home, 1, bench.api_port).await?;
    let result = state::run(&mut cluster, &home, bench.objects, bench.size).await;
    cluster.stop().await;
    result
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
