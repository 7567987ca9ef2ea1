//! `rutter node`: one worker, until it is told to stop. Its pods go on without it.
use crate::failure::{Failure, Output};
use ::node::agent::{Agent, Choice, Config};
use serde_json::json;
use std::path::PathBuf;

#[derive(Debug, clap::Args)]
pub(crate) struct Node {
    /// A DNS label, and no other node's.
    #[arg(long)]
    name: String,
    /// Where pods' things are kept.
    #[arg(long)]
    dir: PathBuf,
    /// Link addresses of members, tried in this order. A node that has joined knows more by itself.
    #[arg(long, value_delimiter = ',')]
    join: Vec<String>,
    /// From `rutter token --role node`; needed the first time only.
    #[arg(long, env = "RUTTER_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// oci (needs root), process, or cri=SOCKET; by itself oci as root, else process.
    #[arg(long)]
    runtime: Option<Choice>,
    /// Stop when the process that started this one is gone.
    #[arg(long, hide = true)]
    with_parent: bool,
}

pub(crate) async fn run(flags: &Node, output: Output) -> Result<(), Failure> {
    crate::follow_parent(flags.with_parent);
    let binary = std::env::current_exe()
        .map_err(|why| Failure::new(format!("this binary cannot be found: {why}"), "start it by its full path"))?;
    let config = Config {
        name: flags.name.clone(),
        dir: flags.dir.clone(),
        join: flags.join.clone(),
        token: flags.token.clone(),
        runtime: flags.runtime.clone().unwrap_or(Choice::ByItself),
        binary,
    };
    let agent = Agent::open(&config)
        .await
        .map_err(|why| Failure::new(why, "see `rutter help node`; tokens come from `rutter token --role node`"))?;
    match output {
        Output::Text => println!("node {} runs pods with the runtime {}", agent.name(), agent.runtime),
        Output::Json => println!("{}", json!({"event": "ready", "node": agent.name(), "runtime": agent.runtime})),
    }
    let stopped = std::pin::pin!(crate::stopped());
    let running = std::pin::pin!(agent.run());
    futures::future::select(stopped, running).await;
    Ok(())
}
