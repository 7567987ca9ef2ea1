//! What goes wrong in a whole cluster, as data: drawn before the run and printed with a failure. Nothing here does it.
use crate::faults;
use crate::stream::Stream;
use crate::whole::size::Size;
use serde::{Deserialize, Serialize};

/// A process of the site, by number from 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Who {
    Member(u16),
    Agent(u16),
}

/// One fault.
pub type Step = faults::Step<Action>;

/// What is done, and undone when the step ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Action {
    /// The process dies, and is started again at the end. What it wrote stays with the system; its containers run on.
    Stop { who: Who },
    /// The machine of a member loses power: what was not synced is lost or torn.
    Crash { member: u16 },
    /// All members lose power.
    PowerLoss,
    /// A worker's machine loses power and comes back at the end: nothing of its pods runs any more.
    Reboot { node: u16 },
    /// The process does not run; its clocks go on.
    Pause { who: Who },
    /// Nothing passes from one to the other, while the other direction works.
    Cut { from: Who, to: Who },
    /// Nothing passes between the process and all others.
    Isolate { who: Who },
    /// A member's writes and syncs take until the end of the step.
    Stall { member: u16 },
    /// So many of a thousand packets are lost.
    Lose { thousandths: u16 },
    /// Packets take so much longer.
    Slow { times: u16 },
}

impl Action {
    /// The kind of fault, as it is counted.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Stop { who: Who::Member(_) } => "member stopped",
            Self::Stop { who: Who::Agent(_) } => "agent stopped",
            Self::Crash { .. } => "member crashed",
            Self::PowerLoss => "power loss",
            Self::Reboot { .. } => "node rebooted",
            Self::Pause { who: Who::Member(_) } => "member paused",
            Self::Pause { who: Who::Agent(_) } => "agent paused",
            Self::Cut { .. } => "cut",
            Self::Isolate { who: Who::Member(_) } => "member isolated",
            Self::Isolate { who: Who::Agent(_) } => "agent isolated",
            Self::Stall { .. } => "stall",
            Self::Lose { .. } => "lose",
            Self::Slow { .. } => "slow",
        }
    }
}

/// Steps in the order they begin.
pub type Plan = faults::Plan<Action>;

/// Kinds of fault that a seed switches on or off as one.
const KINDS: u64 = 10;

fn one(random: &mut Stream, count: u16) -> u16 {
    u16::try_from(random.between(1, u64::from(count.max(1)))).unwrap_or(1)
}

fn who(random: &mut Stream, size: Size) -> Who {
    if size.nodes == 0 || random.chance(500) {
        Who::Member(one(random, size.members))
    } else {
        Who::Agent(one(random, size.nodes))
    }
}

fn action(kind: u64, size: Size, random: &mut Stream) -> Action {
    let member = one(random, size.members);
    match kind {
        0 => Action::Stop { who: who(random, size) },
        1 => Action::Crash { member },
        2 => Action::PowerLoss,
        3 => Action::Reboot { node: one(random, size.nodes) },
        4 => Action::Pause { who: who(random, size) },
        5 => {
            // One of the two is a member: agents have nothing to say to each other.
            let (member, mut other) = (Who::Member(member), who(random, size));
            if other == member {
                other = Who::Agent(one(random, size.nodes));
            }
            if random.chance(500) {
                Action::Cut { from: member, to: other }
            } else {
                Action::Cut { from: other, to: member }
            }
        }
        6 => Action::Isolate { who: who(random, size) },
        7 => Action::Stall { member },
        8 => Action::Lose { thousandths: u16::try_from(random.between(5, 300)).unwrap_or(5) },
        _ => Action::Slow { times: u16::try_from(random.between(2, 50)).unwrap_or(2) },
    }
}

/// Draws a plan. Each seed has some kinds of fault only, and some have none.
#[must_use]
pub fn draw(random: &mut Stream, size: Size) -> Plan {
    let kinds: Vec<u64> =
        (0..KINDS).filter(|_| random.chance(400)).filter(|kind| *kind != 3 || size.nodes > 0).collect();
    if kinds.is_empty() || random.chance(50) {
        return Plan::new();
    }
    // About one in two seconds at most.
    let count = random.between(1, (size.span / 2_000).max(2));
    let mut plan: Plan = (0..count)
        .map(|_| {
            let kind = *random.pick(&kinds);
            let action = action(kind, size, random);
            // Most are over soon; some outlast sessions, elections, and the patience of the cluster with a silent node.
            let lasts = if random.chance(600) { random.between(50, 2_000) } else { random.between(2_000, 25_000) };
            Step { at: random.below(size.span), lasts, action }
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
        for seed in 0..200 {
            let plan = draw(&mut Stream::new(seed, "whole plan"), Size::default());
            assert!(plan.is_sorted_by_key(|step| step.at));
            let text = serde_json::to_string(&plan).expect("a plan is JSON");
            assert_eq!(serde_json::from_str::<Plan>(&text).expect("and back"), plan);
            for step in plan {
                kinds.insert(step.action.name());
                assert!(!matches!(step.action, Action::Cut { from, to } if from == to));
            }
        }
        assert_eq!(kinds.len(), 13, "{kinds:?}");
    }
}
