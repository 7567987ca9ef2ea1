//! One worker: joins, keeps a session with the cluster's leader, and runs what it is told. Whatever happens to the session or to
//! this process, the pods that run go on (fail-static). It needs no open port and decides nothing about where pods go.
mod entry;
mod events;
mod held;
mod identity;
pub mod machine;
mod observe;
mod pods;
mod probing;
mod register;
mod session;
mod specs;
mod tokens;
mod work;

use crate::image::store::Images;
use crate::limits::{RECONNECT_WAIT_FIRST, RECONNECT_WAIT_MAX, WORDS_MAX};
use crate::network::PodNetwork;
use crate::network::bridge::Bridge;
use crate::runtime::cri::Cri;
use crate::runtime::embedded::Embedded;
use crate::runtime::{Runtime, oci, process};
use crate::service::Services;
use crate::service::nftables::Nftables;
use crate::service::userspace::Userspace;
use crate::shim::protocol::Engine;
use crate::volume::{Directory, Volumes};
use identity::Kept;
use link::authority::pin;
use link::error::LinkError;
use link::join::join;
use link::message::{FromNode, ToNode};
use link::quic::Endpoint;
use link::sessions::Sessions;
use link::token::{Role, Token};
use machine::Machine;
use pods::{Happened, Pods};
use session::{Ended, converse};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::mpsc::{self, UnboundedSender};
use work::Tools;

/// Which runtime runs the pods.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Choice {
    /// Containers as root, processes otherwise.
    ByItself,
    Oci,
    Process,
    /// The socket of a runtime that speaks CRI.
    Cri(PathBuf),
}

impl std::str::FromStr for Choice {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text.split_once('=') {
            None if text == "oci" => Ok(Self::Oci),
            None if text == "process" => Ok(Self::Process),
            Some(("cri", socket)) if !socket.is_empty() => Ok(Self::Cri(socket.into())),
            _ => Err(format!("{text:?} is no runtime: choose oci, process or cri=SOCKET")),
        }
    }
}

impl std::fmt::Display for Choice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ByItself => f.write_str("by itself"),
            Self::Oci => f.write_str("oci"),
            Self::Process => f.write_str("process"),
            Self::Cri(socket) => write!(f, "cri={}", socket.display()),
        }
    }
}

#[derive(Clone, Debug)]
pub struct Config {
    pub name: String,
    pub dir: PathBuf,
    /// Link addresses of members.
    pub join: Vec<String>,
    /// Needed the first time only.
    pub token: Option<String>,
    pub runtime: Choice,
    /// The binary that is executed as `pod-shim` and stands in the built-in image.
    pub binary: PathBuf,
}

/// What a worker is made of.
pub struct Given {
    /// Its name, as its certificate says it.
    pub node: String,
    /// Link addresses of members.
    pub members: Vec<String>,
    pub sessions: Arc<dyn Sessions>,
    pub machine: Machine,
    pub runtime: Arc<dyn Runtime>,
    /// `None` where pods share the machine's network.
    pub network: Option<Arc<dyn PodNetwork>>,
    pub services: Arc<dyn Services>,
    pub volumes: Arc<dyn Volumes>,
    /// Where the logs of containers stand.
    pub logs: PathBuf,
}

/// A worker that is ready to connect.
pub struct Agent {
    /// Held as long as the agent lives: two in one directory would undo each other's work.
    _lock: Option<std::fs::File>,
    members: Vec<String>,
    sessions: Arc<dyn Sessions>,
    /// What runs the pods: shown to people.
    pub runtime: String,
    tools: Arc<Tools>,
    services: Arc<dyn Services>,
    machine: Machine,
}

impl Agent {
    /// Joins if this directory never did, and opens what the pods are run with.
    ///
    /// # Errors
    /// In one line that says what to mend.
    pub async fn open(config: &Config) -> Result<Self, String> {
        std::fs::create_dir_all(&config.dir).map_err(|why| format!("{}: {why}", config.dir.display()))?;
        let dir = config.dir.canonicalize().map_err(|why| format!("{}: {why}", config.dir.display()))?;
        let lock = lock(&dir)?;
        let kept = enter(config, &dir).await?;
        let endpoint = Endpoint::dial(&kept.identity()).map_err(|why| why.to_string())?;
        let towards = match kept.members.first() {
            Some(address) => tokio::net::lookup_host(address).await.ok().and_then(|mut found| found.next()),
            None => None,
        };
        let machine = Machine::look(towards, &dir);
        let (runtime, network) = runtime(&kept, &config.runtime, &dir, &config.binary).await?;
        let services = services(&kept.node, &dir, network.is_some());
        let agent = Self::new(Given {
            node: kept.node,
            members: kept.members,
            sessions: Arc::new(endpoint),
            machine,
            runtime,
            network,
            services,
            volumes: Arc::new(Directory::new(&dir.join("volumes"))),
            logs: dir.join("logs"),
        });
        for lack in agent.tools.runtime.about().lacks {
            tracing::warn!("{lack}");
        }
        Ok(Self { _lock: Some(lock), ..agent })
    }

    /// A worker on what it is given. It opens nothing: what is touched, is touched through the ports.
    #[must_use]
    pub fn new(given: Given) -> Self {
        let Given { node, members, sessions, machine, runtime, network, services, volumes, logs } = given;
        let tools = Tools { node, runtime, network, volumes, logs };
        let runtime = tools.runtime.about().name;
        Self { _lock: None, members, sessions, runtime, tools: Arc::new(tools), services, machine }
    }

    #[must_use]
    pub fn name(&self) -> &str {
        &self.tools.node
    }

    /// Serves until it is dropped. Pods go on without it.
    pub async fn run(self) {
        let (outbox, mut mail) = mpsc::channel::<FromNode>(WORDS_MAX);
        let (words, heard) = mpsc::channel::<ToNode>(WORDS_MAX);
        let (happened, happenings) = mpsc::unbounded_channel();
        if let Some(mut changes) = self.tools.runtime.events() {
            let happened = happened.clone();
            rt::spawn("runtime events", async move {
                while let Some(uid) = changes.recv().await {
                    if happened.send(Happened::Changed(uid)).is_err() {
                        break;
                    }
                }
            });
        }
        let seen = Arc::new(AtomicU64::new(0));
        let pods = Pods::new(self.tools.clone(), self.services.clone(), self.machine.clone(), outbox, happened.clone());
        let working = std::pin::pin!(pods.run(happenings, heard, seen.clone()));
        let connecting = std::pin::pin!(self.connect(&words, &mut mail, &happened, &seen));
        futures::future::select(working, connecting).await;
    }

    /// One session after another, for ever.
    async fn connect(
        &self,
        words: &mpsc::Sender<ToNode>,
        mail: &mut mpsc::Receiver<FromNode>,
        happened: &UnboundedSender<Happened>,
        seen: &AtomicU64,
    ) {
        let mut addresses = self.members.clone();
        let (mut turn, mut wait) = (0_usize, RECONNECT_WAIT_FIRST);
        loop {
            let address = addresses[turn % addresses.len().max(1)].clone();
            let ended = match self.sessions.connect(&address).await {
                Ok(session) => {
                    let streams =
                        rt::spawn("streams", crate::streams::serve(session.clone(), self.tools.runtime.clone()));
                    let mut linked = false;
                    let ended = converse(&session, self.name(), seen.load(Ordering::SeqCst), words, mail, || {
                        tracing::info!(member = address, "linked");
                        linked = true;
                        let _ = happened.send(Happened::Linked);
                    })
                    .await;
                    session.close("the agent goes elsewhere");
                    drop(streams);
                    if linked {
                        let _ = happened.send(Happened::Unlinked);
                        wait = RECONNECT_WAIT_FIRST;
                    }
                    ended
                }
                Err(why) => Ended::Broken(why),
            };
            match ended {
                Ended::Elsewhere(Some(leader)) if leader != address => {
                    // The member knows better; it may be one that joined after us.
                    turn = addresses.iter().position(|known| *known == leader).unwrap_or_else(|| {
                        addresses.push(leader);
                        addresses.len() - 1
                    });
                    rt::sleep(Duration::from_millis(RECONNECT_WAIT_FIRST / 4)).await;
                    continue;
                }
                Ended::Elsewhere(_) => {
                    tracing::debug!(member = address, "this member does not lead and knows nobody who does")
                }
                Ended::Broken(why @ LinkError::Stranger(_)) => {
                    tracing::warn!(member = address, %why, "not a member of our cluster")
                }
                Ended::Broken(why) => tracing::info!(member = address, %why, "no session"),
            }
            turn += 1;
            // The machines of a cluster do not all come back at the same moment.
            let spread = rt::random() % (wait / 2 + 1);
            rt::sleep(Duration::from_millis(wait / 2 + spread)).await;
            if turn % addresses.len().max(1) == 0 {
                wait = (wait * 2).min(RECONNECT_WAIT_MAX);
            }
        }
    }
}

/// One agent a directory.
fn lock(dir: &Path) -> Result<std::fs::File, String> {
    let path = dir.join("agent.lock");
    let opened = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    let file = opened.map_err(|why| format!("{}: {why}", path.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(_) => Err(format!("{} is in use by another agent: stop that one, or choose another --dir", dir.display())),
    }
}

/// Who we are: as kept, or gained with the token.
async fn enter(config: &Config, dir: &Path) -> Result<Kept, String> {
    if let Some(mut kept) = Kept::read(dir)? {
        if kept.node != config.name {
            return Err(format!(
                "{} is the directory of node {}, not of {}; choose another --dir",
                dir.display(),
                kept.node,
                config.name
            ));
        }
        if let Some(token) = &config.token {
            let token = Token::parse(token).map_err(|why| why.to_string())?;
            if token.pin != pin(&kept.authority).map_err(|why| why.to_string())? {
                return Err(format!(
                    "{} is the directory of a node of cluster {}, and the token is of another; choose another --dir",
                    dir.display(),
                    kept.cluster
                ));
            }
        }
        for address in &config.join {
            if !kept.members.contains(address) {
                kept.members.push(address.clone());
            }
        }
        return Ok(kept);
    }
    let Some(token) = &config.token else {
        return Err(format!(
            "{} has not joined a cluster: give --join and --token (make one with `rutter token --role node`)",
            dir.display()
        ));
    };
    let token = Token::parse(token).map_err(|why| why.to_string())?;
    let joined = join(&config.join, &token, Role::Node, &config.name).await.map_err(|why| why.to_string())?;
    let mut members = config.join.clone();
    members.extend(joined.members.into_iter().filter(|member| !config.join.contains(member)));
    let kept = Kept {
        node: config.name.clone(),
        cluster: joined.cluster,
        authority: joined.identity.authority_pem,
        certificate: joined.identity.certificate_pem,
        key: joined.identity.key_pem,
        members,
        runtime: config.runtime.to_string(),
    };
    kept.write(dir)?;
    Ok(kept)
}

/// What tells this agent's things on the machine from another's: bridges, links and rules are shared by the whole machine.
fn mark(node: &str, dir: &Path) -> String {
    let digest = crate::image::digest_of(format!("{node} {}", dir.display()).as_bytes());
    digest["sha256:".len()..][..8].to_owned()
}

fn pod_network(node: &str, dir: &Path) -> Bridge {
    let mark = mark(node, dir);
    Bridge::new(dir, &mark, &format!("rub{mark}"))
}

type Opened = (Arc<dyn Runtime>, Option<Arc<dyn PodNetwork>>);

async fn runtime(kept: &Kept, choice: &Choice, dir: &Path, binary: &Path) -> Result<Opened, String> {
    let root = nix::unistd::geteuid().is_root();
    let (engine, why) = match choice {
        Choice::Cri(socket) => return cri(socket).await,
        Choice::Oci if !root => return Err("--runtime oci needs root; run as root, or choose --runtime process".into()),
        Choice::Oci => (Engine::Oci, ""),
        Choice::Process => (Engine::Process, "as asked for"),
        Choice::ByItself if root => (Engine::Oci, ""),
        Choice::ByItself => (Engine::Process, "this agent does not run as root"),
    };
    let lacks = if engine == Engine::Process { process::lacks(why) } else { Vec::new() };
    let images = Arc::new(Images::open(&dir.join("images"), binary)?);
    let network: Arc<dyn PodNetwork> = Arc::new(pod_network(&kept.node, dir));
    let opened =
        Embedded::open(dir, binary, engine, images, network.clone(), lacks).await.map_err(|why| why.to_string())?;
    Ok((Arc::new(opened), (engine == Engine::Oci).then_some(network)))
}

async fn cri(socket: &Path) -> Result<Opened, String> {
    let opened = Cri::open(socket)
        .await
        .map_err(|why| format!("{}: {why}; see that the runtime runs there", socket.display()))?;
    Ok((Arc::new(opened), None))
}

fn services(node: &str, dir: &Path, network: bool) -> Arc<dyn Services> {
    if network { Arc::new(Nftables::new(&mark(node, dir), node, None)) } else { Arc::new(Userspace::new()) }
}

/// Ends every pod of the agent whose directory this is, and takes away what it made on the machine: shims, namespaces, links, rules,
/// mounts. The agent itself must not run. Gives the names of what was ended.
///
/// # Errors
/// In words, if something is still there.
pub async fn purge(dir: &Path, binary: &Path) -> Result<Vec<String>, String> {
    let dir = dir.canonicalize().map_err(|why| format!("{}: {why}", dir.display()))?;
    let Some(kept) = Kept::read(&dir)? else { return Ok(Vec::new()) };
    let choice = if dir.join("network").exists() { Choice::Oci } else { Choice::Process };
    let (runtime, network) = runtime(&kept, &choice, &dir, binary).await?;
    let services = services(&kept.node, &dir, network.is_some());
    let tools = Tools {
        node: kept.node.clone(),
        runtime,
        network: network.clone(),
        volumes: Arc::new(Directory::new(&dir.join("volumes"))),
        logs: dir.join("logs"),
    };
    let mut ended = Vec::new();
    for view in tools.runtime.list(None).await.map_err(|why| why.to_string())? {
        work::remove(&tools, &view.uid, None).await?;
        ended.push(format!("{}/{}", view.namespace, view.name));
    }
    for uid in tools.volumes.uids() {
        tools.volumes.remove(&uid)?;
    }
    services.remove().await?;
    if let Some(network) = network {
        network.purge().await;
        oci::sweep();
    }
    Ok(ended)
}
