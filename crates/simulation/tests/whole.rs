//! Whole clusters under storms: a fixed set of seeds, and equal traces in two processes.
use simulation::whole::{Options, Scenario, Size, in_fresh_thread, run};

#[test]
fn whole_clusters_under_storms() {
    let size = Size { span: 12_000, ..Size::default() };
    let options = Options { seeds: 3, from_seed: 1, threads: 2, size, ..Options::default() };
    let report = run(&options, &|line| println!("{line}"));
    println!("{report}\n{:?}", report.sometimes);
    assert!(report.passed(), "{report}");
    assert!(report.faults > 5, "{report}");
}

/// Not a test of its own: what the other one starts in processes of their own.
#[test]
#[ignore = "started by the test below"]
fn prints_a_trace() {
    let size = Size { members: 3, nodes: 1, span: 4_000 };
    let run = in_fresh_thread(&Scenario::draw(100, size), simulation::Keep::default());
    println!("\nseed=100 trace={:016x} steps={}", run.trace.digest(), run.steps);
}

#[test]
fn a_seed_gives_the_same_trace_in_two_processes() {
    let traces = || {
        let this = std::env::current_exe().expect("a test has a path");
        let mut command = std::process::Command::new(this);
        let output = command.args(["--exact", "prints_a_trace", "--ignored", "--nocapture"]).output().expect("it runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter(|line| line.starts_with("seed=")).map(str::to_owned).collect::<Vec<_>>()
    };
    let (one, two) = (traces(), traces());
    assert_eq!(one.len(), 1, "{one:?}");
    assert_eq!(one, two);
}
