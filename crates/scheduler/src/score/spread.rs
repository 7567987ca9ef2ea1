//! Spreading: fewer pods of the same owner on the node and in its zone, and the soft spread constraints.
use crate::candidate::{Candidate, fewer_is_better};
use crate::cluster::{Cluster, Has};
use crate::company::Company;
use crate::wanted::Wanted;
use api::fit;
use std::collections::BTreeMap;

fn zone(node: &Has) -> Option<&str> {
    fit::label(node.labels(), "topology.kubernetes.io/zone")
}

/// Half for the node, half for the zone (all for the node where there are no zones). Pods that constrain their own spread score equal.
pub(super) fn by_owner(pod: &Wanted, cluster: &Cluster, candidates: &[Candidate<'_>]) -> Vec<i64> {
    let owner = pod.object.facet.controller().map(|owner| owner.uid);
    let Some(owner) = owner.filter(|_| pod.spread.is_empty()) else { return vec![0; candidates.len()] };
    let on = |node: &crate::cluster::Node| node.owners.get(&owner).copied().unwrap_or(0);
    let mut zones: BTreeMap<&str, i64> = BTreeMap::new();
    for node in cluster.nodes.values() {
        if let Some(zone) = node.has.as_ref().and_then(zone) {
            *zones.entry(zone).or_insert(0) += on(node);
        }
    }
    let by_node = fewer_is_better(&candidates.iter().map(|candidate| on(candidate.node)).collect::<Vec<_>>());
    let in_zone =
        |candidate: &Candidate<'_>| zone(candidate.has).and_then(|zone| zones.get(zone)).copied().unwrap_or(0);
    let by_zone = fewer_is_better(&candidates.iter().map(in_zone).collect::<Vec<_>>());
    by_node.iter().zip(by_zone).map(|(node, zone)| if zones.is_empty() { *node } else { (node + zone) / 2 }).collect()
}

pub(super) fn by_constraint(company: &Company, candidates: &[Candidate<'_>]) -> Vec<i64> {
    let soft = || company.spread.iter().filter(|spread| !spread.hard);
    let count = |candidate: &Candidate<'_>| soft().map(|spread| spread.places.at(candidate.has).all()).sum();
    fewer_is_better(&candidates.iter().map(count).collect::<Vec<i64>>())
}
