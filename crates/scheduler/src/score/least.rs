//! The node with the most left of CPU and memory: spreads load.
use crate::candidate::Candidate;
use crate::limits::{SCORE_MAX, SCORED_CPU, SCORED_MEMORY};
use crate::wanted::Wanted;

pub(super) fn scores(pod: &Wanted, candidates: &[Candidate<'_>]) -> Vec<i64> {
    let score = |candidate: &Candidate<'_>| left(pod, *candidate).iter().sum::<i64>() / 2;
    candidates.iter().map(score).collect()
}

/// Of CPU and memory, how much of 100 is left when the pod is there.
pub(super) fn left(pod: &Wanted, candidate: Candidate<'_>) -> [i64; 2] {
    [("cpu", SCORED_CPU), ("memory", SCORED_MEMORY)].map(|(resource, least)| {
        let whole = candidate.has.amounts.get(resource).copied().unwrap_or(0);
        let asked = Some(pod.object.facet.amount(resource)).filter(|amount| *amount > 0).unwrap_or(least);
        let left = (candidate.node.free(resource) - i128::from(asked)).max(0);
        // Shares first: memory in thousandths of bytes times 100 could overflow on a large machine.
        if whole <= 0 { 0 } else { (left * i128::from(SCORE_MAX) / i128::from(whole)) as i64 }
    })
}
