//! One pod and the nodes: who refuses it and why, how the rest score, and which one it gets.
use crate::candidate::Candidate;
use crate::cluster::Cluster;
use crate::company::{Company, reckon};
use crate::counts::Counts;
use crate::limits::EXPLAINED_NODES;
use crate::wanted::Wanted;
use crate::{filter, score};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::Arc;
use store::view::View;

/// What came of looking for a node.
#[derive(Clone, Debug)]
pub(crate) enum Placement {
    On {
        node: Arc<str>,
        scores: Vec<(i64, Arc<str>)>,
        refusals: Refusals,
    },
    Nowhere(Refusals),
    /// The company it requires is only being placed; the next decision knows more.
    Later,
}

/// Nodes by the text of their refusal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Refusals {
    nodes: usize,
    by_text: BTreeMap<String, Vec<Arc<str>>>,
}

/// What one decision knows beside the cluster: verdicts and counts that many pods share.
#[derive(Debug, Default)]
pub(crate) struct Shared {
    pub(crate) counts: Counts,
    by_node: BTreeMap<String, BTreeMap<Arc<str>, String>>,
}

/// Looks for a node for `pod`.
pub(crate) fn place(view: &View, cluster: &Cluster, shared: &mut Shared, pod: &Wanted) -> Placement {
    let nodes = || cluster.nodes.values().filter_map(|node| Some((node, node.has.as_ref()?)));
    let refused = shared.by_node.entry(pod.by_node()).or_insert_with(|| {
        nodes().filter_map(|(_, has)| Some((has.name().clone(), filter::by_node(pod, has)?))).collect()
    });
    let eligible = |name: &str| {
        let has = cluster.nodes.get(name).and_then(|node| node.has.as_ref());
        has.is_some_and(|has| filter::matches_node(pod, has))
    };
    let company = reckon(view, cluster, &mut shared.counts, pod, &eligible);
    if company.wait {
        return Placement::Later;
    }
    let (mut refusals, mut candidates) = (Refusals::default(), Vec::new());
    for (node, has) in nodes() {
        refusals.nodes += 1;
        let texts = match refused.get(has.name()) {
            Some(text) => vec![text.clone()],
            None => filter::by_pods(pod, &company, node, has),
        };
        if texts.is_empty() {
            candidates.push(Candidate { node, has });
        }
        for text in texts {
            refusals.by_text.entry(text).or_default().push(has.name().clone());
        }
    }
    choose(pod, &company, cluster, &candidates, refusals)
}

fn choose(
    pod: &Wanted,
    company: &Company,
    cluster: &Cluster,
    candidates: &[Candidate<'_>],
    refusals: Refusals,
) -> Placement {
    let totals = score::all(pod, company, cluster, candidates);
    let named = candidates.iter().map(|candidate| candidate.has.name().clone());
    let mut scores: Vec<(i64, Arc<str>)> = totals.into_iter().zip(named).collect();
    // Of equal nodes the pod's own hash picks, so that equal pods do not crowd one node and a replay picks the same.
    scores.sort_by_cached_key(|(score, name)| {
        (std::cmp::Reverse(*score), mix(&[&pod.object.uid.0.to_le_bytes(), name.as_bytes()]), name.clone())
    });
    match scores.first() {
        Some((_, node)) => Placement::On { node: node.clone(), scores, refusals },
        None => Placement::Nowhere(refusals),
    }
}

/// FNV-1a, 64 bits: spreads ties; nothing rests on its strength.
fn mix(parts: &[&[u8]]) -> u64 {
    let bytes = parts.iter().copied().flatten();
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Refusals {
    /// In Kubernetes' words: `0/3 nodes are available: 1 Insufficient cpu, 2 node(s) were unschedulable.`
    pub(crate) fn message(&self) -> String {
        if self.nodes == 0 {
            return "no nodes available to schedule pods".into();
        }
        let mut parts: Vec<String> =
            self.by_text.iter().map(|(text, nodes)| format!("{} {text}", nodes.len())).collect();
        parts.sort();
        format!("0/{} nodes are available: {}.", self.nodes, parts.join(", "))
    }

    /// The refusals as JSON: text to count and some of the nodes.
    pub(crate) fn explain(&self) -> Value {
        let entry = |nodes: &Vec<Arc<str>>| {
            let some: Vec<&str> = nodes.iter().take(EXPLAINED_NODES).map(|name| &**name).collect();
            json!({"count": nodes.len(), "nodes": some})
        };
        self.by_text.iter().map(|(text, nodes)| (text.clone(), entry(nodes))).collect::<serde_json::Map<_, _>>().into()
    }
}

/// The best scores as JSON: pairs of node and score.
pub(crate) fn explain_scores(scores: &[(i64, Arc<str>)]) -> Value {
    scores.iter().take(EXPLAINED_NODES).map(|(score, name)| json!([&**name, score])).collect()
}
