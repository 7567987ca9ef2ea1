//! The company a pod asks for and refuses, reckoned once for the pod before its nodes are looked at: counts by place.
use crate::cluster::{Cluster, Has};
use crate::counts::{Counts, Number};
use crate::terms::Term;
use crate::wanted::Wanted;
use api::fit;
use std::collections::{BTreeMap, BTreeSet};
use store::view::View;

/// Pods by the value of a topology label.
#[derive(Debug, Default)]
pub(crate) struct Places {
    pub(crate) topology: String,
    pub(crate) counts: BTreeMap<String, Number>,
}

#[derive(Debug, Default)]
pub(crate) struct Company {
    pub(crate) spread: Vec<SpreadPlaces>,
    /// Of each required affinity term, and whether the pod would be the first of its own kind there.
    pub(crate) affinity: Vec<(Places, bool)>,
    pub(crate) refuses: Vec<Places>,
    pub(crate) preferred: Vec<(i64, Places)>,
    /// Places (topology label, value) whose pods refuse this one.
    pub(crate) refused: BTreeSet<(String, String)>,
    /// What it requires was placed by this very decision: it must wait for the next.
    pub(crate) wait: bool,
}

#[derive(Debug)]
pub(crate) struct SpreadPlaces {
    pub(crate) places: Places,
    pub(crate) least: i64,
    pub(crate) skew: i64,
    pub(crate) hard: bool,
    pub(crate) own: i64,
}

impl Places {
    /// The place of a node; `None` if it has no such label.
    pub(crate) fn value<'a>(&self, node: &'a Has) -> Option<&'a str> {
        fit::label(node.labels(), &self.topology)
    }

    pub(crate) fn at(&self, node: &Has) -> Number {
        self.value(node).and_then(|value| self.counts.get(value)).copied().unwrap_or_default()
    }

    fn total(&self) -> Number {
        let add = |a: Number, b: &Number| Number { standing: a.standing + b.standing, assumed: a.assumed + b.assumed };
        self.counts.values().fold(Number::default(), add)
    }
}

/// Reckons the company of `pod`. `eligible` tells which nodes count as places for spreading.
pub(crate) fn reckon(
    view: &View,
    cluster: &Cluster,
    counts: &mut Counts,
    pod: &Wanted,
    eligible: &dyn Fn(&str) -> bool,
) -> Company {
    let mut company = Company::default();
    for spread in &pod.spread {
        let mut places = places(view, cluster, counts, &spread.term);
        let mut domains: BTreeMap<String, Number> = BTreeMap::new();
        for node in cluster.nodes.values().filter_map(|node| node.has.as_ref()) {
            if let Some(value) = places.value(node)
                && eligible(node.name())
            {
                let number = places.counts.get(value).copied().unwrap_or_default();
                domains.insert(value.to_owned(), number);
            }
        }
        let few = i64::try_from(domains.len()).unwrap_or(i64::MAX) < spread.domains;
        let least = if few { 0 } else { domains.values().map(|number| number.all()).min().unwrap_or(0) };
        places.counts = domains;
        let own = i64::from(spread.own);
        company.spread.push(SpreadPlaces { places, least, skew: spread.skew, hard: spread.hard, own });
    }
    for term in &pod.affinity {
        let places = places(view, cluster, counts, term);
        let total = places.total();
        let own = term.matches(view, &pod.object);
        company.wait |= total.standing == 0 && total.assumed > 0;
        company.affinity.push((places, own && total.all() == 0));
    }
    company.refuses = pod.refuses.iter().map(|term| places(view, cluster, counts, term)).collect();
    company.preferred =
        pod.preferred.iter().map(|(weight, term)| (*weight, places(view, cluster, counts, term))).collect();
    company.refused = refused(view, cluster, pod);
    company
}

fn places(view: &View, cluster: &Cluster, counts: &mut Counts, term: &Term) -> Places {
    let mut places = Places { topology: term.topology.clone(), counts: BTreeMap::new() };
    for (name, number) in counts.of(view, cluster, term) {
        let node = cluster.nodes.get(name).and_then(|node| node.has.as_ref());
        if let Some(value) = node.and_then(|node| places.value(node)) {
            let sum = places.counts.entry(value.to_owned()).or_default();
            sum.standing += number.standing;
            sum.assumed += number.assumed;
        }
    }
    places
}

/// Where pods stand that would not bear this one beside them.
fn refused(view: &View, cluster: &Cluster, pod: &Wanted) -> BTreeSet<(String, String)> {
    let mut refused = BTreeSet::new();
    for (key, name) in &cluster.refusing {
        let Some(node) = cluster.nodes.get(name) else { continue };
        let (Some(has), Some(placed)) = (&node.has, node.pods.get(key)) else { continue };
        for term in placed.refuses.iter().filter(|term| term.matches(view, &pod.object)) {
            if let Some(value) = fit::label(has.labels(), &term.topology) {
                refused.insert((term.topology.clone(), value.to_owned()));
            }
        }
    }
    refused
}
