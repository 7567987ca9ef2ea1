//! What a DaemonSet says of itself: on how many nodes it shall be, is, and is well. kubectl waits for it. Conditions are others'.
use super::nodes::Nodes;
use super::rules::Rules;
use crate::fields::{number, set, unset};
use serde_json::Value;

#[derive(Clone, Copy, Debug, Default)]
struct Counts {
    desired: i64,
    current: i64,
    misscheduled: i64,
    ready: i64,
    available: i64,
    updated: i64,
}

/// Of each node its first pod counts.
fn count(nodes: &Nodes, rules: &Rules) -> Counts {
    let mut counts = Counts::default();
    for node in nodes.values().filter(|node| node.fit.is_some()) {
        let first = node.pods.first();
        if !node.runs() {
            counts.misscheduled += i64::from(first.is_some());
            continue;
        }
        counts.desired += 1;
        let Some(pod) = first else { continue };
        counts.current += 1;
        counts.ready += i64::from(pod.ready.is_some() && !pod.finished());
        counts.available += i64::from(rules.available(pod));
        counts.updated += i64::from(rules.updated(pod));
    }
    counts
}

/// Puts the counts into the status; what else stands there stays.
pub(super) fn put(value: &mut Value, nodes: &Nodes, rules: &Rules) {
    let counts = count(nodes, rules);
    let always = [
        ("currentNumberScheduled", counts.current),
        ("numberMisscheduled", counts.misscheduled),
        ("desiredNumberScheduled", counts.desired),
        ("numberReady", counts.ready),
    ];
    for (member, number) in always {
        set(value, &["status", member], number);
    }
    // The API leaves these out when they are none.
    let some = [
        ("updatedNumberScheduled", counts.updated),
        ("numberAvailable", counts.available),
        ("numberUnavailable", counts.desired - counts.available),
        ("observedGeneration", number(value, "/metadata/generation").unwrap_or(0)),
    ];
    for (member, number) in some {
        if number == 0 {
            unset(value, &["status", member]);
        } else {
            set(value, &["status", member], number);
        }
    }
}
