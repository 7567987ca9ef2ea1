//! The page about simulation says what the code says: every fault, work, promise and planted bug has its row, in the code's own words.
use simulation::whole::{self, faults, invariants, workload};

fn page() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/simulation.md");
    std::fs::read_to_string(path).expect("the page is there")
}

/// A kind of fault with its rate and its bounds.
fn fault_row(fault: &faults::Fault) -> String {
    let span = whole::words::span;
    let most = if fault.most == 0 { "-".to_owned() } else { fault.most.to_string() };
    let (name, says, (least, longest)) = (fault.name, fault.says, fault.lasts);
    format!("| {name} | {says} | {} % | {} to {} | {most} |", fault.rate / 10, span(least), span(longest))
}

#[test]
fn every_part_has_its_row() {
    let page = page();
    for fault in faults::ALL {
        let row = fault_row(fault);
        assert!(page.contains(&format!("\n{row}\n")), "docs/simulation.md lacks a row `{row}`");
    }
    let works = workload::ALL.iter().map(|work| (work.name, work.says));
    let promises = invariants::ALL.iter().map(|(name, _)| (*name, invariants::promised(name)));
    let bugs = api::planted::Bug::ALL.iter().map(|bug| (bug.name(), bug.says()));
    for (name, says) in works.chain(promises).chain(bugs) {
        assert!(
            page.contains(&format!("\n| {name} | {says} |")),
            "docs/simulation.md lacks a row `| {name} | {says} |`"
        );
    }
}
