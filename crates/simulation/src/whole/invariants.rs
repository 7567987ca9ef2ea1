//! What must hold of every run of a whole cluster, a property a file, each with its source and with a test that breaks it on purpose. An
//! invariant reads evidence and names what it found; it repairs nothing and excuses nothing.
mod bound;
mod fits;
mod once;
mod owned;
mod rest;
mod surge;
mod unique;
mod watched;

#[cfg(test)]
mod example;

use super::evidence::Whole;
use crate::evidence::Violation;
use crate::invariants::members;

/// A property: what it found if it did not hold.
pub type Invariant = fn(&Whole) -> Result<(), String>;

/// All of them beside those of the members alone.
pub const ALL: [(&str, Invariant); 8] = [
    ("bound once", bound::check),
    ("fits", fits::check),
    ("surge", surge::check),
    ("unique", unique::check),
    ("owned", owned::check),
    ("watched", watched::check),
    ("runs once", once::check),
    ("rest", rest::check),
];

/// Every violation.
#[must_use]
pub fn check(evidence: &Whole) -> Vec<Violation> {
    let mut found = members(&evidence.members);
    found.extend(ALL.iter().filter_map(|(name, check)| Some(Violation::new(name, check(evidence).err()?))));
    found
}
