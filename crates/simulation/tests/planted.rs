//! Each planted bug that the table in docs/simulation.md says is found is found, from the seed on that it names. Only with the feature
//! `planted`.
#![cfg(feature = "planted")]
use api::planted::Bug;
use simulation::whole::Sheet;
use simulation::whole::planted::find;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seeds that are tried from that of the table on: where the code has changed since, a later one finds it.
const SEEDS: u64 = 60;

/// Fewer of them would not be a proof.
const FOUND_MIN: usize = 25;

/// The seed that the table names for a bug; `None` where it says that none was found.
fn seed(page: &str, bug: Bug) -> Option<u64> {
    let row = format!("\n| {} | {} |", bug.name(), bug.says());
    let rest = page.split_once(&row).unwrap_or_else(|| panic!("{row} is not in docs/simulation.md")).1;
    let cell = rest.split('|').next().unwrap_or_default().trim();
    if cell.starts_with("not within") {
        return None;
    }
    let seed = cell.split(' ').next().and_then(|word| word.parse().ok());
    Some(seed.unwrap_or_else(|| panic!("the row of {} names no seed", bug.name())))
}

#[test]
fn every_planted_bug_is_found() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/simulation.md");
    let page = std::fs::read_to_string(path).expect("the page is there");
    let wanted: Vec<(Bug, u64)> = Bug::ALL.iter().filter_map(|bug| Some((*bug, seed(&page, *bug)?))).collect();
    assert!(wanted.len() >= FOUND_MIN, "the table finds {} only", wanted.len());
    let mut missed = Vec::new();
    for (bug, from) in wanted {
        match find(Some(bug), &Sheet::default(), from, SEEDS, 2) {
            Some(found) => println!("{}: seed {}: {}", bug.name(), found.seed, found.violation.invariant),
            None => missed.push(bug.name()),
        }
    }
    assert!(missed.is_empty(), "not found again: {missed:?}; mend the table with scripts/planted");
}
