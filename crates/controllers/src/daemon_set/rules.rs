//! What a decision about one DaemonSet goes by: its strategy, read once, and what makes a pod updated or available.
use super::kind::hash;
use crate::fields::{at, number, share, text};
use crate::pods::Pod;
use api::revision::Millis;
use serde_json::Value;

pub(super) struct Rules {
    /// The hash of the present template.
    pub(super) hash: String,
    pub(super) now: Millis,
    /// Seconds that a pod must have been ready to count as available.
    pub(super) wait: i64,
    /// `None` if pods are updated only when somebody deletes them.
    rolling: Option<Value>,
}

impl Rules {
    pub(super) fn read(set: &Value, hash: &str, now: Millis) -> Self {
        let rolls = text(set, "/spec/updateStrategy/type") != "OnDelete";
        let rolling = rolls.then(|| at(set, "/spec/updateStrategy/rollingUpdate").clone());
        Self { hash: hash.into(), now, wait: number(set, "/spec/minReadySeconds").unwrap_or(0), rolling }
    }

    pub(super) fn rolls(&self) -> bool {
        self.rolling.is_some()
    }

    fn share(&self, member: &str, wanted: i64) -> Option<i64> {
        share(self.rolling.as_ref()?.get(member)?, wanted, true)
    }

    /// Whether a node may have two pods for a while.
    pub(super) fn surges(&self) -> bool {
        self.surge(1) > 0
    }

    /// Of so many wanted pods, how many nodes may have two.
    pub(super) fn surge(&self, wanted: i64) -> i64 {
        self.share("maxSurge", wanted).unwrap_or(0)
    }

    /// Of so many wanted pods, how many may be unavailable.
    pub(super) fn unavailable(&self, wanted: i64) -> i64 {
        let unavailable = self.share("maxUnavailable", wanted).unwrap_or(1);
        // Neither the one nor the other would never end.
        if unavailable == 0 && self.surge(wanted) == 0 { 1 } else { unavailable }
    }

    pub(super) fn updated(&self, pod: &Pod) -> bool {
        hash(&pod.object) == self.hash
    }

    pub(super) fn available(&self, pod: &Pod) -> bool {
        !pod.finished() && pod.available_at(self.wait).is_some_and(|at| at <= self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn strategies_are_read_as_kubernetes_has_it() {
        for (strategy, unavailable, surge) in [
            (json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 2, "maxSurge": 0}}), 2, 0),
            (json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}}), 1, 0),
            (json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": "34%"}}), 0, 4),
            (json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 0}}), 1, 0),
            (json!({"type": "OnDelete", "rollingUpdate": {"maxSurge": 3}}), 1, 0),
            (json!({}), 1, 0),
        ] {
            let rules = Rules::read(&json!({"spec": {"updateStrategy": strategy}}), "h", Millis(0));
            assert_eq!((rules.unavailable(10), rules.surge(10)), (unavailable, surge), "{strategy}");
            assert_eq!(rules.surges(), surge > 0, "{strategy}");
        }
    }
}
