//! The door: one binary. It reads flags, starts rooms, prints results. It decides nothing about a cluster.
mod bench;
mod client;
mod failure;
mod front;
mod kubeconfig;
mod operator;
mod up;

use clap::Parser;
use failure::{Failure, Output};
use std::process::ExitCode;

/// A Kubernetes-compatible cluster manager whose whole life is one replicated event log.
#[derive(Debug, Parser)]
#[command(name = "rutter", version, arg_required_else_help = true)]
struct Door {
    #[command(subcommand)]
    verb: Verb,
    /// How results and errors are printed.
    #[arg(long, global = true, value_enum, default_value = "text")]
    output: Output,
}

#[derive(Debug, clap::Subcommand)]
enum Verb {
    /// A whole cluster on this machine; Ctrl-C stops it, the same command goes on from where it was.
    Up(up::Up),
    /// Measures the log, the API and the watches.
    #[command(subcommand)]
    Bench(bench::Bench),
}

fn main() -> ExitCode {
    let door = Door::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(why) => {
            Failure::new(format!("the runtime cannot start: {why}"), "see the limits on threads and open files")
                .print(door.output);
            return ExitCode::FAILURE;
        }
    };
    match runtime.block_on(run(&door)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            failure.print(door.output);
            ExitCode::FAILURE
        }
    }
}

async fn run(door: &Door) -> Result<(), Failure> {
    match &door.verb {
        Verb::Up(up) => up::run(up, door.output).await,
        Verb::Bench(bench) => bench::run(bench, door.output).await,
    }
}

/// Ends when the process is asked to stop: SIGINT or SIGTERM.
pub(crate) async fn stopped() {
    use tokio::signal::unix::{SignalKind, signal};
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        return std::future::pending().await;
    };
    futures::future::select(std::pin::pin!(interrupt.recv()), std::pin::pin!(terminate.recv())).await;
}
