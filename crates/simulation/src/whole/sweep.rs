//! Many seeds of whole clusters, each in a fresh thread; a line a run, and all that is needed to see a failure again.
use super::run::{Run, run as run_one};
use super::scenario::Scenario;
use super::size::Size;
use crate::records::Wanted;
use crate::run::Keep;
use crate::sweep::{each, first_difference, fresh};
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Options {
    pub seeds: u64,
    pub from_seed: u64,
    /// Cores to use; at least one.
    pub threads: usize,
    /// Runs each seed a second time and compares the digests.
    pub twice: bool,
    pub size: Size,
    /// Runs this instead of what the seed draws, under each of the seeds.
    pub scenario: Option<Scenario>,
}

impl Default for Options {
    fn default() -> Self {
        Self { seeds: 5, from_seed: 1, threads: 1, twice: false, size: Size::default(), scenario: None }
    }
}

/// What many seeds gave.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Report {
    pub seeds: u64,
    pub faults: u64,
    pub virtual_millis: u64,
    pub steps: u64,
    /// Seeds that failed, and what is to be told of them.
    pub failures: BTreeMap<u64, String>,
    /// The digest of each seed's trace.
    pub traces: BTreeMap<u64, String>,
    /// How often each kind of thing happened: a kind that never does is not tested.
    pub sometimes: BTreeMap<String, u64>,
}

impl Report {
    /// Whether all seeds passed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures.is_empty()
    }

    /// The report as JSON.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    fn add(&mut self, seed: u64, run: &Run) {
        self.seeds += 1;
        self.faults += run.faults;
        self.virtual_millis += run.time / 1_000_000;
        self.steps += run.steps;
        self.traces.insert(seed, digest(run));
        for (what, count) in &run.sometimes {
            *self.sometimes.entry((*what).to_owned()).or_insert(0) += count;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let failed: Vec<String> = self.failures.keys().map(u64::to_string).collect();
        let failed = if failed.is_empty() { "none failed".into() } else { format!("failed: {}", failed.join(", ")) };
        let (seeds, virtual_seconds) = (self.seeds, self.virtual_millis / 1_000);
        write!(
            f,
            "{seeds} whole clusters, {failed}; {virtual_seconds} virtual s, {} steps, {} faults",
            self.steps, self.faults
        )
    }
}

fn digest(run: &Run) -> String {
    format!("{:016x}", run.trace.digest())
}

/// Runs one scenario in a thread of its own.
#[must_use]
pub fn in_fresh_thread(scenario: &Scenario, keep: Keep) -> Run {
    let scenario = scenario.clone();
    fresh(scenario.seed, move || run_one(&scenario, keep))
}

/// Runs the seeds; `progress` is given a line for each.
#[must_use]
pub fn run(options: &Options, progress: &(dyn Fn(&str) + Sync)) -> Report {
    let report = std::sync::Mutex::new(Report::default());
    each(options.from_seed, options.seeds, options.threads, &|seed| {
        let mut scenario = options.scenario.clone().unwrap_or_else(|| Scenario::draw(seed, options.size));
        scenario.seed = seed;
        let run = in_fresh_thread(&scenario, Keep::default());
        progress(&line(seed, &run));
        let failure = failure(&scenario, &run, options.twice);
        let mut report = report.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        report.add(seed, &run);
        if let Some(failure) = failure {
            progress(&failure);
            report.failures.insert(seed, failure);
        }
        true
    });
    report.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn line(seed: u64, run: &Run) -> String {
    let (seconds, millis) = (run.time / 1_000_000_000, run.time / 1_000_000 % 1_000);
    format!(
        "seed={seed} virtual={seconds}.{millis:03}s steps={} faults={} violations={} trace={}",
        run.steps,
        run.faults,
        run.violations.len(),
        digest(run)
    )
}

/// What is to be told of a run that broke something, or did not repeat itself.
fn failure(scenario: &Scenario, run: &Run, twice: bool) -> Option<String> {
    if run.violations.is_empty() && !twice {
        return None;
    }
    let again = in_fresh_thread(scenario, Keep::default());
    let mut text = String::new();
    for violation in &run.violations {
        let _ = writeln!(text, "  {violation}");
    }
    if let Some(parting) = run.trace.parting(&again.trace) {
        let trace = |keep| in_fresh_thread(scenario, keep).trace;
        let _ = writeln!(text, "  deterministic: {}", first_difference(Keep::default(), parting, trace));
    }
    if text.is_empty() {
        return None;
    }
    let told = in_fresh_thread(scenario, Keep { records: Wanted::Ours, window: None });
    for (node, lines) in &told.lines {
        let _ = writeln!(text, "  node {}, last lines:", node.0);
        for line in &lines[lines.len().saturating_sub(LINES)..] {
            let _ = writeln!(text, "    {line}");
        }
    }
    let Size { members, nodes, span } = scenario.size;
    let data = serde_json::to_string(scenario).unwrap_or_default();
    let seed = scenario.seed;
    let again = format!("rutter simulate --seeds 1 --seed {seed} --members {members} --nodes {nodes} --for {span}ms");
    Some(format!("seed {seed} failed\n{text}  scenario: {data}\n  again: {again}"))
}

/// Lines of each node in a report.
const LINES: usize = 25;
