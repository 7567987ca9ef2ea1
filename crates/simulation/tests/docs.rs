//! The page about simulation says what the code says: every fault, work, promise and planted bug has its row, in the code's own words.
use simulation::whole::{faults, invariants, workload};

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/simulation.md");
    std::fs::read_to_string(path).expect("the page is there")
}

#[test]
fn every_part_has_its_row() {
    let page = page();
    let faults = faults::ALL.iter().map(|fault| (fault.name, fault.says));
    let works = workload::ALL.iter().map(|work| (work.name, work.says));
    let promises = invariants::ALL.iter().map(|(name, _)| (*name, invariants::promised(name)));
    let bugs = api::planted::Bug::ALL.iter().map(|bug| (bug.name(), bug.says()));
    for (name, says) in faults.chain(works).chain(promises).chain(bugs) {
        assert!(
            page.contains(&format!("\n| {name} | {says} |")),
            "docs/simulation.md lacks a row `| {name} | {says} |`"
        );
    }
}
