//! Loads any Kubernetes API server over HTTPS: many clients, each with a connection of its own, each asking again as soon as it is answered.
use super::cost::Cost;
use super::measure::Measured;
use super::operation::{Ask, Operation, Turn, collection, config_map};
use crate::client::{Connection, Target};
use crate::failure::Failure;
use hyper::Method;
use serde_json::{Value, json};
use std::time::Duration;

pub(crate) struct Load {
    pub(crate) operation: Operation,
    pub(crate) clients: usize,
    pub(crate) size: usize,
    pub(crate) seconds: u64,
    pub(crate) namespace: String,
    /// The server's processes, whose CPU time is counted.
    pub(crate) pids: Vec<u32>,
}

/// Runs one round of the load; the namespace must be there. `admin` may read the server's metrics.
pub(crate) async fn run(target: &Target, admin: &Target, load: &Load) -> Result<Measured, Failure> {
    let salt = rt::random();
    let mut connections = Vec::new();
    for client in 0..load.clients {
        let mut connection = target.connect().await?;
        let turn = Turn { namespace: &load.namespace, client, number: 0, salt, size: load.size };
        if let Some(ask) = load.operation.before(&turn) {
            let (status, said) = send(&mut connection, ask).await?;
            // 409: an earlier round made it.
            if status >= 300 && status != 409 {
                return Err(refused(&said));
            }
        }
        connections.push(connection);
    }
    let (start, cost) = (rt::now(), Cost::start(admin, &load.pids).await);
    let end = start.after(Duration::from_secs(load.seconds));
    let mut loops = Vec::new();
    for (client, connection) in connections.into_iter().enumerate() {
        let (operation, size, namespace) = (load.operation, load.size, load.namespace.clone());
        loops.push(rt::spawn("api client", async move {
            let turn = Turn { namespace: &namespace, client, number: 0, salt: salt ^ client as u64, size };
            repeat(connection, operation, turn, end).await
        }));
    }
    let mut whole = Measured::default();
    for each in loops {
        whole.add(each.await.unwrap_or_default());
    }
    whole.elapsed_us = rt::now().since(start).as_micros() as u64;
    whole.cpu_us = cost.used_us().await;
    whole.checked("the API server")
}

async fn repeat(mut connection: Connection, operation: Operation, mut turn: Turn<'_>, end: rt::Instant) -> Measured {
    let mut measured = Measured::default();
    while rt::now() < end {
        turn.number += 1;
        let ask = operation.ask(&turn);
        let asked = rt::now();
        match send(&mut connection, ask).await {
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

async fn send(connection: &mut Connection, ask: Ask) -> Result<(u16, bytes::Bytes), Failure> {
    connection.call_with(ask.method, &ask.path, ask.body, ask.content_type).await
}

/// The server did not make an object that the load needs.
fn refused(said: &[u8]) -> Failure {
    let said: String = String::from_utf8_lossy(said).chars().take(300).collect();
    Failure::new(
        format!("an object could not be made: {said}"),
        "see that the kubeconfig's user may write ConfigMaps and pods",
    )
}

fn note(measured: &mut Measured, why: &str) {
    measured.errors += 1;
    measured.error.get_or_insert_with(|| why.chars().take(300).collect());
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
                let body = config_map(&format!("f-{number}"), size, 0);
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
