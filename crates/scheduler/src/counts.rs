//! How many pods match a term, by node: counted once a decision and kept up as the decision places pods.
use crate::cluster::Cluster;
use crate::terms::Term;
use api::object::Object;
use std::collections::BTreeMap;
use std::sync::Arc;
use store::view::View;

#[derive(Debug, Default)]
pub(crate) struct Counts {
    by_term: BTreeMap<String, Count>,
}

#[derive(Debug)]
struct Count {
    term: Term,
    by_node: BTreeMap<Arc<str>, Number>,
}

/// Pods on one node.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Number {
    /// In the view. Company that is required may rely on these only: what this decision places may yet be refused.
    pub(crate) standing: i64,
    /// Placed by this decision. Company that is forbidden must reckon with these too.
    pub(crate) assumed: i64,
}

impl Number {
    pub(crate) fn all(self) -> i64 {
        self.standing + self.assumed
    }
}

impl Counts {
    /// The pods that match `term`, by node. Pods being deleted do not count, as in Kubernetes.
    pub(crate) fn of(&mut self, view: &View, cluster: &Cluster, term: &Term) -> &BTreeMap<Arc<str>, Number> {
        let count = self.by_term.entry(term.signature()).or_insert_with(|| {
            let mut by_node = BTreeMap::new();
            for (name, node) in &cluster.nodes {
                let pods = node.pods.values().map(|pod| &pod.object);
                let mut number = Number::default();
                for pod in pods.filter(|pod| pod.facet.deleting.is_none() && term.matches(view, pod)) {
                    // A pod that the view has not bound was placed by this very decision.
                    if pod.facet.field("spec.nodeName").is_some_and(|name| !name.is_empty()) {
                        number.standing += 1;
                    } else {
                        number.assumed += 1;
                    }
                }
                if number.all() > 0 {
                    by_node.insert(name.clone(), number);
                }
            }
            Count { term: term.clone(), by_node }
        });
        &count.by_node
    }

    /// This decision put `pod` on `node`.
    pub(crate) fn assume(&mut self, view: &View, node: &Arc<str>, pod: &Object) {
        for count in self.by_term.values_mut() {
            if count.term.matches(view, pod) {
                count.by_node.entry(node.clone()).or_default().assumed += 1;
            }
        }
    }
}
