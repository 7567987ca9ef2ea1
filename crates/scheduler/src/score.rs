//! How well the nodes suit that no filter refused: a scorer a file, each 0 to 100, added by weight. Integers only: every member
//! and every replay must come to the same node.
mod affinity;
mod balanced;
mod company;
mod least;
mod spread;
mod taints;

use crate::candidate::Candidate;
use crate::cluster::Cluster;
use crate::company::Company;
use crate::wanted::Wanted;

/// The sum of all scores for each candidate, in their order. Weights are Kubernetes' defaults; spreading by owner stands for its
/// default spread constraints.
pub(crate) fn all(pod: &Wanted, company: &Company, cluster: &Cluster, candidates: &[Candidate<'_>]) -> Vec<i64> {
    let scores = [
        (1, least::scores(pod, candidates)),
        (1, balanced::scores(pod, candidates)),
        (3, taints::scores(pod, candidates)),
        (2, affinity::scores(pod, candidates)),
        (2, spread::by_owner(pod, cluster, candidates)),
        (2, spread::by_constraint(company, candidates)),
        (2, company::scores(company, candidates)),
    ];
    let total = |at: usize| scores.iter().map(|(weight, list)| weight * list.get(at).copied().unwrap_or(0)).sum();
    (0..candidates.len()).map(total).collect()
}
