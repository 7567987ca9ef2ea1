//! Disks that break their word under a whole cluster: rot and misdirected writes are noticed, what is not is survived where the member is
//! replaced, and where a lying disk's member goes on instead the loss is seen.
use simulation::Keep;
use simulation::whole::faults::{Step, TRUSTED};
use simulation::whole::{Run, Scenario, Sheet, in_fresh_thread};
use std::collections::BTreeMap;

/// What happens around the broken disk.
const AROUND: &str = "members 3\nnodes 1\nfor 18s\nsegment 16384\nclients 2 counters\nclients 1 past\n";

fn run(seed: u64, plan: &str) -> Run {
    let sheet = Sheet::read(&format!("{AROUND}{plan}")).expect("it can be read");
    in_fresh_thread(&Scenario::drawn(seed, &sheet), Keep::default())
}

/// Runs seeds, none of which may break a promise; what came of the broken disks, together.
fn outcomes(seeds: std::ops::Range<u64>, plan: &str) -> BTreeMap<&'static str, u64> {
    let mut all = BTreeMap::new();
    for seed in seeds {
        let run = run(seed, plan);
        assert!(run.violations.is_empty(), "seed {seed}: {:?}", run.violations);
        for (what, count) in run.sometimes {
            *all.entry(what).or_insert(0) += count;
        }
    }
    all
}

#[test]
fn rot_is_found_at_a_start_or_when_it_is_read() {
    let plan = "at 3s for 6s rot m3 6\nat 4s for 2s isolate m1\nat 10s for 2s rot m3 8\nat 14s for 2s rot m3 8\n";
    let all = outcomes(1..17, plan);
    let found = |how: &str| all.get(how).copied().unwrap_or(0);
    println!("{all:?}");
    assert!(found("damage found at a start") > 0 && found("damage found while running") > 0, "{all:?}");
}

#[test]
fn a_misdirected_write_is_found_or_its_member_is_replaced() {
    let plan = "at 3s for 3s misdirect m2\nat 8s for 1s misdirect m2\nat 9s for 500ms power-loss\n";
    let all = outcomes(1..9, plan);
    println!("{all:?}");
    assert!(all.get("damage found at a start").is_some_and(|found| *found > 0), "{all:?}");
}

/// A majority of the second and third member acknowledges on the second's lying disk; then that majority is of the second and the third.
const LIE: &str = "at 1s for 7s isolate m3\nat 2s for 6s lie m2\nat 8s for 8s isolate m1\n";

#[test]
fn a_lying_disk_is_survived_where_its_member_is_replaced_and_seen_where_it_is_not() {
    for seed in 1..9 {
        let replaced = run(seed, LIE);
        assert!(replaced.violations.is_empty(), "seed {seed}: {:?}", replaced.violations);
    }
    let lost = |broken: &String| ["one log", "durable", "answered", "one state"].contains(&broken.as_str());
    let mut seen: Vec<String> = Vec::new();
    // What is lost where nobody is replaced hangs on who led and what was on its way.
    for seed in 1..41 {
        let sheet = Sheet::read(&format!("{AROUND}{LIE}")).expect("it can be read");
        let mut scenario = Scenario::drawn(seed, &sheet);
        let trusted = |step: Step| if step.fault.name == "lie" { Step { fault: &TRUSTED, ..step } } else { step };
        scenario.plan = scenario.plan.into_iter().map(trusted).collect();
        let run = in_fresh_thread(&scenario, Keep::default());
        let broken: Vec<String> = run.violations.iter().map(|one| one.invariant.clone()).collect();
        println!("seed {seed}: {broken:?}");
        seen.extend(broken);
        if seen.iter().any(lost) {
            break;
        }
    }
    assert!(seen.iter().any(lost), "{seen:?}");
}
