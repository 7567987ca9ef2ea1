//! The rolling update of a DaemonSet: which pods of an old template go, and on which nodes a second one comes first, within what the
//! strategy allows. It is asked only when every node has what it shall have.
use super::nodes::{Nodes, OnNode};
use super::place::Plan;
use super::rules::Rules;
use crate::pods::Pod;

/// A node's pods that stay: the new one and the old one; `None` if there are several of a kind, which others put right.
fn sides<'a>(node: &'a OnNode, rules: &Rules) -> Option<(Option<&'a Pod>, Option<&'a Pod>)> {
    let staying = node.pods.iter().filter(|pod| pod.object.facet.deleting.is_none());
    let (new, old): (Vec<&Pod>, Vec<&Pod>) = staying.partition(|pod| rules.updated(pod));
    (new.len() < 2 && old.len() < 2).then(|| (new.first().copied(), old.first().copied()))
}

/// The next step.
pub(super) fn plan(nodes: &Nodes, rules: &Rules) -> Plan {
    let wanted = i64::try_from(nodes.values().filter(|node| node.runs()).count()).unwrap_or(i64::MAX);
    // What is not wanted on a node and has no pods there is no part of it.
    let part = |node: &&OnNode| node.runs() || !node.pods.is_empty();
    match rules.surge(wanted) {
        0 => replace(nodes.values().filter(part), rules, rules.unavailable(wanted)),
        surge => overlap(nodes.iter().filter(|(_, node)| part(node)), rules, surge, wanted),
    }
}

/// First the old goes, then the new comes: pods that are not available go at once, others while few enough are missing.
fn replace<'a>(nodes: impl Iterator<Item = &'a OnNode>, rules: &Rules, allowed: i64) -> Plan {
    let mut plan = Plan::default();
    let mut missing = 0;
    let mut candidates = Vec::new();
    for node in nodes {
        match sides(node, rules) {
            Some((None, Some(old))) if rules.available(old) => candidates.push(old.clone()),
            Some((None, Some(old))) => {
                plan.delete.push(old.clone());
                missing += 1;
            }
            Some((Some(new), None)) if rules.available(new) => {}
            _ => missing += 1,
        }
    }
    let room = usize::try_from(allowed - missing).unwrap_or(0);
    plan.delete.extend(candidates.into_iter().take(room));
    plan
}

/// First the new comes, then the old goes: where the old is not available at once, elsewhere on `surge` nodes at a time.
fn overlap<'a>(nodes: impl Iterator<Item = (&'a String, &'a OnNode)>, rules: &Rules, surge: i64, wanted: i64) -> Plan {
    let mut plan = Plan::default();
    let (mut surging, mut available) = (0, 0);
    let (mut candidates, mut leaving) = (Vec::new(), Vec::new());
    for (name, node) in nodes {
        let Some((new, old)) = sides(node, rules) else {
            surging += 1;
            continue;
        };
        available += i64::from(old.or(new).is_some_and(|pod| rules.available(pod)));
        let Some(old) = old else { continue };
        match new {
            Some(new) if rules.available(new) => plan.delete.push(old.clone()),
            Some(_) => surging += 1,
            None => match (rules.available(old), node.runs()) {
                (false, true) => plan.make.push((name.clone(), 0)),
                (false, false) => plan.delete.push(old.clone()),
                (true, true) => candidates.push((name.clone(), 0)),
                (true, false) => leaving.push(old.clone()),
            },
        }
    }
    // A node that shall have none any more keeps its pod until another node's is available.
    plan.delete.extend(leaving.into_iter().take(usize::try_from(available - wanted).unwrap_or(0)));
    plan.make.extend(candidates.into_iter().take(usize::try_from(surge - surging).unwrap_or(0)));
    plan
}
