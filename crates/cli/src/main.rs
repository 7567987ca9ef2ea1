//! The door: one binary. It reads flags, starts rooms, prints results. It decides nothing about a cluster.
mod audit;
mod bench;
mod client;
mod control;
mod entry;
mod failure;
mod front;
mod image;
mod keep;
mod kubeconfig;
mod log;
mod node;
mod operator;
mod purge;
mod replay;
mod simulate;
mod trust;
mod up;
mod verbs;

use clap::Parser;
use failure::{Failure, MISREAD, Output};
use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

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
    /// One member of a cluster.
    Control(control::Control),
    /// One worker of a cluster.
    Node(node::Node),
    /// Images in the stores of this machine's nodes.
    #[command(subcommand)]
    Image(image::Image),
    /// Members, leader, log index, revision, the state hash of each member, nodes.
    Status(verbs::Reach),
    /// What happened: every entry with who, why and what changed.
    Log(log::Log),
    /// Folds the log of a stopped member again and says where it came to.
    Replay(replay::Replay),
    /// Runs simulated clusters under faults, each from a seed.
    Simulate(simulate::Simulate),
    /// Makes a token with which a member or a node may join.
    Token(verbs::Token),
    /// Adds, removes, replaces or lists members.
    #[command(subcommand)]
    Member(verbs::MemberVerb),
    /// Ends what the nodes of a directory left on this machine: pods, networks, mounts.
    Purge(purge::Purge),
    /// Measures the log, the API and the watches.
    #[command(subcommand)]
    Bench(bench::Bench),
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // These two run without a runtime: a shim forks, and the built-in image's page needs none.
    let code = match arguments.first().map(String::as_str) {
        Some("pod-shim") => Some(::node::shim::main(&arguments[1..])),
        Some("hello") => Some(::node::hello::main()),
        _ => None,
    };
    if let Some(code) = code {
        return ExitCode::from(u8::try_from(code).unwrap_or(1));
    }
    let door = match Door::try_parse() {
        Ok(door) => door,
        Err(error) => return misread(&error, &arguments),
    };
    listen_to_rooms(matches!(door.verb, Verb::Simulate(_)));
    many_files();
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
            ExitCode::from(failure.code)
        }
    }
}

/// Says in one line what is wrong with the command line; help and version are no errors.
fn misread(error: &clap::Error, arguments: &[String]) -> ExitCode {
    use clap::error::ErrorKind;
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // If nobody reads it, there is nobody to tell.
        let _ = error.print();
        return ExitCode::SUCCESS;
    }
    let json = arguments.iter().any(|text| text == "--output=json")
        || arguments.windows(2).any(|pair| pair[0] == "--output" && pair[1] == "json");
    let output = if json { Output::Json } else { Output::Text };
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        if output == Output::Text {
            // As above.
            let _ = error.print();
        }
        Failure::new("no verb is given", "say one of those that `rutter help` lists").print(output);
        return ExitCode::from(MISREAD);
    }
    let verbs = <Door as clap::CommandFactory>::command();
    let verb = arguments.iter().find(|text| verbs.find_subcommand(text).is_some());
    Failure::of_flags(error, verb.map(String::as_str)).print(output);
    ExitCode::from(MISREAD)
}

/// As many open files as this user may have: a member with many watchers needs them, and so does a benchmark of watchers.
fn many_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE)
        && soft < hard
    {
        // It stays as it was, then.
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}

async fn run(door: &Door) -> Result<(), Failure> {
    match &door.verb {
        Verb::Up(up) => up::run(up, door.output).await,
        Verb::Control(control) => control::run(control).await,
        Verb::Node(node) => node::run(node, door.output).await,
        Verb::Image(image) => image::run(image, door.output),
        Verb::Status(reach) => verbs::status(reach, door.output).await,
        Verb::Log(log) => log::run(log, door.output).await,
        Verb::Replay(replay) => replay::run(replay, door.output),
        Verb::Simulate(simulate) => simulate::run(simulate, door.output),
        Verb::Token(token) => verbs::token(token, door.output).await,
        Verb::Member(verb) => verbs::member(verb, door.output).await,
        Verb::Purge(purge) => purge::run(purge, door.output).await,
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

/// Rooms speak through `tracing`; it goes to standard error, in the width that `RUTTER_LOG` asks for: `info` by itself, and nothing of
/// what is only pretended, whose storms are full of alarms.
fn listen_to_rooms(pretended: bool) {
    let usual = if pretended { "off" } else { "info,openraft=error" };
    let filter = tracing_subscriber::EnvFilter::try_from_env("RUTTER_LOG").unwrap_or_else(|_| usual.into());
    let colours = std::io::IsTerminal::is_terminal(&std::io::stderr());
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(colours)
        .with_target(false)
        .init();
}

/// Asks the kernel to stop this process when its parent is gone.
pub(crate) fn follow_parent(asked: bool) {
    if asked {
        // Only an unknown signal could be refused.
        let _ = nix::sys::prctl::set_pdeathsig(nix::sys::signal::Signal::SIGTERM);
    }
}
