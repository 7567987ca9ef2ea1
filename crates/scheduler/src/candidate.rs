//! A node that passed the filters, and how raw amounts of such nodes become scores.
use crate::cluster::{Has, Node};
use crate::limits::SCORE_MAX;

#[derive(Clone, Copy, Debug)]
pub(crate) struct Candidate<'a> {
    pub(crate) node: &'a Node,
    pub(crate) has: &'a Has,
}

/// The most gets 100.
pub(crate) fn more_is_better(raw: &[i64]) -> Vec<i64> {
    let most = raw.iter().copied().max().unwrap_or(0);
    raw.iter().map(|amount| if most > 0 { amount * SCORE_MAX / most } else { 0 }).collect()
}

/// None gets 100, the most 0.
pub(crate) fn fewer_is_better(raw: &[i64]) -> Vec<i64> {
    more_is_better(raw).into_iter().map(|score| SCORE_MAX - score).collect()
}
