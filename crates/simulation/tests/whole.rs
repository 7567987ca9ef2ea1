//! Whole clusters under storms: seeds that draw everything, every scenario file, every seed that once failed, and equal traces in two
//! processes.
use simulation::whole::{Options, Report, Scenario, Sheet, Size, in_fresh_thread, run};
use std::path::PathBuf;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Seeds that are run in two processes.
const TWICE: std::ops::Range<u64> = 1_000..1_050;
/// No scenario file is run for longer here: milliseconds.
const SPAN_MAX: u64 = 20_000;

fn told(options: Options) -> Report {
    let report = run(&Options { threads: 2, ..options }, &|line| println!("{line}"));
    println!("{report}\n{:?}", report.sometimes);
    report
}

/// The text files of a folder beside the crates.
fn files(folder: &str) -> Vec<(PathBuf, String)> {
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../simulation").join(folder);
    let found = std::fs::read_dir(&folder).expect("the folder is there");
    let mut paths: Vec<PathBuf> = found.map(|entry| entry.expect("it can be read").path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "txt"));
    paths.sort();
    paths
        .into_iter()
        .map(|path| {
            let text = std::fs::read_to_string(&path).expect("it can be read");
            (path, text)
        })
        .collect()
}

#[test]
fn whole_clusters_under_storms() {
    let report = told(Options { seeds: 12, from_seed: 1, sheet: Sheet::of(Size::default()), ..Options::default() });
    assert!(report.passed(), "{report}");
    assert!(report.faults > 20, "{report}");
}

#[test]
fn every_scenario_file() {
    let scenarios = files("scenarios");
    assert!(scenarios.len() > 5, "{scenarios:?}");
    for (path, text) in scenarios {
        println!("{}", path.display());
        let mut sheet = Sheet::read(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        sheet.size.span = sheet.size.span.min(SPAN_MAX);
        let report = told(Options { seeds: 2, from_seed: 1, sheet, ..Options::default() });
        assert!(report.passed(), "{}: {report}", path.display());
    }
}

#[test]
fn every_seed_that_once_failed() {
    let kept = files("seeds");
    assert!(!kept.is_empty());
    for (path, text) in kept {
        println!("{}", path.display());
        let seed = text.strip_prefix("# seed ").and_then(|rest| rest.split(':').next()?.parse().ok());
        let from_seed = seed.unwrap_or_else(|| panic!("{} does not begin with `# seed N:`", path.display()));
        let sheet = Sheet::read(&text).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
        let report = told(Options { seeds: 1, from_seed, sheet, ..Options::default() });
        assert!(report.passed(), "{}: {report}", path.display());
    }
}

/// Not a test of its own: what the one below starts in processes of their own.
#[test]
#[ignore = "started by the test below"]
fn prints_traces() {
    let size = Size { members: 3, nodes: 1, span: 3_000 };
    for seed in TWICE {
        let run = in_fresh_thread(&Scenario::draw(seed, size), simulation::Keep::default());
        println!("\nseed={seed} trace={:016x} steps={}", run.trace.digest(), run.steps);
    }
}

#[test]
fn fifty_seeds_give_the_same_traces_in_two_processes() {
    let this = std::env::current_exe().expect("a test has a path");
    let start = || {
        let mut command = std::process::Command::new(&this);
        command.args(["--exact", "prints_traces", "--ignored", "--nocapture"]);
        command.stdout(std::process::Stdio::piped()).spawn().expect("it runs")
    };
    let both = [start(), start()].map(|child| {
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        text.lines().filter(|line| line.starts_with("seed=")).map(str::to_owned).collect::<Vec<_>>()
    });
    assert_eq!(both[0].len(), 50, "{both:?}");
    assert_eq!(both[0], both[1]);
}
