//! What goes wrong, as data: drawn before the run, printed with a failure, cut down by the shrinker. Nothing here does it.
use crate::stream::Stream;
use serde::{Deserialize, Serialize};

/// One fault: from `at` on, for `lasts`, in milliseconds of virtual time. `A`: what is done, to members alone or to a whole cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Step<A = Action> {
    pub at: u64,
    pub lasts: u64,
    pub action: A,
}

/// What is done, and undone when the step ends. Members are named by number, from 1.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The process dies; what it wrote stays with the system. Started again at the end.
    Stop { member: u16 },
    /// The machine loses power: what was not synced is lost or torn.
    Crash { member: u16 },
    /// The machine loses power in the middle of the `writes`-th write or sync from now.
    CrashAtWrite { member: u16, writes: u32 },
    /// The whole site loses power.
    PowerLoss,
    /// Nothing passes from one to the other, while the other direction works.
    Cut { from: u16, to: u16 },
    /// Nothing passes between the member and the others.
    Isolate { member: u16 },
    /// No member reaches another.
    SplitAll,
    /// The process does not run; its clocks go on.
    Pause { member: u16 },
    /// The machine does not run, and its monotonic clock stands still.
    Suspend { member: u16 },
    /// Writes and syncs take until the end of the step.
    Stall { member: u16 },
    /// The disk has room for so many more bytes.
    Fill { member: u16, room: u32 },
    /// So many of a thousand messages are lost.
    Lose { thousandths: u16 },
    /// Messages take so much longer.
    Slow { times: u16 },
    /// The wall clock jumps.
    Jump { member: u16, millis: i32 },
}

impl Action {
    /// The kind of fault, as it is counted.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stop { .. } => "stop",
            Self::Crash { .. } => "crash",
            Self::CrashAtWrite { .. } => "crash at write",
            Self::PowerLoss => "power loss",
            Self::Cut { .. } => "cut",
            Self::Isolate { .. } => "isolate",
            Self::SplitAll => "split all",
            Self::Pause { .. } => "pause",
            Self::Suspend { .. } => "suspend",
            Self::Stall { .. } => "stall",
            Self::Fill { .. } => "fill",
            Self::Lose { .. } => "lose",
            Self::Slow { .. } => "slow",
            Self::Jump { .. } => "jump",
        }
    }
}

/// Steps in the order they begin.
pub type Plan<A = Action> = Vec<Step<A>>;

/// Kinds of fault that a seed switches on or off as one.
const KINDS: u64 = 13;

fn action(kind: u64, members: u16, random: &mut Stream) -> Action {
    let one = |random: &mut Stream| u16::try_from(random.between(1, u64::from(members))).unwrap_or(1);
    let member = one(random);
    match kind {
        0 => Action::Stop { member },
        1 => Action::Crash { member },
        2 => Action::CrashAtWrite { member, writes: u32::try_from(random.below(30)).unwrap_or(0) },
        3 => Action::PowerLoss,
        4 => {
            let to = one(random);
            Action::Cut { from: member, to: if to == member { member % members + 1 } else { to } }
        }
        5 => Action::Isolate { member },
        6 => Action::Pause { member },
        7 => Action::Suspend { member },
        8 => Action::Stall { member },
        9 => Action::Fill { member, room: u32::try_from(random.below(20_000)).unwrap_or(0) },
        10 => Action::Lose { thousandths: u16::try_from(random.between(5, 300)).unwrap_or(5) },
        11 => Action::Slow { times: u16::try_from(random.between(2, 100)).unwrap_or(2) },
        12 => Action::Jump { member, millis: i32::try_from(random.below(120_000)).unwrap_or(0) - 60_000 },
        _ => Action::SplitAll,
    }
}

/// Draws a plan for `members` members over `span` milliseconds. Each seed has some kinds of fault only, and some have none.
#[must_use]
pub fn draw(random: &mut Stream, members: u16, span: u64) -> Plan {
    let kinds: Vec<u64> = (0..=KINDS).filter(|_| random.chance(350)).collect();
    if kinds.is_empty() || random.chance(50) {
        return Plan::new();
    }
    let count = random.between(1, 16);
    let mut plan: Plan = (0..count)
        .map(|_| {
            let kind = *random.pick(&kinds);
            let action = action(kind, members, random);
            let at = random.below(span);
            // Most faults are over soon; some last through several elections.
            let lasts = if random.chance(700) { random.between(5, 800) } else { random.between(800, 8_000) };
            Step { at, lasts, action }
        })
        .collect();
    plan.sort_by_key(|step| step.at);
    plan
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_is_drawn_and_plans_are_data() {
        let mut kinds = BTreeSet::new();
        let mut quiet = 0;
        for seed in 0..300 {
            let plan = draw(&mut Stream::new(seed, "plan"), 3, 20_000);
            quiet += u32::from(plan.is_empty());
            assert!(plan.is_sorted_by_key(|step| step.at));
            let text = serde_json::to_string(&plan).expect("a plan is JSON");
            assert_eq!(serde_json::from_str::<Plan>(&text).expect("and back"), plan);
            for step in plan {
                kinds.insert(step.action.name());
                if let Action::Cut { from, to } = step.action {
                    assert!(from != to && (1..=3).contains(&from) && (1..=3).contains(&to));
                }
            }
        }
        assert_eq!(kinds.len(), 14, "{kinds:?}");
        assert!(quiet > 0, "some seeds have no faults");
    }
}
