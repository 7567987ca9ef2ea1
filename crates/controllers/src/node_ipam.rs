//! Which addresses the pods of a node get: a /24 each, the lowest that is free from 10.244.0.0 to 10.255.255.255. One key for all nodes, so none
//! is given twice.
use crate::controller::Controller;
use crate::fields::{list, set, text};
use crate::writes::replace;
use api::decision::Decision;
use api::event::Event;
use api::key::Key;
use api::planted::{Bug, planted};
use api::revision::Millis;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use store::view::View;

const RESOURCE: &str = "nodes";
/// The second number of all ranges: room for 3,072 nodes.
const SECOND: std::ops::RangeInclusive<u8> = 244..=255;

pub(crate) const CONTROLLER: Controller = Controller { name: "node_ipam", keys, all, decide };

fn keys(event: &Event, _view: &View) -> Vec<Key> {
    // A node keeps its range for life: only one that is new, or free again for one that waits, matters.
    let matters = &*event.object.key.resource == RESOURCE && event.act != api::event::Act::Modified;
    if matters { all(_view) } else { Vec::new() }
}

fn all(_view: &View) -> Vec<Key> {
    vec![Key::new(RESOURCE, "", "")]
}

fn decide(view: &View, _key: &Key, _now: Millis) -> Decision {
    let nodes: Vec<_> = view.list(RESOURCE, None).map(|object| (object, object.value())).collect();
    let taken: BTreeSet<&str> = nodes.iter().flat_map(|(_, node)| ranges(node)).collect();
    let mut free = SECOND
        .flat_map(|second| (0..=255).map(move |third| format!("10.{second}.{third}.0/24")))
        .filter(|range| planted(Bug::GivesRangesTwice) || !taken.contains(range.as_str()));
    let mut decision = Decision::default();
    for (object, node) in
        nodes.iter().filter(|(object, node)| object.facet.deleting.is_none() && ranges(node).next().is_none())
    {
        let Some(range) = free.next() else { break };
        let mut value = node.clone();
        set(&mut value, &["spec", "podCIDRs"], json!([range]));
        set(&mut value, &["spec", "podCIDR"], range.as_str());
        decision.push(replace(object, &value).into_iter().collect(), range);
    }
    decision
}

fn ranges(node: &Value) -> impl Iterator<Item = &str> {
    let one = Some(text(node, "/spec/podCIDR")).filter(|range| !range.is_empty());
    one.into_iter().chain(list(node, "/spec/podCIDRs").iter().filter_map(Value::as_str))
}
