//! What goes wrong in a whole cluster, a kind a file, each with its rate and its bounds. A plan is data: drawn before the run, printed as
//! lines of text with a failure, cut down when a failure is minimized. A kind draws, begins and undoes; it judges nothing.
mod armed;
mod blackout;
mod crash;
mod cut;
mod die;
mod dull;
mod fill;
mod flap;
mod isolate;
mod jump;
mod kind;
mod lie;
mod lose;
mod migrate;
mod misdirect;
mod pause;
mod power_loss;
mod reboot;
mod reinstall;
mod replace;
mod rot;
mod slow;
mod split;
mod stall;
mod stop;
mod suspend;
mod unattached;
mod volumes;

use super::size::Size;
use super::words::millis;
use crate::stream::Stream;
pub(super) use kind::{AGENTS, MEMBERS_MIN, PLACED, Prey};
pub use kind::{Fault, Step, Who};
pub use lie::TRUSTED;
use serde::{Deserialize, Serialize};

/// All kinds. A new one goes to the end: what an old seed draws does not change then.
pub const ALL: [&Fault; 27] = [
    &stop::FAULT,
    &crash::FAULT,
    &power_loss::FAULT,
    &reboot::FAULT,
    &pause::FAULT,
    &cut::FAULT,
    &isolate::FAULT,
    &stall::FAULT,
    &lose::FAULT,
    &slow::FAULT,
    &armed::FAULT,
    &suspend::FAULT,
    &fill::FAULT,
    &jump::FAULT,
    &replace::FAULT,
    &rot::FAULT,
    &misdirect::FAULT,
    &lie::FAULT,
    &migrate::FAULT,
    &split::FAULT,
    &flap::FAULT,
    &blackout::FAULT,
    &die::FAULT,
    &dull::FAULT,
    &reinstall::FAULT,
    &volumes::FAULT,
    &unattached::FAULT,
];

/// Draws after which a kind has met every sort of process that it meets.
const FORMS: u64 = 64;

/// The kind of this name.
#[must_use]
pub fn find(name: &str) -> Option<&'static Fault> {
    ALL.into_iter().find(|fault| fault.name == name)
}

/// Steps in the order they begin.
pub type Plan = Vec<Step>;

/// Draws a plan from these kinds. Each seed has some of them only, and some have none.
#[must_use]
pub fn draw(random: &mut Stream, size: Size, kinds: &[&'static Fault]) -> Plan {
    // A stream for each kind: one more kind changes no seed that does not have it.
    let base = random.bits();
    let has = |fault: &&'static Fault| Stream::new(base, fault.name).chance(fault.rate);
    let kinds: Vec<&'static Fault> = kinds.iter().copied().filter(has).collect();
    if kinds.is_empty() || random.chance(50) {
        return Plan::new();
    }
    // About one in two seconds at most.
    let count = random.between(1, (size.span / 2_000).max(2));
    let mut plan: Plan = (0..count)
        .filter_map(|_| {
            let fault = *random.pick(&kinds);
            step(random, size, fault)
        })
        .collect();
    plan.sort_by_key(|step| step.at);
    plan
}

fn step(random: &mut Stream, size: Size, fault: &'static Fault) -> Option<Step> {
    let drawn = (fault.draw)(random, size);
    // Most are over soon; some outlast sessions, elections, and the patience of the cluster with a silent node.
    let lasts = if random.chance(600) { random.between(50, 2_000) } else { random.between(2_000, 25_000) };
    let at = random.below(size.span);
    let (who, amount) = drawn?;
    Some(Step { at, lasts: lasts.clamp(fault.lasts.0, fault.lasts.1), fault, who, amount })
}

impl Step {
    /// Reads a line as `Display` writes it: `at 3s for 500ms cut m1 n2`, `at 0s for 9s lose 120`.
    ///
    /// # Errors
    /// What is wrong with it, and what would be right.
    pub fn read(line: &str) -> Result<Self, String> {
        let form = "say `at TIME for TIME FAULT [m1 n2 …] [AMOUNT]`";
        let words: Vec<&str> = line.split_whitespace().collect();
        let ["at", at, "for", lasts, name, rest @ ..] = words.as_slice() else { return Err(form.into()) };
        let names = || ALL.map(|fault| fault.name).join(", ");
        let fault = find(name).ok_or_else(|| format!("there is no fault `{name}`: {}", names()))?;
        let (mut who, mut amount) = (Vec::new(), 0);
        for word in rest {
            match (Who::read(word), word.parse()) {
                (Some(one), _) => who.push(one),
                (None, Ok(number)) => amount = number,
                (None, Err(_)) => return Err(format!("`{word}` is neither a process (m1, n2) nor a number; {form}")),
            }
        }
        let step = Self { at: millis(at)?, lasts: millis(lasts)?, fault, who, amount };
        step.complete()
    }

    /// Whether it names as many as its kind meets.
    fn complete(self) -> Result<Self, String> {
        let wanted = self.fault.meets(Size::default()).unwrap_or(0);
        let (name, most) = (self.fault.name, self.fault.most);
        if self.who.len() != wanted {
            return Err(format!("`{name}` meets {wanted} processes, {} are named", self.who.len()));
        }
        let members = |who: &[Who]| who.iter().map(|one| matches!(one, Who::Member(_))).collect::<Vec<_>>();
        let meets = |seed: u64| (self.fault.draw)(&mut Stream::new(seed, "form"), Size::default());
        if wanted > 0 && !(0..FORMS).filter_map(meets).any(|(who, _)| members(&who) == members(&self.who)) {
            return Err(format!("`{name}` does not meet such a process: members are m1 and on, nodes n1 and on"));
        }
        if self.who.iter().enumerate().any(|(at, who)| self.who[..at].contains(who)) {
            return Err(format!("`{name}` names one process twice"));
        }
        if self.amount > most {
            return Err(format!("`{}` is no amount of `{name}`: at most {most} is", self.amount));
        }
        Ok(self)
    }
}

impl Fault {
    /// How many processes it meets in a cluster of this size; `None` where it has nobody to meet.
    pub(super) fn meets(&self, size: Size) -> Option<usize> {
        (self.draw)(&mut Stream::new(0, "form"), size).map(|(who, _)| who.len())
    }
}

impl Serialize for Step {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Step {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::read(&String::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_kind_is_drawn_and_plans_are_text() {
        let mut kinds = BTreeSet::new();
        for seed in 0..300 {
            let plan = draw(&mut Stream::new(seed, "whole plan"), Size::default(), &ALL);
            assert!(plan.is_sorted_by_key(|step| step.at));
            for step in plan {
                assert_eq!(Step::read(&step.to_string()), Ok(step.clone()));
                assert!((step.fault.lasts.0..=step.fault.lasts.1).contains(&step.lasts), "{step}");
                assert!(step.who.iter().all(|who| who.within(Size::default())), "{step}");
                kinds.insert(step.fault.name);
                assert!(step.who.len() < 2 || step.who[0] != step.who[1], "{step}");
            }
        }
        assert_eq!(kinds.len(), ALL.len(), "{kinds:?}");
    }

    #[test]
    fn bad_lines_are_refused() {
        for line in [
            "",
            "at",
            "at 1s for 2s",
            "at 1s for 2s melt m1",
            "at x for 2s stop m1",
            "at 1s for 2s stop",
            "at 1s for 2s stop q1",
            "at 1s for 2s cut m1",
            "at 1s for 2s cut n1 n2",
            "at 1s for 2s stall n1",
            "at 1s for 2s no-volumes m1",
            "at 1s for 2s stop m0",
            "at 99999999999999999999h for 2s stop m1",
        ] {
            assert!(Step::read(line).is_err(), "{line}");
        }
    }
}
