//! The node whose CPU and memory would be used evenly: leaves no half of a machine stranded.
use super::least::left;
use crate::candidate::Candidate;
use crate::limits::SCORE_MAX;
use crate::wanted::Wanted;

pub(super) fn scores(pod: &Wanted, candidates: &[Candidate<'_>]) -> Vec<i64> {
    let score = |candidate: &Candidate<'_>| {
        let [cpu, memory] = left(pod, *candidate);
        SCORE_MAX - (cpu - memory).abs() / 2
    };
    candidates.iter().map(score).collect()
}
