//! A whole cluster without faults. Storms, and faults planted on purpose, are in `tests/sweep.rs`.
use super::*;

fn quiet(seed: u64) -> Scenario {
    let mut scenario = Scenario::draw(seed);
    scenario.plan.clear();
    scenario
}

#[test]
fn a_calm_cluster_serves() {
    let run = run(&quiet(1), Keep::default());
    assert_eq!(run.violations, []);
    assert!(!run.evidence.reference.events.is_empty());
    println!("{} events, {} s, {:?}", run.trace.count(), run.time / SECOND, run.messages);
}
