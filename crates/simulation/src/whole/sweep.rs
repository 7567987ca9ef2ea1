//! Many seeds of whole clusters, each in a fresh thread; a line a run, and the story of the first that breaks a promise. It chooses
//! nothing: the sheet and the seed do.
use super::minimize::minimize;
use super::run::{Run, run as run_one};
use super::scenario::Scenario;
use super::sheet::Sheet;
use super::story;
use super::timeline;
use crate::clock::Nanos;
use crate::disk::Files;
use crate::evidence::Violation;
use crate::records::Wanted;
use crate::run::Keep;
use crate::sweep::{each, first_difference};
use crate::watchdog::{fresh, fresh_telling};
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Mutex, PoisonError};

/// What to simulate.
#[derive(Clone)]
pub struct Options {
    pub seeds: u64,
    pub from_seed: u64,
    /// Cores to use; at least one.
    pub threads: usize,
    /// Runs each seed a second time and compares the digests.
    pub twice: bool,
    /// Ends after so many failures.
    pub failures_max: usize,
    /// Looks for the smallest scenario that still fails.
    pub minimize: bool,
    /// Leaves behind what the members have on their disks, and the run as a page: of the first run that fails, or else of the last.
    pub leave: bool,
    pub sheet: Sheet,
    /// The command that repeats this, save the seed.
    pub command: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seeds: 5,
            from_seed: 1,
            threads: 1,
            twice: false,
            failures_max: 1,
            minimize: false,
            leave: false,
            sheet: Sheet::default(),
            command: "rutter simulate".into(),
        }
    }
}

/// What is told while seeds run.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// The line of a run, or the story of one that failed.
    Line(&'a str),
    /// How far something is that takes long.
    Meanwhile(&'a str),
    /// What the run leaves behind that counts for most so far, as soon as it is known: what comes after may take long, and be ended.
    Left(&'a Left),
    /// Less that fails as this seed does, as a scenario file, each time when there is less again.
    Smaller(u64, &'a str),
}

impl fmt::Display for Told<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(text) | Self::Meanwhile(text) => f.write_str(text),
            Self::Left(left) => write!(f, "seed {}: what it leaves behind is known", left.seed),
            Self::Smaller(seed, _) => write!(f, "there is less that fails as seed {seed} does"),
        }
    }
}

type Progress<'a> = &'a (dyn Fn(Told<'_>) + Sync);

/// How many looks of the watchdog pass between two words of how far a run is.
const LOOKS_A_WORD: u32 = 2;

/// A seed that failed.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Failure {
    pub violations: Vec<Violation>,
    /// Everything there is to tell of it.
    pub story: String,
    /// What fails the same way with less, as a scenario file, and its seed.
    pub minimal: Option<(u64, String)>,
}

/// What one run left behind.
#[derive(Clone, Debug)]
pub struct Left {
    pub seed: u64,
    pub failed: bool,
    /// By member and file.
    pub disks: BTreeMap<String, Files>,
    /// The run as a page that works without a network.
    pub page: String,
}

impl Left {
    /// Whether a run counts for more than another: one that failed, of those the first, else the last. Given are seed and failure.
    fn better((seed, failed): (u64, bool), (than, fails): (u64, bool)) -> bool {
        if fails { failed && seed < than } else { failed || seed > than }
    }
}

/// What many seeds gave.
#[derive(Clone, Debug, Default, serde::Serialize)]
pub struct Report {
    pub seeds: u64,
    pub faults: u64,
    pub virtual_millis: u64,
    pub steps: u64,
    pub failures: BTreeMap<u64, Failure>,
    /// The digest of each seed's trace.
    pub traces: BTreeMap<u64, String>,
    /// How often each kind of thing happened: a kind that never does is not tested.
    pub sometimes: BTreeMap<String, u64>,
    /// If it was asked for.
    #[serde(skip)]
    pub left: Option<Left>,
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
    fresh(scenario.seed, move || run_one(&scenario, keep)).unwrap_or_else(|stuck| Run::stuck(&stuck))
}

/// The same, and says now and then how far it is.
fn telling(scenario: &Scenario, keep: Keep, progress: Progress) -> Run {
    let (seed, scenario, looks) = (scenario.seed, scenario.clone(), Cell::new(0));
    let meanwhile = |time: Nanos| {
        looks.set(looks.get() + 1);
        if looks.get() % LOOKS_A_WORD == 0 {
            progress(Told::Meanwhile(&format!("seed {seed}: {} virtual s so far", time / 1_000_000_000)));
        }
    };
    fresh_telling(seed, move || run_one(&scenario, keep), &meanwhile).unwrap_or_else(|stuck| Run::stuck(&stuck))
}

/// Runs the seeds, and tells how it goes.
#[must_use]
pub fn run(options: &Options, progress: Progress) -> Report {
    let report = Mutex::new(Report::default());
    let kept: Mutex<Option<Left>> = Mutex::new(None);
    each(options.from_seed, options.seeds, options.threads, &|seed| {
        let scenario = Scenario::drawn(seed, &options.sheet);
        let run = telling(&scenario, Keep { disks: options.leave, ..Keep::default() }, progress);
        if options.leave {
            keep(&kept, &scenario, &run, progress);
        }
        progress(Told::Line(&line(seed, &run)));
        let failure = failure(&scenario, &run, options, progress);
        let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
        report.add(seed, &run);
        if let Some(failure) = failure {
            progress(Told::Line(&failure.story));
            report.failures.insert(seed, failure);
        }
        report.failures.len() < options.failures_max
    });
    let left = kept.into_inner().unwrap_or_else(PoisonError::into_inner);
    Report { left, ..report.into_inner().unwrap_or_else(PoisonError::into_inner) }
}

/// Keeps what the run leaves behind, if it counts for more than what is kept.
fn keep(kept: &Mutex<Option<Left>>, scenario: &Scenario, run: &Run, progress: Progress) {
    let (seed, failed) = (scenario.seed, !run.violations.is_empty());
    let mut kept = kept.lock().unwrap_or_else(PoisonError::into_inner);
    if kept.as_ref().is_some_and(|other| !Left::better((seed, failed), (other.seed, other.failed))) {
        return;
    }
    let left = Left { seed, failed, disks: run.disks.clone(), page: timeline::page(scenario, run) };
    progress(Told::Left(&left));
    *kept = Some(left);
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
fn failure(scenario: &Scenario, run: &Run, options: &Options, progress: Progress) -> Option<Failure> {
    if run.violations.is_empty() && !options.twice {
        return None;
    }
    for violation in &run.violations {
        let Violation { invariant, found } = violation;
        progress(Told::Meanwhile(&format!(
            "seed {} broke `{invariant}`: {found}; it is run again for its story",
            scenario.seed
        )));
    }
    // The second run is the proof that it repeats itself, and tells what was logged.
    let told = match run.steps {
        // It came to no end, and would not again.
        0 => run.clone(),
        _ => telling(scenario, Keep { records: Wanted::Ours, ..Keep::default() }, progress),
    };
    let mut violations = run.violations.clone();
    if let Some(parting) = run.trace.parting(&told.trace) {
        let trace = |keep| in_fresh_thread(scenario, keep).trace;
        violations.push(Violation::new("deterministic", first_difference(Keep::default(), parting, trace)));
    }
    let (first, run_of) = (violations.first()?.invariant.clone(), scenario.seed);
    let mut story = story::tell(scenario, &violations, &told, &options.command);
    let mut minimal = None;
    if options.minimize && !run.violations.is_empty() {
        progress(Told::Line(&format!("{story}\n\nlooking for less that breaks `{first}` too")));
        let smaller = |says: &str, scenario: &Scenario| {
            progress(Told::Line(says));
            progress(Told::Smaller(run_of, &kept(scenario, &first)));
        };
        let broken = |scenario: &Scenario| {
            let run = telling(scenario, Keep::default(), progress);
            run.violations.into_iter().map(|violation| violation.invariant).collect()
        };
        let found = minimize(scenario, &first, &broken, &smaller);
        story = format!(
            "minimized: {}\nas a scenario file, with seed {}:\n{}",
            found.says, found.scenario.seed, found.scenario
        );
        minimal = Some((found.scenario.seed, kept(&found.scenario, &first)));
    }
    Some(Failure { violations, story, minimal })
}

/// A scenario as a file of its own: the first line names the seed and what broke.
fn kept(scenario: &Scenario, broken: &str) -> String {
    let from = scenario.from.as_ref().map(|backup| format!("# It begins with a backup (--from): {backup}\n"));
    format!("# seed {}: {broken}\n{}{scenario}", scenario.seed, from.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_names_its_seed_and_is_read_again() {
        let scenario = Scenario::drawn(7, &Sheet::default());
        let text = kept(&scenario, "calm");
        assert_eq!(text.lines().next(), Some("# seed 7: calm"));
        assert_eq!(Scenario::drawn(7, &Sheet::read(&text).expect("it can be read")), scenario);
    }
}
