//! What each node lacks and has too many of: pods to make and to delete. Which pods are out of date is not its business.
use super::back_off;
use super::nodes::{Nodes, OnNode};
use super::rules::Rules;
use crate::pods::Pod;
use api::revision::Millis;

/// Pods to delete, and nodes to make one for.
#[derive(Default)]
pub(super) struct Plan {
    pub(super) delete: Vec<Pod>,
    /// For each node how many failed there, one after another.
    pub(super) make: Vec<(String, u32)>,
    /// When there is more to do by time alone.
    pub(super) wake: Option<Millis>,
}

impl Plan {
    pub(super) fn is_empty(&self) -> bool {
        self.delete.is_empty() && self.make.is_empty()
    }

    fn wake(&mut self, at: Millis) {
        self.wake = Some(self.wake.map_or(at, |earlier| earlier.min(at)));
    }
}

/// One pod where one shall be, none where none may stay.
pub(super) fn plan(nodes: &Nodes, rules: &Rules) -> Plan {
    let mut plan = Plan::default();
    for (name, node) in nodes {
        let stays = |pod: &&Pod| pod.object.facet.deleting.is_none();
        match node.fit {
            // Nobody else takes away what waits for a node that is gone.
            None => plan.delete.extend(node.pods.iter().filter(|pod| pod.node.is_empty()).filter(stays).cloned()),
            Some(fit) if fit.run && node.pods.is_empty() => plan.make.push((name.clone(), 0)),
            Some(fit) if fit.stay => tend(&mut plan, name, node, rules),
            Some(_) => plan.delete.extend(node.pods.iter().filter(stays).cloned()),
        }
    }
    plan
}

/// A node whose pods may stay: those that ended go, and those that are too many.
fn tend(plan: &mut Plan, name: &str, node: &OnNode, rules: &Rules) {
    let mut running = Vec::new();
    let mut failures = 0;
    // Pods in whose place another may come at once, and pods that hold it.
    let (mut gone, mut waiting) = (0, false);
    for pod in node.pods.iter().filter(|pod| pod.object.facet.deleting.is_none()) {
        match &*pod.phase {
            "Failed" => {
                let before = back_off::before(pod, &rules.hash, rules.now);
                let due = back_off::due(pod, before);
                if due > rules.now {
                    waiting = true;
                    plan.wake(due);
                    continue;
                }
                failures = failures.max(before.saturating_add(1));
                gone += 1;
                plan.delete.push(pod.clone());
            }
            "Succeeded" => {
                gone += 1;
                plan.delete.push(pod.clone());
            }
            _ => running.push(pod),
        }
    }
    let free = gone == node.pods.len() || rules.surges();
    if running.is_empty() && node.runs() && free && !waiting {
        plan.make.push((name.to_owned(), failures));
    }
    if rules.surges() {
        pair(plan, &running, rules);
    } else {
        plan.delete.extend(running.into_iter().skip(1).cloned());
    }
}

/// Where there may be two: one of the present template that is not available yet, beside one of another that still is ready.
fn pair(plan: &mut Plan, running: &[&Pod], rules: &Rules) {
    if running.len() < 2 {
        return;
    }
    let (new, old): (Vec<&Pod>, Vec<&Pod>) = running.iter().copied().partition(|pod| rules.updated(pod));
    plan.delete
        .extend(new.iter().chain(&old).filter(|pod| !first(pod, &new) && !first(pod, &old)).map(|pod| (*pod).clone()));
    if let (Some(new), Some(old)) = (new.first(), old.first())
        && (old.ready.is_none() || rules.available(new))
    {
        plan.delete.push((*old).clone());
    }
}

fn first(pod: &Pod, of: &[&Pod]) -> bool {
    of.first().is_some_and(|first| first.object.key == pod.object.key)
}
