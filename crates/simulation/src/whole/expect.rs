//! What a scenario file expects of a run beside what every run promises: how often a thing happens, at least or at most. A scenario that is
//! about drains should see evictions, or it tests nothing. It counts nothing itself.
use crate::evidence::Violation;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;

/// The name of the promise that it makes.
pub(super) const EXPECTED: &str = "expected";

/// A line of a scenario: `expect at least 20 pods made`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expectation {
    /// At least so many; else at most.
    pub least: bool,
    pub count: u64,
    pub what: String,
}

/// Everything that is counted in a run, and can be expected.
pub const COUNTED: [&str; 25] = [
    "revisions",
    "answered",
    "unanswered",
    "pods made",
    "namespaces ended",
    "deployments ended",
    "jobs complete",
    "jobs failed",
    "jobs suspended",
    "kinds defined",
    "containers ended",
    "evictions granted",
    "lease changes",
    "scales written",
    "watches resumed",
    "starts",
    "terms led",
    "faults begun",
    "virtual seconds",
    "seconds to rest",
    "objects applied",
    "applies refused",
    "dry runs",
    "tokens used",
    "requests forbidden",
];

impl Expectation {
    /// Reads what stands behind `expect`.
    ///
    /// # Errors
    /// What would be right.
    pub(super) fn read(words: &[&str]) -> Result<Self, String> {
        let form = || format!("say `expect at least|at most NUMBER WHAT`, of {}", COUNTED.join(", "));
        let ["at", bound @ ("least" | "most"), count, what @ ..] = words else { return Err(form()) };
        let what = what.join(" ");
        if !COUNTED.contains(&what.as_str()) {
            return Err(format!("`{what}` is not counted: {}", form()));
        }
        Ok(Self { least: *bound == "least", count: count.parse().map_err(|_| form())?, what })
    }

    fn met(&self, counted: u64) -> bool {
        if self.least { counted >= self.count } else { counted <= self.count }
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bound = if self.least { "least" } else { "most" };
        write!(f, "expect at {bound} {} {}", self.count, self.what)
    }
}

/// What was expected and did not come.
pub(super) fn check(expected: &[Expectation], counted: &BTreeMap<&'static str, u64>) -> Option<Violation> {
    let number = |what: &str| counted.get(what).copied().unwrap_or(0);
    let missed = expected.iter().filter(|one| !one.met(number(&one.what)));
    let told: Vec<String> = missed.map(|one| format!("`{one}`: {} were counted", number(&one.what))).collect();
    (!told.is_empty()).then(|| Violation::new(EXPECTED, told.join("; ")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_come_is_told() {
        let read = |line: &str| Expectation::read(&line.split(' ').collect::<Vec<_>>());
        let least = read("at least 3 pods made").expect("it can be read");
        let most = read("at most 2 terms led").expect("it can be read");
        assert_eq!(
            (least.to_string(), most.to_string().as_str()),
            ("expect at least 3 pods made".into(), "expect at most 2 terms led")
        );
        let both = [least, most];
        assert!(check(&both, &BTreeMap::from([("pods made", 3), ("terms led", 2)])).is_none());
        let missed = check(&both, &BTreeMap::from([("pods made", 2), ("terms led", 3)])).expect("both are missed");
        assert_eq!(
            (missed.invariant.as_str(), missed.found.matches("were counted").count()),
            (EXPECTED, 2),
            "{missed:?}"
        );
        for bad in ["at least many pods made", "at least 3 wonders", "3 pods made", "at best 3 pods made", "at least 3"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
    }
}
