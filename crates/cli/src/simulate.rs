//! `rutter simulate`: clusters of three members in one thread each, under faults, a seed a cluster. Fails if an invariant does.
use crate::failure::{Failure, Output};

#[derive(Debug, clap::Args)]
pub(crate) struct Simulate {
    /// How many seeds.
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(1..))]
    seeds: u64,
    /// The first seed.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Run each seed twice and compare the traces.
    #[arg(long)]
    twice: bool,
    /// Cores to use; by itself all.
    #[arg(long)]
    threads: Option<usize>,
}

pub(crate) fn run(flags: &Simulate, output: Output) -> Result<(), Failure> {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let options = simulation::Options {
        seeds: flags.seeds,
        from_seed: flags.seed,
        threads: flags.threads.unwrap_or(cores),
        twice: flags.twice,
        ..simulation::Options::default()
    };
    let report = simulation::run(&options, &|line| eprintln!("{line}"));
    match output {
        Output::Json => println!("{}", report.json()),
        Output::Text => println!("{report}"),
    }
    if report.passed() {
        return Ok(());
    }
    for failure in &report.failures {
        eprintln!("{failure}");
    }
    let seeds: Vec<String> = report.failures.iter().map(|failure| failure.seed.to_string()).collect();
    Err(Failure::new(
        format!("seeds that failed: {}", seeds.join(", ")),
        "replay one with `rutter simulate --seeds 1 --seed N`",
    ))
}
