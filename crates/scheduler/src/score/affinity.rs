//! The node that most preferred node affinity terms match, by weight.
use crate::candidate::{Candidate, more_is_better};
use crate::filter::term_matches;
use crate::spec::list;
use crate::wanted::Wanted;

pub(super) fn scores(pod: &Wanted, candidates: &[Candidate<'_>]) -> Vec<i64> {
    let affinity = &pod.spec()["affinity"]["nodeAffinity"];
    let terms = list(affinity, "preferredDuringSchedulingIgnoredDuringExecution");
    let sum = |candidate: &Candidate<'_>| {
        let matching = terms.iter().filter(|term| term_matches(&term["preference"], candidate.has));
        matching.map(|term| term["weight"].as_i64().unwrap_or(0).clamp(0, 100)).sum()
    };
    more_is_better(&candidates.iter().map(sum).collect::<Vec<i64>>())
}
