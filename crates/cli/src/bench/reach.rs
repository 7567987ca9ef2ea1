//! The server to be loaded, and the processes whose CPU time it costs. A Rutter cluster tells both: its leader is loaded, past
//! whatever stands before the members.
use crate::client::Target;
use crate::failure::Failure;
use crate::kubeconfig::{self, Kubeconfig};
use crate::operator;
use std::path::Path;

pub(crate) struct Reached {
    /// As the kubeconfig's user.
    pub(crate) target: Target,
    config: Kubeconfig,
    /// None are known of another server than ours, unless they are given.
    pub(crate) pids: Vec<u32>,
}

pub(crate) async fn reach(flag: Option<&Path>, pids: &[u32]) -> Result<Reached, Failure> {
    let mut config = kubeconfig::read(&kubeconfig::find(flag, Path::new(".rutter")))?;
    let target = Target::new(&config)?;
    let known = Reached { target: target.clone(), config: config.clone(), pids: pids.to_vec() };
    // Another server than ours does not know the path; one that answers nothing at all is told by the load itself.
    let Ok(status) = operator::status(&target).await else { return Ok(known) };
    let pids =
        if pids.is_empty() { status.members.iter().filter_map(|member| member.pid).collect() } else { pids.to_vec() };
    let leader = status.members.iter().find(|member| member.role == "leader");
    if let Some(leader) = leader {
        config.server = format!("https://{}", leader.api);
        let direct = Target::new(&config)?;
        if direct.connect().await.is_ok() {
            return Ok(Reached { target: direct, config, pids });
        }
    }
    Ok(Reached { pids, ..known })
}

impl Reached {
    /// The same server, as the one whom the token names.
    pub(crate) fn with_token(&self, token: String) -> Result<Target, Failure> {
        Target::new(&Kubeconfig { certificate: None, key: None, token: Some(token), ..self.config.clone() })
    }
}
