//! `rutter simulate`: clusters in one thread each, under faults, a seed a cluster: members alone, or with workers the whole cluster. Fails
//! if an invariant does.
use crate::failure::{Failure, Output};
use crate::keep::bound;
use simulation::whole;

#[derive(Debug, clap::Args)]
pub(crate) struct Simulate {
    /// How many seeds.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Members of each cluster.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..=9))]
    members: u16,
    /// Workers of each cluster; with any, the API, the controllers, the scheduler and the agents run too.
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u16).range(0..=30))]
    nodes: u16,
    /// How long a whole cluster is under storms, in virtual time.
    #[arg(long = "for", default_value = "30s", value_parser = span)]
    span: u64,
    /// Run each seed twice and compare the traces.
    #[arg(long)]
    twice: bool,
    /// Cores to use; by itself all.
    #[arg(long)]
    threads: Option<usize>,
}

/// Milliseconds.
fn span(text: &str) -> Result<u64, String> {
    let units = [("ms", 1), ("h", 3_600_000), ("m", 60_000), ("s", 1_000)];
    let found = bound(text, "", &units, 1_000).and_then(|bound| bound.value);
    found.ok_or_else(|| "say such as 30s, 2m or 1h, at least 1s".into())
}

pub(crate) fn run(flags: &Simulate, output: Output) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let threads = flags.threads.unwrap_or(cores);
    if flags.nodes > 0 { all(flags, threads, output) } else { members(flags, threads, output) }
}

/// The whole cluster; a line a run.
fn all(flags: &Simulate, threads: usize, output: Output) -> Result<(), Failure> {
    let options = whole::Options {
        seeds: flags.seeds,
        from_seed: flags.seed,
        threads,
        twice: flags.twice,
        size: whole::Size { members: flags.members, nodes: flags.nodes, span: flags.span },
        scenario: None,
    };
    let report = whole::run(&options, &|line| match output {
        Output::Json => eprintln!("{line}"),
        Output::Text => println!("{line}"),
    });
    match output {
        Output::Json => println!("{}", report.json()),
        Output::Text => println!("{report}"),
    }
    let failed: Vec<String> = report.failures.keys().map(u64::to_string).collect();
    verdict(&failed, "replay one with `rutter simulate --seeds 1 --seed N` and the same --members, --nodes and --for")
}

fn members(flags: &Simulate, threads: usize, output: Output) -> Result<(), Failure> {
    let options = simulation::Options {
        seeds: flags.seeds,
        from_seed: flags.seed,
        members: flags.members,
        threads,
        twice: flags.twice,
        ..simulation::Options::default()
    };
    let report = simulation::run(&options, &|line| eprintln!("{line}"));
    match output {
        Output::Json => println!("{}", report.json()),
        Output::Text => println!("{report}"),
    }
    for failure in &report.failures {
        eprintln!("{failure}");
    }
    let failed: Vec<String> = report.failures.iter().map(|failure| failure.seed.to_string()).collect();
    verdict(&failed, "replay one with `rutter simulate --seeds 1 --seed N`")
}

fn verdict(failed: &[String], next: &str) -> Result<(), Failure> {
    if failed.is_empty() {
        return Ok(());
    }
    Err(Failure::new(format!("seeds that failed: {}", failed.join(", ")), next))
}
