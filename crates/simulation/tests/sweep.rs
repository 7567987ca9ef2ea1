//! Whole clusters under storms: a fixed set of seeds with equal traces, each kind of fault alone, and planted faults that must be found.
use simulation::faults::{Action, Step};
use simulation::scenario::{Planted, Scenario};
use simulation::{Options, Report, run};

fn told(report: &Report) -> String {
    let failures: Vec<String> = report.failures.iter().map(ToString::to_string).collect();
    format!("{report}\n{}", failures.join("\n"))
}

#[test]
fn sixteen_seeds_under_storms_twice_the_same() {
    let options = Options { seeds: 16, from_seed: 1, threads: 2, twice: true, ..Options::default() };
    let report = run(&options, &|line| println!("{line}"));
    println!("{report}");
    assert!(report.passed(), "{}", told(&report));
    assert!(report.faults > 50 && report.calls > 500, "{report}");
}

#[test]
fn each_kind_of_fault_alone() {
    let actions = [
        Action::Stop { member: 1 },
        Action::Crash { member: 1 },
        Action::CrashAtWrite { member: 2, writes: 5 },
        Action::PowerLoss,
        Action::Cut { from: 1, to: 2 },
        Action::Isolate { member: 1 },
        Action::SplitAll,
        Action::Pause { member: 1 },
        Action::Suspend { member: 1 },
        Action::Stall { member: 1 },
        Action::Fill { member: 2, room: 2_000 },
        Action::Lose { thousandths: 200 },
        Action::Slow { times: 50 },
        Action::Jump { member: 1, millis: -30_000 },
    ];
    for (number, action) in (100..).zip(actions) {
        let name = action.name();
        let mut scenario = Scenario::draw(number);
        // Again and again, so that it meets elections and writes at other moments.
        scenario.plan =
            (0..4).map(|turn| Step { at: 500 + 3_000 * turn, lasts: 900, action: action.clone() }).collect();
        let options = Options { seeds: 1, from_seed: number, scenario: Some(scenario), ..Options::default() };
        let report = run(&options, &|line| println!("{line}"));
        println!("{name}: {report}");
        assert!(report.passed(), "{name}: {}", told(&report));
        assert!(report.faults > 0, "{name} did not happen");
    }
}

#[test]
fn a_member_that_keeps_little_loses_nothing_under_storms() {
    let mut began_later = 0;
    for seed in 300..312 {
        let mut scenario = Scenario::draw(seed);
        (scenario.keep_bytes, scenario.segment_bytes) = (Some(8 << 10), 2 << 10);
        let options = Options { seeds: 1, from_seed: seed, scenario: Some(scenario), ..Options::default() };
        let report = run(&options, &|line| println!("{line}"));
        assert!(report.passed(), "{}", told(&report));
        began_later += report.sometimes.get("logs that begin later").copied().unwrap_or(0);
    }
    assert!(began_later > 6, "only {began_later} logs have lost their beginning");
}

/// The first seed in which a planted fault is seen.
fn found(planted: Planted, seeds: u64) -> u64 {
    let options =
        Options { seeds, from_seed: 1, threads: 2, shrink: false, planted: Some(planted), ..Options::default() };
    let report = run(&options, &|_| ());
    let first =
        report.failures.first().unwrap_or_else(|| panic!("{planted:?} was not found in {seeds} seeds: {report}"));
    println!("{planted:?} found by seed {}", first.seed);
    first.seed
}

#[test]
fn what_acknowledges_before_it_has_synced_is_found() {
    found(Planted::LyingDisks, 200);
}

#[test]
fn what_reads_without_asking_a_majority_is_found() {
    found(Planted::LocalReads, 200);
}
