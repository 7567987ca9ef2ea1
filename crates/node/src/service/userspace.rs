//! Services without root: listens on 127.0.0.1 at node ports and copies TCP connections to endpoints in turn. It must never
//! listen on any other address, and never at a port behind which there is nobody.
use super::table::{Endpoint, Protocol, Server, servers};
use super::{Done, Services};
use crate::limits::{SERVICE_ACCEPT_WAIT, SERVICE_CONNECT_WAIT, SERVICE_FORWARDS_MAX};
use futures::future::{Either, select};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, oneshot};

type Endpoints = Arc<Mutex<Vec<Endpoint>>>;

/// A port that is listened on.
struct Open {
    endpoints: Endpoints,
    stop: oneshot::Sender<()>,
    ended: rt::JoinHandle<()>,
}

pub struct Userspace {
    open: tokio::sync::Mutex<BTreeMap<u16, Open>>,
    forwards: Arc<Semaphore>,
}

impl Default for Userspace {
    fn default() -> Self {
        Self::new()
    }
}

impl Userspace {
    #[must_use]
    pub fn new() -> Self {
        Self { open: tokio::sync::Mutex::default(), forwards: Arc::new(Semaphore::new(SERVICE_FORWARDS_MAX)) }
    }

    /// Ports that cannot be had are named in the error; all others are served.
    async fn serve(&self, wanted: BTreeMap<u16, Vec<Endpoint>>) -> Result<(), String> {
        let mut open = self.open.lock().await;
        let gone: Vec<u16> = open.keys().filter(|port| !wanted.contains_key(port)).copied().collect();
        for closing in gone.iter().filter_map(|port| open.remove(port)).collect::<Vec<_>>() {
            // Waited for, so that the port is free when this returns. Connections that run, run on.
            let _ = closing.stop.send(());
            let _ = closing.ended.await;
        }
        let mut failed = Vec::new();
        for (port, endpoints) in wanted {
            if let Some(open) = open.get(&port) {
                *open.endpoints.lock().map_err(|_| "a service's endpoints are lost")? = endpoints;
                continue;
            }
            match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
                Ok(listener) => {
                    let endpoints = Arc::new(Mutex::new(endpoints));
                    let (stop, stopped) = oneshot::channel();
                    let task = accept(listener, endpoints.clone(), stopped, self.forwards.clone());
                    let ended = rt::spawn("service port", task);
                    open.insert(port, Open { endpoints, stop, ended });
                }
                Err(why) => failed.push(format!("{port} ({why})")),
            }
        }
        if failed.is_empty() { Ok(()) } else { Err(format!("node ports that cannot be had: {}", failed.join(", "))) }
    }
}

impl Services for Userspace {
    fn apply<'a>(&'a self, services: &'a [Value], slices: &'a [Value]) -> Done<'a> {
        Box::pin(self.serve(wanted(&servers(services, slices, ""))))
    }

    fn remove<'a>(&'a self) -> Done<'a> {
        Box::pin(self.serve(BTreeMap::new()))
    }

    /// Pods have the machine's addresses here.
    fn set_pod_range(&self, _cidr: &str) {}

    fn name(&self) -> &'static str {
        "userspace"
    }
}

/// What is to be listened on. Whoever connects is on this node, so endpoints anywhere serve.
fn wanted(servers: &[Server]) -> BTreeMap<u16, Vec<Endpoint>> {
    let mut wanted = BTreeMap::new();
    for server in servers.iter().filter(|server| server.protocol == Protocol::Tcp && !server.endpoints.is_empty()) {
        if let Some(port) = server.node_port {
            wanted.entry(port).or_insert_with(|| server.endpoints.clone());
        }
    }
    wanted
}

async fn accept(
    listener: TcpListener,
    endpoints: Endpoints,
    mut stopped: oneshot::Receiver<()>,
    forwards: Arc<Semaphore>,
) {
    let mut turn: usize = 0;
    loop {
        let accepted = match select(&mut stopped, std::pin::pin!(listener.accept())).await {
            Either::Left(_) => return,
            Either::Right((accepted, _)) => accepted,
        };
        let client = match accepted {
            Ok((client, _)) => client,
            Err(why) => {
                tracing::debug!(%why, "a service's port accepts nothing");
                rt::sleep(Duration::from_millis(SERVICE_ACCEPT_WAIT)).await;
                continue;
            }
        };
        // Too many: this one is closed at once.
        let Ok(permit) = forwards.clone().try_acquire_owned() else { continue };
        let mut targets = endpoints.lock().map(|endpoints| endpoints.clone()).unwrap_or_default();
        let first = turn.checked_rem(targets.len()).unwrap_or(0);
        targets.rotate_left(first);
        turn = turn.wrapping_add(1);
        rt::spawn("service forward", async move {
            forward(client, &targets).await;
            drop(permit);
        });
    }
}

/// To the first of these that answers.
async fn forward(mut client: TcpStream, targets: &[Endpoint]) {
    for target in targets {
        let connect = TcpStream::connect((target.ip, target.port));
        if let Some(Ok(mut server)) = rt::timeout(Duration::from_millis(SERVICE_CONNECT_WAIT), connect).await {
            // How it ends is between the two ends.
            let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            return;
        }
    }
}
