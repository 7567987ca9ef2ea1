//! What must hold of every run, a property a file, each with its source and with a test that breaks it on purpose. An
//! invariant reads evidence and names what it found; it repairs nothing and excuses nothing.
pub mod calm;
pub mod durable;
pub mod forward;
pub mod linearizable;
pub mod once;
pub mod one_log;
pub mod one_state;
pub mod sound;
pub mod watch;

#[cfg(test)]
mod example;

use crate::evidence::{Evidence, Violation};

/// A property: what it found if it did not hold.
pub type Invariant = fn(&Evidence) -> Result<(), String>;

/// All of them, the most telling first: a panic explains what follows from it.
pub const ALL: [(&str, Invariant); 9] = [
    ("sound", sound::check),
    ("one log", one_log::check),
    ("one state", one_state::check),
    ("durable", durable::check),
    ("once", once::check),
    ("forward", forward::check),
    ("linearizable", linearizable::check),
    ("watch", watch::check),
    ("calm", calm::check),
];

/// Every violation.
#[must_use]
pub fn check(evidence: &Evidence) -> Vec<Violation> {
    ALL.iter().filter_map(|(name, check)| Some(Violation::new(name, check(evidence).err()?))).collect()
}

/// Those that hold of members under any load: not those that know the workload of simulated clients.
pub(crate) fn members(evidence: &Evidence) -> Vec<Violation> {
    let general = |name: &str| !matches!(name, "once" | "linearizable" | "durable" | "watch");
    let checks = ALL.iter().filter(|(name, _)| general(name));
    checks.filter_map(|(name, check)| Some(Violation::new(name, check(evidence).err()?))).collect()
}
