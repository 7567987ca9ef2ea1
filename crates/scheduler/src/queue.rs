//! The waiting pods in their order, each placed in turn.
use crate::bind::{bind, refuse};
use crate::cluster::{Cluster, waits};
use crate::limits::DRAFTS_MAX;
use crate::place::{Placement, Refusals, Shared, explain_scores, place};
use crate::wanted::Wanted;
use api::decision::Decision;
use api::event::{Act, Event};
use api::object::Object;
use api::planted::{Bug, planted};
use api::revision::Millis;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::view::View;

/// Whether a pod's event may let some pod be placed.
pub(crate) fn matters(event: &Event) -> bool {
    let place = |pod: &Object| {
        let finished = matches!(pod.facet.field("status.phase"), Some("Succeeded" | "Failed"));
        let node: Option<Box<str>> = pod.facet.field("spec.nodeName").filter(|_| !finished).map(Into::into);
        (node, pod.facet.labels.clone(), pod.facet.amounts.clone(), pod.facet.deleting.is_some())
    };
    let moved = || event.before.as_ref().is_none_or(|before| place(before) != place(&event.object));
    event.act == Act::Deleted || waits(&event.object) || moved()
}

/// Highest priority first, then the longest waiting.
fn queue(cluster: &Cluster, view: &View) -> Vec<Wanted> {
    let pods = cluster.pending.iter().filter_map(|key| view.get_key(key)).filter(|pod| waits(pod));
    let mut queue: Vec<Wanted> = pods.map(Wanted::read).collect();
    queue.sort_by_cached_key(|pod| (std::cmp::Reverse(pod.priority), pod.object.created, pod.object.key.clone()));
    queue
}

pub(crate) fn decide(cluster: &mut Cluster, view: &View, now: Millis) -> Decision {
    let mut decision = Decision::default();
    let mut shared = Shared::default();
    let mut assumed: Vec<(Arc<str>, Arc<Object>)> = Vec::new();
    // Room only shrinks within a decision: where one pod found none, the next like it finds none either.
    let mut nowhere: BTreeMap<String, Refusals> = BTreeMap::new();
    for pod in queue(cluster, view) {
        if decision.drafts.len() >= DRAFTS_MAX {
            decision.wake(now);
            break;
        }
        let alike = pod.alike();
        let placement = match nowhere.get(&alike) {
            Some(refusals) => Placement::Nowhere(refusals.clone()),
            None => place(view, cluster, &mut shared, &pod),
        };
        match placement {
            Placement::On { node, scores, refusals } => {
                let note = json!({"node": &*node, "scores": explain_scores(&scores), "refused": refusals.explain()});
                let writes = bind(view, &pod, &node, now);
                if !writes.is_empty() {
                    decision.push(writes, note.to_string());
                    if planted(Bug::ForgetsAssumed) {
                        continue;
                    }
                    cluster.place(&node, &pod.object);
                    shared.counts.assume(view, &node, &pod.object);
                    assumed.push((node, pod.object.clone()));
                }
            }
            Placement::Nowhere(refusals) => {
                let (writes, again) = refuse(view, &pod, &refusals.message(), now);
                decision.push(writes, json!({"node": null, "refused": refusals.explain()}).to_string());
                if let Some(again) = again {
                    decision.wake(again);
                }
                nowhere.insert(alike, refusals);
            }
            Placement::Later => {}
        }
    }
    for (node, pod) in assumed {
        cluster.unplace(&node, &pod);
    }
    decision
}
