//! What a sweep found, for people and as JSON: a failure comes with its seed, options, plan, first violation, the last lines of
//! each member, and the command that shows it again.
use crate::cluster::nodes;
use crate::evidence::Violation;
use crate::history::Told;
use crate::records::Wanted;
use crate::run::{Keep, Run};
use crate::scenario::Scenario;
use crate::trace::Node;
use serde::Serialize;
use std::collections::BTreeMap;
use std::fmt;

/// What many seeds gave.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    pub from_seed: u64,
    pub seeds: u64,
    pub failures: Vec<Failure>,
    /// Real milliseconds.
    pub millis: u64,
    /// Virtual milliseconds of all runs together.
    pub virtual_millis: u64,
    pub trace_events: u64,
    pub calls: u64,
    /// Calls that ended without knowing what happened.
    pub unknown: u64,
    pub revisions: u64,
    pub faults: u64,
    pub messages_delivered: u64,
    pub messages_lost: u64,
    /// How often each kind of thing happened: a kind that never does is not tested.
    pub sometimes: BTreeMap<String, u64>,
}

/// One seed that failed.
#[derive(Clone, Debug, Serialize)]
pub struct Failure {
    pub seed: u64,
    pub scenario: Scenario,
    pub digest: String,
    pub violations: Vec<Violation>,
    /// The smallest scenario found that fails the same way.
    pub minimal: Option<Scenario>,
    /// The last lines of each member.
    pub lines: BTreeMap<u16, Vec<String>>,
    /// Shows it again.
    pub replay: String,
}

/// Lines of each member in a report.
const LINES: usize = 40;

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

    pub(crate) fn add(&mut self, run: &Run) {
        let history = &run.evidence.history;
        self.seeds += 1;
        self.virtual_millis += run.time / 1_000_000;
        self.trace_events += run.trace.count();
        self.calls += history.calls.len() as u64;
        self.unknown += history.calls.iter().filter(|call| matches!(call.told, Told::Unknown)).count() as u64;
        self.revisions += run.evidence.reference.events.len() as u64;
        self.faults += run.faults;
        self.messages_delivered += run.messages.0;
        self.messages_lost += run.messages.1;
        for (what, count) in &run.sometimes {
            *self.sometimes.entry((*what).to_owned()).or_insert(0) += count;
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let minutes = (self.millis.max(1) as f64) / 60_000.0;
        write!(
            f,
            "{} seeds from {}: {} failed; {:.0} seeds/min, {} virtual s, {} faults, {} calls ({} unknown), {} revisions, {} messages",
            self.seeds,
            self.from_seed,
            self.failures.len(),
            self.seeds as f64 / minutes,
            self.virtual_millis / 1_000,
            self.faults,
            self.calls,
            self.unknown,
            self.revisions,
            self.messages_delivered,
        )
    }
}

impl Failure {
    /// A run that did not repeat itself.
    pub(crate) fn leak(scenario: &Scenario, found: String) -> Self {
        Self {
            seed: scenario.seed,
            scenario: scenario.clone(),
            digest: String::new(),
            violations: vec![Violation::new("deterministic", found)],
            minimal: None,
            lines: BTreeMap::new(),
            replay: replay(scenario, " --twice"),
        }
    }
}

fn replay(scenario: &Scenario, more: &str) -> String {
    let members = if scenario.members == 3 { String::new() } else { format!(" --members {}", scenario.members) };
    format!("rutter simulate --seeds 1 --seed {}{members}{more}", scenario.seed)
}

/// Tells a failure; runs it once more to have the members' own words.
pub(crate) fn failure(
    scenario: &Scenario,
    run: &Run,
    minimal: Option<Scenario>,
    again: impl Fn(&Scenario, Keep) -> Run,
) -> Failure {
    let told = again(scenario, Keep { records: Wanted::Kept, ..Keep::default() });
    let mut violations = run.violations.clone();
    if told.trace.digest() != run.trace.digest() {
        violations.push(Violation::new("deterministic", "it did not repeat itself when it was run for this report"));
    }
    let mut lines = BTreeMap::new();
    for node in nodes(scenario.members) {
        lines.insert(node.0, last(&told, node));
    }
    Failure {
        seed: scenario.seed,
        scenario: scenario.clone(),
        digest: format!("{:016x}", run.trace.digest()),
        violations,
        minimal,
        lines,
        replay: replay(scenario, ""),
    }
}

fn last(run: &Run, node: Node) -> Vec<String> {
    let logged = run.lines.iter().find(|(of, _)| *of == node).map(|(_, lines)| lines.as_slice()).unwrap_or_default();
    let mut lines = logged[logged.len().saturating_sub(LINES)..].to_vec();
    lines.extend(run.trace.last_of(node).map(ToString::to_string).collect::<Vec<_>>().into_iter().rev().take(5).rev());
    lines
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "seed {} failed (digest {})", self.seed, self.digest)?;
        for violation in &self.violations {
            writeln!(f, "  {violation}")?;
        }
        let data = |scenario: &Scenario| serde_json::to_string(scenario).unwrap_or_default();
        writeln!(f, "  scenario: {}", data(&self.scenario))?;
        if let Some(minimal) = &self.minimal {
            writeln!(f, "  smallest found ({} faults, seed {}): {}", minimal.plan.len(), minimal.seed, data(minimal))?;
        }
        for (member, lines) in &self.lines {
            writeln!(f, "  member {member}, last lines:")?;
            for line in lines {
                writeln!(f, "    {line}")?;
            }
        }
        write!(f, "  again: {}", self.replay)
    }
}
