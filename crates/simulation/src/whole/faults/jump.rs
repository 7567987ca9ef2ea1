//! The wall clock of a member or a node jumps, and back at the end. Stamps may be wrong then; nothing else may depend on it.
use super::kind::{Fault, anybody};

/// Milliseconds either way.
const JUMP_MAX: u64 = 120_000;

pub(super) const FAULT: Fault = Fault {
    name: "jump",
    says: "a machine's wall clock is off by AMOUNT ms until the end: even numbers forward, odd ones back",
    rate: 300,
    lasts: (50, 25_000),
    most: JUMP_MAX,
    sets: false,
    draw: |random, size| Some((vec![anybody(random, size)], random.between(2, JUMP_MAX))),
    begin: |site, step| step.nodes().for_each(|node| site.jump(node, millis(step.amount))),
    undo: |site, step| step.nodes().for_each(|node| site.jump(node, -millis(step.amount))),
};

fn millis(amount: u64) -> i64 {
    let amount = i64::try_from(amount).unwrap_or(i64::MAX);
    if amount % 2 == 0 { amount } else { -amount }
}
