//! `rutter bench api`: loads of an API server one after another, each in a namespace of its own, as a user whom RBAC allows just that.
use super::measure::{Measured, clients, rounds, summary};
use super::operation::Operation;
use super::reach::{Reached, reach};
use super::{api, process, user, watch};
use crate::client::Target;
use crate::failure::Failure;
use hyper::Method;
use serde_json::Value;
use std::path::PathBuf;
use std::time::Duration;

#[derive(Debug, clap::Args)]
pub(crate) struct Loads {
    #[arg(long)]
    kubeconfig: Option<PathBuf>,
    /// What is asked; several with commas, and all of them if none is named.
    #[arg(long, value_enum, value_delimiter = ',')]
    operation: Vec<Operation>,
    #[arg(long, default_value_t = 64, value_parser = clients)]
    clients: usize,
    /// Bytes of a ConfigMap's JSON.
    #[arg(long, default_value_t = 1024)]
    size: usize,
    /// Seconds of each round.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=3600))]
    seconds: u64,
    #[arg(long, default_value_t = 3, value_parser = rounds)]
    rounds: usize,
    /// The server's processes, for CPU time and memory. A Rutter cluster on this machine names its own; of another server its metrics
    /// tell the CPU time of the process that answers.
    #[arg(long, value_delimiter = ',')]
    pids: Vec<u32>,
    /// Objects that are there before a load that lists.
    #[arg(long, default_value_t = 1000)]
    objects: usize,
    /// Watchers of the load `watch`.
    #[arg(long, default_value_t = 1000, value_parser = clients)]
    watchers: usize,
    /// Changes a second of the load `watch`.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    rate: u64,
    /// Ask as the kubeconfig's user, not as a service account with a role.
    #[arg(long)]
    as_admin: bool,
}

/// How long the namespace's own service account may take to appear.
const ACCOUNT_WAIT: Duration = Duration::from_secs(10);
const ACCOUNT_POLL: Duration = Duration::from_millis(50);

/// `{OPERATION: figures}`. What was made is taken away, also after a failure.
pub(crate) async fn run(loads: &Loads) -> Result<Value, Failure> {
    let reached = reach(loads.kubeconfig.as_deref(), &loads.pids).await?;
    let operations = if loads.operation.is_empty() { &Operation::ALL[..] } else { &loads.operation };
    let mut all = Value::Object(serde_json::Map::new());
    for operation in operations {
        eprintln!("{}: {} rounds", operation.name(), loads.rounds);
        let namespace = format!("bench-{:x}", rt::random());
        let found = one(loads, &reached, *operation, &namespace).await;
        api::remove_namespace(&reached.target, &namespace).await;
        all[operation.name()] = found?;
    }
    Ok(all)
}

async fn one(loads: &Loads, reached: &Reached, operation: Operation, namespace: &str) -> Result<Value, Failure> {
    let target = prepare(loads, reached, namespace).await?;
    if operation.reads_many() {
        api::fill(&target, namespace, loads.objects, loads.size).await?;
    }
    let mut result = if operation == Operation::Watch {
        watched(loads, reached, &target, namespace).await?
    } else {
        let load = api::Load {
            operation,
            clients: loads.clients,
            size: loads.size,
            seconds: loads.seconds,
            namespace: namespace.to_owned(),
            pids: reached.pids.clone(),
        };
        let mut rounds = Vec::new();
        for _ in 0..loads.rounds {
            rounds.push(api::run(&target, &reached.target, &load).await?);
        }
        let mut result = summary(&rounds);
        result["clients"] = loads.clients.into();
        if operation.reads_many() {
            result["objects"] = loads.objects.into();
        }
        result
    };
    result["size"] = loads.size.into();
    result["resident_bytes"] = reached.pids.iter().map(|pid| process::resident(*pid)).max().into();
    Ok(result)
}

/// The namespace, with the user who asks in it.
async fn prepare(loads: &Loads, reached: &Reached, namespace: &str) -> Result<Target, Failure> {
    api::make_namespace(&reached.target, namespace).await?;
    let mut connection = reached.target.connect().await?;
    let account = format!("/api/v1/namespaces/{namespace}/serviceaccounts/default");
    let asked = rt::now();
    while connection.call(Method::GET, &account, None).await?.0 != 200 && rt::now().since(asked) < ACCOUNT_WAIT {
        rt::sleep(ACCOUNT_POLL).await;
    }
    if loads.as_admin {
        return Ok(reached.target.clone());
    }
    reached.with_token(user::make(&reached.target, namespace).await?)
}

async fn watched(loads: &Loads, reached: &Reached, target: &Target, namespace: &str) -> Result<Value, Failure> {
    let load = watch::Load {
        watchers: loads.watchers,
        rate: loads.rate,
        seconds: loads.seconds,
        size: loads.size,
        namespace: namespace.to_owned(),
        pids: reached.pids.clone(),
    };
    let mut rounds = Vec::new();
    for _ in 0..loads.rounds {
        rounds.push(watch::run(target, &reached.target, &load).await?);
    }
    let grew = rounds.first().and_then(|round| round.resident_per_watcher);
    let rounds: Vec<Measured> = rounds.into_iter().map(|round| round.measured).collect();
    let mut result = summary(&rounds);
    result["watchers"] = loads.watchers.into();
    result["changes_per_second"] = loads.rate.into();
    result["resident_per_watcher_bytes"] = grew.into();
    Ok(result)
}
