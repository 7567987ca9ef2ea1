//! How many replicas each ReplicaSet of a Deployment shall have next: arithmetic only, on numbers that stand in the view.
use crate::fields::{at, number, share, text};
use api::planted::{Bug, planted};
use serde_json::Value;

/// One ReplicaSet in numbers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Set {
    /// What it shall have: changed here.
    pub(crate) wanted: i64,
    pub(crate) available: i64,
    /// The annotation `max-replicas` it was last scaled under; 0 if it has none.
    pub(crate) known_max: i64,
    /// The annotation `desired-replicas`; `None` if it has none.
    pub(crate) known_desired: Option<i64>,
}

/// What the Deployment asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    pub(crate) desired: i64,
    pub(crate) surge: i64,
    pub(crate) unavailable: i64,
    pub(crate) recreate: bool,
}

impl Plan {
    pub(crate) fn read(deployment: &Value) -> Self {
        let desired = number(deployment, "/spec/replicas").unwrap_or(1).max(0);
        let recreate = text(deployment, "/spec/strategy/type") == "Recreate";
        let rolling = at(deployment, "/spec/strategy/rollingUpdate");
        let bound = |member: &str, up: bool| {
            let value = rolling.get(member).filter(|value| !value.is_null()).cloned().unwrap_or_else(|| "25%".into());
            share(&value, desired, up).unwrap_or(0).max(0)
        };
        if recreate {
            return Self { desired, surge: 0, unavailable: desired, recreate };
        }
        let (surge, mut unavailable) = (bound("maxSurge", true), bound("maxUnavailable", false).min(desired));
        // Both zero could never make a step; validation forbids it, rounding may still yield it.
        if surge == 0 && unavailable == 0 {
            unavailable = 1;
        }
        Self { desired, surge, unavailable, recreate }
    }

    /// The most pods there may be.
    pub(crate) fn most(self) -> i64 {
        if self.desired > 0 { self.desired + self.surge } else { 0 }
    }

    /// The fewest available pods there should be.
    pub(crate) fn least(self) -> i64 {
        (self.desired - self.unavailable).max(0)
    }
}

/// The replicas with which a new ReplicaSet starts beside `others`.
pub(crate) fn start(plan: Plan, others: &[Set]) -> i64 {
    if plan.recreate {
        return plan.desired;
    }
    let total: i64 = others.iter().map(|set| set.wanted).sum();
    (plan.desired + plan.surge - total).clamp(0, plan.desired)
}

/// One step of a rolling update. `old` is ordered from the oldest.
pub(crate) fn roll(plan: Plan, new: &mut Set, old: &mut [Set]) {
    let total = |old: &[Set], new: &Set| old.iter().map(|set| set.wanted).sum::<i64>() + new.wanted;
    if new.wanted > plan.desired {
        new.wanted = plan.desired;
    } else if new.wanted < plan.desired {
        let room = (plan.desired + plan.surge - total(old, new)).max(0);
        let room = if planted(Bug::Surges) { plan.desired } else { room };
        new.wanted += room.min(plan.desired - new.wanted);
    }
    // The new set's missing pods are on their way and count against what the old ones may give up.
    let missing = (new.wanted - new.available).max(0);
    let mut may_go = total(old, new) - plan.least() - missing;
    for set in old.iter_mut() {
        let unhealthy = (set.wanted - set.available).max(0);
        let gone = unhealthy.min(may_go).max(0);
        set.wanted -= gone;
        may_go -= gone;
    }
    let available: i64 = old.iter().map(|set| set.available.min(set.wanted)).sum::<i64>() + new.available;
    let mut spare = (available - plan.least()).max(0);
    for set in old.iter_mut() {
        let gone = set.wanted.min(spare);
        set.wanted -= gone;
        spare -= gone;
    }
}

/// Follows a change of `spec.replicas` (or a pause) without moving the rollout on. `new` is the index of the newest set, if there is one;
/// `sets` is ordered from the oldest.
pub(crate) fn scale(plan: Plan, sets: &mut [Set], new: Option<usize>) {
    let active: Vec<usize> = (0..sets.len()).filter(|at| sets[*at].wanted > 0).collect();
    let only = match &active[..] {
        [] => new.or(sets.len().checked_sub(1)),
        [only] => Some(*only),
        _ => None,
    };
    if let Some(only) = only {
        sets[only].wanted = plan.desired;
        return;
    }
    if let Some(new) = new
        && sets[new].wanted == plan.desired
        && sets[new].available == plan.desired
        && sets[new].known_desired == Some(plan.desired)
    {
        for (at, set) in sets.iter_mut().enumerate() {
            set.wanted = if at == new { set.wanted } else { 0 };
        }
        return;
    }
    if !plan.recreate {
        share_out(plan, sets, active);
    }
}

/// Spreads the change over the active sets in proportion to their size, the remainder to the largest.
fn share_out(plan: Plan, sets: &mut [Set], mut active: Vec<usize>) {
    let total: i64 = active.iter().map(|at| sets[*at].wanted).sum();
    let change = plan.most() - total;
    // Largest first; of equals the newer gets more first and the older loses first.
    active.sort_by_key(|at| {
        let order = i64::try_from(*at).unwrap_or(i64::MAX);
        (-sets[*at].wanted, if change > 0 { -order } else { order })
    });
    let mut given = 0;
    for at in &active {
        let set = &mut sets[*at];
        let part = if plan.desired == 0 { -set.wanted } else { proportion(plan, set, total) };
        let left = change - given;
        let part = if change > 0 { part.min(left).max(0) } else { part.max(left).min(0) };
        set.wanted += part;
        given += part;
    }
    if let Some(largest) = active.first() {
        sets[*largest].wanted = (sets[*largest].wanted + change - given).max(0);
    }
}

/// The set's share of the new size, rounded to the nearest, less what it has.
fn proportion(plan: Plan, set: &Set, total: i64) -> i64 {
    let was = if set.known_max > 0 { set.known_max } else { total.max(1) };
    let scaled = i128::from(set.wanted) * i128::from(plan.most());
    let rounded = (2 * scaled + i128::from(was)) / (2 * i128::from(was));
    i64::try_from(rounded).unwrap_or(i64::MAX) - set.wanted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn set(wanted: i64, available: i64) -> Set {
        Set { wanted, available, ..Set::default() }
    }

    fn plan(desired: i64, surge: i64, unavailable: i64) -> Plan {
        Plan { desired, surge, unavailable, recreate: false }
    }

    #[test]
    fn defaults_are_a_quarter_up_and_a_quarter_down() {
        assert_eq!(Plan::read(&json!({"spec": {"replicas": 10}})), plan(10, 3, 2));
        let fixed =
            json!({"spec": {"replicas": 2, "strategy": {"rollingUpdate": {"maxSurge": 0, "maxUnavailable": "10%"}}}});
        assert_eq!(Plan::read(&fixed), plan(2, 0, 1));
    }

    #[test]
    fn a_roll_goes_on_only_as_pods_become_available() {
        let (mut new, mut old) = (set(0, 0), [set(10, 10)]);
        roll(plan(10, 3, 2), &mut new, &mut old);
        assert_eq!((new.wanted, old[0].wanted), (3, 8));
        // Nothing became available: nothing more happens.
        old[0].available = 8;
        let before = (new.clone(), old.clone());
        roll(plan(10, 3, 2), &mut new, &mut old);
        assert_eq!(new.wanted, 5);
        assert_eq!(old, before.1);
    }

    #[test]
    fn scaling_in_the_middle_of_a_rollout_keeps_the_proportions() {
        let known = |wanted| Set { known_max: 13, known_desired: Some(10), ..set(wanted, wanted) };
        let mut sets = [known(8), known(5)];
        scale(plan(30, 3, 2), &mut sets, Some(1));
        assert_eq!(sets.iter().map(|set| set.wanted).collect::<Vec<_>>(), [20, 13]);
    }

    proptest! {
        #[test]
        fn a_roll_keeps_its_bounds_and_ends(
            desired in 0_i64..30, surge in 0_i64..10, unavailable in 0_i64..10, sizes in proptest::collection::vec((0_i64..20, 0_i64..20), 0..4),
        ) {
            prop_assume!(surge + unavailable > 0);
            let plan = plan(desired, surge, unavailable.min(desired).max(i64::from(surge == 0)));
            let mut old: Vec<Set> = sizes.iter().map(|(wanted, available)| set(*wanted, *available.min(wanted))).collect();
            let mut new = set(start(plan, &old), 0);
            for _ in 0..400 {
                let total = |new: &Set, old: &[Set]| old.iter().map(|set| set.wanted).sum::<i64>() + new.wanted;
                let available = |new: &Set, old: &[Set]| old.iter().map(|set| set.available.min(set.wanted)).sum::<i64>() + new.available.min(new.wanted);
                let (pods, serving) = (total(&new, &old), available(&new, &old));
                roll(plan, &mut new, &mut old);
                prop_assert!(total(&new, &old) <= pods.max(desired + surge));
                prop_assert!(available(&new, &old) >= serving.min(plan.least()), "{new:?} {old:?}");
                // Every pod of the new set becomes available; old ones stop being so only when told to go.
                new.available = new.wanted;
                for set in &mut old {
                    set.available = set.available.min(set.wanted);
                }
            }
            prop_assert_eq!(new.wanted, desired);
            prop_assert!(old.iter().all(|set| set.wanted == 0));
        }

        #[test]
        fn scaling_reaches_the_size_it_may_have(desired in 1_i64..100, surge in 1_i64..10, a in 1_i64..50, b in 1_i64..50) {
            let mut sets = [set(a, 0), set(b, 0)];
            let plan = plan(desired, surge, 1);
            scale(plan, &mut sets, Some(1));
            prop_assert_eq!(sets[0].wanted + sets[1].wanted, plan.most());
        }
    }
}
