//! Preferred pod affinity and anti-affinity, by weight and count of the company.
use crate::candidate::Candidate;
use crate::company::Company;
use crate::limits::SCORE_MAX;

pub(super) fn scores(company: &Company, candidates: &[Candidate<'_>]) -> Vec<i64> {
    let sum = |candidate: &Candidate<'_>| -> i64 {
        company.preferred.iter().map(|(weight, places)| weight * places.at(candidate.has).all()).sum()
    };
    let raw: Vec<i64> = candidates.iter().map(sum).collect();
    let (least, most) = (raw.iter().min().copied().unwrap_or(0), raw.iter().max().copied().unwrap_or(0));
    let score = |sum: i64| if most > least { (sum - least) * SCORE_MAX / (most - least) } else { 0 };
    raw.into_iter().map(score).collect()
}
