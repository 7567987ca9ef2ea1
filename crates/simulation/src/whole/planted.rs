//! How many seeds it takes to find a bug that was planted. It plants and looks; which promise breaks is for the invariants to say.
use super::run::run;
use super::scenario::Scenario;
use super::sheet::Sheet;
use crate::evidence::Violation;
use crate::run::Keep;
use crate::sweep::each;
use crate::watchdog::fresh;
use api::planted::{Bug, plant};
use std::sync::{Mutex, PoisonError};

/// A planted bug that was found.
#[derive(Clone, Debug)]
pub struct Found {
    pub seed: u64,
    pub violation: Violation,
}

/// Bugs that are looked for in members alone: every write of the API has a condition, which hides them.
const OF_MEMBERS: [Bug; 4] =
    [Bug::AcknowledgesBeforeFlush, Bug::ForgetsVotes, Bug::FoldsTwice, Bug::TrustsUnfinishedCheckpoints];

/// Whether a bug is looked for in members alone.
#[must_use]
pub fn of_members(bug: Bug) -> bool {
    OF_MEMBERS.contains(&bug)
}

/// Runs seeds from `from` on, at most `count`, until one breaks a promise; the first of them. Without a bug there should be none.
#[must_use]
pub fn find(bug: Option<Bug>, sheet: &Sheet, from: u64, count: u64, threads: usize) -> Option<Found> {
    let found: Mutex<Option<Found>> = Mutex::new(None);
    let lock = || found.lock().unwrap_or_else(PoisonError::into_inner);
    each(from, count, threads, &|seed| {
        let ended = if bug.is_some_and(of_members) {
            let scenario = crate::scenario::Scenario::draw(seed);
            fresh(seed, move || {
                plant(bug);
                crate::run::run(&scenario, Keep::default()).violations
            })
        } else {
            let scenario = Scenario::drawn(seed, sheet);
            fresh(seed, move || {
                plant(bug);
                run(&scenario, Keep::default()).violations
            })
        };
        let violations = ended.unwrap_or_else(|stuck| vec![Violation::new("sound", stuck.to_string())]);
        if let Some(violation) = violations.into_iter().next() {
            let mut best = lock();
            if best.as_ref().is_none_or(|best| seed < best.seed) {
                *best = Some(Found { seed, violation });
            }
        }
        lock().is_none()
    });
    let found = lock().clone();
    found
}
