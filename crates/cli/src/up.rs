//! A whole cluster on this machine: starts members and nodes as processes of their own, keeps them up, writes a kubeconfig,
//! says what to try next. It holds no state but the directory: the same command goes on from where it was.
mod keep;
pub(crate) mod lock;
pub(crate) mod members;
pub(crate) mod place;
pub(crate) mod process;
pub(crate) mod replace;

use crate::audit::AuditFlags;
use crate::client::Target;
use crate::failure::{Failure, Output};
use crate::keep::KeepFlags;
use crate::trust::TrustFlags;
use crate::{front, operator};
use lock::lock;
use members::READY_WAIT;
use place::{POLL, Place, address};
use process::{Process, Running};
use serde_json::json;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use tokio::net::TcpListener;

#[derive(Debug, clap::Args)]
pub(crate) struct Up {
    /// Where everything is kept.
    #[arg(long, default_value = ".rutter")]
    pub(crate) dir: PathBuf,
    /// Control members: 1, 3 or 5.
    #[arg(long, default_value_t = 3, value_parser = members_count)]
    pub(crate) members: u16,
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(0..=50))]
    pub(crate) nodes: u16,
    /// oci (needs root), process, or cri=SOCKET; by itself oci as root, else process.
    #[arg(long, value_parser = runtime)]
    pub(crate) runtime: Option<String>,
    /// The port that the kubeconfig names; members listen on those that follow.
    #[arg(long, default_value_t = 6443, value_parser = clap::value_parser!(u16).range(1024..=65000))]
    pub(crate) api_port: u16,
    #[command(flatten)]
    pub(crate) keep: KeepFlags,
    #[command(flatten)]
    pub(crate) audit: AuditFlags,
    #[command(flatten)]
    pub(crate) trust: TrustFlags,
}

fn members_count(text: &str) -> Result<u16, String> {
    match text {
        "1" => Ok(1),
        "3" => Ok(3),
        "5" => Ok(5),
        _ => Err("a cluster has 1, 3 or 5 members: one more would not survive one more loss".into()),
    }
}

/// What a node's `--runtime` may be.
pub(crate) fn runtime(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        None if matches!(text, "oci" | "process") => Ok(text.to_owned()),
        Some(("cri", socket)) if socket.starts_with('/') => Ok(text.to_owned()),
        _ => Err("say oci, process, or cri=SOCKET with the socket's whole path".into()),
    }
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
    let place = Place {
        dir: dir.clone(),
        members: up.members,
        api_port: up.api_port,
        keep: up.keep.clone(),
        audit: up.audit.absolute()?,
        trust: up.trust.clone(),
    };
    let target = members::start(&place, &mut running, &say).await?;
    let kubeconfig = write_kubeconfig(&dir, &place.kubeconfig(), up.api_port)?;
    let members = (1..=up.members).map(|number| SocketAddr::from(([127, 0, 0, 1], up.api_port + number))).collect();
    rt::spawn("front", front::serve(listener, members));
    for number in 1..=up.nodes {
        let token = operator::token(&target, "node").await?;
        running.push(Running::start(node(&place, up, number, &token))?);
    }
    await_nodes(&target, up.nodes, &mut running, &say).await?;
    say("up", next_steps(&kubeconfig, up));
    keep::keep(running, &place, &say).await
}

fn next_steps(kubeconfig: &Path, up: &Up) -> String {
    let plain = up.runtime.as_deref().map_or(!nix::unistd::geteuid().is_root(), |runtime| runtime == "process");
    let how = if plain && up.nodes > 0 {
        "Pods are plain processes of this machine (run it as root for containers): no isolation, one network, no Services.\n"
    } else {
        ""
    };
    format!(
        "The cluster is up: {} members, {} nodes. In another terminal:\n\n  \
         export KUBECONFIG={}\n  kubectl get nodes\n  \
         kubectl create deployment hello --image=rutter.dev/hello --port=8080\n  \
         kubectl expose deployment hello --port=80 --target-port=8080\n  rutter status\n\n\
         {how}Ctrl-C stops it, and lets its pods run on; the same command goes on from where it was. \
         `rutter purge --dir {}` ends them and takes their networks and mounts away.",
        up.members,
        up.nodes,
        kubeconfig.display(),
        up.dir.display()
    )
}

fn absolute(dir: &Path) -> Result<PathBuf, Failure> {
    let bad = |why: std::io::Error| {
        Failure::new(format!("{}: {why}", dir.display()), "choose a directory you may write to with --dir")
    };
    std::fs::create_dir_all(dir).map_err(bad)?;
    dir.canonicalize().map_err(bad)
}

fn node(place: &Place, up: &Up, number: u16, token: &str) -> Process {
    let name = format!("n{number}");
    let home = place.dir.join("nodes").join(&name);
    let join: Vec<String> = (1..=up.members).map(|member| place.link(member)).collect();
    let mut arguments: Vec<String> =
        vec!["node".into(), "--name".into(), name.clone(), "--dir".into(), home.display().to_string()];
    arguments.extend(["--join".into(), join.join(","), "--token".into(), token.into(), "--with-parent".into()]);
    arguments.extend(up.runtime.iter().flat_map(|runtime| ["--runtime".into(), runtime.clone()]));
    Process { log: place.dir.join(format!("{name}.log")), name, arguments }
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

/// Waits until all nodes are Ready; fails as soon as any child has ended.
async fn await_nodes(
    target: &Target,
    nodes: u16,
    running: &mut [Running],
    say: &impl Fn(&str, String),
) -> Result<(), Failure> {
    let started = rt::now();
    let mut told = 0;
    while told < nodes {
        for each in running.iter_mut() {
            each.check()?;
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_that_cannot_be_meant_are_refused() {
        for good in ["oci", "process", "cri=/run/containerd/containerd.sock"] {
            assert!(runtime(good).is_ok(), "{good}");
        }
        for bad in ["", "docker", "cri", "cri=", "cri=relative", "oci=/x"] {
            assert!(runtime(bad).is_err(), "{bad}");
        }
        assert!(members_count("3").is_ok() && ["0", "2", "4", "7", "x"].iter().all(|bad| members_count(bad).is_err()));
    }
}
