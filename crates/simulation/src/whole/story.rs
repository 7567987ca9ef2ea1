//! The story of a run that broke a promise: what was promised, what was seen, the last entries of each member's log and the last lines
//! that each process logged, and the command that repeats it. It judges nothing.
use super::invariants::promised;
use super::run::Run;
use super::scenario::Scenario;
use crate::evidence::{Record, Violation};
use crate::trace::Node;
use std::fmt::Write as _;

/// Lines of each process, and entries of each member's log.
const LINES: usize = 25;
const ENTRIES: usize = 8;

/// Tells it; `told` is the same run, with what was logged.
pub(super) fn tell(scenario: &Scenario, violations: &[Violation], told: &Run, command: &str) -> String {
    let mut text = format!("seed {} broke {} promises\n", scenario.seed, violations.len());
    for Violation { invariant, found } in violations {
        let _ = writeln!(text, "  promised: {invariant}: {}\n  seen: {found}", promised(invariant));
    }
    for log in told.evidence.members.logs.iter().filter(|log| log.member != Node::default()) {
        let _ = writeln!(text, "  member {}, last entries:", log.member.0);
        for record in &log.records[log.records.len().saturating_sub(ENTRIES)..] {
            let _ = writeln!(text, "    {}", entry(record));
        }
    }
    for (node, lines) in &told.lines {
        let _ = writeln!(text, "  process {}, last lines:", node.0);
        for line in &lines[lines.len().saturating_sub(LINES)..] {
            let _ = writeln!(text, "    {line}");
        }
    }
    let _ = writeln!(text, "  scenario:");
    for line in scenario.to_string().lines() {
        let _ = writeln!(text, "    {line}");
    }
    let _ = write!(text, "  again: {command} --runs 1 --seed {}", scenario.seed);
    text
}

fn entry(record: &Record) -> String {
    let Some(entry) = &record.entry else { return format!("{} (term {}): Raft's own", record.index, record.term) };
    let mut text = format!("{} (term {}):", record.index, record.term);
    for command in &entry.commands {
        let _ = write!(text, " {} ({}):", command.actor, command.agent);
        for write in &command.writes {
            let _ = write!(text, " {}", write.key);
        }
        let _ = write!(text, ";");
    }
    text
}
