//! Loads any Kubernetes API server over HTTPS: create, get, list, update of ConfigMaps. Each client has a connection of its own.
use super::measure::Measured;
use super::process;
use crate::client::{Connection, Target};
use crate::failure::Failure;
use bytes::Bytes;
use hyper::Method;
use serde_json::{Value, json};
use std::time::Duration;

/// What each client does, again and again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Operation {
    Create,
    Get,
    List,
    Update,
}

pub(crate) struct Load {
    pub(crate) operation: Operation,
    pub(crate) clients: usize,
    pub(crate) size: usize,
    pub(crate) seconds: u64,
    pub(crate) namespace: String,
    /// The server's processes, whose CPU time is counted.
    pub(crate) pids: Vec<u32>,
}

/// Runs one round of the load; the namespace must be there.
pub(crate) async fn run(target: &Target, load: &Load) -> Result<Measured, Failure> {
    let mut connections = Vec::new();
    for number in 0..load.clients {
        let mut connection = target.connect().await?;
        if matches!(load.operation, Operation::Get | Operation::Update) {
            let body = config_map(&format!("own-{number}"), load.size);
            let (status, said) = connection.call(Method::POST, &collection(&load.namespace), Some(body)).await?;
            // 409: an earlier round made it.
            if status >= 300 && status != 409 {
                return Err(refused(&said));
            }
        }
        connections.push(connection);
    }
    let (start, meter) = (rt::now(), process::Meter::start(&load.pids));
    let end = start.after(Duration::from_secs(load.seconds));
    let mut loops = Vec::new();
    for (number, connection) in connections.into_iter().enumerate() {
        let (operation, size, namespace) = (load.operation, load.size, load.namespace.clone());
        let task = async move { repeat(connection, operation, number, size, &namespace, end).await };
        loops.push(rt::spawn("api client", task));
    }
    let mut whole = Measured::default();
    for each in loops {
        whole.add(each.await.unwrap_or_default());
    }
    whole.elapsed_us = rt::now().since(start).as_micros() as u64;
    whole.cpu_us = meter.used_us();
    whole.checked("the API server")
}

async fn repeat(
    mut connection: Connection,
    operation: Operation,
    number: usize,
    size: usize,
    namespace: &str,
    end: rt::Instant,
) -> Measured {
    let all = collection(namespace);
    let own = format!("{all}/own-{number}");
    let salt = rt::random();
    let mut measured = Measured::default();
    let mut turn = 0_u64;
    while rt::now() < end {
        turn += 1;
        let (method, path, body) = match operation {
            Operation::Create => (Method::POST, &all, Some(config_map(&format!("c-{salt:x}-{turn}"), size))),
            Operation::Get => (Method::GET, &own, None),
            Operation::List => (Method::GET, &all, None),
            Operation::Update => (Method::PUT, &own, Some(config_map_with(&format!("own-{number}"), size, turn))),
        };
        let asked = rt::now();
        match connection.call(method, path, body).await {
            Ok((status, _)) if status < 300 => measured.latencies_us.push(rt::now().since(asked).as_micros() as u64),
            Ok((_, body)) => note(&mut measured, &String::from_utf8_lossy(&body)),
            Err(why) => {
                note(&mut measured, &why.what);
                break;
            }
        }
    }
    measured
}

/// The server did not make an object that the load needs.
fn refused(said: &[u8]) -> Failure {
    let said: String = String::from_utf8_lossy(said).chars().take(300).collect();
    Failure::new(format!("an object could not be made: {said}"), "see that the kubeconfig's user may create ConfigMaps")
}

fn note(measured: &mut Measured, why: &str) {
    measured.errors += 1;
    measured.error.get_or_insert_with(|| why.chars().take(300).collect());
}

pub(crate) fn collection(namespace: &str) -> String {
    format!("/api/v1/namespaces/{namespace}/configmaps")
}

/// A ConfigMap whose JSON has about `size` bytes.
pub(crate) fn config_map(name: &str, size: usize) -> Bytes {
    config_map_with(name, size, 0)
}

fn config_map_with(name: &str, size: usize, turn: u64) -> Bytes {
    let padding = "x".repeat(size.saturating_sub(110 + name.len()));
    json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": {"padding": padding, "turn": turn.to_string()}})
        .to_string()
        .into()
}

/// Clients that make the objects which are there before the load.
const FILL_LANES: usize = 32;

/// Makes the objects that are there before the load.
pub(crate) async fn fill(target: &Target, namespace: &str, objects: usize, size: usize) -> Result<(), Failure> {
    let mut tasks = Vec::new();
    for lane in 0..FILL_LANES.min(objects) {
        let mut connection = target.connect().await?;
        let path = collection(namespace);
        tasks.push(rt::spawn("fill", async move {
            for number in (lane..objects).step_by(FILL_LANES) {
                let body = config_map(&format!("f-{number}"), size);
                let (status, said) = connection.call(Method::POST, &path, Some(body)).await?;
                if status >= 300 {
                    return Err(refused(&said));
                }
            }
            Ok::<(), Failure>(())
        }));
    }
    for task in tasks {
        task.await.unwrap_or_else(|_| Err(Failure::new("a client of the benchmark failed", "measure again")))?;
    }
    Ok(())
}

/// Makes the namespace the load lives in.
pub(crate) async fn make_namespace(target: &Target, namespace: &str) -> Result<(), Failure> {
    let body = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}});
    target.connect().await?.json(Method::POST, "/api/v1/namespaces", Some(&body)).await.map(|_: Value| ())
}

/// Takes it away with all that is in it.
pub(crate) async fn remove_namespace(target: &Target, namespace: &str) {
    if let Ok(mut connection) = target.connect().await {
        // A benchmark's figures stand even if its litter stays; the server says so in its own log.
        let _ = connection.call(Method::DELETE, &collection(namespace), None).await;
        let _ = connection.call(Method::DELETE, &format!("/api/v1/namespaces/{namespace}"), None).await;
    }
}
