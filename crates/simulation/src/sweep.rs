//! Many seeds, each in a fresh thread, on as many cores as asked for; what failed is told with all that is needed to see it again.
use crate::report::{Failure, Report, failure};
use crate::run::{Keep, Run, run as run_one};
use crate::scenario::{Planted, Scenario};
use crate::shrink::shrink;
use crate::trace::Trace;
use crate::watchdog::fresh;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// What to simulate.
#[derive(Clone, Debug)]
pub struct Options {
    pub seeds: u64,
    pub from_seed: u64,
    /// Members of each cluster.
    pub members: u16,
    /// Cores to use; at least one.
    pub threads: usize,
    /// Runs each seed a second time and compares the digests.
    pub twice: bool,
    /// Puts everything that is logged into the digest: slow, and finds leaks that change no event.
    pub deep: bool,
    /// Ends after so many failures.
    pub failures_max: usize,
    /// Looks for the smallest plan that still fails.
    pub shrink: bool,
    /// Runs this instead of what the seed draws, under each of the seeds.
    pub scenario: Option<Scenario>,
    /// A fault to be found.
    pub planted: Option<Planted>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            seeds: 20,
            from_seed: 1,
            members: 3,
            threads: 1,
            twice: false,
            deep: false,
            failures_max: 1,
            shrink: true,
            scenario: None,
            planted: None,
        }
    }
}

impl Options {
    fn scenario(&self, seed: u64) -> Scenario {
        let mut scenario = self.scenario.clone().unwrap_or_else(|| Scenario::draw_for(seed, self.members));
        scenario.seed = seed;
        scenario.planted = self.planted.or(scenario.planted);
        scenario
    }
}

/// How often progress is told.
const PROGRESS_EVERY: Duration = Duration::from_secs(5);

/// Runs one scenario in a thread of its own.
#[must_use]
pub fn in_fresh_thread(scenario: &Scenario, keep: Keep) -> Run {
    let scenario = scenario.clone();
    fresh(scenario.seed, move || run_one(&scenario, keep)).unwrap_or_else(|stuck| Run::stuck(&stuck))
}

/// A line for a run, in the words that whole clusters have as well.
fn line(seed: u64, run: &Run) -> String {
    let (seconds, millis) = (run.time / 1_000_000_000, run.time / 1_000_000 % 1_000);
    let (events, faults, violations, trace) = (run.trace.count(), run.faults, run.violations.len(), run.trace.digest());
    format!(
        "seed={seed} virtual={seconds}.{millis:03}s events={events} faults={faults} violations={violations} trace={trace:016x}"
    )
}

/// Runs the seeds; `progress` is given a line for each, what failed, and the sum now and then.
#[must_use]
pub fn run(options: &Options, progress: &(dyn Fn(&str) + Sync)) -> Report {
    let start = rt::now();
    let report = Mutex::new(Report { from_seed: options.from_seed, ..Report::default() });
    let told = Mutex::new(start);
    each(options.from_seed, options.seeds, options.threads, &|seed| {
        let (run, failed) = one(options, seed);
        progress(&line(seed, &run));
        let mut report = report.lock().unwrap_or_else(PoisonError::into_inner);
        report.add(&run);
        if let Some(failure) = failed {
            progress(&failure.to_string());
            report.failures.push(failure);
        }
        report.millis = u64::try_from(rt::now().since(start).as_millis()).unwrap_or(u64::MAX);
        let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
        if rt::now().since(*told) >= PROGRESS_EVERY {
            *told = rt::now();
            progress(&report.to_string());
        }
        report.failures.len() < options.failures_max
    });
    report.into_inner().unwrap_or_else(PoisonError::into_inner)
}

/// Does `work` for each seed, on so many threads, until one says that it is enough.
pub(crate) fn each(from: u64, seeds: u64, threads: usize, work: &(dyn Fn(u64) -> bool + Sync)) {
    let (taken, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let take = || {
        while !stop.load(Ordering::Relaxed) {
            let number = taken.fetch_add(1, Ordering::Relaxed);
            // Behind the last seed there is no first one again.
            let Some(seed) = from.checked_add(number).filter(|_| number < seeds) else { return };
            stop.fetch_or(!work(seed), Ordering::Relaxed);
        }
    };
    std::thread::scope(|scope| {
        for _ in 1..threads.max(1) {
            scope.spawn(take);
        }
        take();
    });
}

fn one(options: &Options, seed: u64) -> (Run, Option<Failure>) {
    let scenario = options.scenario(seed);
    let records = if options.deep { crate::records::Wanted::Hashed } else { crate::records::Wanted::Nothing };
    let keep = Keep { records, ..Keep::default() };
    let run = in_fresh_thread(&scenario, keep);
    if options.twice {
        let again = in_fresh_thread(&scenario, keep);
        if let Some(parting) = run.trace.parting(&again.trace) {
            let difference = first_difference(keep, parting, |keep| in_fresh_thread(&scenario, keep).trace);
            let failure = Failure::leak(&scenario, difference);
            return (run, Some(failure));
        }
    }
    if run.violations.is_empty() {
        return (run, None);
    }
    let minimal = options.shrink.then(|| shrink(&scenario, &run.violations[0].invariant, &fails));
    let failure = failure(&scenario, &run, minimal, |scenario, keep| in_fresh_thread(scenario, keep));
    (run, Some(failure))
}

/// The invariants that the scenario breaks.
fn fails(scenario: &Scenario) -> Vec<String> {
    let run = in_fresh_thread(scenario, Keep::default());
    run.violations.into_iter().map(|violation| violation.invariant).collect()
}

/// Two more runs, with all events kept from where the first two parted: the first that differs. `run` gives a run's trace.
pub(crate) fn first_difference(keep: Keep, parting: u64, run: impl Fn(Keep) -> Trace) -> String {
    let keep = Keep { window: Some(parting), ..keep };
    let (one, two) = (run(keep), run(keep));
    let mut pairs = one.windowed().iter().zip(two.windowed());
    match pairs.find(|(a, b)| a != b) {
        Some((a, b)) => format!("the runs part at: {a} | {b}"),
        None => {
            let events = one.windowed().len();
            format!("two runs parted after event {parting}, two more agreed there for {events} events")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_seed_is_taken_once_and_none_comes_behind_the_last() {
        let taken = |from, seeds| {
            let all = Mutex::new(Vec::new());
            each(from, seeds, 3, &|seed| {
                all.lock().expect("no panic").push(seed);
                true
            });
            let all = all.into_inner().expect("no panic");
            let once: BTreeSet<u64> = all.iter().copied().collect();
            assert_eq!(once.len(), all.len());
            once.into_iter().collect::<Vec<_>>()
        };
        assert_eq!(taken(5, 4), [5, 6, 7, 8]);
        assert_eq!(taken(u64::MAX - 1, 2), [u64::MAX - 1, u64::MAX]);
        assert_eq!(taken(u64::MAX, 9), [u64::MAX]);
    }
}
