//! The node with the fewest `PreferNoSchedule` taints that the pod does not tolerate.
use crate::candidate::{Candidate, fewer_is_better};
use crate::spec::list;
use crate::wanted::Wanted;
use api::fit::tolerated;

pub(super) fn scores(pod: &Wanted, candidates: &[Candidate<'_>]) -> Vec<i64> {
    let tolerations = list(pod.spec(), "tolerations");
    let count = |candidate: &Candidate<'_>| {
        let soft = candidate.has.taints.iter().filter(|taint| taint.effect == "PreferNoSchedule");
        i64::try_from(soft.filter(|taint| !tolerated(tolerations, taint)).count()).unwrap_or(i64::MAX / SCORE_ROOM)
    };
    fewer_is_better(&candidates.iter().map(count).collect::<Vec<_>>())
}

/// Keeps a count times the best score within 64 bits.
const SCORE_ROOM: i64 = 1_000;
