//! `rutter control`: one member, until it is told to stop or can no longer serve.
use crate::audit::AuditFlags;
use crate::failure::{Failure, LOST, REMOVED};
use crate::keep::KeepFlags;
use crate::trust::TrustFlags;
use control::config::{Begin, Config};
use control::error::ControlError;
use std::net::SocketAddr;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Control {
    /// A DNS label, and no other member's.
    #[arg(long)]
    name: String,
    /// Where the log and everything else of this member is kept.
    #[arg(long)]
    dir: PathBuf,
    /// Where Kubernetes clients connect.
    #[arg(long, default_value = "127.0.0.1:6443")]
    api: SocketAddr,
    /// Where members and nodes connect (UDP).
    #[arg(long, default_value = "127.0.0.1:6543")]
    link: SocketAddr,
    /// Found a new cluster. The founder's directory goes on from its past; it founds nothing again.
    #[arg(long, conflicts_with_all = ["join", "token"])]
    found: bool,
    /// Link addresses of members of the cluster to join, tried in this order.
    #[arg(long, value_delimiter = ',', requires = "token")]
    join: Vec<String>,
    /// From `rutter token --role member`.
    #[arg(long, env = "RUTTER_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// What clients are told instead of --api: host:port.
    #[arg(long)]
    advertise_api: Option<String>,
    /// What members and nodes are told instead of --link: host:port.
    #[arg(long)]
    advertise_link: Option<String>,
    #[command(flatten)]
    keep: KeepFlags,
    #[command(flatten)]
    audit: AuditFlags,
    #[command(flatten)]
    trust: TrustFlags,
    /// Stop when the process that started this one is gone.
    #[arg(long, hide = true)]
    with_parent: bool,
}

pub(crate) async fn run(flags: &Control) -> Result<(), Failure> {
    crate::follow_parent(flags.with_parent);
    reachable(flags)?;
    let begin = match (&flags.token, flags.found) {
        (_, true) => Begin::Found,
        (Some(token), _) if !flags.join.is_empty() => {
            Begin::Join { addresses: flags.join.clone(), token: token.clone() }
        }
        _ => Begin::Resume,
    };
    let config = Config {
        name: flags.name.clone(),
        dir: flags.dir.clone(),
        api: flags.api,
        link: flags.link,
        advertise_api: flags.advertise_api.clone(),
        advertise_link: flags.advertise_link.clone(),
        keep: flags.keep.keep(),
        audit: flags.audit.file(&flags.dir),
        issuers: flags.trust.authentication_config.clone(),
        webhook: flags.trust.authentication_token_webhook_config_file.clone(),
        begin,
    };
    let running = control::member::start(&config).await.map_err(|why| failure(&why, &flags.name))?;
    println!("member {} serves the API at {} and link at {}", flags.name, running.api(), running.link());
    let why = {
        let stopped = std::pin::pin!(crate::stopped());
        let failed = std::pin::pin!(running.failed());
        match futures::future::select(stopped, failed).await {
            futures::future::Either::Left(_) => None,
            futures::future::Either::Right((why, _)) => Some(why),
        }
    };
    running.stop().await;
    match why {
        None => Ok(()),
        Some(why) => Err(failure(&why, &flags.name)),
    }
}

/// What the others are told must be an address: one that is wrong shows only when nobody gets an answer.
fn reachable(flags: &Control) -> Result<(), Failure> {
    for (flag, told) in [("--advertise-link", &flags.advertise_link), ("--advertise-api", &flags.advertise_api)] {
        let Some(told) = told else { continue };
        let port = told.rsplit_once(':').filter(|(host, _)| !host.is_empty()).and_then(|(_, port)| port.parse().ok());
        if port.is_none_or(|port: u16| port == 0) {
            return Err(Failure::new(format!("{flag} {told}: that is no address"), "say HOST:PORT"));
        }
    }
    if flags.link.ip().is_unspecified() && flags.advertise_link.is_none() {
        let what = format!("--link {}: no other machine can reach this member by that address", flags.link);
        return Err(Failure::new(what, "say with --advertise-link HOST:PORT where it can be reached"));
    }
    Ok(())
}

fn failure(why: &ControlError, name: &str) -> Failure {
    let failure = Failure::new(why, why.next(name));
    match why {
        ControlError::Removed { .. } => failure.with_code(REMOVED),
        ControlError::Lost(_) => failure.with_code(LOST),
        _ => failure,
    }
}
