//! Plants each bug in turn (or those that are named) and says which seed finds it: the rows of the table in docs/simulation.md. A number
//! among the names is how many seeds are tried.
use api::planted::Bug;
use simulation::whole::Sheet;
use simulation::whole::planted::{find, of_members};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seeds within which a bug must be found.
const SEEDS: u64 = 500;

fn main() {
    let (numbers, names): (Vec<String>, Vec<String>) =
        std::env::args().skip(1).partition(|word| word.parse::<u64>().is_ok());
    let seeds = numbers.first().and_then(|word| word.parse().ok()).unwrap_or(SEEDS);
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    let mut missed = 0;
    if let Some(found) = find(None, &Sheet::default(), 1, seeds, cores) {
        eprintln!("seed {} fails without any bug: {}", found.seed, found.violation);
        std::process::exit(2);
    }
    for bug in Bug::ALL.iter().filter(|bug| names.is_empty() || names.iter().any(|name| name == bug.name())) {
        match find(Some(*bug), &Sheet::default(), 1, seeds, cores) {
            Some(found) => {
                let line = found.violation.found.replace('|', "/");
                eprintln!("{}: {line}", bug.name());
                let alone = if of_members(*bug) { " (members alone)" } else { "" };
                let (seed, invariant) = (found.seed, found.violation.invariant);
                println!("| {} | {} | {seed}{alone} | {invariant} |", bug.name(), bug.says());
            }
            None => {
                missed += 1;
                println!("| {} | {} | not within {seeds} | |", bug.name(), bug.says());
            }
        }
    }
    std::process::exit(missed.min(1));
}
