//! A whole cluster on this machine: starts members and nodes as processes of their own, keeps them up, writes a kubeconfig,
//! says what to try next. It holds no state but the directory: the same command goes on from where it was.
use crate::client::Target;
use crate::failure::{Failure, Output};
use crate::{front, kubeconfig, operator};
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};

#[derive(Debug, clap::Args)]
pub(crate) struct Up {
    /// Where everything is kept.
    #[arg(long, default_value = ".rutter")]
    pub(crate) dir: PathBuf,
    /// Control members: 1, 3 or 5.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=7))]
    pub(crate) members: u16,
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=50))]
    pub(crate) nodes: u16,
    /// oci (needs root), process, or cri=SOCKET; by itself oci as root, else process.
    #[arg(long)]
    pub(crate) runtime: Option<String>,
    /// The port that the kubeconfig names; members listen on those that follow.
    #[arg(long, default_value_t = 6443, value_parser = clap::value_parser!(u16).range(1024..=65000))]
    pub(crate) api_port: u16,
}

/// How long a member or a cluster may take to answer before `up` gives up.
const READY_WAIT: Duration = Duration::from_secs(60);
const POLL: Duration = Duration::from_millis(100);
/// A child that ends is started again after this, doubling up to `RESTART_MAX`.
const RESTART_MIN: Duration = Duration::from_secs(1);
const RESTART_MAX: Duration = Duration::from_secs(30);
/// A child that ran this long starts afresh with `RESTART_MIN`.
const RESTART_FORGET: Duration = Duration::from_secs(60);
/// How long children may take to stop before they are killed.
const STOP_WAIT: Duration = Duration::from_secs(10);
/// Link ports lie this far above the API ports.
const LINK_OFFSET: u16 = 100;

struct Process {
    name: String,
    log: PathBuf,
    arguments: Vec<String>,
}

pub(crate) async fn run(up: &Up, output: Output) -> Result<(), Failure> {
    let dir = absolute(&up.dir)?;
    let _lock = lock(&dir)?;
    let say = |what: &str, text: String| match output {
        Output::Text => println!("{text}"),
        Output::Json => println!("{}", json!({"event": what, "text": text})),
    };
    let front_address = SocketAddr::from(([127, 0, 0, 1], up.api_port));
    let listener = TcpListener::bind(front_address).await.map_err(|why| {
        Failure::new(
            format!("port {} is not free: {why}", up.api_port),
            "stop what uses it, or choose another with --api-port",
        )
    })?;

    let mut running = Vec::new();
    let target = start_members(&dir, up, &mut running, &say).await?;
    let kubeconfig = write_kubeconfig(&dir, &dir.join("members/m1/admin.kubeconfig"), up.api_port)?;
    let members = (1..=up.members).map(|number| SocketAddr::from(([127, 0, 0, 1], up.api_port + number))).collect();
    rt::spawn("front", front::serve(listener, members));
    for number in 1..=up.nodes {
        let token = operator::token(&target, "node").await?;
        running.push(Running::start(node(&dir, up, number, &token))?);
    }
    await_nodes(&target, up.nodes, &say).await?;
    say("up", next_steps(&kubeconfig, up));
    keep(running, &say).await
}

/// Three members without a front or nodes: what the benchmarks run on.
pub(crate) struct Members {
    running: Vec<Running>,
    pub(crate) target: Target,
    dir: PathBuf,
    api_port: u16,
}

impl Members {
    pub(crate) async fn start(dir: &Path, members: u16, api_port: u16) -> Result<Self, Failure> {
        let up = Up { dir: absolute(dir)?, members, nodes: 0, runtime: None, api_port };
        let mut running = Vec::new();
        let target = start_members(&up.dir, &up, &mut running, &|_, _| ()).await?;
        Ok(Self { running, target, dir: up.dir.clone(), api_port })
    }

    pub(crate) fn pids(&self) -> Vec<u32> {
        self.running.iter().filter_map(|running| running.child.id()).collect()
    }

    /// Each member's own address.
    pub(crate) fn targets(&self) -> Result<Vec<Target>, Failure> {
        let mut config = kubeconfig::read(&self.dir.join("members/m1/admin.kubeconfig"))?;
        let count = u16::try_from(self.running.len()).unwrap_or(0);
        (1..=count)
            .map(|number| {
                config.server = format!("https://{}", address(self.api_port + number));
                Target::new(&config)
            })
            .collect()
    }

    /// kill -9 of the member that leads; when that was, or `None` if nobody led.
    pub(crate) async fn kill_leader(&mut self) -> Result<Option<rt::Instant>, Failure> {
        for target in self.targets()? {
            let Ok(status) = operator::ask(&target, hyper::Method::GET, "status", None).await else { continue };
            let members = status.get("members").and_then(serde_json::Value::as_array);
            let leader = members.into_iter().flatten().find(|member| member.get("role") == Some(&"leader".into()));
            let pid = leader.and_then(|member| u32::try_from(member.get("pid")?.as_u64()?).ok());
            if let Some(running) =
                self.running.iter_mut().find(|running| running.child.id().is_some() && running.child.id() == pid)
            {
                let killed = rt::now();
                // It may have ended by itself.
                let _ = running.child.start_kill();
                let _ = running.child.wait().await;
                return Ok(Some(killed));
            }
        }
        Ok(None)
    }

    /// Stops all, starts all; from the first start until the first member is ready.
    pub(crate) async fn restart_all(&mut self) -> Result<Duration, Failure> {
        for running in &mut self.running {
            stop(&mut running.child).await;
        }
        let started = rt::now();
        for running in &mut self.running {
            running.child = spawn(&running.process)?;
        }
        let config = self.dir.join("members/m1/admin.kubeconfig");
        let port = self.api_port + 1;
        if let Some(first) = self.running.first_mut() {
            await_ready(first, &config, port).await?;
        }
        Ok(rt::now().since(started))
    }

    /// Starts again what was killed.
    pub(crate) fn restart_ended(&mut self) -> Result<(), Failure> {
        for running in &mut self.running {
            if running.ended().is_some() {
                running.child = spawn(&running.process)?;
                running.started = rt::now();
            }
        }
        Ok(())
    }

    pub(crate) async fn stop(mut self) {
        for running in &mut self.running {
            stop(&mut running.child).await;
        }
    }
}

/// The founder, then those that join it, each when the one before is ready.
async fn start_members(
    dir: &Path,
    up: &Up,
    running: &mut Vec<Running>,
    say: &impl Fn(&str, String),
) -> Result<Target, Failure> {
    let config = dir.join("members/m1/admin.kubeconfig");
    let mut founder = Running::start(member(dir, up, 1, None))?;
    await_ready(&mut founder, &config, up.api_port + 1).await?;
    running.push(founder);
    say("ready", "member m1 is ready".into());
    let target = Target::new(&kubeconfig::read(&config)?)?;
    for number in 2..=up.members {
        let joined = dir.join(format!("members/m{number}/identity.json")).exists();
        let token = if joined { None } else { Some(operator::token(&target, "member").await?) };
        let mut next = Running::start(member(dir, up, number, token))?;
        await_ready(&mut next, &config, up.api_port + number).await?;
        running.push(next);
        say("ready", format!("member m{number} is ready"));
    }
    Ok(target)
}

fn next_steps(kubeconfig: &Path, up: &Up) -> String {
    format!(
        "The cluster is up: {} members, {} nodes. In another terminal:\n\n  \
         export KUBECONFIG={}\n  kubectl get nodes\n  \
         kubectl create deployment hello --image=rutter.dev/hello --port=8080\n  \
         kubectl expose deployment hello --port=80 --target-port=8080\n  rutter status\n\n\
         Ctrl-C stops it; the same command goes on from where it was.",
        up.members,
        up.nodes,
        kubeconfig.display()
    )
}

fn absolute(dir: &Path) -> Result<PathBuf, Failure> {
    let bad = |why: std::io::Error| {
        Failure::new(format!("{}: {why}", dir.display()), "choose a directory you may write to with --dir")
    };
    std::fs::create_dir_all(dir).map_err(bad)?;
    dir.canonicalize().map_err(bad)
}

/// One `up` a directory.
fn lock(dir: &Path) -> Result<nix::fcntl::Flock<std::fs::File>, Failure> {
    let path = dir.join("up.lock");
    let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    let file = file.map_err(|why| {
        Failure::new(format!("{}: {why}", path.display()), "choose a directory you may write to with --dir")
    })?;
    nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusiveNonblock).map_err(|_| {
        Failure::new(
            format!("{} is in use by another `rutter up`", dir.display()),
            "stop that one, or choose another --dir",
        )
    })
}

fn address(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

fn member(dir: &Path, up: &Up, number: u16, token: Option<String>) -> Process {
    let name = format!("m{number}");
    let home = dir.join("members").join(&name);
    let port = up.api_port + number;
    let mut arguments: Vec<String> =
        vec!["control".into(), "--name".into(), name.clone(), "--dir".into(), home.display().to_string()];
    arguments.extend([
        "--api".into(),
        address(port),
        "--link".into(),
        address(port + LINK_OFFSET),
        "--with-parent".into(),
    ]);
    if number == 1 {
        arguments.push("--found".into());
    } else {
        arguments.extend(["--join".into(), address(up.api_port + 1 + LINK_OFFSET)]);
        arguments.extend(token.into_iter().flat_map(|token| ["--token".into(), token]));
    }
    Process { log: dir.join(format!("{name}.log")), name, arguments }
}

fn node(dir: &Path, up: &Up, number: u16, token: &str) -> Process {
    let name = format!("n{number}");
    let home = dir.join("nodes").join(&name);
    let join: Vec<String> = (1..=up.members).map(|member| address(up.api_port + member + LINK_OFFSET)).collect();
    let mut arguments: Vec<String> =
        vec!["node".into(), "--name".into(), name.clone(), "--dir".into(), home.display().to_string()];
    arguments.extend(["--join".into(), join.join(","), "--token".into(), token.into(), "--with-parent".into()]);
    arguments.extend(up.runtime.iter().flat_map(|runtime| ["--runtime".into(), runtime.clone()]));
    Process { log: dir.join(format!("{name}.log")), name, arguments }
}

/// The same kubeconfig with the front's address: it stays right whichever member is down.
fn write_kubeconfig(dir: &Path, from: &Path, port: u16) -> Result<PathBuf, Failure> {
    let path = dir.join("kubeconfig");
    let bad = |why: std::io::Error| {
        Failure::new(format!("{}: {why}", path.display()), "see that the directory can be written to")
    };
    let text = std::fs::read_to_string(from).map_err(bad)?;
    let text: Vec<String> = text
        .lines()
        .map(|line| match line.split_once("server:") {
            Some((indent, _)) => format!("{indent}server: https://{}", address(port)),
            None => line.to_owned(),
        })
        .collect();
    let mut options = std::fs::OpenOptions::new();
    std::os::unix::fs::OpenOptionsExt::mode(options.create(true).truncate(true).write(true), 0o600);
    let mut file = options.open(&path).map_err(bad)?;
    std::io::Write::write_all(&mut file, (text.join("\n") + "\n").as_bytes()).map_err(bad)?;
    Ok(path)
}

struct Running {
    process: Process,
    child: Child,
    started: rt::Instant,
    wait: Duration,
}

impl Running {
    fn start(process: Process) -> Result<Self, Failure> {
        let child = spawn(&process)?;
        Ok(Self { process, child, started: rt::now(), wait: RESTART_MIN })
    }

    fn ended(&mut self) -> Option<String> {
        self.child
            .try_wait()
            .ok()
            .flatten()
            .map(|status| format!("{} ended ({status}); {}", self.process.name, last_line(&self.process.log)))
    }
}

fn spawn(process: &Process) -> Result<Child, Failure> {
    let bad = |why: std::io::Error| {
        Failure::new(format!("{} cannot be started: {why}", process.name), "see that the directory can be written to")
    };
    let binary = std::env::current_exe().map_err(bad)?;
    let log = std::fs::OpenOptions::new().create(true).append(true).open(&process.log).map_err(bad)?;
    let mut command = Command::new(binary);
    command.args(&process.arguments).stdin(Stdio::null()).stdout(log.try_clone().map_err(bad)?).stderr(log);
    // A group of its own: Ctrl-C reaches `up`, which stops its children in order.
    command.process_group(0).kill_on_drop(true).spawn().map_err(bad)
}

fn last_line(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("it said nothing").to_owned()
}

async fn await_ready(running: &mut Running, config: &Path, port: u16) -> Result<(), Failure> {
    let started = rt::now();
    loop {
        if let Some(ended) = running.ended() {
            return Err(Failure::new(ended, format!("see {}", running.process.log.display())));
        }
        if config.exists() && operator::ready(config, port).await {
            return Ok(());
        }
        if rt::now().since(started) > READY_WAIT {
            let what = format!(
                "{} did not become ready in {} s: {}",
                running.process.name,
                READY_WAIT.as_secs(),
                last_line(&running.process.log)
            );
            return Err(Failure::new(what, format!("see {}", running.process.log.display())));
        }
        rt::sleep(POLL).await;
    }
}

async fn await_nodes(target: &Target, nodes: u16, say: &impl Fn(&str, String)) -> Result<(), Failure> {
    let started = rt::now();
    let mut told = 0;
    while told < nodes {
        let ready = operator::ready_nodes(target).await.unwrap_or(0);
        if ready > told {
            told = ready;
            say("ready", format!("{told} of {nodes} nodes are ready"));
        }
        if rt::now().since(started) > READY_WAIT {
            return Err(Failure::new(
                format!("{told} of {nodes} nodes became ready in time"),
                "see the nodes' logs beside the kubeconfig",
            ));
        }
        rt::sleep(POLL).await;
    }
    Ok(())
}

/// Starts again what ends, until told to stop; then stops all.
async fn keep(mut running: Vec<Running>, say: &impl Fn(&str, String)) -> Result<(), Failure> {
    let mut interrupt = std::pin::pin!(crate::stopped());
    loop {
        let tick = std::pin::pin!(rt::sleep(POLL));
        if let futures::future::Either::Left(_) = futures::future::select(&mut interrupt, tick).await {
            break;
        }
        for each in &mut running {
            let Some(ended) = each.ended() else { continue };
            let lived = rt::now().since(each.started);
            each.wait = if lived > RESTART_FORGET { RESTART_MIN } else { each.wait };
            if lived < each.wait {
                continue;
            }
            say("restart", ended);
            each.child = spawn(&each.process)?;
            each.started = rt::now();
            each.wait = (each.wait * 2).min(RESTART_MAX);
        }
    }
    say("stopping", "stopping".into());
    // Nodes first: they report to members that still answer.
    for each in running.iter_mut().rev() {
        stop(&mut each.child).await;
    }
    say("stopped", "stopped; the same command goes on from here".into());
    Ok(())
}

async fn stop(child: &mut Child) {
    if let Some(pid) = child.id().and_then(|pid| i32::try_from(pid).ok()) {
        // It may have ended by itself.
        let _ = nix::sys::signal::kill(nix::unistd::Pid::from_raw(pid), nix::sys::signal::Signal::SIGTERM);
    }
    if rt::timeout(STOP_WAIT, child.wait()).await.is_none() {
        let _ = child.kill().await;
    }
}
